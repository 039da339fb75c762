"""Arithmetic in DuckDB."""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.plan import operations as ops
from harness.detection.plan.values.numbers import print_shortest_number
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.dialect import sql_divide

# DuckDB's cast reads " 1 ", nan and infinity too, which are no numbers in either product.
DUCKDB_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"


def spell_number_by_name(name: str) -> Callable[..., SQL]:
    """A function of the same arguments under DuckDB's own name."""
    return lambda *arguments: fn(name, *arguments)


for operation in (
    ops.abs,
    ops.ceil,
    ops.floor,
    ops.exp,
    ops.sin,
    ops.cos,
    ops.tan,
    ops.atan,
    ops.atan2,
    ops.least,
    ops.greatest,
):
    DUCKDB.spell(operation)(spell_number_by_name(operation.name))
DUCKDB.spell(ops.truncate)(spell_number_by_name("trunc"))
DUCKDB.spell(ops.power)(spell_number_by_name("pow"))


def spell_value_if(good: SQL, value: SQL) -> SQL:
    """The value where the condition holds, else null."""
    return b.sql_case((good, value))


@DUCKDB.spell(ops.sqrt, twice=True)
def duckdb_sqrt(x: SQL) -> SQL:
    """Null of a negative number."""
    # DuckDB 2.0.0 gives NaN for it and -inf for ln(0), which would pass comparisons.
    return spell_value_if(exp.GTE(this=x, expression=b.sql_number(0)), fn("sqrt", x))


@DUCKDB.spell(ops.ln, twice=True)
def duckdb_ln(x: SQL) -> SQL:
    """Null unless positive."""
    return spell_value_if(spell_is_positive(x), fn("ln", x))


@DUCKDB.spell(ops.log, twice=True)
def duckdb_log(x: SQL, base: SQL) -> SQL:
    """Null unless both are positive; exact for powers of 2 and 10."""
    # ln(1000)/ln(10) is 2.9999999999999996.
    if b.is_literal(base) and b.read_literal(base) in (2, 10):
        return spell_value_if(spell_is_positive(x), fn("log2" if b.read_literal(base) == 2 else "log10", x))
    both = exp.And(this=spell_is_positive(x), expression=spell_is_positive(base))
    quotient = sql_divide(fn("ln", x), fn("ln", base))
    if not b.is_literal(base):
        decimal = b.eq(base, b.sql_number(10))
        quotient = b.sql_case((decimal, fn("log10", x)), default=quotient)
    return spell_value_if(both, quotient)


def spell_is_positive(x: SQL) -> SQL:
    """X > 0."""
    return exp.GT(this=x, expression=b.sql_number(0))


def arc(name: str) -> Callable[[SQL], SQL]:
    """An inverse function that is null outside -1 .. 1."""
    return lambda x: spell_value_if(exp.LTE(this=fn("abs", x), expression=b.sql_number(1)), fn(name, x))


for operation in (ops.asin, ops.acos):
    DUCKDB.spell(operation, twice=True)(arc(operation.name))


@DUCKDB.spell(ops.to_number, twice=True)
def duckdb_to_number(t: SQL) -> SQL:
    """A cast where the text is a number and nothing else; the pattern is tried only on what can be cast."""
    # Most texts fail the cast at their first character, so the pattern behind it costs next to nothing.
    strict = b.sql_case((fn("regexp_full_match", t, b.sql_text(DUCKDB_NUMBER)), b.try_cast(t, "DOUBLE")))
    return b.sql_case((b.not_null(b.try_cast(t, "DOUBLE")), strict))


@DUCKDB.spell(ops.is_number, twice=True)
def duckdb_is_number(t: SQL) -> SQL:
    """Whether `to_number` reads the text."""
    strict = fn("regexp_full_match", t, b.sql_text(DUCKDB_NUMBER))
    return b.sql_case((b.not_null(b.try_cast(t, "DOUBLE")), strict), default=b.sql_truth(False))


@DUCKDB.spell(ops.to_text, twice=True)
def duckdb_to_text(n: SQL) -> SQL:
    """An integer without fraction, else DuckDB's own text, which is the shortest."""
    if b.is_literal(n) and b.read_literal(n) is not None:
        return b.sql_text(print_shortest_number(b.read_literal(n)))
    whole = b.eq(n, fn("trunc", n))
    # Below 2^53 (9.007e15) every whole double is exact as BIGINT; 1e38 is the last power of ten that INT128 holds.
    small = exp.And(this=whole, expression=exp.LT(this=fn("abs", n), expression=b.sql_number(9e15)))
    large = exp.And(this=whole, expression=exp.LT(this=fn("abs", n), expression=b.sql_number(1e38)))
    return b.sql_case(
        (small, b.cast(b.try_cast(n, "BIGINT"), "TEXT")),
        (large, b.cast(b.try_cast(n, "INT128"), "TEXT")),
        default=b.cast(n, "TEXT"),
    )


@DUCKDB.spell(ops.round, twice=True)
def duckdb_rounded(n: SQL, digits: SQL | None = None) -> SQL | None:
    """To whole numbers as such, to a few decimals through the decimal text; the rest is left to Python."""
    if digits is None or (b.is_literal(digits) and b.read_literal(digits) == 0):
        return fn("round", n)
    # DECIMAL has 38 digits: fifteen behind the point leave room for the 1e15 below.
    if not b.is_literal(digits) or b.read_literal(digits) is None or not 0 < b.read_literal(digits) <= 15:
        return None
    places = int(b.read_literal(digits))
    decimal = exp.DataType.build(f"DECIMAL(38, {places})")
    # Through the shortest text: round(1.005, 2) is 1.0 in DuckDB, since the double lies below, and 1.01 to a person.
    exact = exp.Cast(this=exp.TryCast(this=b.cast(n, "TEXT"), to=decimal), to=b.datatype("DOUBLE"))
    return b.sql_case((exp.LT(this=fn("abs", n), expression=b.sql_number(1e15)), exact), default=n)


def integer_of(n: SQL) -> SQL:
    """The number as a 64-bit integer, null where it is none."""
    # DuckDB has & and | for integers only.
    return b.try_cast(fn("trunc", n), "BIGINT")


def spell_bitwise(node: type[exp.Infix]) -> Callable[[SQL, SQL], SQL]:
    """An operator on integers."""
    return lambda x, y: b.cast(exp.Paren(this=b.sql_infix(node, integer_of(x), integer_of(y))), "DOUBLE")


DUCKDB.spell(ops.bit_and)(spell_bitwise(exp.BitwiseAnd))
DUCKDB.spell(ops.bit_or)(spell_bitwise(exp.BitwiseOr))


@DUCKDB.spell(ops.bit_xor)
def duckdb_bit_xor(x: SQL, y: SQL) -> SQL:
    """xor(x, y)."""
    return b.cast(fn("xor", integer_of(x), integer_of(y)), "DOUBLE")


@DUCKDB.spell(ops.shift_left)
def duckdb_shift_left(x: SQL, y: SQL) -> SQL:
    """X * 2 ** y."""
    # DuckDB's << raises "out of range" from 63 bits on.
    return b.sql_infix(exp.Mul, fn("trunc", x), fn("pow", b.sql_number(2), fn("trunc", y)))


@DUCKDB.spell(ops.shift_right)
def duckdb_shift_right(x: SQL, y: SQL) -> SQL:
    """X / 2 ** y, rounded down."""
    return fn("floor", b.sql_infix(exp.Div, fn("trunc", x), fn("pow", b.sql_number(2), fn("trunc", y))))
