"""Aggregates that give one row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from harness.detection.languages.cql.arguments import Name, Names
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import Argument, FunctionCall, Pipeline
from harness.detection.languages.cql.time_range import TIMESTAMP
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Aggregation, Column, Expression, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Derive, Named, Unnest
from harness.detection.plan.operation import Operation
from harness.diagnostics import Finding, Severity, SourceError

# Engines leave nulls out of greatest_by, which would take the value of another event; NUL is in no text of a log.
ABSENT = "\0"
ONE = Literal(1)


def aggregation(operation: Operation, *arguments: Expression) -> Aggregation:
    """An aggregation, short to write."""
    return Aggregation(operation, arguments)


@FUNCTIONS.aggregate("count", into="_count")
def count(row: RowScope, field: Name | None = None, *, distinct: bool = False) -> Expression:
    """How many events, events with `field`, or distinct values of it.

        createEvents(["a=1", "a=1", "b=2"]) | kvParse() | count() -> _count=3
        createEvents(["a=1", "a=1", "b=2"]) | kvParse() | count(a) -> _count=2
        createEvents(["a=1", "a=1", "b=2"]) | kvParse() | count(a, distinct=true) -> _count=1

    Reference: library.humio.com, count()
    """
    # `count(*)` is what people write who know SQL.
    if field is None or field == "*":
        return ops.count()
    return aggregation(ops.count_distinct if distinct else ops.count, row.read(field))


@FUNCTIONS.aggregate("sum", into="_sum")
def total(row: RowScope, field: Name) -> Expression:
    """The sum of the numbers in `field`; 0 of none.

        createEvents(["a=1", "a=2", "a=x"]) | kvParse() | sum(a) -> _sum=3
        createEvents(["b=1"]) | kvParse() | sum(a) -> _sum=0

    Reference: library.humio.com, sum()
    """
    # An empty bucket of a vendor sample prints 0 (reference/cql.md 7); avg, min and max give no field of nothing.
    return ops.coalesce(ops.sum(row.number(field)), Literal(0))


@FUNCTIONS.aggregate("avg", into="_avg")
def average(row: RowScope, field: Name) -> Expression:
    """The mean of the numbers in `field`.

        createEvents(["a=1", "a=2"]) | kvParse() | avg(a) -> _avg=1.5

    Reference: library.humio.com, avg()
    """
    return ops.mean(row.number(field))


@FUNCTIONS.aggregate("min", into="_min", extreme=True)
def minimum(row: RowScope, field: Name, *, type: str = "") -> Expression:
    """The smallest number in `field`; nothing of texts.

        createEvents(["a=10", "a=9"]) | kvParse() | min(a) -> _min=9

    Reference: library.humio.com, min()
    """
    refuse_undocumented(row, "min", type)
    return aggregate_extreme(row, ops.minimum, field)


@FUNCTIONS.aggregate("max", into="_max", extreme=True)
def maximum(row: RowScope, field: Name, *, type: str = "") -> Expression:
    """The largest number in `field`; nothing of texts.

        createEvents(["a=10", "a=9"]) | kvParse() | max(a) -> _max=10

    Reference: library.humio.com, max()
    """
    refuse_undocumented(row, "max", type)
    return aggregate_extreme(row, ops.maximum, field)


def refuse_undocumented(row: RowScope, function: str, type: str) -> None:
    """Refuses a parameter that the manual names and does not explain."""
    # The manual explains `type` by the word "description" (reference/cql.md 7.2), and no published query has it.
    if type:
        place = row.flow.span or row.meaning.source.whole()
        message = f"what `type` is to `{function}` is not documented"
        raise SourceError("unsupported", message, place, help="leave `type` out")


def aggregate_extreme(row: RowScope, operation: Operation, field: str) -> Expression:
    """The smallest or largest number; of a field known to hold text its first or last text, read leniently."""
    number = aggregation(operation, row.number(field))
    if field not in row.meaning.textual:
        return number
    # min and max of texts give nothing (reference/cql.md 7.2); what the author meant is told beside it.
    return ops.coalesce(ops.to_text(number), aggregation(operation, row.text(field)))


@FUNCTIONS.aggregate("range", into="_range")
def extent(row: RowScope, field: Name) -> Expression:
    """The distance from the smallest number in `field` to the largest.

        createEvents(["a=10", "a=7"]) | kvParse() | range(a) -> _range=3

    Reference: library.humio.com, range()
    """
    value = row.number(field)
    return ops.subtract(ops.maximum(value), ops.minimum(value))


@FUNCTIONS.aggregate("stdDev", into="_stddev")
def deviation(row: RowScope, field: Name) -> Expression:
    """The standard deviation of the numbers in `field`; of n or of n - 1 is not documented, so it is a switch.

        createEvents(["a=3", "a=7"]) | kvParse() | stdDev(a) | x := round(_stddev) -> x=3

    Reference: library.humio.com, stdDev()
    """
    # The one vendor sample fits neither convention (reference/cql.md 7.2).
    of_sample = row.meaning.switch("stddev") == "sample"
    return aggregation(ops.stdev_sample if of_sample else ops.stdev_population, row.number(field))


@FUNCTIONS.remarking("stdDev")
def note_deviation_convention(call: FunctionCall, given: Mapping[str, Argument]) -> Iterator[Finding]:
    """What its documentation leaves open."""
    message = "whether stdDev() is that of a sample or of a population is not documented"
    yield Finding(code="stddev-convention", span=call.span, message=message, severity=Severity.NOTE)


@FUNCTIONS.aggregate("percentile")
def percentile(
    row: RowScope,
    field: Name,
    *,
    percentiles: tuple[float, ...] = (50, 75, 99),
    accuracy: float = 0.01,
    as_: Name | None = None,
) -> list[Named]:
    """Values below which the given shares of the numbers lie, each as a sketch of that accuracy answers.

        createEvents(["a=1", "a=2", "a=3"]) | kvParse() | percentile(a, percentiles=[50]) | x := round(_50) -> x=2
        createEvents(["a=289", "a=123"]) | kvParse() | percentile(a) | x := round(_99) -> x=123

    Reference: library.humio.com, percentile()
    """
    place = row.flow.span or row.meaning.source.whole()
    if not 0 < accuracy < 1:
        raise SourceError("argument", "`accuracy` is a number between 0 and 1", place)
    if not all(0 <= share <= 100 for share in percentiles):
        raise SourceError("argument", "`percentiles` are numbers from 0 to 100", place)
    value = row.number(field)
    sketched = row.meaning.switch("percentile") == "sketch"
    made: list[Named] = []
    for share in percentiles:
        # Outputs are called `_50` and `_99.9` (reference/cql.md 7.2).
        label = str(int(share)) if share == int(share) else str(share)
        part = Literal(share / 100)
        exact = ops.percentile_below(value, part) if sketched else ops.percentile(value, part)
        made.append((f"{as_ or ''}_{label}", ops.sketch_value(exact, Literal(accuracy)) if sketched else exact))
    return made


@FUNCTIONS.aggregate("percentage", into="_percentage")
def percentage(row: RowScope, condition: Pipeline) -> Expression:
    """How many of a hundred events meet a condition.

        createEvents(["a=1", "a=2", "a=1", "a=1"]) | kvParse() | percentage({a=1}) -> _percentage=75

    Reference: library.humio.com, percentage()
    """
    way = row.branch()
    for step in condition.steps:
        row.meaning.take(way, step)
    met = ops.coalesce(ops.sum(ops.if_(way.condition(), Literal(100), Literal(0))), Literal(0))
    return ops.divide(met, ops.count())


CALLED: dict[str, Callable[[RowScope, str], Expression]] = {
    "avg": average,
    "count": count,
    "max": maximum,
    "min": minimum,
    "range": extent,
    "sum": total,
}
"""The functions that `callFunction` knows."""


@FUNCTIONS.aggregate("callFunction", into="_function")
def call_function(row: RowScope, function: str, *, field: Name) -> Expression:
    """The value of the function of that name over a field, so that a parameter can choose it.

        createEvents(["a=1", "a=2"]) | kvParse() | callFunction("sum", field=a) -> _function=3
        createEvents(["a=1", "a=2"]) | kvParse() | callFunction(?{how=max}, field=a) -> _function=2

    Reference: library.humio.com, callFunction()
    """
    found = CALLED.get(function.lower())
    if found is None:
        message = f"`callFunction` calls {', '.join(CALLED)}, not `{function[:40]}`"
        raise SourceError("argument", message, row.flow.span or row.meaning.source.whole())
    return found(row, field)


@FUNCTIONS.aggregate("counterAsRate", into="_rate")
def counter_as_rate(row: RowScope, field: Name) -> Expression:
    """How much a counter grows in a second, from its first value to its last.

        createEvents(["a=1", "a=5"]) | kvParse() | counterAsRate(a) | x := 1 -> x=1

    Reference: library.humio.com, counterAsRate()
    """
    value, time = row.number(field), row.number("@timestamp")
    # Times are milliseconds, the rate is of a second.
    grown = ops.subtract(ops.last(value), ops.first(value))
    seconds = ops.subtract(ops.maximum(time), ops.minimum(time))
    return ops.divide(ops.multiply(grown, Literal(1000)), seconds)


@FUNCTIONS.aggregate("collect")
def collect(
    row: RowScope, fields: Names, *, limit: int = 2000, multival: bool = True, separator: str = "\n"
) -> list[Named]:
    """The distinct values of each field in one text, or in a row each if not `multival`; a time only if it is one.

        createEvents(["a=2", "a=1", "a=2"]) | kvParse() | collect(a, separator=",") -> a=1,2

    Reference: library.humio.com, collect()
    """
    made: list[Named] = []
    for name, distinct in distinct_values(row, fields, limit):
        # Over the limit the product gives a part and a warning; the number of values says whether that happens.
        if row.kind(row.read(name)) not in (Kind.NULL, Kind.LIST):
            row.meaning.collected.append((ops.count_distinct(row.text(name)), limit))
        joined = NULL if distinct == NULL else ops.list_join(distinct, Literal(separator))
        # `@timestamp` is collected only where it has one value (reference/cql.md 7.3).
        if name == TIMESTAMP:
            joined = ops.if_(ops.greater(ops.list_length(distinct), ONE), NULL, joined)
        made.append((name, joined))
    return made


def distinct_values(row: RowScope, fields: Names, limit: int) -> list[Named]:
    """The distinct values of each field as a list, up to a number of them."""
    if limit < 1:
        raise SourceError("argument", "`limit` is a number from 1", row.flow.span or row.meaning.source.whole())
    made: list[Named] = []
    for name in fields:
        held = row.read(name)
        value = held if row.kind(held) is Kind.LIST else row.text(held)
        some = ops.list_slice(ops.values(value), Literal(1), Literal(limit))
        made.append((name, NULL if row.kind(value) is Kind.NULL else some))
    return made


@FUNCTIONS.multiplying("collect", parameter="multival", when=lambda text: text.lower() == "false")
def collect_rows(
    flow: Scope, fields: Names, *, limit: int = 2000, multival: bool = False, separator: str = "\n"
) -> None:
    """The form of `collect` that gives a row for each distinct value; those of several fields stand side by side."""
    row, most = RowScope(flow), flow.meaning.temporary()
    lists = [(n, flow.meaning.temporary(), v) for n, v in distinct_values(row, fields, limit) if v != NULL]
    keys: tuple[Named, ...] = tuple((n, Column(n)) for n in flow.partition)
    measures = tuple((t, v) for _, t, v in lists)
    flow.become(Aggregate(source=flow.node, keys=keys, measures=measures, span=flow.span))
    if lists:
        sizes = [ops.coalesce(ops.list_length(Column(t)), Literal(0)) for _, t, _ in lists]
        longest = sizes[0] if len(sizes) == 1 else ops.greatest(*sizes)
        flow.become(Derive(source=flow.node, columns=((most, ops.list_range(Literal(1), plus_one(longest), ONE)),)))
        flow.become(Unnest(source=flow.node, column=most))
        number = ops.to_number(Column(most))
        flow.become(Derive(source=flow.node, columns=tuple((n, ops.list_get(Column(t), number)) for n, t, _ in lists)))
    flow.select([(n, Column(n)) for n, _, _ in lists], flow.span)
    flow.events = flow.timed = False


def plus_one(number: Expression) -> Expression:
    """One more."""
    return ops.add(number, ONE)


@FUNCTIONS.aggregate("selectLast")
def select_last(row: RowScope, fields: Names) -> list[Named]:
    """For each field its value in the latest event that has it.

        createEvents(["a=1", "a=2", "b=3"]) | kvParse() | selectLast([a, b]) -> a=2 b=3

    Reference: library.humio.com, selectLast()
    """
    order: tuple[SortKey, ...] = ()
    # The most recent event counts, whatever the order of rows is by now (reference/cql.md 7.3).
    if not row.flow.timed and "@timestamp" in row.flow.columns:
        order = (SortKey(row.number("@timestamp")),)
    return [(n, ops.last(row.read(n), order=order)) for n in fields]


@FUNCTIONS.aggregate("selectFromMax")
def select_from_max(row: RowScope, field: Name, include: Names) -> list[Named]:
    """Fields of the one event with the largest number in `field`.

        createEvents(["a=1 b=x", "a=3 b=y", "a=2 b=z"]) | kvParse() | selectFromMax(a, include=[b]) -> b=y

    Reference: library.humio.com, selectFromMax()
    """
    return aggregate_whole_event(row, field, include, ops.greatest_by)


@FUNCTIONS.aggregate("selectFromMin")
def select_from_min(row: RowScope, field: Name, include: Names) -> list[Named]:
    """Fields of the one event with the smallest number in `field`.

        createEvents(["a=1 b=x", "a=3 b=y"]) | kvParse() | selectFromMin(a, include=[b]) -> b=x

    Reference: library.humio.com, selectFromMin()
    """
    return aggregate_whole_event(row, field, include, ops.least_by)


def aggregate_whole_event(row: RowScope, field: str, include: Names, operation: Operation) -> list[Named]:
    """The fields of one event; those that it lacks stay missing, whatever the others have."""
    by = row.number(field)
    made: list[Named] = []
    for name in row.flow.visible() if include == ("*",) else include:
        value = row.text(name)
        # A field that no event has would only add an empty column.
        if value == NULL:
            continue
        found = aggregation(operation, ops.coalesce(value, Literal(ABSENT)), by)
        made.append((name, ops.if_(ops.equal(found, Literal(ABSENT)), NULL, found)))
    return made


@FUNCTIONS.aggregate("linReg")
def linear_regression(row: RowScope, *, x: Name, y: Name, prefix: str = "_") -> list[Named]:
    """The straight line nearest to the points: slope, intercept, adjusted fit and number of points.

    Points of one place on the x axis have no line, and no fields.

        createEvents(["x=1 y=2", "x=2 y=4"]) | kvParse() | linReg(x=x, y=y) -> _slope=2 _intercept=0
        createEvents(["x=1 y=1", "x=2 y=3", "x=3 y=2"]) | kvParse() | linReg(x=x, y=y) -> _slope=0.5 _r2=-0.5

    Reference: library.humio.com, linReg()
    """
    a, b = row.number(y), row.number(x)
    # A point needs both numbers; the count is of such points.
    count = ops.count(ops.if_(ops.is_null(a), NULL, b))
    slope = aggregation(ops.slope, a, b)
    lost = ops.subtract(ONE, aggregation(ops.r_squared, a, b))
    # Adjusted for the two numbers that the line has taken; two points leave nothing to adjust (reference/cql.md,
    # addenda).
    adjusted = ops.divide(ops.multiply(lost, ops.subtract(count, ONE)), ops.subtract(count, Literal(2)))
    return [
        (f"{prefix}slope", slope),
        (f"{prefix}intercept", aggregation(ops.intercept, a, b)),
        (f"{prefix}r2", ops.subtract(ONE, adjusted)),
        (f"{prefix}n", ops.if_(ops.is_null(slope), NULL, count)),
    ]
