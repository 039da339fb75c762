"""Statistical functions of stats and its relatives.

Reference: reference/spl.md 6.2
"""

from __future__ import annotations

import re

from harness.detection.languages.spl.coercion import NOTHING, Typed, apply, each, literal, number, over, text
from harness.detection.languages.spl.lists import largest, smallest
from harness.detection.languages.spl.registry import AGGREGATES
from harness.detection.languages.spl.scope import Scope
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import Aggregation, Column, Expression
from harness.detection.plan.operations import OPERATIONS
from harness.diagnostics import SourceError, Span, did_you_mean

PERCENTILE = re.compile(r"(p|perc|exactperc|upperperc)(\d{1,2}(?:\.\d+)?|100)")
LONGEST_LIST = 100
HIGHER = 0.5 + 1e-9
Measured = Typed


def aggregate(operation: str, *arguments: Typed, where: Expression | None = None) -> Typed:
    """An aggregate operation of the plan."""
    result = OPERATIONS[operation].result
    kind = result if isinstance(result, Kind) else arguments[0].kind
    return Typed(Aggregation(operation, tuple(a.expression for a in arguments), where), kind)


def together(value: Typed) -> Typed:
    """All values of a group in row order, of a field that has several in a row."""
    return aggregate("collect", value)


def numeric(value: Typed, operation: str) -> Typed:
    """An aggregate of the numbers; text that looks like none is left out, each of several values counts."""
    if value.kind is Kind.LIST:
        return apply("list_statistic", together(value), literal(operation))
    return aggregate(operation, numbers(value))


def numbers(value: Typed) -> Typed:
    """The argument as numbers."""
    return Typed(value.expression, Kind.NUMBER) if value.kind is Kind.NULL else number(value)


@AGGREGATES.define("count", "c")
def count(scope: Scope, value: Typed | None, span: Span) -> Typed:
    """Rows; of a field its values; of a condition the rows where it is true.

        stats count by a

    Reference: reference/spl.md 6.2
    """
    if value is None:
        return aggregate("count")
    if value.kind is Kind.BOOLEAN:
        return aggregate("count", where=value.expression)
    if value.kind is Kind.LIST:
        return apply("coalesce", aggregate("sum", apply("list_length", value)), literal(0.0))
    return aggregate("count", value)


@AGGREGATES.define("dc", "distinct_count", "estdc")
def dc(scope: Scope, value: Typed, span: Span) -> Typed:
    """Distinct values as text: 1 and 1.0 are two.

    Reference: reference/spl.md 6.2
    """
    if value.kind is Kind.LIST:
        return apply("coalesce", apply("list_length", aggregate("values", value)), literal(0.0))
    return aggregate("count_distinct", text(value))


@AGGREGATES.define("sum")
def sum_(scope: Scope, value: Typed, span: Span) -> Typed:
    """Sum of the numbers; null if there are none.

    Reference: reference/spl.md 6.2
    """
    return numeric(value, "sum")


@AGGREGATES.define("sumsq")
def sumsq(scope: Scope, value: Typed, span: Span) -> Typed:
    """Sum of the squares.

    Reference: reference/spl.md 6.2
    """
    if value.kind is Kind.LIST:
        parameter, element = each(value)
        amount = number(element)
        squares = over("list_map", value, parameter, text(apply("multiply", amount, amount)))
        return numeric(squares, "sum")
    amount = numbers(value)
    return aggregate("sum", apply("multiply", amount, amount))


@AGGREGATES.define("avg", "mean")
def avg(scope: Scope, value: Typed, span: Span) -> Typed:
    """Mean of the numbers.

    Reference: reference/spl.md 6.2
    """
    return numeric(value, "mean")


def of_one(value: Typed, spread: str) -> Typed:
    """A sample statistic, which Splunk gives as 0 for a single value."""
    if value.kind is Kind.LIST:
        mean = apply("list_statistic", together(value), literal("mean"))
        return apply("coalesce", numeric(value, spread), apply("multiply", mean, literal(0.0)))
    amount = numbers(value)
    single = apply("equal", aggregate("count", amount), literal(1.0))
    return apply("if", single, literal(0.0), aggregate(spread, amount))


@AGGREGATES.define("stdev")
def stdev(scope: Scope, value: Typed, span: Span) -> Typed:
    """Standard deviation of a sample; 0 of one value.

    Reference: reference/spl.md 6.2
    """
    return of_one(value, "stdev_sample")


@AGGREGATES.define("var")
def var(scope: Scope, value: Typed, span: Span) -> Typed:
    """Variance of a sample; 0 of one value.

    Reference: reference/spl.md 6.2
    """
    return of_one(value, "variance_sample")


@AGGREGATES.define("stdevp")
def stdevp(scope: Scope, value: Typed, span: Span) -> Typed:
    """Standard deviation of a population.

    Reference: reference/spl.md 6.2
    """
    return numeric(value, "stdev_population")


@AGGREGATES.define("varp")
def varp(scope: Scope, value: Typed, span: Span) -> Typed:
    """Variance of a population.

    Reference: reference/spl.md 6.2
    """
    return numeric(value, "variance_population")


@AGGREGATES.define("min")
def min_(scope: Scope, value: Typed, span: Span) -> Typed:
    """The smallest: any number before any text.

    Reference: reference/spl.md 6.2
    """
    if value.kind is Kind.LIST:
        return smallest(together(value))
    if value.kind is not Kind.TEXT:
        return aggregate("minimum", numbers(value))
    least = text(aggregate("minimum", apply("to_number", value)))
    return apply("coalesce", least, aggregate("minimum", value))


@AGGREGATES.define("max")
def max_(scope: Scope, value: Typed, span: Span) -> Typed:
    """The largest: any text before any number.

    Reference: reference/spl.md 6.2
    """
    if value.kind is Kind.LIST:
        return largest(together(value))
    if value.kind is not Kind.TEXT:
        return aggregate("maximum", numbers(value))
    words = apply("not", apply("is_number", value))
    word = aggregate("maximum", value, where=words.expression)
    return apply("coalesce", word, text(aggregate("maximum", apply("to_number", value))))


@AGGREGATES.define("range")
def range_(scope: Scope, value: Typed, span: Span) -> Typed:
    """The largest number less the smallest.

    Reference: reference/spl.md 6.2
    """
    return apply("subtract", numeric(value, "maximum"), numeric(value, "minimum"))


@AGGREGATES.define("median")
def median(scope: Scope, value: Typed, span: Span) -> Typed:
    """The value in the middle; of an even number either between the two or, where it is one of them, the higher.

    Reference: reference/spl.md 6.2
    """
    return percentile(scope, value, 0.5 if scope.session.switch("percentiles") == "interpolated" else HIGHER, span)


def percentile(scope: Scope, value: Typed, fraction: float, span: Span) -> Typed:
    """A percentile, linear between the nearest values or one of them."""
    between = scope.session.switch("percentiles") == "interpolated"
    if value.kind is Kind.LIST:
        kind = literal("percentile" if between else "rank")
        return apply("list_statistic", together(value), kind, literal(fraction))
    return aggregate("percentile" if between else "percentile_rank", numbers(value), literal(fraction))


@AGGREGATES.define("mode")
def mode(scope: Scope, value: Typed, span: Span) -> Typed:
    """The most frequent value.

    Reference: reference/spl.md 6.2
    """
    return apply("list_mode", together(value)) if value.kind is Kind.LIST else aggregate("mode", text(value))


@AGGREGATES.define("values")
def values(scope: Scope, value: Typed, span: Span) -> Typed:
    """Distinct values as text, sorted by bytes.

    Reference: reference/spl.md 6.2
    """
    return aggregate("values", value if value.kind is Kind.LIST else text(value))


@AGGREGATES.define("list")
def list_(scope: Scope, value: Typed, span: Span) -> Typed:
    """The first 100 values in row order.

    Reference: reference/spl.md 6.2
    """
    everything = aggregate("collect", value if value.kind is Kind.LIST else text(value))
    return apply("list_slice", everything, literal(1.0), literal(float(LONGEST_LIST)))


@AGGREGATES.define("first")
def first(scope: Scope, value: Typed, span: Span) -> Typed:
    """The value of the first row that has one; events come newest first.

    Reference: reference/spl.md 6.2
    """
    return one_of(aggregate("first", value), 1.0)


def one_of(value: Typed, place: float) -> Typed:
    """The value at a place of a row that has several; a single value itself."""
    return apply("list_get", value, literal(place)) if value.kind is Kind.LIST else value


@AGGREGATES.define("last")
def last(scope: Scope, value: Typed, span: Span) -> Typed:
    """The value of the last row that has one.

    Reference: reference/spl.md 6.2
    """
    return one_of(aggregate("last", value), -1.0)


def when(scope: Scope) -> Typed:
    """The time of a row."""
    found = scope.typed("_time")
    return number(found) if found.kind is not Kind.NULL else Typed(Column("_time"), Kind.NUMBER)


@AGGREGATES.define("earliest")
def earliest(scope: Scope, value: Typed, span: Span) -> Typed:
    """The value of the row with the smallest `_time`.

    Reference: reference/spl.md 6.2
    """
    return one_of(aggregate("least_by", value, when(scope)), -1.0)


@AGGREGATES.define("latest")
def latest(scope: Scope, value: Typed, span: Span) -> Typed:
    """The value of the row with the largest `_time`.

    Reference: reference/spl.md 6.2
    """
    return one_of(aggregate("greatest_by", value, when(scope)), 1.0)


def timed(scope: Scope, value: Typed, operation: str) -> Typed:
    """The smallest or largest time among the rows that have the field."""
    present = apply("not", apply("is_null", value))
    return aggregate(operation, when(scope), where=present.expression)


@AGGREGATES.define("earliest_time")
def earliest_time(scope: Scope, value: Typed, span: Span) -> Typed:
    """The time of the earliest value.

    Reference: reference/spl.md 6.2
    """
    return timed(scope, value, "minimum")


@AGGREGATES.define("latest_time")
def latest_time(scope: Scope, value: Typed, span: Span) -> Typed:
    """The time of the latest value.

    Reference: reference/spl.md 6.2
    """
    return timed(scope, value, "maximum")


@AGGREGATES.define("sparkline")
def sparkline(scope: Scope, value: Typed | None, span: Span) -> Typed:
    """A small chart in a cell: the values behind a mark; but for `stats` the number of rows.

    Reference: reference/spl.md 6.2
    """
    scope.session.warn("not-drawn", "`sparkline` is not drawn; the field holds the number of rows", span)
    return apply("to_text", aggregate("count"))


@AGGREGATES.define("estdc_error")
def estdc_error(scope: Scope, value: Typed, span: Span) -> Typed:
    """How far `estdc` may be off: not at all, as it counts exactly.

    Reference: Splunk Search Reference, Aggregate functions
    """
    return apply("multiply", aggregate("count"), literal(0.0))


@AGGREGATES.define("rate", "rate_avg", "rate_sum")
def rate(scope: Scope, value: Typed, span: Span) -> Typed:
    """The change of a counter a second; the rows of a group are one time series, so are its mean and its sum.

    Reference: reference/spl.md 6.2
    """
    amount = numbers(value)
    change = apply("subtract", latest(scope, amount, span), earliest(scope, amount, span))
    return apply("divide", change, apply("subtract", timed(scope, amount, "maximum"), timed(scope, amount, "minimum")))


WITHOUT_FIELD = ("count", "c", "sparkline")
COUNTED = (*WITHOUT_FIELD, "dc", "distinct_count", "estdc", "estdc_error", "earliest_time", "latest_time")
WORDS = frozenset((*COUNTED, "values", "list", "first", "last", "mode", "earliest", "latest", "min", "max"))
"""Functions that take any text for a value."""


def all_numbers(value: Typed, measure: Typed) -> Typed:
    """The measure if all values are numbers."""
    if value.kind is Kind.NUMBER:
        return measure
    if value.kind is Kind.LIST:
        parameter, element = each(value)
        other = over("list_any", value, parameter, apply("not", apply("is_number", element)))
    else:
        other = apply("and", apply("not", apply("is_null", value)), apply("not", apply("is_number", text(value))))
    return apply("if", aggregate("any_true", other), Typed(NOTHING.expression, measure.kind), measure)


def measured(scope: Scope, function: str, value: Typed | None, span: Span, *, only_numbers: bool = False) -> Typed:
    """The aggregate of that name over a value; an error if there is none.

    With `only_numbers` one of numbers is null as soon as a value is none.
    """
    measure = plainly_measured(scope, function, value, span)
    if only_numbers and value is not None and function not in WORDS and value.kind is not Kind.NULL:
        return all_numbers(value, measure)
    return measure


def plainly_measured(scope: Scope, function: str, value: Typed | None, span: Span) -> Typed:
    """The aggregate of that name over the values that it can take."""
    found = PERCENTILE.fullmatch(function)
    entry = AGGREGATES.get(function)
    if entry is None and found is None:
        hint = did_you_mean(function, AGGREGATES)
        place = span.source.span(span.start, min(span.end, span.start + len(function)))
        raise SourceError("unknown-aggregate", f"no statistical function is called `{function}`", place, help=hint)
    if value is None and function not in WITHOUT_FIELD:
        raise SourceError("missing-field", f"`{function}` needs a field in parentheses", span)
    if found is not None and value is not None:
        return percentile(scope, value, float(found[2]) / 100, span)
    if value is not None and value.kind is Kind.BOOLEAN and function not in ("count", "c"):
        value = text(value) if function in WORDS else number(value)
    if entry is None:
        raise TypeError(function)
    measure: Typed = entry.define(scope, value, span)
    return measure
