"""Commands that put rows after one another or compare them: append, appendpipe, union, multisearch, set."""

from __future__ import annotations

from harness.detection.languages.spl.arguments import bind_options
from harness.detection.languages.spl.coercion import as_text, literal
from harness.detection.languages.spl.commands.join import MOST_JOINED, describe_subsearch_limit, require_one_subsearch
from harness.detection.languages.spl.commands.lookup import align_columns, append_rows
from harness.detection.languages.spl.commands.map import names_saved_search, resolve_from_dataset
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import NEWEST_FIRST, Scope
from harness.detection.languages.spl.syntax import Stage
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Filter, Frame, Join, JoinKind, Limit, Select, Sort, Union, Window
from harness.detection.plan.operation import Typed

# The default of `maxout` (reference/spl.md 1.9: subsearches of join and append).
MOST_APPENDED = 50_000
APPEND_TIME_OPTIONS = ("extendtimerange", "maxtime", "timeout")


@COMMANDS.define(
    "append", order="keeps", fields="keeps", raw="never", subsearch="keeps", limit=describe_subsearch_limit
)
def append(scope: Scope, stage: Stage) -> None:
    """The rows of a subsearch after those there are.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "maxout", *APPEND_TIME_OPTIONS)
    found.at_most(0)
    found.without_effect(scope, *APPEND_TIME_OPTIONS)
    inner = scope.subsearch(require_one_subsearch(stage, found.pipelines, scope))
    inner.node = Limit(source=inner.node, count=found.number("maxout", MOST_APPENDED), span=stage.span)
    append_rows(scope, inner, stage)


@COMMANDS.define("appendpipe", order="keeps", fields="keeps", raw="never", pipes=True)
def appendpipe(scope: Scope, stage: Stage) -> None:
    """The rows that a pipeline makes of the current ones, after these.

    Reference: reference/spl.md 7
    """
    found = bind_options(stage, "run_in_preview")
    found.at_most(0)
    inner = scope.branch()
    scope.session.run(require_one_subsearch(stage, found.pipelines, scope), inner)
    append_rows(scope, inner, stage)


@COMMANDS.define(
    "union", "multisearch", order="keeps", fields="keeps", raw=names_saved_search, subsearch="keeps", generating=True
)
def union(scope: Scope, stage: Stage) -> None:
    """The rows of several pipelines and datasets; those that are events in the order of time.

    Reference: reference/spl.md 7; Splunk Search Reference, union
    """
    found = bind_options(stage, "maxtime", "maxout", "timeout")
    found.without_effect(scope, "maxtime", "timeout")
    if stage.name == "multisearch":
        found.at_most(0)
        if len(found.pipelines) < 2:
            raise found.error("bad-argument", "`multisearch` needs at least two pipelines in brackets")
    parts = [resolve_from_dataset(scope, w) for w in found.words] + [scope.subsearch(p) for p in found.pipelines]
    if not parts:
        raise found.error("bad-argument", "`union` needs pipelines in brackets or datasets")
    for part in parts if "maxout" in found.options else ():
        part.node = Limit(source=part.node, count=found.number("maxout", MOST_APPENDED), span=stage.span)
    # In the middle of a search the rows that there are come first; at its start there are none.
    first = scope if not scope.first else parts.pop(0)
    target = first if first is scope else scope
    if first is not scope:
        scope.replace(first.node, first.columns)
        scope.events, scope.defined = first.events, set(first.defined)
    for part in parts:
        align_columns(target, part)
        target.node = Union(sources=(target.node, part.node), span=stage.span)
        target.events = target.events and part.events
    if stage.name == "multisearch" and "_time" in target.columns:
        # multisearch gives events by time (reference/spl.md 7); the numbers of events of different parts say nothing.
        target.node = Sort(source=target.node, keys=NEWEST_FIRST[:1], span=stage.span)


@COMMANDS.define("set", order="keeps", fields="remakes", raw="never", subsearch="keeps", generating=True)
def set_(scope: Scope, stage: Stage) -> None:
    """The union, the difference or the intersection of two pipelines' rows, none of them twice.

    Reference: Splunk Search Reference, set
    """
    found = bind_options(stage)
    word = found.words[0].text.lower() if found.words else ""
    found.at_most(1)
    if word not in ("union", "diff", "intersect") or len(found.pipelines) != 2:
        raise found.error("bad-argument", "`set` needs union, diff or intersect and two pipelines")
    left, right = (scope.subsearch(p) for p in found.pipelines)
    # Internal fields do not count: two pipelines would never agree in `_time` and `_raw`.
    names = [n for n in left.columns if n in right.columns and n[0] not in "_@"]
    if word == "union":
        scope.replace(left.node, left.columns, events=False)
        append_rows(scope, right, stage)
        keep_distinct_rows(scope, stage)
        return
    rows, backwards = mark_rows(right, names), mark_rows(left, names)
    if word == "intersect":
        found_in_both = Join(left=left.node, right=rows, kind=JoinKind.SEMI, keys=pair_row_keys(left, names, rows))
        scope.replace(found_in_both, left.columns, events=False)
        keep_distinct_rows(scope, stage)
        return
    only_left = Join(left=left.node, right=rows, kind=JoinKind.ANTI, keys=pair_row_keys(left, names, rows))
    only_right = Join(left=right.node, right=backwards, kind=JoinKind.ANTI, keys=pair_row_keys(right, names, backwards))
    right.node = only_right
    scope.replace(only_left, left.columns, events=False)
    append_rows(scope, right, stage)
    keep_distinct_rows(scope, stage)


# ASCII's unit separator: no field holds it alone.
MISSING_FIELD = "\x1f"


def build_row_key(scope: Scope, name: str) -> Typed:
    """A field as one text: a missing one has a text of its own, since two rows that lack it agree in it."""
    value = scope.typed(name)
    if value.kind is Kind.NULL:
        return literal(MISSING_FIELD)
    shown = ops.list_join(value, literal("\n")) if value.kind is Kind.LIST else as_text(value)
    return ops.coalesce(shown, literal(MISSING_FIELD))


def mark_rows(scope: Scope, names: list[str]) -> Select:
    """The rows of a pipeline as keys alone, under names of their own."""
    marks = ((scope.session.fresh("key"), build_row_key(scope, n).expression) for n in names)
    return Select(source=Limit(source=scope.node, count=MOST_JOINED), columns=tuple(marks))


def pair_row_keys(scope: Scope, names: list[str], rows: Select) -> tuple[tuple[Expression, Expression], ...]:
    """The keys of the rows of a pipeline, each with its mark among the rows of the other."""
    marks = (Column(m) for m, _ in rows.columns)
    return tuple(zip((build_row_key(scope, n).expression for n in names), marks, strict=True))


def keep_distinct_rows(scope: Scope, stage: Stage) -> None:
    """Keeps the first of rows that are the same in all fields but internal ones."""
    names = [n for n in scope.columns if n[0] not in "_@"]
    if not names:
        return
    place = scope.session.fresh("place")
    measure = ((place, ops.row_number()),)
    partition = tuple(Column(n) for n in names)
    ranked = Window(source=scope.node, partition=partition, measures=measure, frame=Frame.RUNNING, span=stage.span)
    first = ops.equal(Column(place), Literal(1.0))
    scope.node = Filter(source=ranked, condition=first, span=stage.span)
    scope.keep([n for n in scope.columns if n[0] != "@"])
