"""Which recorded events each row came from.

`trace_events` rewrites a plan so that its rows have a column `@event`: the number of the event itself where a row is
one (kind EVENT), the numbers of all contributing events further up (EVENTS). A plan that is not traced costs nothing.
"""

from __future__ import annotations

from dataclasses import replace

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import EVENT_COLUMN, Column, Kind
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Join,
    JoinKind,
    Node,
    Scan,
    Select,
    Union,
    list_sources,
    walk_nodes,
)
from harness.detection.plan.schema import columns_of

OTHER = "@event.right"
# A Select names all that it gives, so the hidden column has to be added to it.
ITSELF = (EVENT_COLUMN, Column(EVENT_COLUMN))


def trace_events(node: Node, known: dict[int, Node] | None = None) -> Node:
    """The plan with `@event` in its rows; `known` keeps what each node became, by its identity, for steps."""
    known = {} if known is None else known
    for each in walk_nodes(node):
        if id(each) not in known:
            known[id(each)] = with_events(each, tuple(known[id(s)] for s in list_sources(each)))
    return known[id(node)]


def with_events(node: Node, below: tuple[Node, ...]) -> Node:
    """One node over sources that have their events already."""
    match node:
        case Scan(columns=columns):
            return replace(node, columns={**columns, EVENT_COLUMN: Kind.EVENT})
        case Select(columns=columns):
            return replace(node, source=below[0], columns=(*columns, ITSELF))
        case Aggregate(measures=measures):
            gathered = (EVENT_COLUMN, ops.gather(Column(EVENT_COLUMN)))
            return replace(node, source=below[0], measures=(*measures, gathered))
        case Join():
            return trace_join(node, *below)
        case Union():
            return replace(node, sources=below)
        case _:
            return replace(node, source=below[0]) if below else node  # type: ignore[call-arg]


def trace_join(node: Join, left: Node, right: Node) -> Node:
    """A join whose rows have the events of both sides; a row that only had to have a partner keeps its own."""
    # Nothing of the right side is in the row. A subsearch that only filters therefore causes no alert by itself.
    if node.kind in (JoinKind.SEMI, JoinKind.ANTI):
        return replace(node, left=left, right=right)
    # Under a name of its own first, or the right side's events would replace the left side's.
    both = replace(node, left=left, right=right, columns=(*node.columns, (OTHER, Column(EVENT_COLUMN))))
    events = ops.events_joined(Column(EVENT_COLUMN), Column(OTHER))
    shape = [n for n in columns_of(both) if n not in (EVENT_COLUMN, OTHER)]
    merged = Derive(source=both, columns=((EVENT_COLUMN, events),))
    return Select(source=merged, columns=(*((n, Column(n)) for n in shape), ITSELF), span=node.span)
