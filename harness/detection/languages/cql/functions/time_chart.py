"""bucket, timeChart, window; series and gaps."""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.languages.cql.aggregation import aggregate_functions, join_on_keys, sign
from harness.detection.languages.cql.arguments import Name, Names, RowCount, Zone, bind
from harness.detection.languages.cql.evaluate import function_of
from harness.detection.languages.cql.functions.format import convert_chart_units
from harness.detection.languages.cql.functions.group_by import build_count_call, find_step_span
from harness.detection.languages.cql.product_limits import USUAL_TOP, Usual, build_limit_finding, note_cut
from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RowOrder
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import Array, FunctionCall, Syntax
from harness.detection.languages.cql.time_range import TIMESTAMP, parse_milliseconds
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Column, Expression, Kind, Literal, SortKey
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
    Union,
    Unnest,
    Window,
)
from harness.diagnostics import SourceError, Span
from harness.telemetry.events.time_text import fixed_offset

# Chosen, no source: more than the product's 1,500 buckets, so that only a span far too small fills nothing.
MOST_FILLED = 10_000


def keep_largest_series(flow: Scope, series: tuple[str, ...], limit: int, *, told: bool) -> None:
    """Only the series whose numbers add up to the most; where there are more that is `told`."""
    numbers = [n for n, k in flow.columns.items() if k is Kind.NUMBER and n in flow.visible()]
    numbers = [n for n in numbers if n != "_bucket" and n not in series]
    if not numbers:
        return
    parts = [ops.coalesce(Column(n), Literal(0)) for n in numbers]
    total: Expression = parts[0]
    for part in parts[1:]:
        total = ops.add(total, part)
    ranked = flow.copy()
    size, marks = flow.meaning.temporary(), [flow.meaning.temporary() for _ in series]
    row = RowScope(ranked)
    # Joins never find null equal to null, but a missing value is a series.
    keys = tuple((m, ops.coalesce(row.text(n), Literal("\0"))) for m, n in zip(marks, series, strict=True))
    # The sum of all outputs over all buckets is the only ranking that fits the vendor's sample (reference/cql.md 7.4).
    ranked.become(Aggregate(source=ranked.node, keys=keys, measures=((size, ops.sum(total)),)))
    groups = ranked.node
    ranked.become(Sort(source=groups, keys=(SortKey(Column(size), True),)))
    ranked.become(Limit(source=ranked.node, count=limit))
    if told:
        message = f"there were more than {limit} series; those whose numbers add up to the most are kept"
        note_cut(flow, build_limit_finding(flow, message, "give it a `limit`, at most 500"), groups, limit, ranked.node)
    own = RowScope(flow)
    pairs = tuple((ops.coalesce(own.text(n), Literal("\0")), Column(m)) for m, n in zip(marks, series, strict=True))
    flow.become(Join(left=flow.node, right=ranked.node, kind=JoinKind.SEMI, keys=pairs), ranked)


def fill_series_gaps(
    flow: Scope, series: tuple[str, ...], size: Expression, start: Callable[[Expression], Expression]
) -> None:
    """Adds a row for each stretch between the first and the last one where a series has none.

    What counts or adds up is 0 there. More than `MOST_FILLED` stretches stay as they are.
    """
    frame = add_empty_buckets(flow, size, start)
    if series:
        each = flow.copy()
        own = RowScope(each)
        keys: tuple[Named, ...] = tuple((n, own.read(n)) for n in (*flow.partition, *series))
        each.become(Aggregate(source=each.node, keys=keys, measures=()))
        kind = JoinKind.INNER if flow.partition else JoinKind.CROSS
        agree = tuple((sign(frame, n), sign(each, n)) for n in flow.partition)
        taken = tuple((n, Column(n)) for n in series)
        frame.become(Join(left=frame.node, right=each.node, kind=kind, keys=agree, columns=taken), each)
    there = (*flow.partition, *series)
    same = ((Column("_bucket"), Column("_bucket")), *((sign(frame, n), sign(flow, n)) for n in there))
    frame.become(Join(left=frame.node, right=flow.node, kind=JoinKind.ANTI, keys=same), flow)
    # Samples print 0 for sum and count of an empty bucket, nothing for others (reference/cql.md 7.4).
    zero = {n: Literal(0) for n, k in flow.columns.items() if n in flow.present and k is Kind.NUMBER}
    kept: dict[str, Expression] = {n: Column(n) for n in ("_bucket", *there)}
    frame.become(Select(source=frame.node, columns=tuple({**zero, **kept}.items())))
    flow.become(Union(sources=(flow.node, frame.node), span=flow.span), frame)


def add_empty_buckets(flow: Scope, size: Expression, start: Callable[[Expression], Expression]) -> Scope:
    """A row for each stretch of time from the first to the last one that has events."""
    low, high, slot = (flow.meaning.temporary() for _ in range(3))
    frame = flow.copy()
    constant = (size.name,) if isinstance(size, Column) else ()
    keys = tuple((n, Column(n)) for n in (*flow.partition, *constant))
    ends = ((low, ops.minimum(Column("_bucket"))), (high, ops.maximum(Column("_bucket"))))
    frame.become(Aggregate(source=frame.node, keys=keys, measures=ends))
    # Half a stretch ahead: where clocks change, a step from start to start would fall beside the next one.
    middle = ops.divide(size, Literal(2))
    few = ops.less_equal(
        ops.subtract(Column(high), Column(low)),
        ops.multiply(size, Literal(MOST_FILLED)),
    )
    starts = ops.list_range(ops.add(Column(low), middle), ops.add(Column(high), size), size)
    frame.become(Derive(source=frame.node, columns=((slot, ops.if_(few, starts, NULL)),)))
    frame.become(Unnest(source=frame.node, column=slot))
    frame.become(Derive(source=frame.node, columns=(("_bucket", start(ops.to_number(Column(slot)))),)))
    return frame


# A chart has no more buckets (reference/cql.md 12).
MOST_WINDOW_BUCKETS = 1_500


@FUNCTIONS.step("window", gathers=True, fields=FieldEffect.KEEPS, order=RowOrder.GIVES)
def window(flow: Scope, function: Syntax | None = None, *, buckets: float = 0, span: str = "") -> None:
    """Aggregates over the last stretches of time, inside `bucket` or `timeChart`.

    Reference: library.humio.com, window()
    """
    place = flow.span or flow.meaning.source.whole()
    raise SourceError("misplaced", "`window` stands in `bucket` and `timeChart` only", place)


def split_window_functions(functions: Syntax) -> tuple[Array, list[FunctionCall]]:
    """The functions of a chart, those over several of its stretches apart."""
    items = functions.items if isinstance(functions, Array) else (functions,)
    moving = [i for i in items if isinstance(i, FunctionCall) and i.name == "window"]
    plain = tuple(i for i in items if i not in moving)
    return Array(items=plain, span=functions.span), moving


def join_window_values(
    whole: Scope, events: Scope, keys: tuple[Named, ...], part: FunctionCall, size: Expression
) -> None:
    """Puts the values of one `window` beside those of a chart; stretches before the first full one have none."""
    values, _ = bind(function_of(part), part, RowScope(events))
    inner = values.get("function") or FunctionCall(name="count", span=part.span)
    count = count_window_buckets(values, size, part.span)
    way = events.copy()
    repeat_in_windows(way, count, size)
    shifted = tuple((n, Column("_bucket") if n == "_bucket" else v) for n, v in keys)
    aggregate_functions(way, shifted, inner, part.span)
    first = whole.meaning.temporary()
    before = whole.copy()
    before.become(Window(source=before.node, measures=((first, ops.minimum(Column("_bucket"))),)))
    whole.node, whole.columns = before.node, before.columns
    join_on_keys(whole, way, tuple(n for n, _ in keys), part.span)
    # Before that a window would reach back behind the first event.
    least = ops.add(Column(first), ops.multiply(Literal(count - 1), size))
    certain = tuple((n, ops.coalesce(Column(n), Literal(0))) for n in zeroes(whole, way, keys))
    if certain:
        whole.derive(certain, part.span)
    whole.become(Filter(source=whole.node, condition=ops.greater_equal(Column("_bucket"), least), span=part.span))


def zeroes(whole: Scope, way: Scope, keys: tuple[Named, ...]) -> list[str]:
    """Numbers that are 0 where no event is in reach."""
    names = way.present - {n for n, _ in keys}
    return sorted(n for n in names if whole.columns.get(n) is Kind.NUMBER)


def count_window_buckets(values: dict[str, object], size: Expression, span: Span) -> int:
    """Over how many stretches of time a `window` reaches."""
    if values.get("buckets"):
        count = int(float(str(values["buckets"])))
    elif values.get("span") == "*":
        count = 1
    elif values.get("span") and isinstance(size, Literal):
        count = round(parse_milliseconds(str(values["span"]), span) / float(str(size.value)))
    else:
        raise SourceError("missing-parameter", "`window` needs `buckets`, or `span` in a chart of a fixed span", span)
    if not 1 <= count <= MOST_WINDOW_BUCKETS:
        raise SourceError("argument", f"`window` reaches over 1 to {MOST_WINDOW_BUCKETS} stretches of time", span)
    return count


def repeat_in_windows(flow: Scope, count: int, size: Expression) -> None:
    """Each event once for every stretch of time whose window it is in."""
    later = flow.meaning.temporary()
    last = ops.add(Column("_bucket"), ops.multiply(Literal(count), size))
    starts = ops.list_range(Column("_bucket"), last, size)
    flow.become(Derive(source=flow.node, columns=((later, starts),)))
    flow.become(Unnest(source=flow.node, column=later))
    flow.become(Derive(source=flow.node, columns=(("_bucket", ops.to_number(Column(later))),)))


MILLISECONDS_IN_DAY = 86_400_000.0
# Chosen, no source: lengths of clocks and calendars (1 s to 30 days), as charts label them.
BUCKET_STEPS = (1e3, 5e3, 1e4, 3e4, 6e4, 3e5, 6e5, 9e5, 1.8e6, 3.6e6, 1.08e7, 2.16e7, 4.32e7, 8.64e7, 6.048e8, 2.592e9)
# What an example of bucket() makes without span and buckets (reference/cql.md 7.4).
BUCKETS = 127
MOST_BUCKETS = 1_500
# reference/cql.md 12.
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
    # A day has 23 or 25 hours when clocks change; its parts are counted from midnight, so that they stay on the hour.
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
