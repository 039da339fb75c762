# mypy: disable-error-code="empty-body"
"""Aggregates and operations of windows: one value for many rows."""

from __future__ import annotations

from typing import Unpack

from harness.detection.plan.expressions import Expression
from harness.detection.plan.operation import (
    Alike,
    Anything,
    Boolean,
    Events,
    GroupRows,
    Multivalue,
    Number,
    Text,
    V,
    aggregate,
    window,
)


@aggregate
def count(value: Anything[V] = ..., **rows: Unpack[GroupRows]) -> Number[V]:
    """Rows, or values that are not null."""


# Exact, where LogScale estimates from about 100 values on (reference/cql.md 7.2).
@aggregate
def count_distinct(value: Anything[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """Distinct values that are not null."""


@aggregate
def sum(number: Number[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """The sum; null of none."""


@aggregate
def mean(number: Number[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """The arithmetic mean; null of none."""


@aggregate
def minimum(value: Alike[V], **rows: Unpack[GroupRows]) -> Alike[V]:
    """The smallest number, or text by its bytes; null of none."""


@aggregate
def maximum(value: Alike[V], **rows: Unpack[GroupRows]) -> Alike[V]:
    """The largest number, or text by its bytes; null of none."""


# Null of one value is SQL's answer; SPL's is 0 (reference/spl.md 1.6), which its own front end gives.
@aggregate
def stdev_sample(number: Number[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """Standard deviation of n - 1; null of fewer than two."""


@aggregate
def stdev_population(number: Number[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """Standard deviation of n; 0 of one; null of none."""


@aggregate
def variance_sample(number: Number[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """Variance of n - 1; null of fewer than two."""


@aggregate
def variance_population(number: Number[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """Variance of n; 0 of one; null of none."""


# R-7 is what SPL's documented examples print (reference/spl.md 6.2).
@aggregate
def percentile(number: Number[V], fraction: Number[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """Linear between the nearest ranks (R-7); `fraction` is a literal 0 .. 1."""


@aggregate
def percentile_rank(number: Number[V], fraction: Number[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """The smallest number that so large a part does not exceed."""


# What a sketch of buckets answers with: the bucket of this number (reference/cql.md, addenda).
@aggregate
def percentile_below(number: Number[V], fraction: Number[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """The number at place floor(fraction * (n - 1)), counted from 0 and from the smallest."""


# The smallest, so that a run gives the same again: neither product says which of several it takes.
@aggregate
def mode(value: Alike[V], **rows: Unpack[GroupRows]) -> Alike[V]:
    """The most frequent, the smallest of several; null of none."""


# Sorted as SPL's values() are (reference/spl.md 1.7); LogScale's collect() has no order.
@aggregate
def values(value: Anything[V], **rows: Unpack[GroupRows]) -> Multivalue[V]:
    """Distinct texts sorted by bytes; lists count by element; null of none."""


# Row order is that of the relation below: a language that wants another one sorts first.
@aggregate
def collect(value: Anything[V], **rows: Unpack[GroupRows]) -> Multivalue[V]:
    """All texts in row order; lists count by element; null of none."""


@aggregate
def first(value: Alike[V], **rows: Unpack[GroupRows]) -> Alike[V]:
    """The value of the first row where it is not null, in row order."""


@aggregate
def last(value: Alike[V], **rows: Unpack[GroupRows]) -> Alike[V]:
    """The value of the last row where it is not null, in row order."""


@aggregate
def least_by(value: Alike[V], number: Number[V], **rows: Unpack[GroupRows]) -> Alike[V]:
    """The value of the row with the smallest number, the first of several; not of rows where either is null."""


@aggregate
def greatest_by(value: Alike[V], number: Number[V], **rows: Unpack[GroupRows]) -> Alike[V]:
    """The value of the row with the largest number, the first of several; not of rows where either is null."""


@aggregate
def all_true(condition: Boolean[V], **rows: Unpack[GroupRows]) -> Boolean[V]:
    """Whether no row is false; null of none."""


@aggregate
def any_true(condition: Boolean[V], **rows: Unpack[GroupRows]) -> Boolean[V]:
    """Whether a row is true; null of none."""


@aggregate
def slope(y: Anything[V], x: Anything[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """The slope of the least-squares line."""


@aggregate
def intercept(y: Anything[V], x: Anything[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """The intercept of the least-squares line."""


@aggregate
def r_squared(y: Anything[V], x: Anything[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """The coefficient of determination of the least-squares line."""


# Written by the trace alone; no language has it.
@aggregate
def gather(events: Anything[V], **rows: Unpack[GroupRows]) -> Events[V]:
    """Provenance: the distinct events of all rows, ascending; see `plan/passes/provenance.py`."""


@window
def row_number(**rows: Unpack[GroupRows]) -> Number[Expression]:
    """The place in the partition in the current order, from 1."""


@window
def lag(value: Alike[V], rows_before: Number[V], **rows: Unpack[GroupRows]) -> Alike[V]:
    """The value of the row so many places before; null outside."""


@window
def lead(value: Alike[V], rows_after: Number[V], **rows: Unpack[GroupRows]) -> Alike[V]:
    """The value of the row so many places after; null outside."""


@window
def fill(value: Alike[V], **rows: Unpack[GroupRows]) -> Alike[V]:
    """The value of the nearest row at or before this one where it is not null."""


# Folded in Python row by row: each average needs the one before, which no frame of SQL has.
@window
def smoothed(number: Number[V], weight: Number[V], **rows: Unpack[GroupRows]) -> Number[V]:
    """The exponential average so far: `weight` of the one before, the rest of this row's number."""


@window
def series_of(
    longest: Number[V],
    pause: Number[V],
    time: Number[V],
    starts: Boolean[V],
    ends: Boolean[V],
    **rows: Unpack[GroupRows],
) -> Number[V]:
    """The number of the row's series, null in none; see `plan/values/folds.py`.

    `longest` and `pause` are the longest span of a series and the longest pause in it, null without limit. `starts` and
    `ends` say whether the row starts or ends one; `starts` is null if no row has to.
    """


# Whether a row continues its session depends on where that began, which SQL's windows cannot say.
@window
def session_of(
    longest: Number[V],
    pause: Number[V],
    most: Number[V],
    connected: Boolean[V],
    ends_match: Boolean[V],
    limits_close: Boolean[V],
    time: Number[V],
    opens: Boolean[V],
    closes: Boolean[V],
    *keys: Text[V],
    **rows: Unpack[GroupRows],
) -> Number[V]:
    """The number of the row's session, negative if nothing closed it; see `plan/values/folds.py`.

    `longest`, `pause` and `most` are the longest span, the longest pause and the most rows of a session, null without
    limit. Rows must share a key with it where `connected`, and so must those that open or close it where `ends_match`;
    a limit closes it even where rows do if `limits_close`.
    """
