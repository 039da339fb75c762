"""Spellings that every SQL engine shares: comparisons, choices, plain arithmetic."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import expressions as exp

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.sql import build as b
from harness.detection.sql.build import SQL, fn
from harness.detection.sql.dialect import SqlDialect

INFIX: dict[Operation, type[exp.Expression]] = {
    ops.equal: exp.EQ,
    ops.not_equal: exp.NEQ,
    ops.less: exp.LT,
    ops.less_equal: exp.LTE,
    ops.greater: exp.GT,
    ops.greater_equal: exp.GTE,
    ops.add: exp.Add,
    ops.subtract: exp.Sub,
    ops.multiply: exp.Mul,
}


def spell_shared(dialect: SqlDialect) -> None:
    """Puts the shared spellings into a dialect's table."""
    for operation, node in INFIX.items():
        dialect.spell(operation)(infix(node))
    for operation, spelling in SHARED.items():
        dialect.spell(operation)(spelling)
    dialect.spell(ops.boolean_text, twice=True)(boolean_text)
    dialect.spell(ops.time_floor, twice=True)(time_floor)


def infix(node: type[exp.Expression]) -> Callable[[SQL, SQL], SQL]:
    """An infix operator."""
    return lambda x, y: b.sql_infix(node, x, y)


def is_true(x: SQL) -> SQL:
    """X IS TRUE."""
    return exp.Is(this=b.sql_bracket(x), expression=b.sql_truth(True))


def spell_if(condition: SQL, x: SQL, y: SQL) -> SQL:
    """CASE WHEN condition THEN x ELSE y END."""
    return b.sql_case((condition, x), default=y)


def spell_case(otherwise: SQL, *pairs: SQL) -> SQL:
    """CASE WHEN b THEN x ... ELSE y END."""
    return b.sql_case(*zip(pairs[::2], pairs[1::2], strict=True), default=otherwise)


def spell_in(x: SQL, *others: SQL) -> SQL:
    """X IN (...)."""
    return exp.In(this=b.sql_bracket(x), expressions=list(others))


def nonzero(y: SQL) -> SQL:
    """The divisor, null for 0."""
    if b.is_literal(y) and b.read_literal(y):
        return y
    # x/0 is infinite in DuckDB, an error in Spark 4 and infinite in ClickHouse; NULLIF is right on all (engine.md 4).
    return fn("nullif", y, b.sql_number(0))


def divide(x: SQL, y: SQL) -> SQL:
    """X / y; null for 0."""
    return b.sql_infix(exp.Div, x, nonzero(y))


def modulo(x: SQL, y: SQL) -> SQL:
    """X % y with the sign of x; null for 0."""
    return b.sql_infix(exp.Mod, x, nonzero(y))


def negate(x: SQL) -> SQL:
    """-x."""
    return exp.Neg(this=b.sql_bracket(x))


def boolean_text(x: SQL, true: SQL, false: SQL) -> SQL:
    """One of two texts; null of null."""
    # Two branches and no ELSE: null is neither, and stays null.
    return b.sql_case((x, true), (b.sql_not(x.copy()), false))


def time_floor(seconds: SQL, span: SQL, origin: SQL | None = None) -> SQL:
    """floor((s - origin) / span) * span + origin."""
    start = b.sql_number(0) if origin is None else origin
    zero = b.is_literal(start) and b.read_literal(start) == 0
    since = seconds if zero else b.sql_infix(exp.Sub, seconds, start)
    steps = fn("floor", divide(since, span))
    whole = b.sql_infix(exp.Mul, steps, span.copy())
    return whole if zero else b.sql_infix(exp.Add, whole, start.copy())


SHARED: dict[Operation, Callable[..., SQL]] = {
    ops.not_: b.sql_not,
    ops.is_null: b.is_null,
    ops.is_true: is_true,
    ops.if_: spell_if,
    ops.case: spell_case,
    ops.coalesce: lambda *x: fn("coalesce", *x),
    ops.in_: spell_in,
    ops.divide: divide,
    ops.modulo: modulo,
    ops.negate: negate,
}
