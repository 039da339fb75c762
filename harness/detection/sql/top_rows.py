"""The first rows by a count, without sorting those that cannot be among them.

Most groups have small counts. How large a count has to be is told from how often each one stands there, which are few
numbers however many groups there are.
"""

from __future__ import annotations

from dataclasses import replace

from harness.detection.plan.nodes import Aggregate, Derive, Limit, Node, Scan, Select, Sort
from harness.detection.plan.passes.whole_numbers import is_whole
from harness.detection.sql import build as b
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import order_by
from harness.detection.sql.build import build_select, fn
from harness.detection.sql.compilation import Compilation
from harness.detection.sql.relation import Relation


def drop_lower_counts(c: Compilation, node: Limit, relation: Relation) -> Relation:
    """The rows that may be among the first of a limit: all of them, unless they are kept groups sorted by a count."""
    sort = node.source
    if not isinstance(sort, Sort) or node.last or not is_kept(c, sort.source):
        return relation
    if not is_whole(sort.keys[0].expression, c.whole[id(sort.source)]):
        return relation
    first = relation.order[0]
    count = c.cte("counts", build_counts(relation, first.column))
    least = build_select([b.alias(fn("max" if not first.descending else "min", b.sql_column("number")), "least")])
    least.source = q.Subquery(build_places(count, first.descending))
    least.where = exp.LT(this=b.sql_column("before"), expression=b.sql_integer(node.offset + node.count))
    bound = q.Subquery(least)
    key = b.sql_column(first.column)
    beyond = exp.GTE if first.descending else exp.LTE
    query = build_select([exp.Star()], relation.name)
    # Rows without a number stay, wherever the order puts them.
    kept: exp.Expression = exp.Or(this=beyond(this=key, expression=bound), expression=b.is_null(key))
    if may_be_all(c, node):
        kept = exp.And(this=exp.Paren(this=kept), expression=cuts(exp.GT, node, relation))
    query.where = kept
    return replace(relation, name=c.cte("candidates", query))


def may_be_all(c: Compilation, node: Limit) -> bool:
    """Whether a limit that cuts nothing need not sort either: nobody above asks for the order of its rows."""
    return not node.offset and not c.wants_order(node)


def compile_all_or_first(c: Compilation, node: Limit, every: Relation, first: str) -> None:
    """All rows where the limit cuts none, else the `first` of them, a CTE that has no rows then.

    How many groups there are is known at once, and sorting a million of them by all their texts is most of a query.
    """
    columns = [c.names(n) for n in c.shape(node)]
    uncut = build_select([b.sql_column(n) for n in columns], every.name)
    uncut.where = cuts(exp.LTE, node, every)
    query = q.UnionAll([uncut, build_select([b.sql_column(n) for n in columns], first)])
    codes = {n: coding for n, coding in every.codes.items() if n in columns}
    c.add_rows(node, query, Relation(name="", columns=c.shape(node), held=frozenset(columns), codes=codes))


def cuts(compare: type[exp.Infix], node: Limit, every: Relation) -> exp.Infix:
    """How the number of all rows compares with the limit."""
    number = q.Subquery(build_select([b.alias(fn("count", exp.Star()), "rows")], every.name))
    return compare(this=number, expression=b.sql_integer(node.count))


def is_kept(c: Compilation, node: Node) -> bool:
    """Whether the rows are those of groups that are a table by now, so that reading them twice costs little."""
    while isinstance(node, Sort | Derive | Select):
        node = node.source
    return (isinstance(node, Aggregate) and id(node) in c.lasting) or (
        isinstance(node, Scan) and not c.tables[node.table].parts
    )


def build_counts(relation: Relation, column: str) -> q.Select:
    """How often each number stands in a column."""
    number = b.sql_column(column)
    query = build_select([b.alias(number, "number"), b.alias(fn("count", exp.Star()), "rows")], relation.name)
    query.where = b.not_null(number)
    query.group = [exp.Literal.number("1")]
    return query


def build_places(counts: str, descending: bool) -> q.Select:
    """For each number how many rows come before all of its own."""
    rows = b.sql_column("rows")
    order = order_by([exp.Ordered(this=b.sql_column("number"), desc=descending, nulls_first=False)])
    before = b.sql_infix(exp.Sub, exp.Window(this=fn("sum", rows), order=order), rows)
    return build_select([b.sql_column("number"), b.alias(before, "before")], counts)
