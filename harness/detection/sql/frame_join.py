"""Frames that begin where a column says, for engines whose frames begin at a fixed row: rows joined with their frames.

Rows get numbers, each is joined with the rows of its frame, and groups of these pairs are what the frame would hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Expression, walk_expressions
from harness.detection.plan.nodes import Frame, Window
from harness.detection.plan.passes.requirements import keep_needed_columns
from harness.detection.sql import build as b
from harness.detection.sql import query as q
from harness.detection.sql import tree as exp
from harness.detection.sql.aggregation import OrderKey, compile_aggregation, order_by
from harness.detection.sql.build import build_select, select_columns_only, table_as
from harness.detection.sql.compilation import Compilation
from harness.detection.sql.relation import Relation
from harness.detection.sql.workbench import Workbench


def compile_frame_join(
    c: Compilation, node: Window, bench: Workbench, partition: Sequence[exp.Expression], start: exp.Expression
) -> None:
    """A window whose frame begins `start` rows before the current one, of the same partition."""
    below, own = bench.start, c.shape(node)
    by = [k.sql() for k in below.order]
    place, first, row = c.fresh("place"), c.fresh("first"), c.fresh("row")
    parts = {c.fresh("part"): p for p in partition}
    numbering = exp.Window(this=b.fn("row_number"), partition_by=list(partition), order=order_by(list(by)))
    whole = exp.Window(this=b.fn("row_number"), order=order_by([*(p for p in partition), *by]))
    kept = [n for n in below.columns if c.names(n) in below.held]
    reach = (
        start if node.rows is None else b.fn("least", start, b.sql_integer(node.rows - (node.frame is Frame.RUNNING)))
    )
    query = bench.keeping(kept, {}, parts | {place: numbering, first: reach, row: whole})
    numbered = c.cte("numbered", query.sql)
    pairs = c.cte("pairs", join_frames(node, numbered, list(parts), place, first, row))
    frames = Relation(name=pairs, columns=below.columns, held=query.held | {f"{row}~"}, order=(OrderKey(column=place),))
    measures = keep_needed_columns(node.measures, frozenset(own))
    made = list_frame_aggregations(e for _, e in measures)
    grouping = c.over(frames)
    grouping.printer.group_keys = (b.sql_column(f"{row}~"),)
    names = {id(a): c.fresh("measure") for a in made}
    items = {f"{row}~": b.sql_column(f"{row}~")} | {
        names[id(a)]: compile_aggregation(grouping.printer, a, frames.order, whole=c.whole[id(node.source)])
        for a in made
    }
    grouped = select_columns_only(items, grouping.relation())
    grouped.sql.group = [exp.Literal.number("1")]
    joined = join_measures(numbered, c.cte("frames", grouped.sql), row, made, names)
    held = query.held | set(names.values())
    last = c.over(Relation(name=c.cte("measured", joined), columns=below.columns, held=held, order=below.order))
    last.printer.aggregation = lambda a: b.sql_column(names[id(a)])
    added = {n: last.printer(e, own[n]) for n, e in measures}
    c.add(node, last.keeping(own, added), own, below.order)


def list_frame_aggregations(measures: Iterable[Expression]) -> list[Aggregation]:
    """The aggregations inside of measures, each once."""
    found: dict[int, Aggregation] = {}
    for measure in measures:
        found |= {id(e): e for e in walk_expressions(measure) if isinstance(e, Aggregation)}
    return list(found.values())


def join_frames(node: Window, numbered: str, parts: list[str], place: str, first: str, row: str) -> q.Select:
    """Each row's number with the rows of its frame."""
    same: list[exp.Expression] = [
        exp.NullSafeEQ(this=b.sql_column(p, "l"), expression=b.sql_column(p, "r")) for p in parts
    ]
    earliest = b.sql_infix(exp.Sub, b.sql_column(place, "l"), b.sql_column(first, "l"))
    latest: exp.Expression = b.sql_column(place, "l")
    if node.frame is not Frame.RUNNING:
        latest = b.sql_infix(exp.Sub, latest, b.sql_integer(1))
    within = exp.Between(this=b.sql_column(place, "r"), low=earliest, high=latest)
    query = build_select([b.alias(b.sql_column(row, "l"), f"{row}~"), b.every_column("r")], numbered, "l")
    query.joins = [q.Join(table_as(numbered, "r"), b.sql_balanced(exp.And, [*same, within]), kind="INNER")]
    return query


def join_measures(numbered: str, frames: str, row: str, made: list[Aggregation], names: dict[int, str]) -> q.Select:
    """The rows with what their frames hold; an empty frame counts 0."""
    items: list[exp.Expression] = [b.every_column("l")]
    for each in made:
        value: exp.Expression = b.sql_column(names[id(each)], "r")
        if each.operation in (ops.count, ops.count_distinct):
            value = b.fn("coalesce", value, b.sql_number(0))
        items.append(b.alias(value, names[id(each)]))
    query = build_select(items, numbered, "l")
    on = b.eq(b.sql_column(row, "l"), b.sql_column(f"{row}~", "r"))
    query.joins = [q.Join(table_as(frames, "r"), on, side="LEFT")]
    return query
