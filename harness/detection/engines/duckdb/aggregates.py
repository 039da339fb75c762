"""Aggregates and window operations in DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import expressions as exp

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.plan.columns import Kind
from harness.detection.sql import build as b
from harness.detection.sql.aggregation import Around
from harness.detection.sql.build import SQL, fn


@DUCKDB.spell("count")
def count(around: Around, *x: SQL) -> SQL:
    """Rows, or values that are not null."""
    return b.cast(around("count", *(x or (exp.Star(),))), "DOUBLE")


@DUCKDB.spell("count_distinct")
def count_distinct(around: Around, x: SQL) -> SQL:
    """Distinct values."""
    return b.cast(around("count", x, distinct=True), "DOUBLE")


def direct(name: str) -> Callable[..., SQL]:
    """A function under DuckDB's own name."""
    return lambda around, *x: around(name, *x)


for operation, name in {
    "sum": "sum",
    "mean": "avg",
    "minimum": "min",
    "maximum": "max",
    "stdev_sample": "stddev_samp",
    "stdev_population": "stddev_pop",
    "variance_sample": "var_samp",
    "variance_population": "var_pop",
    "percentile": "quantile_cont",
    "all_true": "bool_and",
    "any_true": "bool_or",
    "slope": "regr_slope",
    "intercept": "regr_intercept",
    "r_squared": "regr_r2",
    "least_by": "arg_min",
    "greatest_by": "arg_max",
}.items():
    DUCKDB.spell(operation)(direct(name))


@DUCKDB.spell("mode")
def mode(around: Around, x: SQL) -> SQL:
    """The most frequent, the smallest of several."""
    return around("mode", x)


@DUCKDB.spell("values", kinds=True)
def values(around: Around, t: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """Distinct texts sorted by bytes."""
    return fn("list_sort", around("list", t, present=t, distinct=True))


@DUCKDB.spell("collect")
def collect(around: Around, t: SQL) -> SQL:
    """All texts in row order."""
    return around("list", t, present=t, in_order=True)


@DUCKDB.spell("first")
def first(around: Around, x: SQL) -> SQL:
    """Of the first row where it is not null."""
    return around("first", x, present=x, in_order=True)


@DUCKDB.spell("last")
def last(around: Around, x: SQL) -> SQL:
    """Of the last row where it is not null."""
    return around("last", x, present=x, in_order=True)


@DUCKDB.spell("gather", kinds=True)
def gather(around: Around, events: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """The events of all rows."""
    gathered = around("list", events, present=events)
    if kinds[0] is Kind.EVENTS:
        gathered = fn("flatten", gathered)
    return fn("list_sort", fn("list_distinct", gathered))


@DUCKDB.spell("row_number")
def row_number(around: Around) -> SQL:
    """Place in the partition."""
    return b.cast(around("row_number"), "DOUBLE")


@DUCKDB.spell("lag", "lead")
def unspelled(around: Around, *x: SQL) -> SQL:
    """Replaced below."""
    return x[0]


def shifted(name: str) -> Callable[..., SQL]:
    """The value so many rows away."""

    def spelled(around: Around, x: SQL, n: SQL | None = None) -> SQL:
        """Lag or lead."""
        return around(name, x, b.integer(1) if n is None else b.place(n))

    return spelled


for operation in ("lag", "lead"):
    DUCKDB.spell(operation)(shifted(operation))


@DUCKDB.spell("unnest")
def unnest(lists: SQL, name: str, place: str, keep_empty: bool) -> list[Any]:
    """Select items that make a row of each element, and its place."""
    source = fn("coalesce", lists, b.array(b.null())) if keep_empty else lists
    places = b.binary(exp.Sub, fn("generate_subscripts", source.copy(), b.integer(1)), b.integer(1))
    return [b.alias(fn("unnest", source), name), b.alias(b.cast(places, "DOUBLE"), place)]
