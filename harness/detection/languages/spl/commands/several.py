"""Commands about fields of several values: makemv, mvexpand, mvcombine, nomv, foreach."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import given
from harness.detection.languages.spl.coercion import apply, each, listing, literal, over, text
from harness.detection.languages.spl.patterns import check
from harness.detection.languages.spl.pipeline_grammar import PipelineGrammar
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Stage, Template
from harness.detection.languages.spl.text import Text
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import Aggregation, Call, Column
from harness.detection.plan.nodes import Aggregate, Unnest

MOST_FIELDS = 200


@COMMANDS.define("makemv")
def makemv(scope: Scope, stage: Stage) -> None:
    """Several values of one text: the pieces between delimiters, or what a pattern takes out.

    Reference: reference/spl.md 7
    """
    found = given(stage, "delim", "tokenizer", "allowempty", "setsv")
    if len(found.words) != 1:
        raise found.error("missing-field", "`makemv` needs one field")
    field = found.words[0]
    value = text(scope.typed(field.text, field.span))
    tokenizer = found.word("tokenizer")
    if tokenizer is not None:
        pattern = literal(check(tokenizer.text, tokenizer.span))
        made = apply("regex_extract_all", value, pattern, literal(""), literal(1.0))
    else:
        made = apply("list_split", value, literal(found.text("delim", " ")))
        if not found.flag("allowempty") and made.kind is Kind.LIST:
            parameter, element = each(made)
            made = over("list_filter", made, parameter, apply("not_equal", element, literal("")))
    scope.derive([(field.text, made)], stage.span)


@COMMANDS.define("nomv")
def nomv(scope: Scope, stage: Stage) -> None:
    """One text of several values, a line each.

    Reference: reference/spl.md 7
    """
    for word in given(stage).words:
        value = scope.typed(word.text, word.span)
        if value.kind is Kind.LIST:
            scope.derive([(word.text, apply("list_join", value, literal("\n")))], stage.span)


@COMMANDS.define("mvexpand")
def mvexpand(scope: Scope, stage: Stage) -> None:
    """A row for each value; rows without the field are dropped.

    Reference: reference/spl.md 7
    """
    found = given(stage, "limit")
    if len(found.words) != 1:
        raise found.error("missing-field", "`mvexpand` needs one field")
    field = found.words[0]
    value = scope.typed(field.text, field.span)
    most = found.number("limit", 0)
    if value.kind is not Kind.LIST:
        present = Call("not", (Call("is_null", (Column(field.text, field.span),), field.span),), field.span)
        scope.filter(present, stage.span)
        return
    if most:
        scope.derive([(field.text, apply("list_slice", value, literal(1.0), literal(float(most))))], stage.span)
    scope.node = Unnest(source=scope.node, column=field.text, span=stage.span)
    scope.columns[field.text] = Kind.TEXT


@COMMANDS.define("mvcombine")
def mvcombine(scope: Scope, stage: Stage) -> None:
    """Rows that agree in all other fields as one, the field then with several values.

    Reference: reference/spl.md 7
    """
    found = given(stage, "delim", "setsv")
    if len(found.words) != 1:
        raise found.error("missing-field", "`mvcombine` needs one field")
    field = found.words[0].text
    if field not in scope.columns:
        return
    keys = [n for n in scope.columns if n != field]
    collected = Aggregation("collect", (listing(scope.typed(field)).expression,))
    node = Aggregate(
        source=scope.node,
        keys=tuple((k, Column(k)) for k in keys),
        measures=((field, collected),),
        span=stage.span,
    )
    order = list(scope.columns)
    columns = {**{k: scope.columns[k] for k in keys}, field: Kind.LIST}
    scope.replace(node, columns)
    scope.keep(order)


@COMMANDS.define("foreach")
def foreach(scope: Scope, stage: Stage) -> None:
    """A pipeline of eval once for each field that fits, `<<FIELD>>` being its name.

    Reference: reference/spl.md 7
    """
    found = given(stage, "fieldstr", "matchstr", "matchseg1", "matchseg2", "matchseg3", "mode")
    templates = [t for t in found.others if isinstance(t, Template)]
    if len(templates) != 1:
        raise found.error("bad-argument", "`foreach` needs a pipeline in brackets")
    if found.text("mode", "multifield").lower() != "multifield":
        raise scope.unsupported(f"`mode={found.text('mode', '')}` of `foreach`", stage.span)
    fields: list[tuple[str, str]] = []
    for word in found.words:
        names = scope.matching(word.text) if "*" in word.text else [word.text]
        fields += [(n, word.text) for n in names]
    if len(fields) > MOST_FIELDS:
        raise scope.unsupported(f"`foreach` over more than {MOST_FIELDS} fields", stage.span)
    for name, pattern in fields:
        run_template(scope, templates[0], name, pattern)


def run_template(scope: Scope, template: Template, name: str, pattern: str) -> None:
    """Runs the pipeline of foreach for one field."""
    text_of = template.text.replace("<<FIELD>>", name)
    before, star, after = pattern.partition("*")
    inside = name[len(before) : len(name) - len(after) or None] if star else ""
    for mark in ("<<MATCHSTR>>", "<<MATCHSEG1>>"):
        text_of = text_of.replace(mark, inside)
    span = template.span
    source = Text(span.source, "| " + text_of, [(0, span.start, span.end)], strict=scope.session.text.strict)
    pipeline = PipelineGrammar(source).whole()
    main, scope.main = scope.main, False
    scope.session.run(pipeline, scope)
    scope.main = main
