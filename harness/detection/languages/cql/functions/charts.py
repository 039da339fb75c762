"""Functions that count in steps of time, and those that only draw."""

from __future__ import annotations

from harness.detection.languages.cql.binding import TIMESTAMP, Name, Names, Rows, milliseconds
from harness.detection.languages.cql.flow import Flow, Row
from harness.detection.languages.cql.functions.rows import counted, place
from harness.detection.languages.cql.functions.windows import moved, parted
from harness.detection.languages.cql.gathering import stats
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.syntax import Syntax
from harness.detection.languages.cql.zones import zone_name
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import (
    Aggregation,
    Call,
    Column,
    Expression,
    Literal,
    call,
)
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Join,
    JoinKind,
    Limit,
    Named,
    Select,
    Sort,
    SortKey,
    Union,
    Values,
    Window,
)
from harness.diagnostics import Severity, SourceError

DAY = 86_400_000.0
STEPS = (1e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 9e5, 1.8e6, 3.6e6, 1.08e7, 2.16e7, 4.32e7, 8.64e7, 6.048e8, 2.592e9)
BUCKETS = 127
MOST_TURNED = 50


@FUNCTIONS.step("bucket", gathers=True)
def bucket(
    flow: Flow,
    span: str = "auto",
    *,
    buckets: float = 0,
    field: Names = (),
    function: Syntax | None = None,
    limit: Rows = 10,
    minSpan: str = "",
    timezone: str = "UTC",
    unit: Names = (),
) -> None:
    """Aggregates for each stretch of time, and within it for each value of `field`.

        createEvents(["a=1"]) | kvParse() | @timestamp := 90000 | bucket(span=1m) -> _bucket=60000 _count=1

    Reference: library.humio.com, bucket()
    """
    bucketed(flow, span, int(buckets), tuple(field), function, limit, timezone, unit)


@FUNCTIONS.step("timeChart", gathers=True)
def time_chart(
    flow: Flow,
    series: Name | None = None,
    *,
    span: str = "auto",
    buckets: float = 0,
    function: Syntax | None = None,
    limit: Rows = 10,
    minSpan: str = "",
    timezone: str = "UTC",
    unit: Names = (),
) -> None:
    """Aggregates for each stretch of time and each value of `series`.

        createEvents(["a=1", "a=1"]) | kvParse() | @timestamp := 90000
        | timeChart(a, span=1m) -> _bucket=60000 a=1 _count=2

    Reference: library.humio.com, timeChart()
    """
    bucketed(flow, span, int(buckets), () if series is None else (series,), function, limit, timezone, unit)


def bucketed(
    flow: Flow,
    span: str,
    buckets: int,
    series: tuple[str, ...],
    function: Syntax | None,
    limit: int,
    timezone: str,
    unit: Names,
) -> None:
    """Groups by the start of the stretch of time and by the series; of many series the largest stay."""
    where = place(flow)
    if unit:
        flow.meaning.tell(
            "unit-not-converted", "unit", "`unit` is not applied: numbers stay as they are counted", where
        )
    time = Row(flow).number(TIMESTAMP)
    start = started(flow, time, span, buckets, zone_name(timezone))
    column = flow.keep(start, "_bucket")
    flow.become(Filter(source=flow.node, condition=call("not", call("is_null", column)), span=where))
    row = Row(flow)
    keys: list[Named] = [("_bucket", column), *((n, row.read(n)) for n in series)]
    functions, moving = parted(function or counted(where))
    events = flow.copy()
    stats(flow, tuple(keys), functions, where)
    for part in moving:
        moved(flow, events, tuple(keys), part, Literal(fixed(flow, span)))
    if series:
        largest(flow, series, limit)
    flow.become(Sort(source=flow.node, keys=(SortKey(Column("_bucket")),)))


def fixed(flow: Flow, span: str) -> float:
    """The length of a stretch of time in milliseconds, which has to stand in the text."""
    if span in ("auto", "*"):
        raise SourceError("missing-parameter", "a chart with `window` needs a `span`", place(flow))
    return milliseconds(span, place(flow))


def started(flow: Flow, time: Expression, span: str, buckets: int, zone: str) -> Expression:
    """The start of each event's stretch of time, in milliseconds."""
    if span == "auto" or span == "*":
        return automatic(flow, time, buckets or BUCKETS)
    size = milliseconds(span, place(flow))
    seconds = call("divide", time, Literal(1000))
    if zone != "UTC" and size == DAY:
        return call("multiply", call("calendar_floor", seconds, Literal("day"), Literal(zone)), Literal(1000))
    return call("multiply", call("floor", call("divide", time, Literal(size))), Literal(size))


def automatic(flow: Flow, time: Expression, buckets: int) -> Expression:
    """The same where the length follows from how far the events reach."""
    low, high, size = (flow.meaning.temporary() for _ in range(3))
    ends = ((low, Aggregation("minimum", (time,))), (high, Aggregation("maximum", (time,))))
    flow.become(Window(source=flow.node, measures=ends))
    width = call("divide", call("subtract", Column(high), Column(low)), Literal(buckets))
    branches: list[Expression] = []
    for step in STEPS:
        branches += [call("less_equal", width, Literal(step)), Literal(step)]
    flow.become(Derive(source=flow.node, columns=((size, Call("case", (Literal(STEPS[-1]), *branches))),)))
    return call("multiply", call("floor", call("divide", time, Column(size))), Column(size))


def largest(flow: Flow, series: tuple[str, ...], limit: int) -> None:
    """Only the series whose numbers add up to the most."""
    numbers = [n for n, k in flow.columns.items() if k is Kind.NUMBER and n != "_bucket" and n not in series]
    if not numbers:
        return
    parts = [call("coalesce", Column(n), Literal(0)) for n in numbers]
    total: Expression = parts[0]
    for part in parts[1:]:
        total = call("add", total, part)
    ranked = flow.copy()
    size, marks = flow.meaning.temporary(), [flow.meaning.temporary() for _ in series]
    row = Row(ranked)
    keys = tuple((m, call("coalesce", row.text(n), Literal("\0"))) for m, n in zip(marks, series, strict=True))
    ranked.become(Aggregate(source=ranked.node, keys=keys, measures=((size, Aggregation("sum", (total,))),)))
    ranked.become(Sort(source=ranked.node, keys=(SortKey(Column(size), True),)))
    ranked.become(Limit(source=ranked.node, count=limit))
    own = Row(flow)
    pairs = tuple((call("coalesce", own.text(n), Literal("\0")), Column(m)) for m, n in zip(marks, series, strict=True))
    flow.become(Join(left=flow.node, right=ranked.node, kind=JoinKind.SEMI, keys=pairs), ranked)


@FUNCTIONS.step("sankey", gathers=True)
def sankey(flow: Flow, *, source: Name, target: Name, weight: Syntax | None = None) -> None:
    """How often one value goes with another.

        createEvents(["a=1 b=2", "a=1 b=2"]) | kvParse() | sankey(source=a, target=b) -> source=1 target=2 weight=2

    Reference: library.humio.com, sankey()
    """
    row, span = Row(flow), place(flow)
    keys = (("source", row.text(source)), ("target", row.text(target)))
    there = call("and", *(call("not", call("is_null", v)) for _, v in keys))
    flow.become(Filter(source=flow.node, condition=there, span=span))
    stats(flow, keys, weight or counted(span), span, "weight")


@FUNCTIONS.step("worldMap", gathers=True)
def world_map(
    flow: Flow,
    *,
    ip: Name = "",
    lat: Name = "",
    lon: Name = "",
    magnitude: Syntax | None = None,
    precision: float = 4,
) -> None:
    """Events by their place; places are those of the fields `lat` and `lon`, or of the address in `ip`.

        createEvents(["ip.lat=1 ip.lon=2"]) | kvParse() | worldMap(lat=ip.lat, lon=ip.lon) -> lat=1 lon=2 magnitude=1

    Reference: library.humio.com, worldMap()
    """
    row, span = Row(flow), place(flow)
    north, east = lat or f"{ip or 'ip'}.lat", lon or f"{ip or 'ip'}.lon"
    keys: list[Named] = [("lat", row.number(north)), ("lon", row.number(east))]
    if ip and not row.has(north):
        keys = [("ip", row.text(ip))]
    stats(flow, tuple(keys), magnitude or counted(span), span, "magnitude")


@FUNCTIONS.step("transpose", gathers=True)
def transpose(
    flow: Flow, pivot: Name | None = None, *, header: Name | None = None, column: str = "column", limit: float = 5
) -> None:
    """Rows as columns: `row[1]`, `row[2]` and so on, one row for each field.

        createEvents(["a=1", "a=2"]) | kvParse() | select([a]) | transpose() -> column=a row[1]=1 row[2]=2

    Reference: library.humio.com, transpose()
    """
    names, count = [n for n in flow.visible() if n != "@timestamp"], int(min(limit, MOST_TURNED))
    if limit > MOST_TURNED:
        message = f"`transpose` turns {MOST_TURNED} rows at most here"
        flow.meaning.tell("not-cut", "transpose", message, place(flow), severity=Severity.NOTE)
    mark, value = flow.meaning.temporary(), flow.meaning.temporary()
    flow.become(Window(source=flow.node, measures=((mark, Aggregation("row_number")),)))
    flow.become(Filter(source=flow.node, condition=call("less_equal", Column(mark), Literal(count))))
    row, cells = Row(flow), []
    for name in names:
        chosen: tuple[Named, ...] = ((column, Literal(name)), (mark, Column(mark)), (value, row.text(name)))
        cells.append(Select(source=flow.node, columns=chosen))
    nothing = Values(columns={column: Kind.TEXT}, rows=())
    flow.node = Union(sources=tuple(cells), span=flow.span) if cells else nothing
    flow.columns = {column: Kind.TEXT, mark: Kind.NUMBER, value: Kind.TEXT}
    measures = []
    for i in range(count):
        here = call("equal", Column(mark), Literal(i + 1))
        measures.append((f"row[{i + 1}]", Aggregation("first", (Column(value),), where=here)))
    flow.become(Aggregate(source=flow.node, keys=((column, Column(column)),), measures=tuple(measures), span=flow.span))
    flow.events = flow.timed = False
