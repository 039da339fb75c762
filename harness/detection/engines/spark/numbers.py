"""Arithmetic in Spark SQL."""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.engines.spark.dialect import SPARK, spark_place
from harness.detection.engines.spark.text import spell_spark_by_name
from harness.detection.plan import operations as ops
from harness.detection.plan.values.numbers import print_shortest_number
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.dialect import sql_divide

# Anchored, since regexp_like finds a match anywhere; \z and not $, which in Java stands before a last line end too.
SPARK_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\z"

for operation in (ops.abs, ops.exp, ops.sin, ops.cos, ops.tan, ops.atan, ops.atan2):
    SPARK.spell(operation)(spell_spark_by_name(operation.name))
SPARK.spell(ops.power)(spell_spark_by_name("pow"))


def spell_spark_extreme(name: str) -> Callable[..., SQL]:
    """LEAST or GREATEST, which Spark has of two and more only."""
    return lambda *numbers: fn(name, *numbers) if len(numbers) > 1 else numbers[0]


SPARK.spell(ops.least)(spell_spark_extreme("least"))
SPARK.spell(ops.greatest)(spell_spark_extreme("greatest"))


def spell_spark_rounding(name: str) -> Callable[[SQL], SQL]:
    """A rounding to a whole number, which Spark gives as BIGINT; what is too large for that is whole already."""

    def spelled(n: SQL) -> SQL:
        return b.sql_case(
            (exp.LT(this=fn("abs", n), expression=b.sql_number(9e15)), b.cast(fn(name, n.copy()), "DOUBLE")),
            default=n.copy(),
        )

    return spelled


SPARK.spell(ops.floor, twice=True)(spell_spark_rounding("floor"))
SPARK.spell(ops.ceil, twice=True)(spell_spark_rounding("ceil"))


@SPARK.spell(ops.truncate, twice=True)
def spark_truncate(n: SQL) -> SQL:
    """The integer part, by a cast that cuts."""
    small = exp.LT(this=fn("abs", n), expression=b.sql_number(9e15))
    return b.sql_case((small, b.cast(b.cast(n.copy(), "BIGINT"), "DOUBLE")), default=n.copy())


def spell_spark_where(good: SQL, value: SQL) -> SQL:
    """The value where the condition holds, else null."""
    return b.sql_case((good, value))


def is_spark_positive(x: SQL) -> SQL:
    """X > 0."""
    return exp.GT(this=x, expression=b.sql_number(0))


@SPARK.spell(ops.sqrt, twice=True)
def spark_sqrt(x: SQL) -> SQL:
    """Null of a negative number."""
    return spell_spark_where(exp.GTE(this=x, expression=b.sql_number(0)), fn("sqrt", x.copy()))


@SPARK.spell(ops.ln, twice=True)
def spark_ln(x: SQL) -> SQL:
    """Null unless positive."""
    return spell_spark_where(is_spark_positive(x), fn("ln", x.copy()))


@SPARK.spell(ops.log, twice=True)
def spark_log(x: SQL, base: SQL) -> SQL:
    """Null unless both are positive; exact for powers of 10."""
    if b.is_literal(base) and b.read_literal(base) in (2, 10):
        return spell_spark_where(is_spark_positive(x), fn("log2" if b.read_literal(base) == 2 else "log10", x.copy()))
    both = exp.And(this=is_spark_positive(x), expression=is_spark_positive(base))
    quotient = sql_divide(fn("ln", x.copy()), fn("ln", base.copy()))
    if not b.is_literal(base):
        decimal = b.eq(base.copy(), b.sql_number(10))
        quotient = b.sql_case((decimal, fn("log10", x.copy())), default=quotient)
    return spell_spark_where(both, quotient)


def spell_spark_arc(name: str) -> Callable[[SQL], SQL]:
    """An inverse function that is null outside -1 .. 1."""
    return lambda x: spell_spark_where(exp.LTE(this=fn("abs", x), expression=b.sql_number(1)), fn(name, x.copy()))


for operation in (ops.asin, ops.acos):
    SPARK.spell(operation, twice=True)(spell_spark_arc(operation.name))


@SPARK.spell(ops.is_number)
def spark_is_number(x: SQL) -> SQL:
    """Whether `to_number` reads the text."""
    return fn("coalesce", fn("regexp_like", x, b.sql_text(SPARK_NUMBER)), b.sql_truth(False))


@SPARK.spell(ops.to_number, twice=True)
def spark_to_number(t: SQL) -> SQL:
    """The text where it is a number and nothing else."""
    # The pattern too: Spark's cast reads blanks around, `1d` and `infinity`.
    return b.sql_case((fn("regexp_like", t, b.sql_text(SPARK_NUMBER)), b.try_cast(t.copy(), "DOUBLE")))


@SPARK.spell(ops.to_text, twice=True)
def spark_to_text(n: SQL) -> SQL:
    """An integer without fraction, else Java's text as others write it: 1.0E-5 is 1e-05, Infinity is inf."""
    if b.is_literal(n) and b.read_literal(n) is not None:
        return b.sql_text(print_shortest_number(b.read_literal(n)))
    # Below 2^53 every whole double is exact as BIGINT; DECIMAL has 38 digits.
    whole = b.eq(n, fn("floor", n.copy()))
    small = exp.LT(this=fn("abs", n.copy()), expression=b.sql_number(9e15))
    large = exp.GTE(this=fn("abs", n.copy()), expression=b.sql_number(9e15))
    bounded = exp.LT(this=fn("abs", n.copy()), expression=b.sql_number(1e38))
    exact = exp.Cast(this=n.copy(), to=exp.DataType.build("DECIMAL(38, 0)"))
    text: SQL = b.cast(n.copy(), "TEXT")
    for pattern, new in ((r"(\.0)?E(-?)(\d)$", "e$20$3"), (r"(\.0)?E", "e"), ("e([0-9])", r"e+$1")):
        text = fn("regexp_replace", text, b.sql_text(pattern), b.sql_text(new))
    tiny = exp.LT(this=fn("abs", n.copy()), expression=b.sql_number(1e-3))
    middle = exp.Cast(this=n.copy(), to=exp.DataType.build("DECIMAL(38, 20)"))
    plain = fn("regexp_replace", b.cast(middle, "TEXT"), b.sql_text("0+$"), b.sql_text(""))
    spelled_out = exp.And(this=tiny, expression=exp.GTE(this=fn("abs", n.copy()), expression=b.sql_number(1e-4)))
    wide = exp.And(this=small.copy(), expression=exp.GTE(this=fn("abs", n.copy()), expression=b.sql_number(1e7)))
    return b.sql_case(
        (fn("isnan", n.copy()), b.sql_text("nan")),
        (b.eq(fn("abs", n.copy()), b.sql_number(float("inf"))), spell_spark_infinity(n)),
        (exp.And(this=small, expression=whole), b.cast(b.cast(n.copy(), "BIGINT"), "TEXT")),
        (exp.And(this=large, expression=bounded), b.cast(exact, "TEXT")),
        (exp.Or(this=exp.Paren(this=spelled_out), expression=exp.Paren(this=wide)), plain),
        default=text,
    )


def spell_spark_infinity(n: SQL) -> SQL:
    """Which of the two infinities it is, as text."""
    positive = exp.GT(this=n.copy(), expression=b.sql_number(0))
    return b.sql_case((positive, b.sql_text("inf")), default=b.sql_text("-inf"))


@SPARK.spell(ops.round, twice=True)
def spark_round(n: SQL, digits: SQL | None = None) -> SQL | None:
    """To whole numbers as such; decimals are left to Python, which rounds the shortest text."""
    if digits is None or (b.is_literal(digits) and b.read_literal(digits) == 0):
        return fn("round", n)
    return None


def spell_spark_bitwise(node: type[exp.Infix]) -> Callable[[SQL, SQL], SQL]:
    """An operator on integers."""
    return lambda x, y: b.cast(exp.Paren(this=b.sql_infix(node, spark_place(x), spark_place(y))), "DOUBLE")


SPARK.spell(ops.bit_and)(spell_spark_bitwise(exp.BitwiseAnd))
SPARK.spell(ops.bit_or)(spell_spark_bitwise(exp.BitwiseOr))
SPARK.spell(ops.bit_xor)(spell_spark_bitwise(exp.BitwiseXor))


@SPARK.spell(ops.shift_left, twice=True)
def spark_shift_left(x: SQL, y: SQL) -> SQL:
    """X * 2 ** y."""
    return b.sql_infix(exp.Mul, spark_truncate(x), fn("pow", b.sql_number(2), spark_truncate(y)))


@SPARK.spell(ops.shift_right, twice=True)
def spark_shift_right(x: SQL, y: SQL) -> SQL:
    """X / 2 ** y, rounded down."""
    quotient = b.sql_infix(exp.Div, spark_truncate(x), fn("pow", b.sql_number(2), spark_truncate(y)))
    return b.cast(fn("floor", quotient), "DOUBLE")
