"""map, savedsearch, loadjob, inputcsv: searches that run searches.

Reference: reference/spl.md 7
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.detection.languages.spl.arguments import BoundOptions, bind_options
from harness.detection.languages.spl.coercion import as_multivalue, as_text, is_numeric_text, literal
from harness.detection.languages.spl.commands.lookup import inputlookup
from harness.detection.languages.spl.lexer import QUOTED, ExpandedText, escape_search_text
from harness.detection.languages.spl.macros import expand_macros
from harness.detection.languages.spl.parser import PipelineGrammar, lookup_item
from harness.detection.languages.spl.printer import pipeline_text
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope, ask_rows
from harness.detection.languages.spl.syntax import GeneralArguments, Pipeline, Stage, Word
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind, merge_kinds
from harness.detection.plan.nodes import Join, JoinKind, Limit, Node, Select, Union
from harness.detection.plan.operation import Typed
from harness.diagnostics import Source, SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern

MAP_TOKEN = late_pattern(r"\$([\w.{}:-]+)\$")
# Values inside quotes are escaped there (reference/spl.md 7), so quoted stretches are told from bare words.
MAP_SEARCH_PIECE = late_pattern(rf"{QUOTED}|[^\s\"=<>(),|\[\]]+", re.S)
# What may stand bare in a search; anything else would end its word.
MAP_PLAIN_VALUE = late_pattern(r"[\w.@:/*%+-]*")
# Splunk's number of the run, from 0.
SERIAL = "_serial_id"
# Chosen, no source: each row plans a search of its own.
MOST_SEARCHES = 200
# As deep as subsearches may be (reference/spl.md 3.1).
DEEPEST_MAP = 8


@COMMANDS.define("map", order="reads", fields="remakes", raw="always", subsearch="keeps")
def map_(scope: Scope, stage: Stage) -> None:
    """The rows of a search that is run for each of the first 10 rows, `$field$` in it being the row's value.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "search", "maxsearches")
    template, place = find_map_search(scope, found)
    names = [n for n in dict.fromkeys(MAP_TOKEN.findall(template)) if n != SERIAL]
    most = found.number("maxsearches", 10)
    outer: Node = Limit(source=scope.node, count=max(most, 0), span=stage.span)
    values = [("@row", literal(1.0))]
    values += [
        (n, ops.list_join(v, literal(" ")) if v.kind is Kind.LIST else as_text(v))
        for n, v in collect_token_fields(scope, names)
    ]
    rows = ask_rows(
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
        parts.append(run_search(scope, fill_map_search(template, known), place))
        only = Limit(source=outer, count=1, offset=number)
        # For the trace: what the search found goes back to the event of the row too.
        parts[-1].node = Join(left=parts[-1].node, right=only, kind=JoinKind.CROSS, span=stage.span)
    if not parts:
        # Without rows the search is planned once anyway, so that it has columns and its faults are told.
        parts.append(run_search(scope, fill_map_search(template, dict.fromkeys((*names, SERIAL), "1")), place))
        nothing = Limit(source=parts[0].node, count=0, span=stage.span)
        parts[0].node = Join(left=nothing, right=outer, kind=JoinKind.SEMI, span=stage.span)
        parts[0].open = True
    union_map_results(scope, parts, stage)


def collect_token_fields(scope: Scope, names: Sequence[str]) -> list[tuple[str, Typed]]:
    """The fields of a row that the search names."""
    return [(n, scope.typed(n)) for n in names]


def find_map_search(scope: Scope, found: BoundOptions) -> tuple[str, Span]:
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


def fill_map_search(template: str, values: Mapping[str, str]) -> str:
    """The search with the values of a row: quotes inside quotes are escaped, texts that stand alone are quoted."""

    def piece(found: re.Match[str]) -> str:
        written = found.group()
        if written[0] == '"':
            return MAP_TOKEN.sub(lambda m: escape_search_text(values.get(m[1], m[0])), written)
        if not MAP_TOKEN.search(written):
            return written
        filled = MAP_TOKEN.sub(lambda m: values.get(m[1], m[0]), written)
        alone = MAP_TOKEN.fullmatch(written) is not None
        if is_numeric_text(filled) if alone else MAP_PLAIN_VALUE.fullmatch(filled):
            return filled
        return '"' + MAP_TOKEN.sub(lambda m: escape_search_text(values.get(m[1], m[0])), written) + '"'

    return MAP_SEARCH_PIECE.sub(piece, template)


def run_search(scope: Scope, written: str, place: Span) -> Scope:
    """The relation of one search, which starts from the stored events anew."""
    session = scope.session
    session.rounds += 1
    session.searches += 1
    if session.rounds > MOST_SEARCHES:
        raise scope.unsupported(f"`map` over more than {MOST_SEARCHES} rows", place, "keep fewer rows with `head`")
    if session.searches > DEEPEST_MAP:
        raise SourceError("too-deep", f"more than {DEEPEST_MAP} searches inside one another", place)
    inner = scope.subsearch(parse_map_search(scope, written, place))
    session.searches -= 1
    return inner


def parse_map_search(scope: Scope, written: str, place: Span) -> Pipeline:
    """A search whose every part is said to stand where its text came from."""
    own = expand_macros(Source(place.source.name, written), scope.settings)
    text_ = ExpandedText(place.source, own.text, [(0, place.start, place.end)], strict=scope.session.text.strict)
    return PipelineGrammar(text_).whole()


def union_map_results(scope: Scope, parts: Sequence[Scope], stage: Stage) -> None:
    """The rows of all searches one after the other."""
    kinds: dict[str, Kind] = {}
    for part in parts:
        for name, kind in part.columns.items():
            kinds[name] = merge_kinds(kinds.get(name, Kind.NULL), kind)
    for part in parts:
        other = [n for n, k in part.columns.items() if k not in (kinds[n], Kind.NULL)]
        part.derive([(n, (as_multivalue if kinds[n] is Kind.LIST else as_text)(part.typed(n))) for n in other])
    nodes = tuple(p.node for p in parts)
    scope.replace(Union(sources=nodes, span=stage.span) if len(nodes) > 1 else nodes[0], kinds)
    scope.events = all(p.events for p in parts)
    scope.defined = set().union(*(p.defined for p in parts))
    scope.open = any(p.open for p in parts)


# As deep as subsearches may be (reference/spl.md 3.1).
DEEPEST_SAVED_SEARCH = 8


def names_saved_search(stage: Stage) -> bool:
    """Whether a stage takes rows of a saved search, which may read the text of events."""
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    return any(isinstance(i, Word) and i.text.lower().startswith("savedsearch") for i in items)


@COMMANDS.define("savedsearch", order="forgets", fields="keeps", raw="always", subsearch="keeps", generating=True)
def savedsearch(scope: Scope, stage: Stage) -> None:
    """The rows of a saved search of the content given, `$name$` in it replaced by the options.

    Reference: Splunk Search Reference, savedsearch
    """
    found = bind_options(stage, "*")
    if not found.words:
        raise found.error("missing-search", "`savedsearch` needs the name of a saved search")
    values = {o.name: o.value.text for o in found.options.values() if isinstance(o.value, Word)}
    if values.pop("nosubstitution", "f").lower() in ("t", "true", "1"):
        values = {}
    name = " ".join(w.text for w in found.words)
    run_saved(scope, name, found.words[0].span, values)


@COMMANDS.define("loadjob", order="forgets", fields="keeps", raw="always", subsearch="keeps", generating=True)
def loadjob(scope: Scope, stage: Stage) -> None:
    """The rows that a saved search of the content given has now: `loadjob savedsearch="user:app:name"`.

    Reference: Splunk Search Reference, loadjob
    """
    found = bind_options(stage, "savedsearch", "events", "job_delegate", "artifact_offset", "ignore_running")
    word = found.word("savedsearch")
    if word is None:
        raise scope.unsupported("`loadjob` of a job by its number, which only the search head has,", stage.span)
    # `user:app:name`; whose search it is makes no difference here.
    run_saved(scope, word.text.split(":")[-1], word.span, {})


def run_saved(scope: Scope, name: str, span: Span, values: dict[str, str]) -> None:
    """Runs a saved search in the place of the command."""
    saved = scope.settings.saved
    if name not in saved:
        hint = did_you_mean(name, saved) or "give it in the content of the run"
        raise SourceError("unknown-saved-search", f"no saved search is called `{name[:60]}`", span, help=hint)
    scope.session.searches += 1
    if scope.session.searches > DEEPEST_SAVED_SEARCH:
        raise SourceError("too-deep", f"more than {DEEPEST_SAVED_SEARCH} saved searches inside one another", span)
    text = re.sub(r"\$([\w.-]+)\$", lambda m: values.get(m[1], m[0]), saved[name])
    inner = scope.subsearch(parse_saved_text(scope, text, span))
    scope.session.searches -= 1
    scope.replace(inner.node, inner.columns)
    scope.events, scope.defined, scope.open = inner.events, set(inner.defined), inner.open


def parse_saved_text(scope: Scope, text: str, span: Span) -> Pipeline:
    """A text of its own as a pipeline that stands at a place of the search."""
    own = expand_macros(Source(span.source.name, text), scope.settings)
    place = ExpandedText(span.source, own.text, [(0, span.start, span.end)], strict=scope.session.text.strict)
    return PipelineGrammar(place).whole()


def resolve_from_dataset(scope: Scope, word: Word) -> Scope:
    """The rows of a dataset: `savedsearch:x`, `inputlookup:t`, `datamodel:m.d`; a bare name is a table."""
    kind, colon, name = word.text.partition(":")
    if not colon:
        kind, name = "inputlookup", word.text
    name = name.replace('"', "")
    forms = {"savedsearch": f'| savedsearch "{name}"', "inputlookup": f'| inputlookup "{name}"'}
    forms |= {"lookup": forms["inputlookup"], "datamodel": f'| from datamodel:"{name}"'}
    if kind.lower() not in forms:
        help = did_you_mean(kind, forms) or f"a dataset is {', '.join(forms)}"
        raise SourceError("unknown-dataset", f"no kind of dataset is called `{kind[:40]}`", word.span, help=help)
    return scope.subsearch(parse_saved_text(scope, forms[kind.lower()], word.span))


@COMMANDS.define("inputcsv", order="keeps", fields="keeps", raw="never", item=lookup_item, generating=True)
def inputcsv(scope: Scope, stage: Stage) -> None:
    """The rows of a table of the content given, as inputlookup; files of the search head are not read.

    Reference: Splunk Search Reference, inputcsv
    """
    inputlookup(scope, stage)
