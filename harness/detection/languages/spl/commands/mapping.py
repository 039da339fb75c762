"""The command that runs a search for each row.

Reference: reference/spl.md 7
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.detection.languages.spl.arguments import Given, given
from harness.detection.languages.spl.asking import asked
from harness.detection.languages.spl.coercion import Typed, apply, listing, literal, numeric, text
from harness.detection.languages.spl.macros import expanded
from harness.detection.languages.spl.pipeline_grammar import PipelineGrammar
from harness.detection.languages.spl.printing import pipeline_text
from harness.detection.languages.spl.reader import escaped
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Pipeline, Stage
from harness.detection.languages.spl.text import QUOTED, Text
from harness.detection.plan.columns import Kind, either
from harness.detection.plan.nodes import Join, JoinKind, Limit, Node, Select, Union
from harness.diagnostics import Source, SourceError, Span, did_you_mean

MARK = re.compile(r"\$([\w.{}:-]+)\$")
PIECE = re.compile(rf"{QUOTED}|[^\s\"=<>(),|\[\]]+", re.S)
PLAIN = re.compile(r"[\w.@:/*%+-]*")
SERIAL = "_serial_id"
MOST_SEARCHES = 200
DEEPEST = 8


@COMMANDS.define("map")
def map_(scope: Scope, stage: Stage) -> None:
    """The rows of a search that is run for each of the first 10 rows, `$field$` in it being the row's value.

    Reference: reference/spl.md 7
    """
    found = given(stage, "search", "maxsearches")
    template, place = searched(scope, found)
    names = [n for n in dict.fromkeys(MARK.findall(template)) if n != SERIAL]
    most = found.number("maxsearches", 10)
    outer: Node = Limit(source=scope.node, count=max(most, 0), span=stage.span)
    values = [("@row", literal(1.0))]
    values += [
        (n, apply("list_join", v, literal(" ")) if v.kind is Kind.LIST else text(v)) for n, v in fields(scope, names)
    ]
    rows = asked(
        scope, Select(source=outer, columns=tuple((n, v.expression) for n, v in values)), MOST_SEARCHES + 1, place
    )
    if rows is None:
        scope.session.note(
            "map-without-rows", "the rows that `map` runs a search for are known only with events", place
        )
    parts: list[Scope] = []
    for number, row in enumerate(rows or ()):
        known = {SERIAL: str(number), **{n: str(v) for n, v in row.items()}}
        missing = next((n for n in names if n not in known), None)
        if missing is not None:
            scope.session.warn("map-without-value", f"`map` skips rows without `{missing}`", place)
            continue
        parts.append(run_search(scope, substituted(template, known), place))
        only = Limit(source=outer, count=1, offset=number)
        parts[-1].node = Join(left=parts[-1].node, right=only, kind=JoinKind.CROSS, span=stage.span)
    if not parts:
        parts.append(run_search(scope, substituted(template, dict.fromkeys((*names, SERIAL), "1")), place))
        nothing = Limit(source=parts[0].node, count=0, span=stage.span)
        parts[0].node = Join(left=nothing, right=outer, kind=JoinKind.SEMI, span=stage.span)
        parts[0].open = True
    united(scope, parts, stage)


def fields(scope: Scope, names: Sequence[str]) -> list[tuple[str, Typed]]:
    """The fields of a row that the search names."""
    return [(n, scope.typed(n)) for n in names]


def searched(scope: Scope, found: Given) -> tuple[str, Span]:
    """The text of the search and its place: that of the option, a pipeline in brackets, or a saved search's."""
    written = found.word("search")
    if written is not None:
        return written.text, written.span
    if found.pipelines:
        return pipeline_text(found.pipelines[0]), found.pipelines[0].span
    if not found.words:
        raise found.error("missing-search", '`map` needs a search: `map search="..."`, or the name of a saved one')
    word, saved = found.words[0], scope.settings.saved
    if word.text not in saved:
        hint = did_you_mean(word.text, saved) or "give it in the content of the run"
        raise SourceError("unknown-saved-search", f"no saved search is called `{word.text[:60]}`", word.span, help=hint)
    return saved[word.text], word.span


def substituted(template: str, values: Mapping[str, str]) -> str:
    """The search with the values of a row: quotes inside quotes are escaped, texts that stand alone are quoted."""

    def piece(found: re.Match[str]) -> str:
        written = found.group()
        if written[0] == '"':
            return MARK.sub(lambda m: escaped(values.get(m[1], m[0])), written)
        if not MARK.search(written):
            return written
        filled = MARK.sub(lambda m: values.get(m[1], m[0]), written)
        alone = MARK.fullmatch(written) is not None
        if numeric(filled) if alone else PLAIN.fullmatch(filled):
            return filled
        return '"' + MARK.sub(lambda m: escaped(values.get(m[1], m[0])), written) + '"'

    return PIECE.sub(piece, template)


def run_search(scope: Scope, written: str, place: Span) -> Scope:
    """The relation of one search, which starts from the stored events anew."""
    session = scope.session
    session.rounds += 1
    session.searches += 1
    if session.rounds > MOST_SEARCHES:
        raise scope.unsupported(f"`map` over more than {MOST_SEARCHES} rows", place, "keep fewer rows with `head`")
    if session.searches > DEEPEST:
        raise SourceError("too-deep", f"more than {DEEPEST} searches inside one another", place)
    inner = scope.subsearch(parsed(scope, written, place))
    session.searches -= 1
    return inner


def parsed(scope: Scope, written: str, place: Span) -> Pipeline:
    """A search whose every part is said to stand where its text came from."""
    own = expanded(Source(place.source.name, written), scope.settings)
    text_ = Text(place.source, own.text, [(0, place.start, place.end)], strict=scope.session.text.strict)
    return PipelineGrammar(text_).whole()


def united(scope: Scope, parts: Sequence[Scope], stage: Stage) -> None:
    """The rows of all searches one after the other."""
    kinds: dict[str, Kind] = {}
    for part in parts:
        for name, kind in part.columns.items():
            kinds[name] = either(kinds.get(name, Kind.NULL), kind)
    for part in parts:
        other = [n for n, k in part.columns.items() if k not in (kinds[n], Kind.NULL)]
        part.derive([(n, (listing if kinds[n] is Kind.LIST else text)(part.typed(n))) for n in other])
    nodes = tuple(p.node for p in parts)
    scope.replace(Union(sources=nodes, span=stage.span) if len(nodes) > 1 else nodes[0], kinds)
    scope.events = all(p.events for p in parts)
    scope.defined = set().union(*(p.defined for p in parts))
    scope.open = any(p.open for p in parts)
