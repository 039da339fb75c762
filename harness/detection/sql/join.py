"""How windows, joins and unions become SQL."""

from __future__ import annotations

from harness.detection.plan.expressions import Expression, Kind, Schema
from harness.detection.plan.nodes import Join, JoinKind, Union
from harness.detection.sql import build as b
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import Order, OrderKey, order_by
from harness.detection.sql.build import SelectQuery, build_select, fn, select_columns_only, table_as
from harness.detection.sql.compilation import Compilation
from harness.detection.sql.relation import Relation
from harness.detection.sql.workbench import Workbench


def compile_union(c: Compilation, node: Union) -> None:
    """UNION ALL; each source's rows are numbered where their order counts."""
    own = c.shape(node)
    order = c.order_keys([(False, False), (False, False)]) if c.wants_order(node) else ()
    parts = [compile_union_source(c, own, c.below(s), i, order) for i, s in enumerate(node.sources)]
    whole: q.Query = parts[0].sql if len(parts) == 1 else q.UnionAll([p.sql for p in parts])
    c.add_rows(node, whole, Relation(name="", columns=own, held=parts[0].held, order=order))


def compile_union_source(c: Compilation, own: Schema, source: Relation, number: int, order: Order) -> SelectQuery:
    """One source of a union with the columns of all."""
    bench = c.over(source)
    items = {}
    for name, kind in own.items():
        has = source.columns.get(name, Kind.NULL)
        held = b.sql_column(c.names(name)) if name in source.columns else b.sql_null()
        items[c.names(name)] = bench.printer.converted(held, has, kind)
    if order:
        # UNION ALL promises no order: the source's number and the row's number in it are the order of the result.
        numbering = exp.Window(this=fn("row_number"), order=order_by([k.sql() for k in source.order]))
        items |= {order[0].column: b.sql_integer(number), order[1].column: numbering}
    return select_columns_only(items, bench.relation())


def compile_join(c: Compilation, node: Join) -> None:
    """Both sides made ready (keys, place, limit of partners), then joined."""
    if node.kind in (JoinKind.SEMI, JoinKind.ANTI):
        half_join(c, node)
        return
    right = right_side(c, node)
    left = left_side(c, node)
    own = c.shape(node)
    taken = {n: right.taken[n] for n, _ in node.columns if n in own}
    inner = node.kind is not JoinKind.LEFT
    items: dict[str, exp.Expression] = {}
    for name, kind in own.items():
        items[c.names(name)] = joined_column(c, left, right, name, kind, taken, inner)
    items |= {k.column: b.sql_column(k.column, "l") for k in left.relation.order}
    ordered = right.relation.order if c.wants_order(node) else ()
    new = c.order_keys((k.descending, k.nulls_first) for k in ordered)
    items |= {n.column: b.sql_column(k.column, "r") for n, k in zip(new, ordered, strict=True)}
    query = select_columns_only(items)
    attach(query.sql, left.relation.name, right.relation.name, build_join_condition(c, node, left, right), inner)
    # The first `most` of those that satisfy the condition, which only the joined row can tell.
    if node.most is not None and node.condition is not None:
        partition = [b.sql_column(left.place, "l")] if left.place else []
        by = order_by(
            [
                OrderKey(column=k.column, descending=k.descending, nulls_first=k.nulls_first).sql("r")
                for k in right.relation.order
            ]
        )
        numbering = exp.Window(this=fn("row_number"), partition_by=partition, order=by)
        query.sql.qualify = exp.LTE(this=numbering, expression=b.sql_integer(node.most))
    c.add(node, query, own, (*left.relation.order, *new))


class JoinSide:
    """One side of a join made ready: its relation, the columns of its keys, and where each column taken is."""

    def __init__(self, relation: Relation, keys: list[str], taken: dict[str, str], place: str = "") -> None:
        self.relation, self.keys, self.taken, self.place = relation, keys, taken, place


def left_side(c: Compilation, node: Join) -> JoinSide:
    """The left relation with its keys as columns, its rows numbered where each may keep only some partners."""
    return ready(c, node, c.below(node.left), [k for k, _ in node.keys], {}, numbered=node.condition is not None)


def right_side(c: Compilation, node: Join) -> JoinSide:
    """The right relation with its keys and the columns taken, cut to the first `most` rows of a key where possible."""
    below = c.below(node.right)
    # Without a condition a key's partners are the same for every left row and can be cut before the join, which then
    # never has more than `most` rows for each.
    side = ready(c, node, below, [k for _, k in node.keys], dict(node.columns), numbered=False)
    if node.most is None or node.condition is not None:
        return side
    keys: list[exp.Expression] = [b.sql_column(k) for k in side.keys]
    numbering = exp.Window(
        this=fn("row_number"), partition_by=keys, order=order_by([k.sql() for k in side.relation.order])
    )
    query = build_select([exp.Star()], side.relation.name)
    query.qualify = exp.LTE(this=numbering, expression=b.sql_integer(node.most))
    name = c.cte("partners", query)
    relation = Relation(name=name, columns=below.columns, held=side.relation.held, order=below.order)
    return JoinSide(relation, side.keys, side.taken, side.place)


def ready(
    c: Compilation, node: Join, below: Relation, keys: list[Expression], taken: dict[str, Expression], numbered: bool
) -> JoinSide:
    """A side's relation with hidden columns for its keys, the columns taken, and each row's number."""
    bench = c.over(below)
    pairs = [choose_join_key_kind(c, node, i) for i in range(len(keys))]
    made = {c.fresh("key"): bench.printer(k, kind) for k, kind in zip(keys, pairs, strict=True)}
    own = c.shapes[id(node)]
    named = {n: c.fresh("taken") for n in taken if n in own}
    made |= {named[n]: bench.printer(taken[n], own[n]) for n in named}
    key_names = list(made)[: len(keys)]
    place = ""
    if numbered and node.most is not None:
        place = c.fresh("place")
        # Any numbering will do: it only has to tell the left rows apart when each one's partners are counted.
        made[place] = exp.Window(this=fn("row_number"))
    if taken and node.kind is JoinKind.LEFT:
        place = c.fresh("partner")
        # A partner whose own value is null and no partner at all look alike in a LEFT JOIN; this
        # column is null only of none.
        made[place] = b.sql_truth(True)
    if not taken and not keys and not place:
        return JoinSide(below, [], {})
    query = bench.keeping(below.columns, {}, made)
    name = c.cte("side", query.sql)
    relation = Relation(name=name, columns=below.columns, held=query.held, order=below.order)
    return JoinSide(relation, key_names, named, place)


def choose_join_key_kind(c: Compilation, node: Join, place: int) -> Kind:
    """The kind in which the two expressions of a key are compared."""
    from_left, from_right = node.keys[place]
    kinds = (
        c.over(c.below(node.left)).printer.kind(from_left),
        c.over(c.below(node.right)).printer.kind(from_right),
    )
    # Sides of two kinds meet as text, since every kind has one; engines disagree on what they would cast.
    return kinds[0] if kinds[0] is kinds[1] else Kind.TEXT


def joined_column(
    c: Compilation, left: JoinSide, right: JoinSide, name: str, kind: Kind, taken: dict[str, str], inner: bool
) -> exp.Expression:
    """A column of the result: the right side's where there is a partner that has it, else the left's."""
    held = b.sql_column(c.names(name), "l")
    if name not in taken:
        return held
    from_right = b.sql_column(taken[name], "r")
    if inner or name not in left.relation.columns:
        return from_right
    printer = c.over(left.relation).printer
    return b.sql_case(
        (b.not_null(b.sql_column(right.place, "r")), from_right),
        default=printer.converted(held, left.relation.columns[name], kind),
    )


def build_join_condition(c: Compilation, node: Join, left: JoinSide, right: JoinSide) -> exp.Expression | None:
    """The ON condition: keys agree, and the condition that sees both sides holds."""
    parts = [b.eq(b.sql_column(x, "l"), b.sql_column(y, "r")) for x, y in zip(left.keys, right.keys, strict=True)]
    if node.condition is not None:
        bench = Workbench(c, left.relation)
        bench.printer.columns = {**right.relation.columns, **left.relation.columns}
        # An ON sees two relations, so no value of it can become a column of a CTE below either.
        bench.printer.hoist = None
        bench.printer.side = lambda n: "l" if n in left.relation.columns else "r"
        parts.append(bench.printer(node.condition, Kind.BOOLEAN))
    return b.sql_balanced(exp.And, parts) if parts else None


def attach(query: q.Select, left: str, right: str, condition: exp.Expression | None, inner: bool) -> None:
    """FROM left AS l JOIN right AS r ON condition."""
    query.source = table_as(left, "l")
    # DuckDB takes a JOIN without a condition for a syntax error, unless it is CROSS.
    if condition is None and inner:
        query.joins = [q.Join(table_as(right, "r"), kind="CROSS")]
        return
    on = b.sql_truth(True) if condition is None else condition
    query.joins = [q.Join(table_as(right, "r"), on, side=None if inner else "LEFT", kind="INNER" if inner else None)]


def half_join(c: Compilation, node: Join) -> None:
    """The left rows that have a partner, or those that have none."""
    left, right = left_side(c, node), ready(c, node, c.below(node.right), [k for _, k in node.keys], {}, False)
    inner = build_select([b.sql_integer(1)])
    inner.source = table_as(right.relation.name, "r")
    condition = build_join_condition(c, node, left, right)
    if condition is not None:
        inner.where = condition
    # EXISTS and not IN: `x NOT IN (...)` is null, so drops every row, as soon as one of the others is null.
    found: exp.Expression = exp.Exists(this=inner)
    own = c.shape(node)
    items = {c.names(n): b.sql_column(c.names(n), "l") for n in own}
    items |= {k.column: b.sql_column(k.column, "l") for k in left.relation.order}
    query = select_columns_only(items)
    query.sql.source = table_as(left.relation.name, "l")
    query.sql.where = b.sql_not(found) if node.kind is JoinKind.ANTI else found
    c.add(node, query, own, left.relation.order)
