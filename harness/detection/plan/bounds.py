"""How many rows a plan can give at most, told without running it."""

from __future__ import annotations

from math import inf

from harness.detection.plan.nodes import (
    Aggregate,
    Join,
    JoinKind,
    Limit,
    Node,
    Scan,
    Union,
    Unnest,
    Values,
    list_sources,
    walk_nodes,
)


def most_rows(root: Node, events: int) -> float:
    """The most rows that a plan can give over so many events; infinite where nothing bounds it."""
    known: dict[int, float] = {}
    for node in walk_nodes(root):
        known[id(node)] = bound_node_rows(node, [known[id(s)] for s in list_sources(node)], events)
    return known[id(root)]


def bound_node_rows(node: Node, below: list[float], events: int) -> float:
    """The same of one node, given the most rows of its sources."""
    match node:
        case Scan():
            return events
        case Values(rows=rows):
            return len(rows)
        case Aggregate(keys=keys):
            # Without keys there is one row, also of no rows.
            return below[0] if keys else 1
        case Limit(count=count):
            return min(count, below[0])
        case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
            return below[0]
        case Join(kind=kind, most=most):
            partners = below[1] if most is None else min(most, below[1])
            # `and`, since 0 times infinity is nan.
            return below[0] and below[0] * (max(1, partners) if kind is JoinKind.LEFT else partners)
        case Union():
            return sum(below)
        case Unnest():
            return inf if below[0] else 0
        case _:
            return below[0]
