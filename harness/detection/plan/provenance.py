"""Which recorded events contributed to a row: one hidden column, carried through every node.

At a scan it holds the event's own number, after an aggregation the distinct numbers of all rows of the group. A plan
that is not traced pays nothing for it.
"""

from __future__ import annotations

from dataclasses import replace

from harness.detection.plan.columns import EVENT, Kind
from harness.detection.plan.expressions import Aggregation, Column, call
from harness.detection.plan.nodes import Aggregate, Derive, Join, JoinKind, Node, Scan, Select, Union, Values, walk
from harness.detection.plan.shape import columns_of

OTHER = "@other"
"""The events of a join's right side, until both sides are put together."""


def traced(root: Node) -> Node:
    """The plan with a column `@event` in every relation that rests on events; parts shared before stay shared."""
    made: dict[int, Node] = {}
    for node in walk(root):
        made[id(node)] = traced_node(node, made)
    return made[id(root)]


def traced_node(node: Node, made: dict[int, Node]) -> Node:
    """One node over its traced sources."""
    match node:
        case Scan(table="events", columns=columns):
            return replace(node, columns={**columns, EVENT: Kind.EVENT})
        case Scan() | Values():
            return node
        case Join():
            return traced_join(node, made[id(node.left)], made[id(node.right)])
        case Union(sources=several):
            return replace(node, sources=tuple(made[id(s)] for s in several))
    source = made[id(node.source)]  # type: ignore[attr-defined]
    if EVENT not in columns_of(source):
        return replace(node, source=source)  # type: ignore[call-arg]
    match node:
        case Select(columns=named):
            return replace(node, source=source, columns=(*named, (EVENT, Column(EVENT))))
        case Aggregate(measures=measures):
            gathered = (EVENT, Aggregation("gather", (Column(EVENT),)))
            return replace(node, source=source, measures=(*measures, gathered))
        case _:
            return replace(node, source=source)  # type: ignore[call-arg]


def traced_join(node: Join, left: Node, right: Node) -> Node:
    """A join whose rows rest on the events of both sides."""
    joined = replace(node, left=left, right=right)
    adds = node.kind not in (JoinKind.SEMI, JoinKind.ANTI)
    if not adds or EVENT not in columns_of(right):
        return joined
    joined = replace(joined, columns=(*node.columns, (OTHER, Column(EVENT))))
    both = Derive(source=joined, columns=((EVENT, call("events_joined", Column(EVENT), Column(OTHER))),))
    kept = [n for n in columns_of(both) if n != OTHER]
    return Select(source=both, columns=tuple((n, Column(n)) for n in kept), span=node.span)
