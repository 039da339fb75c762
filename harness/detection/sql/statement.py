"""A whole plan as one statement: how each node that reads one source becomes SQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlglot import expressions as exp

from harness.detection.plan import operations as ops
from harness.detection.plan.dimension import VALUE, Dimension, TimeSpan
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
from harness.detection.plan.passes.lower_filters import lower_filters
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.plan.passes.requirements import any_sensitive, keep_needed_columns
from harness.detection.sql import build as b
from harness.detection.sql.aggregation import Order, OrderKey, build_around, compile_aggregation, order_by
from harness.detection.sql.build import SelectQuery, build_select, select_columns_only
from harness.detection.sql.code_sets import CHOOSING, LARGEST_LISTED, CodeSet, Coding
from harness.detection.sql.codes import Encoded, KeptTable, LookUp, join_look_up
from harness.detection.sql.dialect import Construct, PhysicalNames, SqlDialect
from harness.detection.sql.expressions import Printer
from harness.detection.sql.join import compile_join, compile_union
from harness.detection.sql.relation import (
    FEWEST_CODED_ROWS,
    Codes,
    Compilation,
    Computation,
    Relation,
    SQLColumns,
    Stored,
    TemporaryTable,
    Workbench,
)
from harness.detection.sql.window import Folding, compile_window
from harness.diagnostics import HarnessError

MOST_EVENTS = 1 << 40
"""More than any table has."""


def stored_relation(c: Compilation, node: Scan, read: frozenset[str]) -> Relation:
    """A relation that has these columns of a scan's table."""
    stored = c.tables[node.table]
    if not stored.parts:
        return Relation(name=stored.name, columns=stored.columns, held=frozenset())
    columns = {n: k for n, k in stored.columns.items() if n in read}
    needed = c.parts[id(node)]
    codes = {n: d for n, k in columns.items() if (d := find_common_dimension(c, needed, n, k)) is not None}
    whole: exp.Query | None = None
    # Where no part can give a row, one of them still says which columns and types there are; WHERE FALSE empties it.
    for part in needed or stored.parts[:1]:
        query = compile_part(c, part, columns, codes, typed=whole is None)
        whole = query if whole is None else exp.Union(this=whole, expression=query, distinct=False)
    assert whole is not None
    if not needed:
        whole.set("where", exp.Where(this=b.sql_truth(False)))
    held = {c.names(n): d for n, d in codes.items()}
    spans = {c.names(n): s for n, k in columns.items() if (s := find_common_span(c, needed, n, k)) is not None}
    return Relation(name=c.cte("parts", whole), columns=stored.columns, held=frozenset(), codes=held, spans=spans)


def find_common_span(c: Compilation, parts: Sequence[StoredPart], name: str, kind: Kind) -> TimeSpan | None:
    """The stretch of time of a column over all parts that have it, if it is known of each and there are rows enough."""
    having = [p for p in parts if name in p.columns or name in p.constants]
    spans = [p.spans().get(name) for p in having if p.file] if kind is Kind.NUMBER else []
    known = [s for s in spans if s is not None]
    if not known or len(known) < len(having):
        return None
    events = sum(s.events for s in known)
    # A test says 0: then no table is too small.
    events = events if c.codes_from else MOST_EVENTS
    return TimeSpan(min(s.low for s in known), max(s.high for s in known), events) if events >= c.codes_from else None


def find_common_dimension(c: Compilation, parts: Sequence[StoredPart], name: str, kind: Kind) -> Dimension | None:
    """The dimension that all parts which have a column hold codes of, if there are rows enough for it."""
    having = [p for p in parts if name in p.columns or name in p.constants]
    dimension = having[0].dimensions.get(name) if having else None
    if dimension is None or dimension.kind is not kind:
        return None
    # By table and not by object: each part's column is told for itself.
    same = all((d := p.dimensions.get(name)) is not None and d.table == dimension.table for p in having)
    few = c.codes_from > 0 and sum(p.count() for p in having) < max(c.codes_from, dimension.size)
    return dimension if same and not few else None


def compile_part(
    c: Compilation, part: StoredPart, columns: Mapping[str, Kind], codes: Codes, *, typed: bool
) -> exp.Select:
    """The columns of one part as those of the whole table: its own, its constants, and nulls; codes of some.

    The first part of a union says what type each column has, so that the others need not.
    """
    items: dict[str, exp.Expression] = {}
    joins: list[exp.Expression] = []
    printer = Printer(c.dialect, c.names, part.columns)
    for name, kind in columns.items():
        if name in codes:
            code = b.sql_column(c.names(name), "s") if name in part.columns else b.sql_null()
            items[c.names(name)] = b.cast(code, "INT")
        elif name in part.dimensions:
            found = Encoded(code=b.sql_column(c.names(name)), dimension=part.dimensions[name])
            joins.append(join_look_up(LookUp(encoded=found), short := f"d{len(joins)}"))
            items[c.names(name)] = printer.converted(b.sql_column(VALUE, short), part.columns[name], kind)
        elif name in part.columns:
            items[c.names(name)] = printer(Column(name), kind)
        elif name in part.constants:
            # Constants are no stored columns: a part's source, sourcetype or EventCode is the same in every row of it.
            made = printer(Literal(part.constants[name]), kind)
            items[c.names(name)] = b.cast(made, c.dialect.types[kind]) if typed else made
        else:
            items[c.names(name)] = printer.typed_null(kind) if typed else b.sql_null()
    query = select_columns_only(items, part.name, "s").sql
    query.set("joins", joins)
    return query


def scan(c: Compilation, node: Scan) -> None:
    """The stored table's columns that are read."""
    if node.table not in c.tables:
        raise HarnessError("unknown-table", f"the store has no table `{node.table}`")
    stored = c.tables[node.table]
    columns = c.shape(node)
    wanted = node.order if c.wants_order(node) else ()
    read = frozenset(columns) | frozenset(n for k in wanted for n in columns_read(k.expression))
    source = stored_relation(c, node, read)
    bench = c.over(source)
    items = {
        # A column that the store lacks is null and no error: rules name fields that none of their events carries.
        c.names(n): b.sql_column(c.names(n)) if n in stored.columns else bench.printer.typed_null(k)
        for n, k in columns.items()
    }
    order = c.order_keys((k.descending, k.nulls_first) for k in wanted)
    items |= {o.column: bench.printer(k.expression) for o, k in zip(order, wanted, strict=True)}
    query = select_columns_only(items, bench.relation())
    codes = {n: d for n, d in source.codes.items() if n in items}
    spans = {n: s for n, s in source.spans.items() if n in items}
    c.add(node, replace(query, codes=codes, spans=spans), columns, order)


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
    below = c.coded(node.source)
    bench = c.over(below)
    condition = bench.condition(node.condition)
    query = bench.keeping(c.shape(node), {})
    query.sql.set("where", exp.Where(this=condition))
    c.add(node, query, c.shape(node), below.order)


def compile_derive(c: Compilation, node: Derive) -> None:
    """The source with columns added or replaced."""
    below = c.coded(node.source)
    bench = c.over(below)
    own = c.shape(node)
    added, codes = bench.columns(keep_needed_columns(node.columns, frozenset(own)), own)
    c.add(node, bench.keeping(own, added, codes=codes), own, below.order)


def project(c: Compilation, node: Select) -> None:
    """SELECT of the node's needed columns, with the columns of the order."""
    below = c.coded(node.source)
    bench = c.over(below)
    own = c.shape(node)
    made, codes = bench.columns(keep_needed_columns(node.columns, frozenset(own)), own)
    items = {c.names(n): v for n, v in made.items()}
    items |= {k.column: b.sql_column(k.column) for k in below.order}
    kept = {k.column: below.codes[k.column] for k in below.order if k.column in below.codes}
    query = select_columns_only(items, bench.relation())
    spans = {c.names(n): below.spans[s] for n, s in list_kept_columns(c, node) if s in below.spans and n in own}
    c.add(node, replace(query, codes={**codes, **kept}, spans=spans), own, below.order)


def list_kept_columns(c: Compilation, node: Select) -> list[tuple[str, str]]:
    """The columns that a node only takes or renames, with the physical names that they had."""
    return [(n, c.names(e.name)) for n, e in node.columns if isinstance(e, Column)]


# DuckDB 2.0.0: 50 lists without repetitions in one SELECT take 0.9 s, 100 take 9 s; FILTER grows with the square.
CROWD = 16
"""With more measures than this an aggregate avoids what engines plan slowly."""


def compile_aggregate(c: Compilation, node: Aggregate) -> None:
    """GROUP BY; expressions around aggregations are a second step."""
    below = c.coded(node.source, ordered=any_sensitive(node.measures))
    bench = c.over(below)
    own = c.shape(node)
    keys, codes = compile_keys(c, bench, node)
    made: dict[str, exp.Expression] = {}
    known: dict[str, str] = {}
    found: dict[int, str] = {}
    measures = keep_needed_columns(node.measures, frozenset(own))
    crowded = len(measures) > CROWD
    for name, measure in measures:
        for each in aggregations(measure):
            coded = None if crowded else compile_coded_measure(bench, each, below.order)
            sql = (
                compile_aggregation(bench.printer, each, below.order, whole=c.whole[id(node.source)], crowded=crowded)
                if coded is None
                else coded[0]
            )
            # Equal aggregations are one column: avg(x) and stdev(x)/avg(x) in one command share their avg.
            text = sql.sql(comments=False)
            if text not in known:
                known[text] = c.names(name) if each is measure else c.fresh()
                made[known[text]] = sql
                if coded is not None and coded[1] is not None:
                    codes[known[text]] = coded[1]
            found[id(each)] = known[text]
    grouped = select_columns_only(keys | made, bench.relation())
    if keys:
        # By place: a name in GROUP BY means the source's column before the alias, and a key may replace a column.
        places: list[exp.Expression] = [exp.Literal.number(str(i + 1)) for i in range(len(keys))]
        grouped.sql.set("group", exp.Group(expressions=places))
    # Without keys and measures it still has to be an aggregate, else it would give a row for each row of the source.
    elif not made:
        grouped.sql.set("expressions", [b.alias(b.fn("count", exp.Star()), "~")])
    finish_group(c, node, replace(grouped, codes=codes), found)


def can_be_set(dimension: Dimension) -> bool:
    """Whether values of a dimension can be told from a set of its codes."""
    # A row without a code has one of its own there, which no bit is and no place in a list.
    return dimension.kind is Kind.TEXT and dimension.size <= LARGEST_LISTED and not dimension.with_null


def compile_keys(c: Compilation, bench: Workbench, node: Aggregate) -> tuple[SQLColumns, dict[str, Coding]]:
    """The keys of groups by their physical names: codes where they can be, of which equal values have one."""
    keys: dict[str, exp.Expression] = {}
    codes: dict[str, Coding] = {}
    for name, expression in node.keys:
        kind = bench.printer.kind(expression)
        found = bench.encode(expression, kind)
        if found is None:
            keys[c.names(name)] = bench.printer(expression, kind)
        else:
            keys[c.names(name)], codes[c.names(name)] = bench.distinct_code(found), found.dimension
    return keys, codes


def compile_coded_measure(
    bench: Workbench, aggregation: Aggregation, current: Order
) -> tuple[exp.Expression, Coding | None] | None:
    """An aggregation of a coded column by its codes, and what the result is in their place; none of another."""
    if bench.encoder is None or not aggregation.arguments:
        return None
    operation, (argument, *others) = aggregation.operation, aggregation.arguments
    spelling = bench.compilation.dialect.spelling
    if isinstance(argument, Column) and operation is ops.values:
        column = bench.compilation.names(argument.name)
        held = bench.start.codes.get(column)
        if isinstance(held, CodeSet):
            around = build_around(bench.printer, aggregation, current)
            return spelling(Construct.SET_OF_SETS)(around, b.sql_column(column), held.bits), held
    if operation not in (ops.values, ops.count_distinct, ops.minimum, ops.maximum, *CHOOSING):
        return None
    found = bench.encode(argument, bench.printer.kind(argument))
    if found is None or (operation is ops.values and not can_be_set(found.dimension)):
        return None
    if operation in (ops.minimum, ops.maximum) and not found.dimension.ordered:
        return None
    around = build_around(bench.printer, aggregation, current)
    code = bench.printer.simple(bench.distinct_code(found), argument)
    if operation is ops.values:
        made = CodeSet(dimension=found.dimension)
        return spelling(Construct.SET_OF_CODES)(around, code, made.bits), made
    further = [bench.printer(other, Kind.NUMBER) for other in others]
    coding = None if operation is ops.count_distinct else found.dimension
    return spelling(operation)(around, code, *further), coding


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
    bench.printer.aggregation = lambda a: decode_measure(bench, found[id(a)], grouped.codes)
    items = {c.names(n): b.sql_column(c.names(n)) for n, _ in node.keys if n in own}
    for name, measure in measures:
        kept = found.get(id(measure)) == c.names(name)
        items[c.names(name)] = b.sql_column(c.names(name)) if kept else bench.printer(measure, own[name])
    items |= {o.column: b.sql_column(c.names(n)) for o, (n, _) in zip(order, node.keys, strict=False)}
    codes = {c.names(n): d for n, _ in node.keys if n in own and (d := grouped.codes.get(c.names(n)))}
    codes |= {n: d for m, e in measures if found.get(id(e)) == (n := c.names(m)) and (d := grouped.codes.get(n))}
    codes |= {o.column: d for o, (n, _) in zip(order, node.keys, strict=False) if (d := grouped.codes.get(c.names(n)))}
    c.add(node, replace(select_columns_only(items, bench.relation()), codes=codes), own, order)


def decode_measure(bench: Workbench, column: str, codes: Codes) -> exp.Expression:
    """The value of an aggregation that became a column."""
    coding = codes.get(column)
    return b.sql_column(column) if coding is None else bench.decode_column(column, coding)


def aggregations(measure: Expression) -> Iterable[Aggregation]:
    """The outermost aggregations inside a measure."""
    return [e for e in walk_expressions(measure) if isinstance(e, Aggregation)]


def compile_sort(c: Compilation, node: Sort) -> None:
    """New order columns before the old ones; the source itself where the order does not count."""
    below = c.coded(node.source)
    if not c.wants_order(node):
        c.relations[id(node)] = below
        return
    bench = c.over(below)
    new = c.order_keys((k.descending, k.nulls_first) for k in node.keys)
    made: dict[str, exp.Expression] = {}
    codes: dict[str, Dimension] = {}
    for own, key in zip(new, node.keys, strict=True):
        found = bench.encode(key.expression, bench.printer.kind(key.expression))
        made[own.column] = bench.printer(key.expression) if found is None else found.code
        if found is not None:
            codes[own.column] = found.dimension
    # The old keys behind the new ones make the sort stable, which ORDER BY of no engine promises.
    c.add(node, bench.keeping(c.shape(node), {}, made, codes), c.shape(node), (*new, *below.order))


def compile_limit(c: Compilation, node: Limit) -> None:
    """The first rows of the current order, or the last."""
    below = c.coded(node.source, ordered=True)
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


BeforeStep = Computation | Folding | TemporaryTable | KeptTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A plan's statement, the logical names of its columns, and the steps that run before it, in order."""

    sql: exp.Expression
    columns: tuple[str, ...]
    before: tuple[BeforeStep, ...]


def statement(
    root: Node,
    dialect: SqlDialect,
    names: PhysicalNames,
    tables: Mapping[str, Stored],
    *,
    limit: int | None = None,
    codes_from: int = FEWEST_CODED_ROWS,
) -> Statement:
    """The statement that gives a plan's rows in its order; raises HarnessError for one that nests too deep.

    Codes are worked on where a table has as many rows as `codes_from`.
    """
    for node in walk_nodes(root):
        for expression in list_node_expressions(node):
            check_depth(expression)
    root = merge_derives(root)
    if any(part.dimensions for table in tables.values() for part in table.parts):
        root = lower_filters(root)
    c = Compilation(dialect, names, tables, root, final=True, codes_from=codes_from)
    c.compile_plan = partial(compile_inner_plan, dialect)
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
