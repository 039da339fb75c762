"""Functions that count in steps of time."""

from __future__ import annotations

from harness.detection.languages.cql.binding import TIMESTAMP, Name, Names, Rows, Zone, milliseconds
from harness.detection.languages.cql.cutting import USUAL_TOP, Usual
from harness.detection.languages.cql.flow import Flow, Row
from harness.detection.languages.cql.functions.gaps import filled, largest
from harness.detection.languages.cql.functions.rows import counted, place
from harness.detection.languages.cql.functions.units import converted
from harness.detection.languages.cql.functions.windows import moved, parted
from harness.detection.languages.cql.gathering import stats
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.syntax import Syntax
from harness.detection.plan.expressions import Aggregation, Call, Column, Expression, Literal, call
from harness.detection.plan.nodes import Derive, Filter, Named, Sort, SortKey, Window
from harness.detection.plan.timeformat import fixed_offset
from harness.diagnostics import SourceError

DAY = 86_400_000.0
STEPS = (1e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 9e5, 1.8e6, 3.6e6, 1.08e7, 2.16e7, 4.32e7, 8.64e7, 6.048e8, 2.592e9)
BUCKETS = 127
MOST_BUCKETS = 1_500
MOST_SERIES = 500
AUTOMATIC = ("auto", "*", "")


@FUNCTIONS.step("bucket", gathers=True)
def bucket(
    flow: Flow,
    span: str = "auto",
    *,
    buckets: float | None = None,
    field: Names = (),
    function: Syntax | None = None,
    limit: Rows = USUAL_TOP,
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
    bucketed(flow, span, buckets, minSpan, tuple(field), function, limit, timezone, unit, fill=fill)


@FUNCTIONS.step("timeChart", gathers=True)
def time_chart(
    flow: Flow,
    series: Name | None = None,
    *,
    span: str = "auto",
    buckets: float | None = None,
    function: Syntax | None = None,
    limit: Rows = USUAL_TOP,
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
    bucketed(flow, span, buckets, minSpan, chosen, function, limit, timezone, unit, fill=True)


def bucketed(
    flow: Flow,
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
    where = place(flow)
    time = Row(flow).number(TIMESTAMP)
    size = length(flow, time, span, bounded(flow, "buckets", buckets, MOST_BUCKETS), least)
    column = flow.keep(started(time, size, zone), "_bucket")
    flow.become(Filter(source=flow.node, condition=call("not", call("is_null", column)), span=where))
    row = Row(flow)
    keys: list[Named] = [("_bucket", column), *((n, row.read(n)) for n in series)]
    keys += [(size.name, size)] if isinstance(size, Column) else []
    functions, moving = parted(function or counted(where))
    events = flow.copy()
    stats(flow, tuple(keys), functions, where)
    if fill:
        filled(flow, series, size, lambda t: started(t, size, zone))
    for part in moving:
        moved(flow, events, tuple(keys), part, size)
    if unit:
        converted(flow, functions, unit, size, where, ("_bucket", *series))
    if series:
        largest(flow, series, bounded(flow, "limit", limit, MOST_SERIES), told=isinstance(limit, Usual))
    flow.become(Sort(source=flow.node, keys=(SortKey(Column("_bucket")),)))


def bounded(flow: Flow, name: str, value: float | None, most: int) -> int:
    """A number from 1 to the most that the product allows; 0 if none is given."""
    if value is None:
        return 0
    if value < 1:
        raise SourceError("argument", f"`{name}` is a number from 1 to {most}", place(flow))
    if value > most:
        flow.meaning.tell("limited", name, f"`{name}` is at most {most}; that is used", place(flow))
    return int(min(value, most))


def length(flow: Flow, time: Expression, span: str, buckets: int, least: str) -> Column | Literal:
    """How long a stretch of time is in milliseconds: a number, or a column where it follows from the events."""
    shortest = 0.0 if least in AUTOMATIC else milliseconds(least, place(flow))
    if span in AUTOMATIC:
        return automatic(flow, time, buckets or BUCKETS, shortest)
    size = max(milliseconds(span, place(flow)), shortest)
    if size <= 0:
        raise SourceError("not-a-duration", "a stretch of time is longer than nothing", place(flow))
    return Literal(size)


def started(time: Expression, size: Expression, zone: str) -> Expression:
    """The start of the stretch of time around a moment, in milliseconds; stretches are cut by the clocks of a zone."""
    offset = fixed_offset(zone)
    if offset is None:
        return zoned(time, size, zone)
    if not offset:
        return floored(time, size)
    ahead = Literal(offset * 1000)
    return call("subtract", floored(call("add", time, ahead), size), ahead)


def floored(time: Expression, size: Expression) -> Expression:
    """The largest multiple of a length that is not above."""
    return call("multiply", call("floor", call("divide", time, size)), size)


def zoned(time: Expression, size: Expression, zone: str) -> Expression:
    """The same in a zone whose clocks change: parts of a day count from midnight, days by the calendar."""
    seconds = call("divide", time, Literal(1000))
    midnight = call("multiply", call("calendar_floor", seconds, Literal("day"), Literal(zone)), Literal(1000))
    inside = call("add", midnight, floored(call("subtract", time, midnight), size))
    number = call("floor", call("divide", call("add", midnight, Literal(DAY / 2)), Literal(DAY)))
    days = call("divide", size, Literal(DAY))
    over = call("subtract", number, floored(number, days))
    back = call(
        "calendar_add", call("divide", midnight, Literal(1000)), call("negate", over), Literal("day"), Literal(zone)
    )
    if isinstance(size, Literal):
        whole = float(str(size.value)) >= DAY
        return call("multiply", back, Literal(1000)) if whole else inside
    return call("if", call("less", size, Literal(DAY)), inside, call("multiply", back, Literal(1000)))


def automatic(flow: Flow, time: Expression, buckets: int, shortest: float) -> Column:
    """The length that follows from how far the events reach."""
    low, high, size = (flow.meaning.temporary() for _ in range(3))
    ends = ((low, Aggregation("minimum", (time,))), (high, Aggregation("maximum", (time,))))
    flow.become(Window(source=flow.node, measures=ends))
    width = call("divide", call("subtract", Column(high), Column(low)), Literal(buckets))
    branches: list[Expression] = []
    for step in STEPS:
        branches += [call("less_equal", width, Literal(step)), Literal(max(step, shortest))]
    longest = Literal(max(STEPS[-1], shortest))
    flow.become(Derive(source=flow.node, columns=((size, Call("case", (longest, *branches))),)))
    return Column(size)
