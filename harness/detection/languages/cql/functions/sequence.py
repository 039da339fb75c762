"""Functions that look at rows in their order: neighbours, running values, sessions."""

from __future__ import annotations

import re

from harness.detection.languages.cql.aggregation import aggregate_functions, limit_to_branch, measure_part, parts_of
from harness.detection.languages.cql.arguments import Duration, Name, Names
from harness.detection.languages.cql.functions.group_by import build_count_call, find_step_span
from harness.detection.languages.cql.option_values import Current, Direction, PositionWord
from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RowOrder
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import Pipeline, Syntax
from harness.detection.languages.cql.time_range import TIMESTAMP
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    NULL,
    Aggregation,
    Column,
    Expression,
    Literal,
    SortKey,
    rebuild_expression,
)
from harness.detection.plan.nodes import Aggregate, Derive, Frame, Named, Sort, Window
from harness.diagnostics import SourceError
from harness.late_pattern import late_pattern

# `memlimit` is the product's own business; only what it would not read is refused.
SIZE = late_pattern(r"\d+ ?(?:[KMG]i?)?B?", re.I)


def partition_of(flow: Scope) -> tuple[Expression, ...]:
    """The keys that rows are kept apart by."""
    return tuple(Column(n) for n in flow.partition)


def add_window_measures(
    flow: Scope,
    measures: list[Named],
    frame: Frame,
    *,
    rows: int | None = None,
    time: Expression | None = None,
    span: float | None = None,
) -> None:
    """Adds values over the rows before each row."""
    windows: list[Named] = []

    def change(each: Expression) -> Expression:
        if not isinstance(each, Aggregation):
            return each
        name = flow.meaning.temporary()
        windows.append((name, each))
        return Column(name)

    # A window has aggregates only, so what is computed with them follows in a step of its own.
    outer = [(n, rebuild_expression(v, change)) for n, v in measures]
    node = Window(
        source=flow.node,
        partition=partition_of(flow),
        measures=tuple(windows),
        frame=frame,
        rows=rows,
        time=time,
        range=span,
        span=flow.span,
    )
    flow.become(node)
    flow.become(Derive(source=flow.node, columns=tuple(outer), span=flow.span))


def add_running_aggregates(flow: Scope, function: Syntax, frame: Frame, **limits: object) -> None:
    """The values of aggregates over the rows before each row; the rows keep their fields."""
    measures: list[Named] = []
    parts = parts_of(RowScope(flow), function)
    for part in parts:
        if part.several:
            message = "a function that gives several rows cannot run along rows"
            raise SourceError("unsupported", message, part.function.span)
        way = RowScope(flow).branch()
        for step in part.before:
            flow.meaning.take(way, step)
        measures += [(name, limit_to_branch(value, way)) for name, value in measure_part(way, part)]
    add_window_measures(flow, measures, frame, **limits)  # type: ignore[arg-type]
    for part in parts:
        for step in part.after:
            flow.meaning.step(flow, step)


def frame_of(current: str) -> Frame:
    """Whether the current row counts."""
    return Frame.BEFORE if current == "exclude" else Frame.RUNNING


@FUNCTIONS.step("accumulate", gathers=True, fields=FieldEffect.KEEPS, order=RowOrder.NEEDS)
def accumulate(flow: Scope, function: Syntax, *, current: Current = "include") -> None:
    """Aggregates of all rows up to each row.

        createEvents(["a=5", "a=6", "a=1"]) | kvParse() | head() | accumulate(sum(a)) | tail(1) -> a=1 _sum=12

    Reference: library.humio.com, accumulate()
    """
    add_running_aggregates(flow, function, frame_of(current))


@FUNCTIONS.step("slidingWindow", gathers=True, fields=FieldEffect.KEEPS, order=RowOrder.NEEDS)
def sliding_window(flow: Scope, function: Syntax, *, events: float, current: Current = "include") -> None:
    """Aggregates of the last rows before each row.

        createEvents(["a=1", "a=4", "a=11", "a=2"]) | kvParse() | head() | slidingWindow(sum(a), events=3)
        | tail(1) -> _sum=17

    Reference: library.humio.com, slidingWindow()
    """
    add_running_aggregates(flow, function, frame_of(current), rows=int(events))


@FUNCTIONS.step("slidingTimeWindow", gathers=True, fields=FieldEffect.KEEPS, order=RowOrder.NEEDS)
def sliding_time_window(
    flow: Scope, function: Syntax, *, span: Duration, timestampfield: Name = TIMESTAMP, current: Current = "include"
) -> None:
    """Aggregates of the rows less than a length of time before each row.

    Reference: library.humio.com, slidingTimeWindow()
    """
    time = RowScope(flow).number(timestampfield)
    add_running_aggregates(flow, function, frame_of(current), time=time, span=span)


@FUNCTIONS.step("neighbor", gathers=True, fields=FieldEffect.KEEPS, order=RowOrder.NEEDS)
def neighbor(
    flow: Scope, include: Names, *, distance: float = 1, direction: Direction = "preceding", prefix: str = ""
) -> None:
    """Fields of the row before or after, under a prefix.

        createEvents(["a=1", "a=2"]) | kvParse() | head() | neighbor(a, prefix=prev) | tail(1) -> a=2 prev.a=1

    Reference: library.humio.com, neighbor()
    """
    operation = ops.lead if direction == "succeeding" else ops.lag
    # Without a prefix the product's names are not documented (reference/cql.md 7.5).
    start = prefix or ("next" if operation == ops.lead else "prev")
    row, measures = RowScope(flow), []
    for name in include:
        value = row.read(name)
        if value is not NULL:
            measures.append((f"{start}.{name}", Aggregation(operation, (value, Literal(int(distance))))))
    if measures:
        flow.become(Window(source=flow.node, partition=partition_of(flow), measures=tuple(measures), span=flow.span))


def add_run_number(flow: Scope, starts: Expression, frame: Frame = Frame.RUNNING) -> str:
    """A column that counts how many rows up to each row `starts` was true for."""
    mark = flow.meaning.temporary()
    value = ops.if_(starts, Literal(1), Literal(0))
    counted_up = ops.sum(value)
    add_window_measures(flow, [(mark, ops.coalesce(counted_up, Literal(0)))], frame)
    return mark


def lower_filter_pipeline(row: RowScope, condition: Pipeline) -> Expression:
    """What a pipeline of filters asks."""
    way = row.branch()
    for step in condition.steps:
        if not row.meaning.plain(step):
            raise SourceError("unsupported", "a condition that makes other rows is not supported", step.span)
        row.meaning.take(way, step)
    return ops.is_true(way.condition())


@FUNCTIONS.step("partition", gathers=True, fields=FieldEffect.KEEPS, order=RowOrder.NEEDS)
def partition(flow: Scope, function: Syntax, *, condition: Pipeline, split: PositionWord = "before") -> None:
    """A function for each stretch of rows; a stretch starts at, or ends with, a row that meets the condition.

        createEvents(["k=a", "k=a", "k=b"]) | kvParse() | head()
        | partition(accumulate(count()), condition={k=b}) | tail(1) -> k=b _count=1

    Reference: library.humio.com, partition()
    """
    meets = lower_filter_pipeline(RowScope(flow), condition)
    # With `after` the event that meets the condition still belongs to the stretch that it ends.
    mark = add_run_number(flow, meets, Frame.BEFORE if split == "after" else Frame.RUNNING)
    before = flow.partition
    flow.partition = (*before, mark)
    flow.meaning.run(flow, Pipeline(steps=(function,), span=find_step_span(flow)))
    flow.partition = before


def session_mark(flow: Scope, maxpause: float) -> str:
    """A column that numbers stretches of rows without a longer pause."""
    time, earlier = RowScope(flow).number(TIMESTAMP), flow.meaning.temporary()
    lagged = ((earlier, ops.lag(time, Literal(1))),)
    flow.become(Window(source=flow.node, partition=partition_of(flow), measures=lagged))
    gap = ops.subtract(time, Column(earlier))
    # The first event has no gap: null starts nothing, so it is in run 0.
    return add_run_number(flow, ops.greater(gap, Literal(maxpause)))


@FUNCTIONS.step("session", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES)
def session(flow: Scope, function: Syntax | None = None, *, maxpause: Duration = 900_000.0) -> None:
    """Aggregates for each stretch of events without a longer pause.

        createEvents(["a=1", "a=2"]) | kvParse() | head() | session(sum(a), maxpause=1m) -> _sum=3

    Reference: library.humio.com, session()
    """
    span = find_step_span(flow)
    mark = session_mark(flow, maxpause)
    before = flow.partition
    aggregate_functions(flow, ((mark, Column(mark)),), function or build_count_call(span), span)
    flow.partition = before


@FUNCTIONS.step("series", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES)
def series(
    flow: Scope,
    collect: Names,
    *,
    separator: str = "\n",
    startmatch: Pipeline | None = None,
    endmatch: Pipeline | None = None,
    maxpause: Duration | None = None,
    maxduration: Duration | None = None,
    memlimit: str = "",
) -> None:
    """The values of fields one after the other in time, for each stretch of events.

    A stretch begins with an event that meets `startmatch`, ends with one that meets `endmatch`, has no longer pause
    and lasts no longer. How much of it the product would keep within `memlimit` is not known; here all of it is kept.

        createEvents(["a=1", "a=2", "a=1"]) | kvParse() | series(a, separator=",") -> a=1,2,1
        createEvents(["a=1", "a=2", "a=3"]) | kvParse() | series(a, separator=",", startmatch={a=2}) -> a=2,3

    Reference: library.humio.com, series()
    """
    span = find_step_span(flow)
    if memlimit and not SIZE.fullmatch(memlimit.strip()):
        raise SourceError("argument", f"`{memlimit[:40]}` is no size", span, help="one such as `1KB`")
    if not flow.timed:
        flow.become(Sort(source=flow.node, keys=(SortKey(RowScope(flow).number(TIMESTAMP)),), span=span))
        flow.timed = True
    mark = series_mark(flow, startmatch, endmatch, maxpause, maxduration)
    row, time = RowScope(flow), RowScope(flow).number(TIMESTAMP)
    collected: list[Named] = []
    for name in collect:
        texts = ops.collect(row.text(name))
        collected.append((name, ops.list_join(texts, Literal(separator))))
    first, last = ops.minimum(time), ops.maximum(time)
    collected += [("@timestamp", first), ("_duration", ops.subtract(last, first))]
    aggregate_flow(flow, [*flow.partition, *mark], collected)


def series_mark(
    flow: Scope,
    startmatch: Pipeline | None,
    endmatch: Pipeline | None,
    maxpause: float | None,
    maxduration: float | None,
) -> list[str]:
    """A column that numbers series, rows in none of them left out; no column where all is one series."""
    if all(p is None for p in (startmatch, endmatch, maxpause, maxduration)):
        return []
    starts = NULL if startmatch is None else lower_filter_pipeline(RowScope(flow), startmatch)
    ends = NULL if endmatch is None else lower_filter_pipeline(RowScope(flow), endmatch)
    mark, time = flow.meaning.temporary(), RowScope(flow).number(TIMESTAMP)
    number = ops.series_of(Literal(maxduration), Literal(maxpause), time, starts, ends)
    within = partition_of(flow)
    flow.become(Window(source=flow.node, partition=within, measures=((mark, number),), frame=Frame.RUNNING))
    flow.require(ops.not_(ops.is_null(Column(mark))), find_step_span(flow))
    return [mark]


def aggregate_flow(flow: Scope, keys: list[str], measures: list[Named]) -> None:
    """One row a combination of key columns."""
    chosen = tuple((k, Column(k)) for k in dict.fromkeys(keys))
    flow.become(Aggregate(source=flow.node, keys=chosen, measures=tuple(measures), span=flow.span))
    flow.events = flow.timed = False
