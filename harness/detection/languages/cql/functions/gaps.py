"""Series of a chart: which of many stay, and stretches of time that no event is in."""

from __future__ import annotations

from collections.abc import Callable

from harness.detection.languages.cql.cutting import finding, note_cut
from harness.detection.languages.cql.flow import RowScope, Scope
from harness.detection.languages.cql.gathering import sign
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Column, Expression, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Derive, Join, JoinKind, Limit, Named, Select, Sort, Union, Unnest

MOST_FILLED = 10_000


def keep_largest_series(flow: Scope, series: tuple[str, ...], limit: int, *, told: bool) -> None:
    """Only the series whose numbers add up to the most; where there are more that is `told`."""
    numbers = [n for n, k in flow.columns.items() if k is Kind.NUMBER and n in flow.visible()]
    numbers = [n for n in numbers if n != "_bucket" and n not in series]
    if not numbers:
        return
    parts = [ops.coalesce(Column(n), Literal(0)) for n in numbers]
    total: Expression = parts[0]
    for part in parts[1:]:
        total = ops.add(total, part)
    ranked = flow.copy()
    size, marks = flow.meaning.temporary(), [flow.meaning.temporary() for _ in series]
    row = RowScope(ranked)
    keys = tuple((m, ops.coalesce(row.text(n), Literal("\0"))) for m, n in zip(marks, series, strict=True))
    ranked.become(Aggregate(source=ranked.node, keys=keys, measures=((size, ops.sum(total)),)))
    groups = ranked.node
    ranked.become(Sort(source=groups, keys=(SortKey(Column(size), True),)))
    ranked.become(Limit(source=ranked.node, count=limit))
    if told:
        message = f"there were more than {limit} series; those whose numbers add up to the most are kept"
        note_cut(flow, finding(flow, message, "give it a `limit`, at most 500"), groups, limit, ranked.node)
    own = RowScope(flow)
    pairs = tuple((ops.coalesce(own.text(n), Literal("\0")), Column(m)) for m, n in zip(marks, series, strict=True))
    flow.become(Join(left=flow.node, right=ranked.node, kind=JoinKind.SEMI, keys=pairs), ranked)


def fill_series_gaps(
    flow: Scope, series: tuple[str, ...], size: Expression, start: Callable[[Expression], Expression]
) -> None:
    """Adds a row for each stretch between the first and the last one where a series has none.

    What counts or adds up is 0 there. More than `MOST_FILLED` stretches stay as they are.
    """
    frame = add_empty_buckets(flow, size, start)
    if series:
        each = flow.copy()
        own = RowScope(each)
        keys: tuple[Named, ...] = tuple((n, own.read(n)) for n in (*flow.partition, *series))
        each.become(Aggregate(source=each.node, keys=keys, measures=()))
        kind = JoinKind.INNER if flow.partition else JoinKind.CROSS
        agree = tuple((sign(frame, n), sign(each, n)) for n in flow.partition)
        taken = tuple((n, Column(n)) for n in series)
        frame.become(Join(left=frame.node, right=each.node, kind=kind, keys=agree, columns=taken), each)
    there = (*flow.partition, *series)
    same = ((Column("_bucket"), Column("_bucket")), *((sign(frame, n), sign(flow, n)) for n in there))
    frame.become(Join(left=frame.node, right=flow.node, kind=JoinKind.ANTI, keys=same), flow)
    zero = {n: Literal(0) for n, k in flow.columns.items() if n in flow.present and k is Kind.NUMBER}
    kept: dict[str, Expression] = {n: Column(n) for n in ("_bucket", *there)}
    frame.become(Select(source=frame.node, columns=tuple({**zero, **kept}.items())))
    flow.become(Union(sources=(flow.node, frame.node), span=flow.span), frame)


def add_empty_buckets(flow: Scope, size: Expression, start: Callable[[Expression], Expression]) -> Scope:
    """A row for each stretch of time from the first to the last one that has events."""
    low, high, slot = (flow.meaning.temporary() for _ in range(3))
    frame = flow.copy()
    constant = (size.name,) if isinstance(size, Column) else ()
    keys = tuple((n, Column(n)) for n in (*flow.partition, *constant))
    ends = ((low, ops.minimum(Column("_bucket"))), (high, ops.maximum(Column("_bucket"))))
    frame.become(Aggregate(source=frame.node, keys=keys, measures=ends))
    middle = ops.divide(size, Literal(2))
    few = ops.less_equal(
        ops.subtract(Column(high), Column(low)),
        ops.multiply(size, Literal(MOST_FILLED)),
    )
    starts = ops.list_range(ops.add(Column(low), middle), ops.add(Column(high), size), size)
    frame.become(Derive(source=frame.node, columns=((slot, ops.if_(few, starts, NULL)),)))
    frame.become(Unnest(source=frame.node, column=slot))
    frame.become(Derive(source=frame.node, columns=(("_bucket", start(ops.to_number(Column(slot)))),)))
    return frame
