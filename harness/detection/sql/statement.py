"""A whole plan as one statement: how each node that reads one source becomes SQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlglot import expressions as exp

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    Aggregation,
    Call,
    Column,
    Expression,
    Kind,
    Literal,
    columns_read,
    list_child_expressions,
    walk_expressions,
)
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Join,
    Limit,
    Node,
    Reverse,
    Scan,
    Select,
    Sort,
    Union,
    Unnest,
    Values,
    Window,
    list_node_expressions,
    walk_nodes,
)
from harness.detection.plan.operation import Operation
from harness.detection.plan.passes.derived_columns import merge_derives
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.plan.passes.requirements import keep_needed_columns
from harness.detection.sql import build as b
from harness.detection.sql.aggregation import Order, OrderKey, compile_aggregation, order_by
from harness.detection.sql.build import SelectQuery, build_select, select_columns_only, table_as
from harness.detection.sql.dialect import Construct, PhysicalNames, SqlDialect
from harness.detection.sql.expressions import Printer
from harness.detection.sql.join import compile_join, compile_union
from harness.detection.sql.relation import Compilation, Computation, Relation, Stored, TemporaryTable
from harness.detection.sql.window import Folding, compile_window
from harness.diagnostics import HarnessError


def stored_relation(c: Compilation, node: Scan, read: frozenset[str]) -> str:
    """The name of a relation that has these columns of a scan's table."""
    stored = c.tables[node.table]
    if not stored.parts:
        return stored.name
    columns = {n: k for n, k in stored.columns.items() if n in read}
    needed = c.parts[id(node)]
    whole: exp.Query | None = None
    # Where no part can give a row, one of them still says which columns and types there are; WHERE FALSE empties it.
    for part in needed or stored.parts[:1]:
        query = compile_part(c, part, columns, typed=whole is None)
        whole = query if whole is None else exp.Union(this=whole, expression=query, distinct=False)
    assert whole is not None
    if not needed:
        whole.set("where", exp.Where(this=b.sql_truth(False)))
    return c.cte("parts", whole)


def compile_part(c: Compilation, part: StoredPart, columns: Mapping[str, Kind], *, typed: bool) -> exp.Select:
    """The columns of one part as those of the whole table: its own, its constants, and nulls.

    The first part of a union says what type each column has, so that the others need not.
    """
    items: dict[str, exp.Expression] = {}
    joins: list[exp.Expression] = []
    printer = Printer(c.dialect, c.names, part.columns)
    for name, kind in columns.items():
        if name in part.dimensions:
            short = f"d{len(joins)}"
            on = b.eq(b.sql_column(c.names(name), "s"), b.sql_column("code", short))
            # LEFT, since a row without the field has no code.
            joins.append(exp.Join(this=table_as(part.dimensions[name], short), on=on, side="LEFT"))
            items[c.names(name)] = printer.converted(b.sql_column("value", short), part.columns[name], kind)
        elif name in part.columns:
            items[c.names(name)] = printer(Column(name), kind)
        elif name in part.constants:
            # Constants are no stored columns: a part's source, sourcetype or EventCode is the same in every row of it.
            made = printer(Literal(part.constants[name]), kind)
            items[c.names(name)] = b.cast(made, c.dialect.types[kind]) if typed else made
        else:
            items[c.names(name)] = printer.typed_null(kind) if typed else b.sql_null()
    query = select_columns_only(items, part.name, "s" if joins else None).sql
    query.set("joins", joins)
    return query


def scan(c: Compilation, node: Scan) -> None:
    """The stored table's columns that are read."""
    if node.table not in c.tables:
        raise HarnessError("unknown-table", f"the store has no table `{node.table}`")
    stored = c.tables[node.table]
    columns = c.shape(node)
    source = Relation(name=stored.name, columns=stored.columns, held=frozenset())
    bench = c.over(source)
    items = {
        # A column that the store lacks is null and no error: rules name fields that none of their events carries.
        c.names(n): b.sql_column(c.names(n)) if n in stored.columns else bench.printer.typed_null(k)
        for n, k in columns.items()
    }
    order: Order = ()
    if c.wants_order(node):
        order = c.order_keys((k.descending, k.nulls_first) for k in node.order)
        items |= {o.column: bench.printer(k.expression) for o, k in zip(order, node.order, strict=True)}
    read = frozenset(columns) | frozenset(n for k in node.order if order for n in columns_read(k.expression))
    c.add(node, select_columns_only(items, stored_relation(c, node, read)), columns, order)


def compile_values(c: Compilation, node: Values) -> None:
    """The rows as a table of literals; a relation of no rows has types all the same."""
    columns = c.shape(node)
    names = list(node.columns)
    bench = c.over(Relation(name="", columns={}, held=frozenset()))
    # All names, not only the needed ones: VALUES spells whole rows, and its alias has to name each of their columns.
    physical = {n: c.names(n) for n in names}
    order = c.order_keys([(False, False)]) if c.wants_order(node) else ()
    typed = {n: physical[n] for n in columns}
    rows = [
        exp.Tuple(expressions=[*(bench.printer.literal(v) for v in row), b.sql_integer(i)])
        for i, row in enumerate(node.rows)
    ]
    # Rows are numbered even where nobody looks, so that VALUES has the same width either way.
    last = order[0].column if order else c.fresh()
    if not rows:
        items = {p: bench.printer.typed_null(node.columns[n]) for n, p in typed.items()}
        query = select_columns_only(items | {o.column: b.sql_null() for o in order})
        query.sql.set("where", exp.Where(this=b.sql_truth(False)))
    else:
        listed = [exp.to_identifier(x, quoted=True) for x in (*physical.values(), last)]
        table = exp.Values(expressions=rows, alias=exp.TableAlias(this=exp.to_identifier("v"), columns=listed))
        kinds = c.dialect.types
        made = {p: b.cast(b.sql_column(p), kinds[node.columns[n]]) for n, p in typed.items()}
        query = select_columns_only(made | {o.column: b.sql_column(o.column) for o in order})
        query.sql.set("from_", exp.From(this=table))
    c.add(node, query, columns, order)


def compile_filter(c: Compilation, node: Filter) -> None:
    """The rows for which the condition holds."""
    below = c.below(node.source)
    bench = c.over(below)
    condition = bench.printer(node.condition, Kind.BOOLEAN)
    query = bench.keeping(c.shape(node), {})
    query.sql.set("where", exp.Where(this=condition))
    c.add(node, query, c.shape(node), below.order)


def compile_derive(c: Compilation, node: Derive) -> None:
    """The source with columns added or replaced."""
    below = c.below(node.source)
    bench = c.over(below)
    own = c.shape(node)
    added = {n: bench.printer(e, own[n]) for n, e in node.columns if n in own}
    c.add(node, bench.keeping(own, added), own, below.order)


def project(c: Compilation, node: Select) -> None:
    """SELECT of the node's needed columns, with the columns of the order."""
    below = c.below(node.source)
    bench = c.over(below)
    own = c.shape(node)
    items = {c.names(n): bench.printer(e, own[n]) for n, e in keep_needed_columns(node.columns, frozenset(own))}
    items |= {k.column: b.sql_column(k.column) for k in below.order}
    c.add(node, select_columns_only(items, bench.relation()), own, below.order)


# DuckDB 2.0.0: 50 lists without repetitions in one SELECT take 0.9 s, 100 take 9 s; FILTER grows with the square.
CROWD = 16
"""With more measures than this an aggregate avoids what engines plan slowly."""


def compile_aggregate(c: Compilation, node: Aggregate) -> None:
    """GROUP BY; expressions around aggregations are a second step."""
    below = c.below(node.source)
    bench = c.over(below)
    own = c.shape(node)
    keys = {c.names(n): bench.printer(e, bench.printer.kind(e)) for n, e in node.keys}
    made: dict[str, exp.Expression] = {}
    known: dict[str, str] = {}
    found: dict[int, str] = {}
    measures = keep_needed_columns(node.measures, frozenset(own))
    for name, measure in measures:
        for each in aggregations(measure):
            sql = compile_aggregation(
                bench.printer, each, below.order, whole=c.whole[id(node.source)], crowded=len(measures) > CROWD
            )
            # Equal aggregations are one column: avg(x) and stdev(x)/avg(x) in one command share their avg.
            text = sql.sql(comments=False)
            if text not in known:
                known[text] = c.names(name) if each is measure else c.fresh()
                made[known[text]] = sql
            found[id(each)] = known[text]
    grouped = select_columns_only(keys | made, bench.relation())
    if keys:
        # By place: a name in GROUP BY means the source's column before the alias, and a key may replace a column.
        places: list[exp.Expression] = [exp.Literal.number(str(i + 1)) for i in range(len(keys))]
        grouped.sql.set("group", exp.Group(expressions=places))
    # Without keys and measures it still has to be an aggregate, else it would give a row for each row of the source.
    elif not made:
        grouped.sql.set("expressions", [b.alias(b.fn("count", exp.Star()), "~")])
    finish_group(c, node, grouped, found)


def finish_group(c: Compilation, node: Aggregate, grouped: SelectQuery, found: dict[int, str]) -> None:
    """Puts expressions around the aggregations and gives the rows their order, where there is need."""
    own = c.shape(node)
    measures = keep_needed_columns(node.measures, frozenset(own))
    order = c.order_keys((False, False) for _ in node.keys) if c.wants_order(node) else ()
    if not order and all(found.get(id(e)) == c.names(n) for n, e in measures):
        c.add(node, grouped, own)
        return
    source = Relation(name=c.cte("groups", grouped.sql), columns=c.shapes[id(node.source)], held=grouped.held)
    bench = c.over(source)
    bench.printer.aggregation = lambda a: b.sql_column(found[id(a)])
    items = {c.names(n): b.sql_column(c.names(n)) for n, _ in node.keys if n in own}
    items |= {c.names(n): bench.printer(e, own[n]) for n, e in measures}
    items |= {o.column: b.sql_column(c.names(n)) for o, (n, _) in zip(order, node.keys, strict=False)}
    c.add(node, select_columns_only(items, bench.relation()), own, order)


def aggregations(measure: Expression) -> Iterable[Aggregation]:
    """The outermost aggregations inside a measure."""
    return [e for e in walk_expressions(measure) if isinstance(e, Aggregation)]


def compile_sort(c: Compilation, node: Sort) -> None:
    """New order columns before the old ones; the source itself where the order does not count."""
    below = c.below(node.source)
    if not c.wants_order(node):
        c.relations[id(node)] = below
        return
    bench = c.over(below)
    new = c.order_keys((k.descending, k.nulls_first) for k in node.keys)
    made = {o.column: bench.printer(k.expression) for o, k in zip(new, node.keys, strict=True)}
    # The old keys behind the new ones make the sort stable, which ORDER BY of no engine promises.
    c.add(node, bench.keeping(c.shape(node), {}, made), c.shape(node), (*new, *below.order))


def compile_limit(c: Compilation, node: Limit) -> None:
    """The first rows of the current order, or the last."""
    below = c.below(node.source)
    keys = tuple(k.flipped() for k in below.order) if node.last else below.order
    query = c.over(below).keeping(c.shape(node), {})
    # LIMIT of the last rows reads the order backwards; the rows that come out keep their own order keys.
    query.sql.set("order", order_by([k.sql() for k in keys]))
    query.sql.set("limit", exp.Limit(expression=exp.Literal.number(str(node.count))))
    if node.offset:
        query.sql.set("offset", exp.Offset(expression=exp.Literal.number(str(node.offset))))
    c.add(node, query, c.shape(node), below.order)


def compile_reverse(c: Compilation, node: Reverse) -> None:
    """The same rows, their order read backwards."""
    below = c.below(node.source)
    flipped = tuple(k.flipped() for k in below.order)
    c.relations[id(node)] = Relation(name=below.name, columns=below.columns, held=below.held, order=flipped)


def compile_unnest(c: Compilation, node: Unnest) -> None:
    """One row for each element of a list; the elements' places order the rows that one row became."""
    below = c.below(node.source)
    bench = c.over(below)
    kind = below.columns.get(node.column, Kind.NULL)
    lists = bench.printer(Column(node.column), kind if kind is Kind.EVENTS else Kind.LIST)
    # The spelling writes the list twice, once for the elements and once for their places.
    lists = bench.printer.simple(lists, Column(node.column))
    held, place = c.names(node.column), c.names(node.position) if node.position else c.fresh()
    items = {c.names(n): b.sql_column(c.names(n)) for n in below.columns if n not in (node.column, node.position)}
    items |= {k.column: b.sql_column(k.column) for k in below.order}
    made = c.dialect.spelling(Construct.UNNEST)(lists, held, place, node.keep_empty)
    query = build_select([*items.values(), *made], bench.relation())
    order = (*below.order, OrderKey(column=place)) if c.wants_order(node) else ()
    c.add(node, SelectQuery(sql=query, held=frozenset({*items, held, place})), c.shape(node), order)


NODE_COMPILERS: dict[type[Node], Callable[[Compilation, Any], None]] = {
    Scan: scan,
    Values: compile_values,
    Filter: compile_filter,
    Derive: compile_derive,
    Select: project,
    Aggregate: compile_aggregate,
    Window: compile_window,
    Sort: compile_sort,
    Limit: compile_limit,
    Reverse: compile_reverse,
    Join: compile_join,
    Union: compile_union,
    Unnest: compile_unnest,
}
# Chosen, no source: far deeper than a person writes, and still within FRAMES.
DEEPEST_STATEMENT = 800
"""How deep an expression may nest, chains of AND and OR counting once."""
# Ten frames for each of those levels, since sqlglot's generator takes several; CPython allows 1,000 by default.
FRAMES = 8_000
"""Python frames that writing and printing an expression of that depth may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A plan's statement, the logical names of its columns, and the steps that run before it, in order."""

    sql: exp.Expression
    columns: tuple[str, ...]
    before: tuple[Computation | Folding | TemporaryTable, ...]


def statement(
    root: Node, dialect: SqlDialect, names: PhysicalNames, tables: Mapping[str, Stored], *, limit: int | None = None
) -> Statement:
    """The statement that gives a plan's rows in its order; raises HarnessError for one that nests too deep."""
    for node in walk_nodes(root):
        for expression in list_node_expressions(node):
            check_depth(expression)
    root = merge_derives(root)
    c = Compilation(dialect, names, tables, root, final=True)
    for node in walk_nodes(root):
        if id(node) not in c.relations:
            NODE_COMPILERS[type(node)](c, node)
    last = c.below(root)
    columns = tuple(c.shapes[id(root)])
    query = build_select([b.sql_column(names(n)) for n in columns], last.name)
    query.set("order", order_by([k.sql() for k in last.order]))
    if limit is not None:
        query.set("limit", exp.Limit(expression=exp.Literal.number(str(limit))))
    return Statement(sql=c.statement(query), columns=columns, before=tuple(c.before))


@contextmanager
def deep() -> Iterator[None]:
    """Room for deep expressions; what needs even more is an error and no traceback."""
    before = sys.getrecursionlimit()
    # Calls between Python functions take no C stack since CPython 3.11, the oldest version that is supported.
    sys.setrecursionlimit(max(before, FRAMES))
    try:
        yield
    except RecursionError:
        raise too_deep() from None
    finally:
        sys.setrecursionlimit(before)


def too_deep() -> HarnessError:
    """The error of a query that nests too deep."""
    return HarnessError(
        "too-deep", "the query nests too deep to be run", help="split the expression into several steps"
    )


def check_depth(expression: Expression) -> None:
    """Raises HarnessError for an expression that nests too deep; looks at each part once."""
    seen: set[int] = set()
    level: list[tuple[Expression, Operation | None]] = [(expression, None)]
    for _ in range(DEEPEST_STATEMENT):
        following: list[tuple[Expression, Operation | None]] = []
        while level:
            part, above = level.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            operation = part.operation if isinstance(part, Call) else None
            # The printer writes such chains flat (a balanced tree, one CASE), so their length
            # is no depth for the engine.
            same = operation is above and operation in (ops.and_, ops.or_, ops.if_)
            (level if same else following).extend((c, operation) for c in list_child_expressions(part))
        if not following:
            return
        level = following
    raise too_deep()
