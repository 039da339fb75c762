"""The tree as sqlglot's, which prints it in other dialects than DuckDB's; loaded only where one is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlglot import expressions as exp

from harness.detection.sql import query as q
from harness.detection.sql import tree


def print_in_dialect(
    statement: tree.Expression, dialect: Any, prepare: Callable[[exp.Expression], None], pretty: bool
) -> str:
    """A statement in a dialect of sqlglot; `prepare` changes its tree before."""
    made = translate(statement)
    prepare(made)
    # sqlglot would print every function in capitals; the engines' own spelling is what people look up.
    how = {"pretty": pretty, "normalize_functions": False, "comments": False}
    # Without a copy, which is as dear as the printing: the tree is printed once and never read again.
    text: str = made.sql(dialect=dialect, copy=False, **how)
    return text


def translate(node: Any) -> Any:
    """A part of a statement as sqlglot's node, with all that is below; words, numbers and lists likewise."""
    if isinstance(node, list | tuple):
        return [translate(each) for each in node]
    if not isinstance(node, tree.Expression):
        return node
    own = TRANSLATIONS.get(type(node))
    if own is not None:
        return own(node)
    # The classes have sqlglot's names, and their slots those of its arguments.
    made = getattr(exp, type(node).__name__)
    return made(**{slot: translate(getattr(node, slot)) for slot in tree.list_slots(type(node))})


def translate_select(node: q.Select) -> exp.Expression:
    """SELECT with its clauses under the keys that sqlglot keeps them."""
    made = exp.Select(expressions=translate(node.expressions), joins=translate(node.joins))
    wrapped = {
        # sqlglot 30 keeps FROM and WITH under `from_` and `with_`; under the old keys it prints nothing and says
        # nothing.
        "from_": node.source and exp.From(this=translate(node.source)),
        "where": node.where and exp.Where(this=translate(node.where)),
        "group": exp.Group(expressions=translate(node.group)) if node.group else None,
        "qualify": node.qualify and exp.Qualify(this=translate(node.qualify)),
        "order": translate(node.order),
        "limit": node.limit and exp.Limit(expression=translate(node.limit)),
        "offset": node.offset and exp.Offset(expression=translate(node.offset)),
        "distinct": exp.Distinct() if node.distinct else None,
    }
    for key, clause in wrapped.items():
        if clause is not None:
            made.set(key, clause)
    return with_ctes(node, made)


def translate_union(node: q.UnionAll) -> exp.Expression:
    """UNION ALL of two at a time."""
    made, *others = translate(node.expressions)
    for each in others:
        made = exp.Union(this=made, expression=each, distinct=False)
    return with_ctes(node, made)


def with_ctes(node: q.Query, made: exp.Expression) -> exp.Expression:
    """A query behind its CTEs."""
    if node.ctes:
        listed = [
            exp.CTE(this=translate(c.this), alias=short_name(c.alias), materialized=c.materialized or None)
            for c in node.ctes
        ]
        made.set("with_", exp.With(expressions=listed))
    return made


def short_name(alias: tree.Identifier | None, columns: Any = ()) -> exp.Expression | None:
    """The name behind AS of a relation, with names of its columns if there are any."""
    return None if alias is None else exp.TableAlias(this=translate(alias), columns=translate(columns))


def translate_type(node: tree.DataType) -> exp.Expression:
    """A type by its name."""
    if node.this.endswith("[]"):
        inner = translate_type(tree.DataType(node.this.removesuffix("[]")))
        return exp.DataType(this=exp.DataType.Type.ARRAY, expressions=[inner], nested=True)
    # Not read by a dialect's parser, to which the same word may be another type.
    known = exp.DataType.Type.__members__.get(node.this)
    return exp.DataType.build(node.this) if known is None else exp.DataType(this=known)


def translate_column(node: tree.Column) -> exp.Expression:
    """A column: its name in quotes, that of the table without."""
    place = None if node.table is None else exp.to_identifier(node.table, quoted=False)
    return exp.Column(this=exp.to_identifier(node.this, quoted=True), table=place)


def translate_star(node: tree.Star) -> exp.Expression:
    """All columns, of a table as a column of it."""
    return exp.Star() if node.table is None else exp.Column(this=exp.Star(), table=exp.to_identifier(node.table))


TRANSLATIONS: dict[type[tree.Expression], Callable[[Any], exp.Expression]] = {
    tree.Column: translate_column,
    tree.Star: translate_star,
    tree.DataType: translate_type,
    tree.Filter: lambda n: exp.Filter(this=translate(n.this), expression=exp.Where(this=translate(n.expression))),
    q.Select: translate_select,
    q.UnionAll: translate_union,
    q.Table: lambda n: exp.Table(this=translate(n.this), alias=short_name(n.alias)),
    q.Subquery: lambda n: exp.Subquery(this=translate(n.this), alias=short_name(n.alias)),
    q.LiteralRows: lambda n: exp.Values(expressions=translate(n.expressions), alias=short_name(n.alias, n.columns)),
}
"""Parts that sqlglot has in other pieces."""
