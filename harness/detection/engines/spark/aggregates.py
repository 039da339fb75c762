"""Aggregates and window operations in Spark SQL.

Spark's aggregates take no order: rows of a group are numbered in their order first, and the number chooses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.detection.engines.spark.dialect import SPARK, spark_place
from harness.detection.engines.spark.lists import spell_spark_array, spell_spark_filled
from harness.detection.engines.spark.numbers import spark_to_text
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import Around
from harness.detection.sql.build import SQL, fn, lambda_of, sql_parameter


def call_spark_aggregate(around: Around, name: str, *arguments: SQL, present: SQL | None = None) -> SQL:
    """An aggregate; over a window the rows that do not count become null, as Spark has no FILTER there."""
    if around.window is None:
        return around(name, *arguments, present=present)
    conditions = [c for c in (around.where, None if present is None else b.not_null(present)) if c is not None]
    if not conditions:
        return around(name, *arguments)
    counted = b.sql_balanced(exp.And, [c.copy() for c in conditions])
    kept = [x if b.is_literal(x) else b.sql_case((counted.copy(), x)) for x in arguments]
    return replace(around, where=None)(name, *kept)


def spell_spark_aggregate(name: str) -> Callable[..., SQL]:
    """A function under Spark's own name."""
    return lambda around, *x: call_spark_aggregate(around, name, *x)


for operation, name in {
    ops.minimum: "min",
    ops.maximum: "max",
    ops.stdev_sample: "stddev_samp",
    ops.stdev_population: "stddev_pop",
    ops.variance_sample: "var_samp",
    ops.variance_population: "var_pop",
    ops.percentile: "percentile",
    ops.all_true: "bool_and",
    ops.any_true: "bool_or",
    ops.slope: "regr_slope",
    ops.intercept: "regr_intercept",
    ops.r_squared: "regr_r2",
}.items():
    SPARK.spell(operation)(spell_spark_aggregate(name))


@SPARK.spell(ops.sum)
def spark_sum(around: Around, x: SQL) -> SQL:
    """Counts as integers; a sum of fractions may differ in its last digit with the order of rows."""
    if around.whole:
        return b.cast(call_spark_aggregate(around, "sum", b.cast(x, "BIGINT")), "DOUBLE")
    return call_spark_aggregate(around, "sum", x)


@SPARK.spell(ops.mean)
def spark_mean(around: Around, x: SQL) -> SQL:
    """The sum through the count."""
    count = fn("nullif", call_spark_aggregate(around, "count", x), b.sql_integer(0))
    return b.sql_infix(exp.Div, spark_sum(around, x), b.cast(count, "DOUBLE"))


@SPARK.spell(ops.count)
def spark_count(around: Around, *x: SQL) -> SQL:
    """Rows, or values that are not null."""
    if x or around.window is None or around.where is None:
        return b.cast(call_spark_aggregate(around, "count", *(x or (b.sql_integer(1),))), "DOUBLE")
    one = b.sql_case((around.where.copy(), b.sql_integer(1)))
    return b.cast(replace(around, where=None)("count", one), "DOUBLE")


@SPARK.spell(ops.count_distinct)
def spark_count_distinct(around: Around, x: SQL) -> SQL:
    """Distinct values."""
    if around.window is None:
        return b.cast(around("count", x, distinct=True), "DOUBLE")
    # "Distinct window functions are not supported".
    return b.cast(fn("array_size", call_spark_aggregate(around, "collect_set", x)), "DOUBLE")


def spell_spark_text(t: SQL, kind: Kind) -> SQL:
    """A text; numbers are written out."""
    if kind is Kind.BOOLEAN:
        return b.cast(t, "TEXT")
    return spark_to_text(t) if kind is Kind.NUMBER else b.cast(t, "TEXT") if kind is Kind.NULL else t


@SPARK.spell(ops.values, kinds=True)
def spark_values(around: Around, t: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """Distinct texts sorted by bytes."""
    # collect_set leaves nulls out by itself, unlike DuckDB's list (reference/engine.md 4).
    found = call_spark_aggregate(around, "collect_set", spell_spark_values_argument(t, kinds[0]))
    if kinds[0] is Kind.LIST:
        found = fn("array_distinct", fn("flatten", found))
    # It gives an empty array where all are null; a list of the plan is never empty.
    return spell_spark_filled(fn("sort_array", found))


def spell_spark_values_argument(t: SQL, kind: Kind) -> SQL:
    """Lists as they are, all else as text."""
    return t if kind is Kind.LIST else spell_spark_text(t, kind)


@SPARK.spell(ops.collect, kinds=True)
def spark_collect(around: Around, t: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """All texts in row order."""
    value = spell_spark_values_argument(t, kinds[0])
    if around.window is not None and not around.own_order:
        made = call_spark_aggregate(around, "collect_list", value)
    else:
        made = collect_spark_in_order(around, value)
    return spell_spark_filled(fn("flatten", made) if kinds[0] is Kind.LIST else made)


def collect_spark_in_order(around: Around, value: SQL) -> SQL:
    """The values that are not null as a list, in the order of the rows' numbers."""
    pair = fn("named_struct", b.sql_text("place"), find_spark_place(around), b.sql_text("value"), value)
    found = fn("sort_array", call_spark_aggregate(around, "collect_list", pair, present=value.copy()))
    return fn(
        "transform", found, lambda_of("x", exp.Dot(this=sql_parameter("x"), expression=exp.to_identifier("value")))
    )


def find_spark_place(around: Around) -> SQL:
    """The number of the row in its order; the same for all where there is none."""
    if not around.order:
        return b.sql_integer(1)
    found: SQL = around.order[0].this
    return found.copy()


def spell_spark_nth(which: str) -> Callable[[Around, SQL], SQL]:
    """The first or the last value that is not null."""

    def spelled(around: Around, x: SQL) -> SQL:
        if around.window is not None and not around.own_order:
            return around.nth(which, x)
        name = "min_by" if which == "first" else "max_by"
        return call_spark_aggregate(around, name, x, find_spark_place(around), present=x)

    return spelled


SPARK.spell(ops.first)(spell_spark_nth("first"))
SPARK.spell(ops.last)(spell_spark_nth("last"))
SPARK.spell(ops.fill)(spell_spark_nth("last"))


def spell_spark_by(descending: bool) -> Callable[..., SQL]:
    """Of the row with the smallest or largest number; of equal ones the first in row order."""

    def spelled(around: Around, x: SQL, n: SQL) -> SQL:
        both = b.sql_case((b.not_null(n.copy()), x))
        if around.window is not None:
            kept = b.sql_case((b.not_null(both.copy()), n))
            return call_spark_aggregate(around, "max_by" if descending else "min_by", x, kept)
        key = fn("struct", exp.Neg(this=n) if descending else n, find_spark_place(around))
        return call_spark_aggregate(around, "min_by", x, key, present=both)

    return spelled


SPARK.spell(ops.least_by)(spell_spark_by(False))
SPARK.spell(ops.greatest_by)(spell_spark_by(True))


@SPARK.spell(ops.mode)
def spark_mode(around: Around, x: SQL) -> SQL:
    """The most frequent, the smallest of several."""
    return call_spark_aggregate(around, "mode", x, b.sql_truth(True))


def spell_spark_member(place: Callable[[SQL], SQL]) -> Callable[[Around, SQL, SQL], SQL]:
    """A member of the sorted list of all numbers, at a place that hangs on how many there are."""

    def spelled(around: Around, x: SQL, fraction: SQL) -> SQL:
        numbers = fn("sort_array", call_spark_aggregate(around, "collect_list", x))
        count = call_spark_aggregate(around, "count", x)
        return fn("try_element_at", numbers, b.cast(place(b.sql_infix(exp.Mul, fraction, b.sql_bracket(count))), "INT"))

    return spelled


SPARK.spell(ops.percentile_rank)(spell_spark_member(lambda share: fn("greatest", fn("ceil", share), b.sql_integer(1))))


@SPARK.spell(ops.percentile_below)
def spark_percentile_below(around: Around, x: SQL, fraction: SQL) -> SQL:
    """A member of the sorted list of all numbers."""
    numbers = fn("sort_array", call_spark_aggregate(around, "collect_list", x))
    last = b.sql_infix(exp.Sub, call_spark_aggregate(around, "count", x), b.sql_integer(1))
    place = b.sql_infix(exp.Add, fn("floor", b.sql_infix(exp.Mul, fraction, last)), b.sql_integer(1))
    return fn("try_element_at", numbers, b.cast(fn("greatest", place, b.sql_integer(1)), "INT"))


@SPARK.spell(ops.gather, kinds=True)
def spark_gather(around: Around, events: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """The distinct events of all rows."""
    if kinds[0] is Kind.NULL:
        # Rows that the rule makes itself have no events.
        return b.cast(b.sql_null(), "BIGINT[]")
    found = call_spark_aggregate(around, "collect_set", events)
    found = fn("array_distinct", fn("flatten", found)) if kinds[0] is Kind.EVENTS else found
    return fn("nullif", fn("sort_array", found), spell_spark_array("BIGINT[]"))


@SPARK.spell(ops.row_number)
def spark_row_number(around: Around) -> SQL:
    """Place in the partition."""
    return b.cast(around("row_number"), "DOUBLE")


def spell_spark_shift(name: str) -> Callable[..., SQL]:
    """The value so many rows away."""

    def spelled(around: Around, x: SQL, n: SQL | None = None) -> SQL:
        """LAG or LEAD by `n` rows, by one if not given."""
        return around(name, x, b.sql_integer(1) if n is None else spark_place(n))

    return spelled


for operation in (ops.lag, ops.lead):
    SPARK.spell(operation)(spell_spark_shift(operation.name))
