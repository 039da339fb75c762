"""The command that runs a search for each row."""

from __future__ import annotations

import re
from dataclasses import replace

from harness.detection.languages.spl.arguments import given
from harness.detection.languages.spl.coercion import Typed, apply, text
from harness.detection.languages.spl.macros import expanded
from harness.detection.languages.spl.mentions import parts
from harness.detection.languages.spl.pipeline_grammar import PipelineGrammar
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope, fresh_scope
from harness.detection.languages.spl.syntax import (
    All,
    Comparison,
    Condition,
    FreeText,
    Pipeline,
    SearchArguments,
    Stage,
    String,
    Word,
)
from harness.detection.languages.spl.text import Text
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import Column, Expression
from harness.detection.plan.nodes import Join, JoinKind, Limit, Node, Select
from harness.diagnostics import Source, Span

MARK = re.compile(r"\$([\w.{}-]+)\$")
Pair = tuple[str, str]


@COMMANDS.define("map")
def map_(scope: Scope, stage: Stage) -> None:
    """The rows of a search that names fields of each of the first 10 rows as `$field$`; it runs once for all of them.

    Reference: reference/spl.md 7
    """
    found = given(stage, "search", "maxsearches")
    written = found.word("search")
    if written is None:
        raise scope.unsupported('`map` of anything but `search="..."`', stage.span)
    pipeline, pairs = decorrelated(scope, parsed(scope, written), stage.span)
    if not pairs:
        raise scope.unsupported("`map` of a search that names no field of the row", stage.span)
    outer: Node = Limit(source=scope.node, count=found.number("maxsearches", 10), span=stage.span)
    inner = fresh_scope(scope.session, main=False)
    scope.session.run(Pipeline(pipeline.stages[:1], pipeline.generating, pipeline.span), inner)
    joined(scope, inner, outer, pairs, stage.span)
    scope.session.run(Pipeline(pipeline.stages[1:], True, pipeline.span), inner)
    scope.session.note("map-at-once", "`map` is run once for all rows, not once a row", stage.span)
    scope.replace(inner.node, inner.columns)
    scope.events, scope.defined = inner.events, set(inner.defined)


def parsed(scope: Scope, written: Word) -> Pipeline:
    """The search in the text of the option."""
    own = expanded(Source(written.span.source.name, written.text), scope.settings.macros)
    place = Text(written.span.source, own.text, [(0, written.span.start, written.span.end)])
    return PipelineGrammar(place).whole()


def decorrelated(scope: Scope, pipeline: Pipeline, span: Span) -> tuple[Pipeline, list[Pair]]:
    """The search without its terms `field=$name$`, and those terms as pairs; the field of a bare `$name$` is empty."""
    first = pipeline.stages[0]
    pairs: list[Pair] = []
    if isinstance(first.arguments, SearchArguments):
        condition = first.arguments.condition
        terms = condition.operands if isinstance(condition, All) else (condition,)
        kept = tuple(t for t in terms if not taken(t, pairs))
        arguments = SearchArguments(All(kept, condition.span))
        pipeline = replace(pipeline, stages=(replace(first, arguments=arguments), *pipeline.stages[1:]))
    left = [p for p in parts(pipeline) if isinstance(p, Word | String) and MARK.search(getattr(p, "text", "") or "")]
    left += [p for p in parts(pipeline) if isinstance(p, String) and MARK.search(p.value)]
    if left:
        raise scope.unsupported("`map` with `$field$` in such a place", span, "only `field=$field$` terms are")
    return pipeline, pairs


def taken(term: Condition, pairs: list[Pair]) -> bool:
    """Whether a term names a field of the row; it is then kept as a pair."""
    if isinstance(term, Comparison) and term.operator == "=" and isinstance(term.value, Word):
        mark = MARK.fullmatch(term.value.text)
        if mark is not None:
            pairs.append((term.field.text, mark[1]))
        return mark is not None
    if isinstance(term, FreeText):
        mark = MARK.fullmatch(term.word.text)
        if mark is not None:
            pairs.append(("", mark[1]))
        return mark is not None
    return False


def joined(scope: Scope, inner: Scope, outer: Node, pairs: list[Pair], span: Span) -> None:
    """Keeps the rows of the search that agree with a row it is run for."""
    names = [scope.session.fresh("given") for _ in pairs]
    given_values = [(n, text(scope.typed(p[1]))) for n, p in zip(names, pairs, strict=True)]
    rows = Select(source=outer, columns=tuple((n, v.expression) for n, v in given_values))
    keys: list[tuple[Expression, Expression]] = []
    condition: Expression | None = None
    for name, (field, _) in zip(names, pairs, strict=True):
        mark = Typed(Column(name), Kind.TEXT)
        if field:
            keys.append((apply("lower", text(inner.typed(field))).expression, apply("lower", mark).expression))
        else:
            condition = apply("contains_ci", text(inner.typed("_raw")), mark).expression
    inner.node = Join(left=inner.node, right=rows, kind=JoinKind.SEMI, keys=tuple(keys), condition=condition, span=span)
