"""Aggregates and window operations in Spark SQL."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import expressions as exp

from harness.detection.engines.spark.dialect import SPARK
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.sql import build as b
from harness.detection.sql.aggregation import Around
from harness.detection.sql.build import SQL, fn


def spell_spark_aggregate(name: str) -> Callable[..., SQL]:
    """A function under Spark's own name."""
    return lambda around, *x: around(name, *x)


for operation, name in {
    ops.sum: "sum",
    ops.mean: "avg",
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


@SPARK.spell(ops.count)
def count(around: Around, *x: SQL) -> SQL:
    """Rows, or values that are not null."""
    return b.cast(around("count", *(x or (exp.Star(),))), "DOUBLE")


@SPARK.spell(ops.count_distinct)
def count_distinct(around: Around, x: SQL) -> SQL:
    """Distinct values."""
    return b.cast(around("count", x, distinct=True), "DOUBLE")


@SPARK.spell(ops.values, kinds=True)
def values(around: Around, t: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """Distinct texts sorted by bytes."""
    # collect_set leaves nulls out by itself, unlike DuckDB's list (reference/engine.md 4).
    found = around("collect_set", t)
    if kinds[0] is Kind.LIST:
        found = fn("array_distinct", fn("flatten", found))
    # It gives an empty array where all are null; a list of the plan is never empty.
    return fn("nullif", fn("sort_array", found), b.cast(fn("array"), "TEXT[]"))


@SPARK.spell(ops.gather, kinds=True)
def gather(around: Around, events: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """The distinct events of all rows."""
    found = around("collect_set", events)
    return fn("sort_array", fn("array_distinct", fn("flatten", found)) if kinds[0] is Kind.EVENTS else found)


@SPARK.spell(ops.row_number)
def row_number(around: Around) -> SQL:
    """Place in the partition."""
    return b.cast(around("row_number"), "DOUBLE")


def spell_spark_shift(name: str) -> Callable[..., SQL]:
    """The value so many rows away."""

    def spelled(around: Around, x: SQL, n: SQL | None = None) -> SQL:
        """LAG or LEAD by `n` rows, by one if not given."""
        return around(name, x, b.sql_integer(1) if n is None else b.sql_place(n))

    return spelled


for operation in (ops.lag, ops.lead):
    SPARK.spell(operation)(spell_spark_shift(operation.name))
