"""Short words for the parts of a statement; SELECT statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, TypeAlias

from harness.detection.plan.dimension import TimeSpan
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.code_sets import Coding
from harness.record import record

SQL: TypeAlias = exp.Expression


def sql_text(value: str) -> SQL:
    """A text literal; quotes in it are doubled when it is printed."""
    return exp.Literal.string(value)


def sql_number(value: float) -> SQL:
    """A number literal; always a double, because decimals and integers overflow and round in their own ways."""
    if value != value or value in (float("inf"), float("-inf")):
        return cast(sql_text(str(value)), "DOUBLE")
    digits = repr(value)
    # `0.1` is DECIMAL(2,1) and `1` INTEGER in DuckDB, and both raise on overflow; `e0` makes either a double.
    bare = exp.Literal.number(digits.lstrip("-") if "e" in digits else digits.lstrip("-").removesuffix(".0") + "e0")
    return exp.Neg(this=bare) if digits.startswith("-") else bare


def sql_integer(value: int) -> SQL:
    """An integer literal, for places and counts."""
    bare = exp.Literal.number(str(abs(value)))
    return exp.Neg(this=bare) if value < 0 else bare


def sql_null() -> SQL:
    """NULL."""
    return exp.Null()


def sql_truth(value: bool) -> SQL:
    """TRUE or FALSE."""
    return exp.Boolean(this=value)


def fn(name: str, *arguments: SQL) -> SQL:
    """A call of a function by the engine's own name."""
    # Anonymous: sqlglot, too, passes it on as it is. Functions that it knows it translates, and silently wrong in
    # several cases (reference/engine.md 4).
    return exp.Anonymous(this=name, expressions=list(arguments))


def cast(value: SQL, kind: str) -> SQL:
    """A cast that raises where it does not fit; only for what always fits."""
    return exp.Cast(this=value, to=datatype(kind))


def try_cast(value: SQL, kind: str) -> SQL:
    """A cast that gives null where it does not fit."""
    return exp.TryCast(this=value, to=datatype(kind))


def datatype(kind: str) -> exp.DataType:
    """A type by name; `X[]` is a list."""
    return exp.DataType(kind)


def sql_case(*branches: tuple[SQL, SQL], default: SQL | None = None) -> SQL:
    """CASE WHEN condition THEN value ... ELSE default END."""
    return exp.Case(ifs=[exp.If(this=c, true=v) for c, v in branches], default=default)


def sql_infix(node: type[exp.Infix], left: SQL, right: SQL) -> SQL:
    """An infix operator with whatever brackets its sides need."""
    return node(this=sql_bracket(left), expression=sql_bracket(right))


def sql_bracket(value: SQL) -> SQL:
    """The value in brackets unless it binds tightly by itself."""
    # Brackets are printed only where there is a Paren node: Mul(Add(a, b), c) would be `a + b * c`.
    return value if value.tight else exp.Paren(value)


def eq(left: SQL, right: SQL) -> SQL:
    """Left = right."""
    return sql_infix(exp.EQ, left, right)


def is_null(value: SQL) -> SQL:
    """Value IS NULL."""
    return exp.Is(this=sql_bracket(value), expression=exp.Null())


def not_null(value: SQL) -> SQL:
    """Value IS NOT NULL."""
    return exp.Not(this=is_null(value))


def sql_not(value: SQL) -> SQL:
    """NOT value."""
    return exp.Not(this=sql_bracket(value))


def sql_balanced(node: type[exp.Infix], parts: Sequence[SQL]) -> SQL:
    """AND or OR of many parts as a balanced tree, so that thousands of them nest no deeper than their logarithm."""
    level = [sql_bracket(p) for p in parts]
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [node(this=p[0], expression=p[1]) if len(p) == 2 else p[0] for p in pairs]
        # In brackets, since the parser would read a flat chain as a tree as deep as it is long.
        level = [exp.Paren(this=x) if len(level) > 1 and isinstance(x, exp.Connector) else x for x in level]
    return level[0]


def array(*items: SQL) -> SQL:
    """An array of these values."""
    return exp.Array(expressions=list(items))


def sql_column(name: str, table: str | None = None) -> SQL:
    """A column by its physical name."""
    return exp.Column(name, table)


def alias(value: SQL, name: str) -> exp.Alias:
    """Value AS "name"."""
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


def lambda_of(parameters: str, body: SQL) -> SQL:
    """The engine's lambda, `lambda x: body` in DuckDB and `x -> body` elsewhere, of one or more names."""
    return exp.Lambda(this=body, expressions=[parameter_name(p) for p in parameters.split(" ")])


def parameter_name(name: str) -> exp.Identifier:
    """A lambda's parameter by a name that no column has, or it would hide the column."""
    # In DuckDB a lambda's parameter hides a column of the same name; a field can have any name
    # that a person would choose.
    return exp.to_identifier("~:" + name, quoted=True)


def read_literal(value: SQL) -> Any:
    """The Python value of a literal node; raises ValueError for anything else."""
    match value:
        case exp.Null():
            return None
        case exp.Boolean():
            return bool(value.this)
        case exp.Neg():
            return -read_literal(value.this)
        case exp.Paren():
            return read_literal(value.this)
        # What `typed_null` writes.
        case exp.Cast(this=exp.Null()):
            return None
        case exp.Literal():
            return value.this if value.is_string else float(value.this)
    raise ValueError("not a literal")


def is_literal(value: SQL) -> bool:
    """Whether `read_literal` can read it."""
    try:
        read_literal(value)
    except ValueError:
        return False
    return True


def sql_place(value: SQL) -> SQL:
    """A number used as a place or a count: an integer literal where it is one, else rounded towards zero."""
    if is_literal(value) and read_literal(value) is not None:
        return sql_integer(int(read_literal(value)))
    # DuckDB's cast of a double rounds (1.5 becomes 2), places are cut; out of range is null with TRY_CAST.
    return try_cast(fn("trunc", value), "BIGINT")


def sql_parameter(name: str) -> SQL:
    """A lambda's parameter as a value."""
    return exp.Column(parameter_name(name).name)


def every_column(table: str) -> SQL:
    """table.*"""
    return exp.Star(table)


@record(kw_only=True)
class SelectQuery:
    """A SELECT, the physical columns that it gives, the dimensions of those that are codes, the spans of times."""

    sql: q.Select
    held: frozenset[str]
    codes: Mapping[str, Coding] = field(default_factory=dict)
    spans: Mapping[str, TimeSpan] = field(default_factory=dict)


def select_columns_only(
    items: Mapping[str, exp.Expression], source: str | None = None, short: str | None = None
) -> SelectQuery:
    """SELECT of exactly these physical columns."""
    # A column under its own name needs no alias; statements of 500 columns are printed and parsed for every rule.
    made = [v if isinstance(v, exp.Column) and v.name == n else alias(v, n) for n, v in items.items()]
    return SelectQuery(sql=build_select(made, source, short), held=frozenset(items))


def build_select(items: Sequence[exp.Expression], source: str | None = None, short: str | None = None) -> q.Select:
    """SELECT items FROM source; a relation without columns gets the hidden column `~`."""
    # An empty SELECT list is a syntax error in SQL, and the number of rows counts even where no column is read.
    query = q.Select(items or [alias(sql_null(), "~")])
    if source is not None:
        query.source = table_as(source, short)
    return query


def table_as(name: str, short: str | None = None) -> q.Table:
    """A table under a short name."""
    return q.Table(exp.to_identifier(name), exp.to_identifier(short) if short else None)
