"""Aggregates and window operations in DuckDB."""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.numbers import duckdb_to_text
from harness.detection.plan import operations as ops
from harness.detection.plan.dimension import CODE, VALUE
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Operation
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import Around, order_term
from harness.detection.sql.build import SQL, fn, lambda_of, sql_parameter
from harness.detection.sql.dialect import Construct


def spell_null_if_empty(value: SQL) -> SQL:
    """Null for a list of nothing."""
    return fn("nullif", value, b.cast(b.array(), "TEXT[]"))


@DUCKDB.spell(ops.count)
def duckdb_count(around: Around, *x: SQL) -> SQL:
    """Rows, or values that are not null."""
    # Numbers of the plan are doubles, or a count compared with a quotient would be compared as an integer.
    return b.cast(around("count", *(x or (exp.Star(),))), "DOUBLE")


@DUCKDB.spell(ops.count_distinct)
def duckdb_count_distinct(around: Around, x: SQL) -> SQL:
    """Distinct values."""
    if around.crowded:
        return b.cast(fn("coalesce", fn("len", fn("list_distinct", around("list", x))), b.sql_integer(0)), "DOUBLE")
    return b.cast(around("count", x, distinct=True), "DOUBLE")


def spell_present_list(around: Around, x: SQL, *, in_order: bool = False) -> SQL:
    """The values that are not null as a list, null of none."""
    if not around.crowded:
        return around("list", x, present=x, in_order=in_order)
    present = lambda_of("x", b.not_null(sql_parameter("x")))
    return fn("nullif", fn("list_filter", around("list", x, in_order=in_order), present), b.array())


def spell_aggregate_by_name(name: str) -> Callable[..., SQL]:
    """A function under DuckDB's own name."""
    return lambda around, *x: around(name, *x)


DUCKDB_AGGREGATES: dict[Operation, str] = {
    ops.minimum: "min",
    ops.maximum: "max",
    # quantile_cont interpolates, quantile_disc takes a value that is there; `quantile`, which sqlglot would write, is
    # the second kind (engine.md 4).
    ops.percentile: "quantile_cont",
    ops.percentile_rank: "quantile_disc",
    ops.all_true: "bool_and",
    ops.any_true: "bool_or",
}
"""Aggregations that DuckDB has under a name of its own."""
for operation, name in DUCKDB_AGGREGATES.items():
    DUCKDB.spell(operation)(spell_aggregate_by_name(name))


@DUCKDB.spell(ops.mode)
def duckdb_mode(around: Around, x: SQL) -> SQL:
    """The most frequent, the smallest of several."""
    # DuckDB gives the first seen of equally frequent values, so the order makes it the smallest. It refuses an order
    # by what is the same in every row.
    return around("mode", x, order=[order_term(x)] if x.find(exp.Column) else [])


@DUCKDB.spell(ops.values, kinds=True)
def duckdb_values(around: Around, t: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """Distinct texts sorted by bytes."""
    if kinds[0] is Kind.LIST:
        # Without DISTINCT, which is redundant here: the time of DuckDB's grew with the cube of the columns of
        # `transaction` (90 events of 80, 120 and 236 columns took 4 s, 14 s and more than 90 s).
        texts = around("list", t) if around.crowded else around("list", t, present=t)
        return spell_null_if_empty(fn("list_sort", fn("list_distinct", fn("flatten", texts))))
    text = spell_text_of_kind(t, kinds[0])
    if around.crowded:
        return spell_null_if_empty(fn("list_sort", fn("list_distinct", around("list", text))))
    # `list` keeps nulls and promises no order, hence the filter and the sort.
    return fn("list_sort", around("list", text, present=t, distinct=True))


@DUCKDB.spell(ops.collect, kinds=True)
def duckdb_collect(around: Around, t: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """All texts in row order."""
    made = spell_present_list(around, spell_text_of_kind(t, kinds[0]), in_order=True)
    return fn("flatten", made) if kinds[0] is Kind.LIST else made


def spell_text_of_kind(t: SQL, kind: Kind) -> SQL:
    """A text; numbers are written out."""
    return duckdb_to_text(t) if kind is Kind.NUMBER else t


@DUCKDB.spell(ops.first)
def duckdb_first(around: Around, x: SQL) -> SQL:
    """Of the first row where it is not null."""
    return spell_nth(around, "first", x)


def spell_nth(around: Around, which: str, x: SQL) -> SQL:
    """The first or the last value that is not null."""
    if not around.crowded:
        return around.nth(which, x)
    # Nulls are put behind all others, or before them.
    return around(which, x, order=[order_term(b.is_null(x), descending=which == "last"), *around.order])


@DUCKDB.spell(ops.last)
def duckdb_last(around: Around, x: SQL) -> SQL:
    """Of the last row where it is not null."""
    return spell_nth(around, "last", x)


@DUCKDB.spell(ops.fill)
def duckdb_fill(around: Around, x: SQL) -> SQL:
    """The last value so far."""
    return around.nth("last", x)


def spell_extreme(descending: bool) -> Callable[..., SQL]:
    """Of the row with the smallest or largest number; of equal ones the first in row order."""

    def spelled(around: Around, x: SQL, n: SQL) -> SQL:
        if around.window is not None:
            # No ORDER BY inside of OVER; of equal ones DuckDB 2.0.0 keeps the first of the frame,
            # as tried with three rows.
            return around("arg_max" if descending else "arg_min", x, n)
        both = b.sql_case((b.not_null(n), x))
        if around.crowded:
            missing = order_term(b.is_null(both))
            return around("first", both, order=[missing, order_term(n, descending), *around.order])
        # `first` by the number and then the row order, since arg_min promises nothing about equal ones.
        return around("first", x, present=both, order=[order_term(n, descending), *around.order])

    return spelled


DUCKDB.spell(ops.least_by)(spell_extreme(False))
DUCKDB.spell(ops.greatest_by)(spell_extreme(True))


@DUCKDB.spell(ops.gather, kinds=True)
def duckdb_gather(around: Around, events: SQL, kinds: tuple[Kind, ...]) -> SQL:
    """The distinct events of all rows, ascending."""
    if kinds[0] is Kind.NULL:
        # Rows that the rule makes itself have no events.
        return b.cast(b.sql_null(), "BIGINT[]")
    gathered = around("list", events, present=events)
    if kinds[0] is Kind.EVENTS:
        gathered = fn("list_distinct", fn("flatten", gathered))
    return fn("list_sort", gathered)


@DUCKDB.spell(ops.row_number)
def duckdb_row_number(around: Around) -> SQL:
    """Place in the partition."""
    return b.cast(around("row_number"), "DOUBLE")


def spell_shift(name: str) -> Callable[..., SQL]:
    """The value so many rows away."""

    def spelled(around: Around, x: SQL, n: SQL | None = None) -> SQL:
        """LAG or LEAD by `n` rows, by one if not given."""
        return around(name, x, b.sql_integer(1) if n is None else b.sql_place(n))

    return spelled


for operation in (ops.lag, ops.lead):
    DUCKDB.spell(operation)(spell_shift(operation.name))


@DUCKDB.spell(Construct.SET_OF_CODES)
def duckdb_set_of_codes(around: Around, code: SQL, bits: bool) -> SQL:
    """The distinct codes of a group: an integer with a bit for each, or a list."""
    if not bits:
        return around("list", code, present=code, distinct=True)
    one = b.cast(b.sql_integer(1), "BIGINT")
    return around("bit_or", exp.BitwiseLeftShift(this=one, expression=b.sql_bracket(code)))


@DUCKDB.spell(Construct.SET_OF_SETS)
def duckdb_set_of_sets(around: Around, sets: SQL, bits: bool) -> SQL:
    """The codes that are in any of the sets of a group."""
    if bits:
        return around("bit_or", sets)
    return fn("list_distinct", fn("flatten", around("list", sets, present=sets)))


@DUCKDB.spell(Construct.SET_MEMBERS)
def duckdb_set_members(sets: SQL, members: SQL, bits: bool) -> SQL:
    """The sorted texts of a set; `members` are pairs of a code and its value by value, or all values by code."""
    if not bits:
        places = fn("list_transform", sets, lambda_of("x", b.sql_infix(exp.Add, sql_parameter("x"), b.sql_integer(1))))
        return fn("list_sort", fn("list_select", members, places))
    code, value = (fn("struct_extract", sql_parameter("x"), b.sql_text(n)) for n in (CODE, VALUE))
    bit = exp.BitwiseAnd(
        this=exp.Paren(this=exp.BitwiseRightShift(this=sets, expression=code)), expression=b.sql_integer(1)
    )
    chosen = fn("list_filter", members, lambda_of("x", b.eq(exp.Paren(this=bit), b.sql_integer(1))))
    # Without a set there is no list either.
    return b.sql_case((b.not_null(sets), fn("list_transform", chosen, lambda_of("x", value))))
