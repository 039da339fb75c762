"""Groups as SQL: keys that are codes, aggregations, and what stands around them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from harness.detection.plan import operations as ops
from harness.detection.plan.dimension import Dimension
from harness.detection.plan.expressions import Aggregation, Column, Expression, Kind, SortKey, walk_expressions
from harness.detection.plan.nodes import Aggregate
from harness.detection.plan.passes.requirements import any_sensitive, keep_needed_columns
from harness.detection.sql import build as b
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import Order, build_around, compile_aggregation
from harness.detection.sql.build import SelectQuery, select_columns_only
from harness.detection.sql.code_sets import CHOOSING, LARGEST_LISTED, CodeSet, Coding
from harness.detection.sql.compilation import Compilation
from harness.detection.sql.dialect import Construct
from harness.detection.sql.relation import CodedColumns, Relation, SQLColumns
from harness.detection.sql.workbench import Workbench

# DuckDB 2.0.0: 50 lists without repetitions in one SELECT take 0.9 s, 100 take 9 s; FILTER grows with the square.
CROWD = 16
"""With more measures than this an aggregate avoids what engines plan slowly."""


def compile_aggregate(c: Compilation, node: Aggregate) -> None:
    """GROUP BY; expressions around aggregations are a second step."""
    below = c.coded(node.source, ordered=any_sensitive(node.measures))
    bench = c.over(below)
    own = c.shape(node)
    keys, codes = compile_keys(c, bench, node)
    bench.printer.group_keys = tuple(keys.values())
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
            text = sql.sql()
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
        grouped.sql.group = places
    # Without keys and measures it still has to be an aggregate, else it would give a row for each row of the source.
    elif not made:
        grouped.sql.expressions = [b.alias(b.fn("count", exp.Star()), "~")]
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
    if id(node) in c.lasting:
        made = surround_aggregations(c, node, grouped, found, ())
        add_group_order(c, node, c.keep_group(node, made))
        return
    order = c.order_keys((False, False) for _ in node.keys) if c.wants_order(node) else ()
    c.add(node, surround_aggregations(c, node, grouped, found, order), own, order)


def add_group_order(c: Compilation, node: Aggregate, groups: Relation) -> None:
    """Makes the kept rows of an aggregation its relation, in the order of its keys where that counts."""
    bench = c.over(groups)
    keys = [SortKey(Column(name)) for name, _ in node.keys] if c.wants_order(node) else []
    order, made, codes = bench.order_columns(keys)
    c.add(node, bench.keeping(groups.columns, {}, made, codes), groups.columns, order)


def surround_aggregations(
    c: Compilation, node: Aggregate, grouped: SelectQuery, found: dict[int, str], order: Order
) -> SelectQuery:
    """The groups with the expressions around their aggregations, and with columns for the order of their keys."""
    own = c.shape(node)
    measures = keep_needed_columns(node.measures, frozenset(own))
    if not order and all(found.get(id(e)) == c.names(n) for n, e in measures):
        return grouped
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
    return replace(select_columns_only(items, bench.relation()), codes=codes)


def decode_measure(bench: Workbench, column: str, codes: CodedColumns) -> exp.Expression:
    """The value of an aggregation that became a column."""
    coding = codes.get(column)
    return b.sql_column(column) if coding is None else bench.decode_column(column, coding)


def aggregations(measure: Expression) -> Iterable[Aggregation]:
    """The outermost aggregations inside a measure."""
    return [e for e in walk_expressions(measure) if isinstance(e, Aggregation)]
