"""A whole plan as one statement: how each node that reads one source becomes SQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    Call,
    Column,
    Expression,
    Kind,
    list_child_expressions,
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
from harness.detection.plan.passes.lower_filters import lower_filters
from harness.detection.plan.passes.requirements import keep_needed_columns
from harness.detection.sql import build as b
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import OrderKey, order_by
from harness.detection.sql.build import SelectQuery, build_select, select_columns_only
from harness.detection.sql.codes import KeptTable
from harness.detection.sql.compilation import FEWEST_CODED_ROWS, Compilation, is_every_group
from harness.detection.sql.dialect import Construct, PhysicalNames, SqlDialect
from harness.detection.sql.groups import compile_aggregate
from harness.detection.sql.join import compile_join, compile_union
from harness.detection.sql.kept_groups import KeptGroup, KeptGroups, find_lasting_groups
from harness.detection.sql.relation import Computation, Relation, Stored, TemporaryTable
from harness.detection.sql.scan import compile_scan
from harness.detection.sql.top_rows import compile_all_or_first, drop_lower_counts, may_be_all
from harness.detection.sql.window import Folding, compile_window
from harness.diagnostics import HarnessError
from harness.record import record


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
        query.sql.where = b.sql_truth(False)
    else:
        listed = [exp.to_identifier(x, quoted=True) for x in (*physical.values(), last)]
        table = q.LiteralRows(rows, exp.to_identifier("v"), listed)
        kinds = c.dialect.types
        made = {p: b.cast(b.sql_column(p), kinds[node.columns[n]]) for n, p in typed.items()}
        query = select_columns_only(made | {o.column: b.sql_column(o.column) for o in order})
        query.sql.source = table
    c.add(node, query, columns, order)


def compile_filter(c: Compilation, node: Filter) -> None:
    """The rows for which the condition holds."""
    below = c.coded(node.source)
    bench = c.over(below)
    condition = bench.write_condition(node.condition)
    query = bench.keeping(c.shape(node), {})
    query.sql.where = condition
    c.add(node, query, c.shape(node), below.order)


def compile_derive(c: Compilation, node: Derive) -> None:
    """The source with columns added or replaced."""
    below = c.coded(node.source)
    bench = c.over(below)
    own = c.shape(node)
    added, codes = bench.make_columns(keep_needed_columns(node.columns, frozenset(own)), own)
    c.add(node, bench.keeping(own, added, codes=codes), own, below.order)


def project(c: Compilation, node: Select) -> None:
    """SELECT of the node's needed columns, with the columns of the order."""
    below = c.coded(node.source)
    bench = c.over(below)
    own = c.shape(node)
    made, codes = bench.make_columns(keep_needed_columns(node.columns, frozenset(own)), own)
    items = {c.names(n): v for n, v in made.items()}
    items |= {k.column: b.sql_column(k.column) for k in below.order}
    kept = {k.column: below.codes[k.column] for k in below.order if k.column in below.codes}
    query = select_columns_only(items, bench.relation())
    spans = {c.names(n): below.spans[s] for n, s in list_kept_columns(c, node) if s in below.spans and n in own}
    c.add(node, replace(query, codes={**codes, **kept}, spans=spans), own, below.order)


def list_kept_columns(c: Compilation, node: Select) -> list[tuple[str, str]]:
    """The columns that a node only takes or renames, with the physical names that they had."""
    return [(n, c.names(e.name)) for n, e in node.columns if isinstance(e, Column)]


def compile_sort(c: Compilation, node: Sort) -> None:
    """New order columns before the old ones; the source itself where the order does not count."""
    below = c.coded(node.source)
    if not c.wants_order(node):
        c.relations[id(node)] = below
        return
    bench = c.over(below)
    new, made, codes = bench.order_columns(node.keys)
    # The old keys behind the new ones make the sort stable, which ORDER BY of no engine promises.
    c.add(node, bench.keeping(c.shape(node), {}, made, codes), c.shape(node), (*new, *below.order))


def compile_limit(c: Compilation, node: Limit) -> None:
    """The first rows of the current order, or the last."""
    every = c.relations[id(node.source)]
    fewer = drop_lower_counts(c, node, every)
    # All groups there are may be too many for texts of each, and few are left of them once they are filtered.
    ranks = fewer is every and is_every_group(node.source)
    below = c.decode_order(fewer, ranks=ranks)
    keys = tuple(k.flipped() for k in below.order) if node.last else below.order
    query = c.over(below).keeping(c.shape(node), {})
    # LIMIT of the last rows reads the order backwards; the rows that come out keep their own order keys.
    query.sql.order = order_by([k.sql() for k in keys])
    query.sql.limit = b.sql_integer(node.count)
    if node.offset:
        query.sql.offset = b.sql_integer(node.offset)
    if may_be_all(c, node) and fewer is not every:
        compile_all_or_first(c, node, every, c.cte("first", query.sql))
    else:
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
    Scan: compile_scan,
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
# Ten frames for each of those levels, since sqlglot's printer takes several; CPython allows 1,000 by default.
FRAMES = 8_000
"""Python frames that writing and printing an expression of that depth may take."""


BeforeStep = Computation | Folding | TemporaryTable | KeptTable


@record(kw_only=True)
class Statement:
    """A plan's statement, the logical names of its columns, and the steps that run before it, in order.

    `groups` are aggregations of the plan whose rows these steps keep.
    """

    sql: q.Query
    columns: tuple[str, ...]
    before: tuple[BeforeStep, ...]
    groups: tuple[KeptGroup, ...] = ()


def statement(
    root: Node,
    dialect: SqlDialect,
    names: PhysicalNames,
    tables: Mapping[str, Stored],
    *,
    limit: int | None = None,
    codes_from: int = FEWEST_CODED_ROWS,
    kept: KeptGroups | None = None,
) -> Statement:
    """The statement that gives a plan's rows in its order; raises HarnessError for one that nests too deep.

    Codes are worked on where a table has as many rows as `codes_from`; aggregations that are `kept` are not made again.
    """
    root, known = kept.scan_known_groups(root) if kept is not None else (root, [])
    tables = {**tables, **{g.scan.table: g.stored for g in known}}
    for node in walk_nodes(root):
        for expression in list_node_expressions(node):
            check_depth(expression)
    # Only of a plan as it was given: nobody would ask again for nodes that were made here.
    lasting = find_lasting_groups(root) if kept is not None and not known else []
    root, became = simplify_plan(root, tables, lasting)
    c = Compilation(dialect, names, tables, root, final=True, codes_from=codes_from, lasting=became)
    c.compile_plan = partial(compile_inner_plan, dialect)
    for node in walk_nodes(root):
        if id(node) not in c.relations:
            NODE_COMPILERS[type(node)](c, node)
    last = c.below(root)
    columns = tuple(c.shapes[id(root)])
    query = build_select([b.sql_column(names(n)) for n in columns], last.name)
    query.order = order_by([k.sql() for k in last.order])
    if limit is not None:
        query.limit = b.sql_integer(limit)
    made = tuple(
        KeptGroup(node=old, scan=scan, stored=c.tables[scan.table], names={n: names(n) for n in scan.columns})
        for old, new in zip(lasting, became, strict=True)
        if (scan := c.groups.get(id(new))) is not None
    )
    return Statement(sql=c.statement(query), columns=columns, before=tuple(c.before), groups=made)


def simplify_plan(root: Node, tables: Mapping[str, Stored], groups: Sequence[Node]) -> tuple[Node, list[Node]]:
    """The plan after the passes that make it smaller, and what these aggregations of it became."""
    before = [n for n in walk_nodes(root) if isinstance(n, Aggregate)]
    root = merge_derives(root)
    if any(part.dimensions for table in tables.values() for part in table.parts):
        root = lower_filters(root)
    # The passes change what stands between aggregations, so that the first of them is the first still.
    after = [n for n in walk_nodes(root) if isinstance(n, Aggregate)]
    found = {id(old): new for old, new in zip(before, after, strict=True)}
    return root, [found[id(group)] for group in groups]


def compile_inner_plan(
    dialect: SqlDialect, root: Node, names: PhysicalNames, tables: Mapping[str, Stored]
) -> tuple[str, Sequence[BeforeStep]]:
    """The text of a plan that a statement needs the rows of before it runs, and the steps before that."""
    made = statement(root, dialect, names, tables)
    return dialect.print(made.sql), made.before


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
