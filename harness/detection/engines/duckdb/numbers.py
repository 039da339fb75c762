"""Arithmetic in DuckDB."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import expressions as exp

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.logic import NUMBER
from harness.detection.sql import build as b
from harness.detection.sql.build import SQL, fn


def infix(node: type[exp.Expression]) -> Callable[[SQL, SQL], SQL]:
    """An infix operator."""
    return lambda x, y: b.binary(node, x, y)


for operation, node in {"add": exp.Add, "subtract": exp.Sub, "multiply": exp.Mul}.items():
    DUCKDB.spell(operation)(infix(node))


def direct(name: str) -> Callable[..., SQL]:
    """A function of the same arguments under DuckDB's own name."""
    return lambda *arguments: fn(name, *arguments)


for operation in ("abs", "ceil", "floor", "exp", "sin", "cos", "tan", "atan", "atan2", "least", "greatest"):
    DUCKDB.spell(operation)(direct(operation))
DUCKDB.spell("truncate")(direct("trunc"))
DUCKDB.spell("power")(direct("pow"))


def guarded(good: SQL, value: SQL) -> SQL:
    """The value where the condition holds, else null."""
    return b.case((good, value))


@DUCKDB.spell("divide")
def divide(x: SQL, y: SQL) -> SQL:
    """X / y; null for 0."""
    return b.binary(exp.Div, x, nonzero(y))


@DUCKDB.spell("modulo")
def modulo(x: SQL, y: SQL) -> SQL:
    """X % y with the sign of x; null for 0."""
    return fn("fmod", x, nonzero(y))


def nonzero(y: SQL) -> SQL:
    """The divisor, null for 0."""
    if b.is_literal(y) and b.literal(y):
        return y
    return fn("nullif", y, b.number(0))


@DUCKDB.spell("negate")
def negate(x: SQL) -> SQL:
    """-x."""
    return exp.Neg(this=b.bracketed(x))


@DUCKDB.spell("sqrt", twice=True)
def sqrt(x: SQL) -> SQL:
    """Null of a negative number."""
    return guarded(exp.GTE(this=x, expression=b.number(0)), fn("sqrt", x.copy()))


@DUCKDB.spell("ln", twice=True)
def ln(x: SQL) -> SQL:
    """Null unless positive."""
    return guarded(positive(x), fn("ln", x.copy()))


@DUCKDB.spell("log", twice=True)
def log(x: SQL, base: SQL) -> SQL:
    """Null unless both are positive; exact for powers of 2 and 10."""
    if b.is_literal(base) and b.literal(base) in (2, 10):
        return guarded(positive(x), fn("log2" if b.literal(base) == 2 else "log10", x.copy()))
    quotient = divide(fn("ln", x.copy()), fn("ln", base.copy()))
    return guarded(exp.And(this=positive(x), expression=positive(base)), quotient)


def positive(x: SQL) -> SQL:
    """X > 0."""
    return exp.GT(this=x, expression=b.number(0))


@DUCKDB.spell("asin", "acos", twice=True)
def nothing(x: SQL) -> SQL:
    """Replaced below."""
    return x


def arc(name: str) -> Callable[[SQL], SQL]:
    """An inverse function that is null outside -1 .. 1."""
    return lambda x: guarded(exp.LTE(this=fn("abs", x), expression=b.number(1)), fn(name, x.copy()))


for operation in ("asin", "acos"):
    DUCKDB.spell(operation, twice=True)(arc(operation))


@DUCKDB.spell("to_number")
def to_number(t: SQL) -> SQL:
    """The text where it is a number and nothing else."""
    return b.try_cast(fn("regexp_extract", t, b.text(f"^{NUMBER}$")), "DOUBLE")


@DUCKDB.spell("to_text")
def to_text(n: SQL) -> SQL:
    """The shortest decimal, without `.0`."""
    return fn("regexp_replace", b.cast(n, "TEXT"), b.text(r"\.0$"), b.text(""))


@DUCKDB.spell("boolean_text", twice=True)
def boolean_text(x: SQL, true: SQL, false: SQL) -> SQL:
    """One of two texts; null of null."""
    return b.case((x, true), (b.negated(x.copy()), false))


@DUCKDB.spell("round", twice=True)
def rounded(n: SQL, digits: SQL | None = None) -> SQL:
    """Round."""
    return fn("round", n, b.integer(0) if digits is None else b.place(digits))
