"""Functions that count in steps of time."""

from __future__ import annotations

from harness.detection.languages.cql.binding import TIMESTAMP, Name, Names, RowCount, Zone, parse_milliseconds
from harness.detection.languages.cql.cutting import USUAL_TOP, Usual
from harness.detection.languages.cql.flow import RowScope, Scope
from harness.detection.languages.cql.functions.gaps import fill_series_gaps, keep_largest_series
from harness.detection.languages.cql.functions.rows import build_count_call, find_step_span
from harness.detection.languages.cql.functions.units import convert_chart_units
from harness.detection.languages.cql.functions.windows import join_window_values, split_window_functions
from harness.detection.languages.cql.gathering import aggregate_functions
from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RowOrder
from harness.detection.languages.cql.syntax import Syntax
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Literal, SortKey
from harness.detection.plan.nodes import Derive, Filter, Named, Sort, Window
from harness.detection.plan.values.time_format import fixed_offset
from harness.diagnostics import SourceError

MILLISECONDS_IN_DAY = 86_400_000.0
BUCKET_STEPS = (1e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 9e5, 1.8e6, 3.6e6, 1.08e7, 2.16e7, 4.32e7, 8.64e7, 6.048e8, 2.592e9)
BUCKETS = 127
MOST_BUCKETS = 1_500
MOST_SERIES = 500
AUTOMATIC = ("auto", "*", "")


@FUNCTIONS.step("bucket", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES)
def bucket(
    flow: Scope,
    span: str = "auto",
    *,
    buckets: float | None = None,
    field: Names = (),
    function: Syntax | None = None,
    limit: RowCount = USUAL_TOP,
    minSpan: str = "",
    timezone: Zone = "UTC",
    unit: Names = (),
) -> None:
    """Aggregates for each stretch of time, and within it for each value of `field`.

    Whether a stretch without events has a row is not documented, so it is a switch.

        createEvents(["a=1"]) | kvParse() | @timestamp := 90000 | bucket(span=1m) -> _bucket=60000 _count=1
        createEvents(["a=1"]) | kvParse() | @timestamp := 90000 | bucket(span=1m, unit="1/bucket to 1/hour")
        -> _bucket=60000 _count=60

    Reference: library.humio.com, bucket()
    """
    fill = flow.meaning.switch("empty-buckets") == "fill"
    group_by_bucket(flow, span, buckets, minSpan, tuple(field), function, limit, timezone, unit, fill=fill)


@FUNCTIONS.step("timeChart", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES)
def time_chart(
    flow: Scope,
    series: Name | None = None,
    *,
    span: str = "auto",
    buckets: float | None = None,
    function: Syntax | None = None,
    limit: RowCount = USUAL_TOP,
    minSpan: str = "",
    timezone: Zone = "UTC",
    unit: Names = (),
) -> None:
    """Aggregates for each stretch of time and each value of `series`.

    From the first stretch with an event to the last each has a row; numbers that count or add up are 0 without events.

        createEvents(["a=1", "a=1"]) | kvParse() | @timestamp := 90000
        | timeChart(a, span=1m) -> _bucket=60000 a=1 _count=2
        createEvents(["t=0", "t=180000"]) | kvParse() | @timestamp := t | timeChart(span=1m) | _count=0
        | _bucket=60000 -> _bucket=60000 _count=0

    Reference: library.humio.com, timeChart()
    """
    chosen = () if series is None else (series,)
    group_by_bucket(flow, span, buckets, minSpan, chosen, function, limit, timezone, unit, fill=True)


def group_by_bucket(
    flow: Scope,
    span: str,
    buckets: float | None,
    least: str,
    series: tuple[str, ...],
    function: Syntax | None,
    limit: int,
    zone: str,
    unit: Names,
    *,
    fill: bool,
) -> None:
    """Groups by the start of the stretch of time and by the series; of many series the largest stay."""
    where = find_step_span(flow)
    time = RowScope(flow).number(TIMESTAMP)
    size = resolve_bucket_length(flow, time, span, check_series_limit(flow, "buckets", buckets, MOST_BUCKETS), least)
    column = flow.keep(floor_to_bucket(time, size, zone), "_bucket")
    flow.become(Filter(source=flow.node, condition=ops.not_(ops.is_null(column)), span=where))
    row = RowScope(flow)
    keys: list[Named] = [("_bucket", column), *((n, row.read(n)) for n in series)]
    keys += [(size.name, size)] if isinstance(size, Column) else []
    functions, moving = split_window_functions(function or build_count_call(where))
    events = flow.copy()
    aggregate_functions(flow, tuple(keys), functions, where)
    if fill:
        fill_series_gaps(flow, series, size, lambda t: floor_to_bucket(t, size, zone))
    for part in moving:
        join_window_values(flow, events, tuple(keys), part, size)
    if unit:
        convert_chart_units(flow, functions, unit, size, where, ("_bucket", *series))
    if series:
        keep_largest_series(
            flow, series, check_series_limit(flow, "limit", limit, MOST_SERIES), told=isinstance(limit, Usual)
        )
    flow.become(Sort(source=flow.node, keys=(SortKey(Column("_bucket")),)))


def check_series_limit(flow: Scope, name: str, value: float | None, most: int) -> int:
    """A number from 1 to the most that the product allows; 0 if none is given."""
    if value is None:
        return 0
    if value < 1:
        raise SourceError("argument", f"`{name}` is a number from 1 to {most}", find_step_span(flow))
    if value > most:
        flow.meaning.tell("limited", name, f"`{name}` is at most {most}; that is used", find_step_span(flow))
    return int(min(value, most))


def resolve_bucket_length(flow: Scope, time: Expression, span: str, buckets: int, least: str) -> Column | Literal:
    """How long a stretch of time is in milliseconds: a number, or a column where it follows from the events."""
    shortest = 0.0 if least in AUTOMATIC else parse_milliseconds(least, find_step_span(flow))
    if span in AUTOMATIC:
        return choose_bucket_length(flow, time, buckets or BUCKETS, shortest)
    size = max(parse_milliseconds(span, find_step_span(flow)), shortest)
    if size <= 0:
        raise SourceError("not-a-duration", "a stretch of time is longer than nothing", find_step_span(flow))
    return Literal(size)


def floor_to_bucket(time: Expression, size: Expression, zone: str) -> Expression:
    """The start of the stretch of time around a moment, in milliseconds; stretches are cut by the clocks of a zone."""
    offset = fixed_offset(zone)
    if offset is None:
        return floor_to_bucket_in_zone(time, size, zone)
    if not offset:
        return floor_to_multiple(time, size)
    ahead = Literal(offset * 1000)
    return ops.subtract(floor_to_multiple(ops.add(time, ahead), size), ahead)


def floor_to_multiple(time: Expression, size: Expression) -> Expression:
    """The largest multiple of a length that is not above."""
    return ops.multiply(ops.floor(ops.divide(time, size)), size)


def floor_to_bucket_in_zone(time: Expression, size: Expression, zone: str) -> Expression:
    """The same in a zone whose clocks change: parts of a day count from midnight, days by the calendar."""
    seconds = ops.divide(time, Literal(1000))
    midnight = ops.multiply(ops.calendar_floor(seconds, Literal("day"), Literal(zone)), Literal(1000))
    inside = ops.add(midnight, floor_to_multiple(ops.subtract(time, midnight), size))
    number = ops.floor(
        ops.divide(ops.add(midnight, Literal(MILLISECONDS_IN_DAY / 2)), Literal(MILLISECONDS_IN_DAY)),
    )
    days = ops.divide(size, Literal(MILLISECONDS_IN_DAY))
    over = ops.subtract(number, floor_to_multiple(number, days))
    back = ops.calendar_add(
        ops.divide(midnight, Literal(1000)),
        ops.negate(over),
        Literal("day"),
        Literal(zone),
    )
    if isinstance(size, Literal):
        whole = float(str(size.value)) >= MILLISECONDS_IN_DAY
        return ops.multiply(back, Literal(1000)) if whole else inside
    return ops.if_(
        ops.less(size, Literal(MILLISECONDS_IN_DAY)),
        inside,
        ops.multiply(back, Literal(1000)),
    )


def choose_bucket_length(flow: Scope, time: Expression, buckets: int, shortest: float) -> Column:
    """The length that follows from how far the events reach."""
    low, high, size = (flow.meaning.temporary() for _ in range(3))
    ends = ((low, ops.minimum(time)), (high, ops.maximum(time)))
    flow.become(Window(source=flow.node, measures=ends))
    width = ops.divide(ops.subtract(Column(high), Column(low)), Literal(buckets))
    branches: list[Expression] = []
    for step in BUCKET_STEPS:
        branches += [ops.less_equal(width, Literal(step)), Literal(max(step, shortest))]
    longest = Literal(max(BUCKET_STEPS[-1], shortest))
    flow.become(Derive(source=flow.node, columns=((size, ops.case(longest, *branches)),)))
    return Column(size)
