"""Two columns of codes as one: what is made of both is made once a pair of their values, where these are few.

A pair's code is told from the two codes by arithmetic, so nobody looks for the pairs that the events have: all that
there could be are one table, and an expression of both columns is a dimension over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.detection.plan import operations as ops
from harness.detection.plan.dimension import CODE, NULL_CODE, VALUE, Dimension
from harness.detection.plan.expressions import Call, Column, Expression, Kind
from harness.detection.plan.nodes import Scan, Select
from harness.detection.plan.schema import kind_of
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.dialect import PhysicalNames

if TYPE_CHECKING:
    from harness.detection.sql.codes import Derives

# Chosen: a quarter of a second of lower(a) = lower(b); fewer than half of the rows from which on columns are coded.
MOST_PAIRS = 50_000
"""Pairs of codes, those that no event has and those without a value included."""
LEFT_VALUE, RIGHT_VALUE = "first", "second"
"""The columns of a table of pairs beside its code."""
# Their members are asked of their own columns each, and what they say of a row is put together by row.
TAKEN_APART = (ops.and_, ops.or_, ops.not_)


def is_of_a_pair(expression: Expression, dimensions: Sequence[Dimension | None]) -> bool:
    """Whether an expression is worth a look at all pairs of values of the columns that it reads."""
    if not isinstance(expression, Call) or expression.operation in TAKEN_APART or len(dimensions) != 2:
        return False
    known = [d for d in dimensions if d is not None]
    return len(known) == 2 and count_codes(known[0]) * count_codes(known[1]) <= MOST_PAIRS


def count_codes(dimension: Dimension) -> int:
    """How many codes a row can have, that of no value included."""
    return dimension.size + (0 if dimension.with_null else 1)


def derive_of_pairs(derives: Derives, expression: Expression, columns: Sequence[tuple[str, Dimension]]) -> Dimension:
    """The values of an expression of two columns, by the code of each pair."""
    (first, left), (second, right) = columns
    code = f"@code of {first} and {second}"
    kinds = {first: left.kind, second: right.kind}
    table = derives.keep_query(list_pairs(left, right))
    source = Scan(table=table, columns={code: Kind.NUMBER, **kinds})
    names = PhysicalNames({code: CODE, first: LEFT_VALUE, second: RIGHT_VALUE})
    plan = Select(source=source, columns=((code, Column(code)), (f"@value of {first} and {second}", expression)))
    kind = kind_of(expression, kinds)
    size = count_codes(left) * count_codes(right)
    return Dimension(derives.derive_table(plan, names, kind), kind, lambda: (size, False))


def list_pairs(left: Dimension, right: Dimension) -> str:
    """The query of all pairs with their codes, which leave no number out."""
    code = f"(l.{CODE} - {NULL_CODE}) * {count_codes(right)} + r.{CODE} - {NULL_CODE}"
    columns = f"CAST({code} AS INTEGER) AS {CODE}, l.{VALUE} AS {LEFT_VALUE}, r.{VALUE} AS {RIGHT_VALUE}"
    return f"SELECT {columns} FROM {list_codes(left)} AS l CROSS JOIN {list_codes(right)} AS r"


def list_codes(dimension: Dimension) -> str:
    """The relation of a dimension's codes with their values, that of no value among them."""
    if dimension.with_null:
        return dimension.table
    return f"(SELECT {CODE}, {VALUE} FROM {dimension.table} UNION ALL SELECT {NULL_CODE}, NULL)"


def pair_codes(left: exp.Expression, right: exp.Expression, second: Dimension) -> exp.Expression:
    """The code of a row's pair by the codes of its two columns."""
    places = [
        b.sql_infix(exp.Sub, b.fn("coalesce", c, b.sql_integer(NULL_CODE)), b.sql_integer(NULL_CODE))
        for c in (left, right)
    ]
    return b.sql_infix(exp.Add, b.sql_infix(exp.Mul, places[0], b.sql_integer(count_codes(second))), places[1])
