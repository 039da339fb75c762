"""Statistical functions of stats and its relatives.

Reference: reference/spl.md 6.2
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_number,
    as_text,
    build_element_parameter,
    find_largest_value,
    literal,
    smallest,
)
from harness.detection.languages.spl.registry import AGGREGATES
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind
from harness.detection.plan.operation import TYPED_NULL, Operation, Typed, aggregate_call, apply
from harness.diagnostics import SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern

PERCENTILE = late_pattern(r"(p|perc|exactperc|upperperc)(\d{1,2}(?:\.\d+)?|100)")
LONGEST_LIST = 100
HIGHER = 0.5 + 1e-9


def collect_values(value: Typed) -> Typed:
    """All values of a group in row order, of a field that has several in a row."""
    return ops.collect(value)


def aggregate_numbers(value: Typed, operation: Operation) -> Typed:
    """An aggregate of the numbers; text that looks like none is left out, each of several values counts."""
    # A field of several values counts with each of them (reference/spl.md 2.3).
    if value.kind is Kind.LIST:
        return ops.list_statistic(collect_values(value), literal(operation.name))
    return aggregate_call(operation, flatten_numbers(value))


def flatten_numbers(value: Typed) -> Typed:
    """The argument as numbers."""
    return Typed(value.expression, Kind.NUMBER) if value.kind is Kind.NULL else as_number(value)


@AGGREGATES.define(
    "count", "c", order="never", without_field=True, of_rows=True, any_text=True, zero=True, in_spans="length"
)
def count(scope: Scope, value: Typed | None, span: Span) -> Typed:
    """Rows; of a field its values; of a condition the rows where it is true.

        stats count by a

    Reference: reference/spl.md 6.2
    """
    if value is None:
        return aggregate_call(ops.count)
    if value.kind is Kind.BOOLEAN:
        return aggregate_call(ops.count, where=value.expression)
    if value.kind is Kind.LIST:
        return ops.coalesce(ops.sum(ops.list_length(value)), literal(0.0))
    return ops.count(value)


@AGGREGATES.define("dc", "distinct_count", "estdc", order="never", any_text=True, zero=True, in_spans="distinct")
def dc(scope: Scope, value: Typed, span: Span) -> Typed:
    """Distinct values as text: 1 and 1.0 are two.

    Reference: reference/spl.md 6.2
    """
    if value.kind is Kind.LIST:
        return ops.coalesce(ops.list_length(ops.values(value)), literal(0.0))
    return ops.count_distinct(as_text(value))


@AGGREGATES.define("sum", order="never", in_spans="sum", above_one=True)
def sum_(scope: Scope, value: Typed, span: Span) -> Typed:
    """Sum of the numbers; null if there are none.

    Reference: reference/spl.md 6.2
    """
    return aggregate_numbers(value, ops.sum)


@AGGREGATES.define("sumsq", order="never")
def sumsq(scope: Scope, value: Typed, span: Span) -> Typed:
    """Sum of the squares.

    Reference: reference/spl.md 6.2
    """
    if value.kind is Kind.LIST:
        parameter, element = build_element_parameter(value)
        amount = as_number(element)
        squares = apply_to_elements(ops.list_map, value, parameter, as_text(ops.multiply(amount, amount)))
        return aggregate_numbers(squares, ops.sum)
    amount = flatten_numbers(value)
    return ops.sum(ops.multiply(amount, amount))


@AGGREGATES.define("avg", "mean", order="never", in_spans="mean", above_one=True)
def avg(scope: Scope, value: Typed, span: Span) -> Typed:
    """Mean of the numbers.

    Reference: reference/spl.md 6.2
    """
    return aggregate_numbers(value, ops.mean)


def of_one(value: Typed, spread: Operation) -> Typed:
    """A sample statistic, which Splunk gives as 0 for a single value."""
    if value.kind is Kind.LIST:
        mean = ops.list_statistic(collect_values(value), literal("mean"))
        return ops.coalesce(aggregate_numbers(value, spread), ops.multiply(mean, literal(0.0)))
    amount = flatten_numbers(value)
    single = ops.equal(ops.count(amount), literal(1.0))
    return ops.if_(single, literal(0.0), aggregate_call(spread, amount))


@AGGREGATES.define("stdev", order="never", in_spans="stdev_sample")
def stdev(scope: Scope, value: Typed, span: Span) -> Typed:
    """Standard deviation of a sample; 0 of one value.

    Reference: reference/spl.md 6.2
    """
    return of_one(value, ops.stdev_sample)


@AGGREGATES.define("var", order="never", in_spans="variance_sample")
def var(scope: Scope, value: Typed, span: Span) -> Typed:
    """Variance of a sample; 0 of one value.

    Reference: reference/spl.md 6.2
    """
    return of_one(value, ops.variance_sample)


@AGGREGATES.define("stdevp", order="never", in_spans="stdev_population")
def stdevp(scope: Scope, value: Typed, span: Span) -> Typed:
    """Standard deviation of a population.

    Reference: reference/spl.md 6.2
    """
    return aggregate_numbers(value, ops.stdev_population)


@AGGREGATES.define("varp", order="never", in_spans="variance_population")
def varp(scope: Scope, value: Typed, span: Span) -> Typed:
    """Variance of a population.

    Reference: reference/spl.md 6.2
    """
    return aggregate_numbers(value, ops.variance_population)


@AGGREGATES.define("min", order="never", any_text=True, in_spans="minimum", above_one=True)
def min_(scope: Scope, value: Typed, span: Span) -> Typed:
    """The smallest: any number before any text.

    Reference: reference/spl.md 6.2
    """
    if value.kind is Kind.LIST:
        return smallest(collect_values(value))
    if value.kind is not Kind.TEXT:
        return ops.minimum(flatten_numbers(value))
    least = as_text(ops.minimum(ops.to_number(value)))
    return ops.coalesce(least, ops.minimum(value))


@AGGREGATES.define("max", order="never", any_text=True, in_spans="maximum", above_one=True)
def max_(scope: Scope, value: Typed, span: Span) -> Typed:
    """The largest: any text before any number.

    Reference: reference/spl.md 6.2
    """
    if value.kind is Kind.LIST:
        return find_largest_value(collect_values(value))
    if value.kind is not Kind.TEXT:
        return ops.maximum(flatten_numbers(value))
    words = ops.not_(ops.is_number(value))
    word = ops.maximum(value, where=words.expression)
    return ops.coalesce(word, as_text(ops.maximum(ops.to_number(value))))


@AGGREGATES.define("range", order="never")
def range_(scope: Scope, value: Typed, span: Span) -> Typed:
    """The largest number less the smallest.

    Reference: reference/spl.md 6.2
    """
    return ops.subtract(aggregate_numbers(value, ops.maximum), aggregate_numbers(value, ops.minimum))


@AGGREGATES.define("median", order="never")
def median(scope: Scope, value: Typed, span: Span) -> Typed:
    """The value in the middle; of an even number either between the two or, where it is one of them, the higher.

    Reference: reference/spl.md 6.2
    """
    return aggregate_percentile(
        scope, value, 0.5 if scope.session.switch("percentiles") == "interpolated" else HIGHER, span
    )


def aggregate_percentile(scope: Scope, value: Typed, fraction: float, span: Span) -> Typed:
    """A percentile, linear between the nearest values or one of them."""
    between = scope.session.switch("percentiles") == "interpolated"
    if value.kind is Kind.LIST:
        kind = literal("percentile" if between else "rank")
        return ops.list_statistic(collect_values(value), kind, literal(fraction))
    return aggregate_call(ops.percentile if between else ops.percentile_rank, flatten_numbers(value), literal(fraction))


@AGGREGATES.define("mode", order="never", any_text=True)
def mode(scope: Scope, value: Typed, span: Span) -> Typed:
    """The most frequent value.

    Reference: reference/spl.md 6.2
    """
    return ops.list_mode(collect_values(value)) if value.kind is Kind.LIST else ops.mode(as_text(value))


@AGGREGATES.define("values", order="never", any_text=True)
def values(scope: Scope, value: Typed, span: Span) -> Typed:
    """Distinct values as text, sorted by bytes.

    Reference: reference/spl.md 6.2
    """
    return ops.values(value if value.kind is Kind.LIST else as_text(value))


@AGGREGATES.define("list", order="always", any_text=True)
def list_(scope: Scope, value: Typed, span: Span) -> Typed:
    """The first 100 values in row order.

    Reference: reference/spl.md 6.2
    """
    everything = ops.collect(value if value.kind is Kind.LIST else as_text(value))
    return ops.list_slice(everything, literal(1.0), literal(float(LONGEST_LIST)))


@AGGREGATES.define("first", order="always", any_text=True)
def first(scope: Scope, value: Typed, span: Span) -> Typed:
    """The value of the first row that has one; events come newest first.

    Reference: reference/spl.md 6.2
    """
    return one_of(ops.first(value), 1.0)


def one_of(value: Typed, place: float) -> Typed:
    """The value at a place of a row that has several; a single value itself."""
    return ops.list_get(value, literal(place)) if value.kind is Kind.LIST else value


@AGGREGATES.define("last", order="always", any_text=True)
def last(scope: Scope, value: Typed, span: Span) -> Typed:
    """The value of the last row that has one.

    Reference: reference/spl.md 6.2
    """
    return one_of(ops.last(value), -1.0)


def when(scope: Scope) -> Typed:
    """The time of a row."""
    found = scope.typed("_time")
    return as_number(found) if found.kind is not Kind.NULL else Typed(Column("_time"), Kind.NUMBER)


@AGGREGATES.define("earliest", order="ties", any_text=True)
def earliest(scope: Scope, value: Typed, span: Span) -> Typed:
    """The value of the row with the smallest `_time`.

    Reference: reference/spl.md 6.2
    """
    return one_of(ops.least_by(value, when(scope)), -1.0)


@AGGREGATES.define("latest", order="ties", any_text=True)
def latest(scope: Scope, value: Typed, span: Span) -> Typed:
    """The value of the row with the largest `_time`.

    Reference: reference/spl.md 6.2
    """
    return one_of(ops.greatest_by(value, when(scope)), 1.0)


def aggregate_by_time(scope: Scope, value: Typed, operation: Operation) -> Typed:
    """The smallest or largest time among the rows that have the field."""
    present = ops.not_(ops.is_null(value))
    return aggregate_call(operation, when(scope), where=present.expression)


@AGGREGATES.define("earliest_time", order="never", any_text=True)
def earliest_time(scope: Scope, value: Typed, span: Span) -> Typed:
    """The time of the earliest value.

    Reference: reference/spl.md 6.2
    """
    return aggregate_by_time(scope, value, ops.minimum)


@AGGREGATES.define("latest_time", order="never", any_text=True)
def latest_time(scope: Scope, value: Typed, span: Span) -> Typed:
    """The time of the latest value.

    Reference: reference/spl.md 6.2
    """
    return aggregate_by_time(scope, value, ops.maximum)


@AGGREGATES.define("sparkline", order="never", without_field=True, any_text=True, drawn=True)
def sparkline(scope: Scope, value: Typed | None, span: Span) -> Typed:
    """A small chart in a cell: the values behind a mark; but for `stats` the number of rows.

    Reference: reference/spl.md 6.2
    """
    # stats draws them; other commands have no axis of time to draw along.
    scope.session.warn("not-drawn", "`sparkline` is not drawn; the field holds the number of rows", span)
    return ops.to_text(aggregate_call(ops.count))


@AGGREGATES.define("estdc_error", order="never", any_text=True)
def estdc_error(scope: Scope, value: Typed, span: Span) -> Typed:
    """How far `estdc` may be off: not at all, as it counts exactly.

    Reference: Splunk Search Reference, Aggregate functions
    """
    # 0 for a group, and null without one.
    return ops.multiply(aggregate_call(ops.count), literal(0.0))


@AGGREGATES.define("rate", "rate_avg", "rate_sum", order="ties")
def rate(scope: Scope, value: Typed, span: Span) -> Typed:
    """The change of a counter a second; the rows of a group are one time series, so are its mean and its sum.

    Reference: reference/spl.md 6.2
    """
    amount = flatten_numbers(value)
    change = ops.subtract(latest(scope, amount, span), earliest(scope, amount, span))
    return apply(
        ops.divide,
        change,
        ops.subtract(aggregate_by_time(scope, amount, ops.maximum), aggregate_by_time(scope, amount, ops.minimum)),
    )


def all_numbers(value: Typed, measure: Typed) -> Typed:
    """The measure if all values are numbers."""
    if value.kind is Kind.NUMBER:
        return measure
    if value.kind is Kind.LIST:
        parameter, element = build_element_parameter(value)
        other = apply_to_elements(ops.list_any, value, parameter, ops.not_(ops.is_number(element)))
    else:
        other = ops.and_(ops.not_(ops.is_null(value)), ops.not_(ops.is_number(as_text(value))))
    return ops.if_(ops.any_true(other), Typed(TYPED_NULL.expression, measure.kind), measure)


def build_aggregate(
    scope: Scope, function: str, value: Typed | None, span: Span, *, only_numbers: bool = False
) -> Typed:
    """The aggregate of that name over a value; an error if there is none.

    With `only_numbers` one of numbers is null as soon as a value is none.
    """
    measure = plainly_measured(scope, function, value, span)
    any_text = function in AGGREGATES and AGGREGATES[function].any_text
    # `allnum=t`: numeric aggregates only if all values are numeric (reference/spl.md 6.2).
    if only_numbers and value is not None and not any_text and value.kind is not Kind.NULL:
        return all_numbers(value, measure)
    return measure


def needs_field(function: str) -> bool:
    """Whether an aggregate says nothing without a field."""
    return function not in AGGREGATES or not AGGREGATES[function].without_field


def plainly_measured(scope: Scope, function: str, value: Typed | None, span: Span) -> Typed:
    """The aggregate of that name over the values that it can take."""
    found = PERCENTILE.fullmatch(function)
    entry = AGGREGATES.get(function)
    if entry is None and found is None:
        hint = did_you_mean(function, AGGREGATES)
        place = span.source.span(span.start, min(span.end, span.start + len(function)))
        raise SourceError("unknown-aggregate", f"no statistical function is called `{function}`", place, help=hint)
    if value is None and needs_field(function):
        raise SourceError("missing-field", f"`{function}` needs a field in parentheses", span)
    if found is not None and value is not None:
        # Linear interpolation, which the documented examples give (reference/spl.md 6.2).
        return aggregate_percentile(scope, value, float(found[2]) / 100, span)
    if entry is None:
        raise TypeError(function)
    # count(eval(x>1)) counts what is true; other aggregates see a boolean as eval prints it.
    if value is not None and value.kind is Kind.BOOLEAN and not entry.of_rows:
        value = as_text(value) if entry.any_text else as_number(value)
    measure: Typed = entry.run(scope, value, span)
    return measure
