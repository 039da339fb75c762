"""Commands that group rows: stats, eventstats, streamstats."""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.languages.spl.aggregation import (
    build_key_conditions,
    distinct_keys,
    draw_sparklines,
    expand_measures,
    group_in_order,
    without_missing,
)
from harness.detection.languages.spl.arguments import read_options
from harness.detection.languages.spl.coercion import as_number, literal
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.field_usage import collect_fields
from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.scope import Scope
from harness.detection.languages.spl.syntax import Measure, Option, Stage, StatisticsArguments, Word
from harness.detection.languages.spl.time_range import seconds_of
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind
from harness.detection.plan.nodes import Aggregate, Frame, Join, JoinKind, Select, Unnest, Window
from harness.detection.plan.operation import Typed
from harness.detection.plan.operations import all_of
from harness.diagnostics import SourceError
from harness.record import record

# `max_stream_window` of limits.conf (reference/spl.md 1.9).
WIDEST_WINDOW = 10_000
STATS_OPTIONS = ("allnum", "delim", "partitions", "dedup_splitvals")
STREAMSTATS_OPTIONS = (
    "allnum", "current", "window", "global", "time_window", "reset_on_change", "reset_before", "reset_after",
)  # fmt: skip


def require_statistics(stage: Stage) -> StatisticsArguments:
    """The arguments of a statistical command."""
    if not isinstance(stage.arguments, StatisticsArguments):
        raise TypeError(stage.name)
    return stage.arguments


@COMMANDS.define(
    "stats", "sistats", order="forgets", fields="closes", raw="never", shape="stats", options=STATS_OPTIONS, groups=True
)
def stats(scope: Scope, stage: Stage) -> None:
    """One row for each combination of BY fields; rows that lack one of them are dropped.

    Reference: reference/spl.md 6
    """
    arguments = require_statistics(stage)
    if not arguments.measures:
        raise SourceError("missing-aggregate", f"`{stage.name}` needs an aggregate", stage.span, help="such as `count`")
    without_missing(scope, arguments.keys, distinct=read_options(arguments).flag("dedup_splitvals"))
    sparks: dict[str, Measure] = {}
    group_in_order(scope, arguments, expand_measures(scope, arguments, sparks), stage.span)
    draw_sparklines(scope, sparks, stage.span)


def of_several(scope: Scope, arguments: StatisticsArguments) -> bool:
    """Whether a BY field may have several values."""
    return any(scope.columns.get(k.text) is Kind.LIST for k in arguments.keys)


def by_each_value(
    scope: Scope, stage: Stage, arguments: StatisticsArguments, command: Callable[[Scope, Stage], None]
) -> None:
    """Runs a command over a row for each value of the BY fields, and puts its results back beside the rows."""
    place = scope.session.fresh("place")
    numbered = ((place, ops.row_number()),)
    scope.node = Window(source=scope.node, measures=numbered, frame=Frame.RUNNING, span=stage.span)
    inner = scope.branch()
    inner.columns[place] = Kind.NUMBER
    for key in dict.fromkeys(k.text for k in arguments.keys):
        if inner.columns.get(key) is Kind.LIST:
            inner.node = Unnest(source=inner.node, column=key, span=stage.span)
            inner.columns[key] = Kind.TEXT
    command(inner, stage)
    named = {m.name.text if m.name else m.text for m in arguments.measures}
    added = [n for n in inner.columns if n[0] != "@" and (n not in scope.columns or n in named)]
    results = Aggregate(
        source=inner.node,
        keys=((place, Column(place)),),
        # One value for each group that the row is in, side by side.
        measures=tuple((n, ops.collect(Column(n))) for n in added),
        span=stage.span,
    )
    before = [n for n in scope.columns if n not in added and n != place]
    scope.node = Join(
        left=Select(source=scope.node, columns=tuple((n, Column(n)) for n in (*before, place))),
        right=results,
        kind=JoinKind.LEFT,
        keys=((Column(place), Column(place)),),
        columns=tuple((n, Column(n)) for n in added),
        span=stage.span,
    )
    scope.columns = {n: scope.columns[n] for n in before} | dict.fromkeys(added, Kind.LIST)
    scope.defined |= set(added)
    scope.keep([*before, *added], stage.span)


@COMMANDS.define(
    "eventstats", order="keeps", fields="keeps", raw="never", shape="stats", options=("allnum",), groups=True
)
def eventstats(scope: Scope, stage: Stage) -> None:
    """Aggregates added to every row of their group; rows without a BY field stay without them.

    A row with several values of a BY field is in the group of each, and gets the results of all of them.

    Reference: reference/spl.md 6
    """
    arguments = require_statistics(stage)
    # A row of several values is in the group of each (reference/spl.md 2.3), and stays one row.
    if of_several(scope, arguments):
        by_each_value(scope, stage, arguments, eventstats)
        return
    keys = distinct_keys(scope, arguments.keys)
    added = expand_measures(scope, arguments)
    conditions = build_key_conditions(scope, keys)
    named = []
    for name, value in added:
        if conditions:
            # Rows without a BY field are kept without the new fields (reference/spl.md 6.1); SQL's window would group
            # them.
            value = ops.if_(Typed(all_of(tuple(conditions)), Kind.BOOLEAN), value, literal(None))
        named.append((name, value))
    partition: tuple[Expression, ...] = tuple(Column(k.text) for k in keys)
    scope.node = Window(
        source=scope.node,
        partition=partition,
        measures=tuple((n, v.expression) for n, v in named),
        span=stage.span,
    )
    for name, value in named:
        scope.columns[name] = value.kind
        scope.defined.add(name)


@COMMANDS.define("streamstats", order="reads", fields="keeps", raw="never", shape="stats", options=STREAMSTATS_OPTIONS)
def streamstats(scope: Scope, stage: Stage) -> None:
    """Aggregates of the rows up to the current one; rows without a BY field are left out.

    A row with several values of a BY field is in the group of each, and gets the results of all of them.

    Reference: reference/spl.md 6
    """
    arguments = require_statistics(stage)
    if of_several(scope, arguments):
        by_each_value(scope, stage, arguments, streamstats)
        return
    rows = counted_window(arguments)
    current = read_options(arguments).flag("current", True)
    keys = distinct_keys(scope, arguments.keys)
    partition: list[Expression] = [Column(k.text) for k in keys]
    before = list(scope.columns)
    begins = plan_resets(scope, arguments, keys)
    add_reset_parts(scope, stage, begins)
    partition += [Column(part) for part in begins.parts]
    time_range = window_of_time(read_options(arguments).word("time_window"))
    time = None if time_range is None else as_number(scope.typed("_time")).expression
    if rows and keys and time is None and read_options(arguments).flag("global", True):
        number = scope.session.fresh("place")
        add_global_row_number(scope, stage, keys, number)
        time, time_range, rows = Column(number), float(rows if current else rows + 1), 0
    added = expand_measures(scope, arguments)
    scope.node = Window(
        source=scope.node,
        partition=tuple(partition),
        measures=tuple((n, replace_by_null_without_key(scope, keys, v).expression) for n, v in added),
        frame=Frame.RUNNING if current else Frame.BEFORE,
        rows=rows or None,
        time=time,
        range=time_range,
        span=stage.span,
    )
    for name, value in added:
        scope.columns[name] = value.kind
        scope.defined.add(name)
    scope.keep(dict.fromkeys([*before, *(n for n, _ in added)]))


def counted_window(arguments: StatisticsArguments) -> int:
    """How many rows a window has; 0 for all of them."""
    window = read_options(arguments).word("window")
    rows = read_options(arguments).number("window", 0)
    if rows < 0 and window is not None:
        raise SourceError("bad-option", f"`{window.text[:40]}` is no number of rows", window.span, help="write `5`")
    if rows > WIDEST_WINDOW and window is not None:
        message = f"a window has {WIDEST_WINDOW:,} rows at most"
        raise SourceError("window-too-wide", message, window.span, help="leave `window` out for all rows before")
    return rows


def add_global_row_number(scope: Scope, stage: Stage, keys: list[Word], column: str) -> None:
    """Adds the place of a row among all groups' rows: a window spans them together unless `global=f`."""
    # Of the window only rows of the own group count: a range over this number says so, a frame of rows cannot.
    counted = ops.count(where=all_of(tuple(build_key_conditions(scope, keys))))
    scope.node = Window(source=scope.node, measures=((column, counted),), frame=Frame.RUNNING, span=stage.span)


def replace_by_null_without_key(scope: Scope, keys: list[Word], value: Typed) -> Typed:
    """A measure that rows without a key do not have."""
    conditions = build_key_conditions(scope, keys)
    return ops.if_(Typed(all_of(tuple(conditions)), Kind.BOOLEAN), value, literal(None)) if conditions else value


@record
class ResetPlan:
    """Where running aggregates begin anew: what has to be known of the row before, and conditions by their columns.

    Such a column numbers the parts between the rows where its condition is true.
    """

    shifted: list[tuple[tuple[str, Expression], ...]]
    parts: dict[str, Typed]


def plan_resets(scope: Scope, arguments: StatisticsArguments, keys: list[Word]) -> ResetPlan:
    """At another value of a BY field, at a condition, or behind one."""
    shifted: list[tuple[tuple[str, Expression], ...]] = []
    starts: list[Typed] = []
    one = literal(1.0)
    if read_options(arguments).flag("reset_on_change") and keys:
        marks = {k.text: scope.session.fresh("before") for k in keys}
        shifted.append(tuple((b, ops.lag(Column(k), one.expression)) for k, b in marks.items()))
        for key, mark in marks.items():
            same = Typed(ops.is_true(ops.equal(Column(key), Column(mark))), Kind.BOOLEAN)
            starts.append(ops.not_(same))
    for each in arguments.options:
        if each.name in ("reset_before", "reset_after") and not isinstance(each.value, Word):
            refuse_own_results(each, arguments)
            condition = ops.is_true(EvalContext(scope).condition(each.value))  # type: ignore[arg-type]
            # Behind the row that meets the condition: what counts is whether the row before did.
            if each.name == "reset_after":
                mark = scope.session.fresh("was")
                shown = ops.if_(condition, one, literal(0.0))
                shifted.append(((mark, ops.lag(shown.expression, one.expression)),))
                condition = ops.is_true(ops.equal(Typed(Column(mark), Kind.NUMBER), one))
            starts.append(condition)
    return ResetPlan(shifted, {scope.session.fresh("part"): start for start in starts})


def add_reset_parts(scope: Scope, stage: Stage, plan: ResetPlan) -> None:
    """Adds the columns that a plan of resets needs."""
    counted = [((c, ops.count(where=start.expression)),) for c, start in plan.parts.items()]
    for measures in (*plan.shifted, *counted):
        scope.node = Window(source=scope.node, measures=measures, frame=Frame.RUNNING, span=stage.span)


def refuse_own_results(reset: Option, arguments: StatisticsArguments) -> None:
    """A condition on what the command itself computes would need its rows one after the other."""
    made = {m.name.text if m.name else m.text for m in arguments.measures}
    for name in sorted(collect_fields(reset.value) & made):  # type: ignore[arg-type]
        message = f"`{reset.name}` on `{name}`, which this command computes, is not supported"
        raise SourceError("unsupported", message, reset.span, help="compute it with a `streamstats` before")


def window_of_time(word: Word | None) -> float | None:
    """The seconds of `time_window`."""
    if word is None:
        return None
    seconds = seconds_of(word.text)
    if seconds is None:
        raise SourceError("bad-option", f"`{word.text[:40]}` is no span of time", word.span, help="write `1h`")
    return seconds
