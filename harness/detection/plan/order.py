"""Where the order of rows matters: everywhere else an engine is free to ignore it."""

from __future__ import annotations

from collections.abc import Iterable

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Expression, walk_expressions
from harness.detection.plan.nodes import (
    Aggregate,
    Frame,
    Join,
    JoinKind,
    Limit,
    Named,
    Node,
    Union,
    Window,
    list_sources,
)
from harness.detection.plan.nodes import walk_nodes as walk_nodes

MOVING = frozenset({ops.row_number, ops.lag, ops.lead, ops.fill, ops.session_of, ops.series_of, ops.smoothed})
"""Window operations."""

SENSITIVE = frozenset({ops.first, ops.last, ops.collect, ops.least_by, ops.greatest_by, *MOVING})
"""Aggregates and window operations whose result depends on the order of rows."""


def sensitive(expression: Expression) -> bool:
    """Whether the expression looks at rows in their current order."""
    return any(
        # One that brings an order of its own does not look at the current one.
        isinstance(e, Aggregation) and e.operation in SENSITIVE and not e.order
        for e in walk_expressions(expression)
    )


def any_sensitive(named: Iterable[Named]) -> bool:
    """Whether one of these columns does."""
    return any(sensitive(e) for _, e in named)


def find_ordered_nodes(root: Node, final: bool = True) -> frozenset[int]:
    """Ids of the nodes whose order a node above depends on; `final` says whether the result's own order counts."""
    needed: set[int] = {id(root)} if final else set()
    # From the root down: a node's order is wanted if somebody above looks at it.
    for node in reversed(list(walk_nodes(root))):
        needed.update(id(s) for s in looked_at(node, id(node) in needed))
    return frozenset(needed)


def looked_at(node: Node, demanded: bool) -> tuple[Node, ...]:
    """The sources whose order a node needs, given whether its own is needed."""
    match node:
        case Limit():
            return list_sources(node)
        case Aggregate(measures=measures):
            return list_sources(node) if any_sensitive(measures) else ()
        case Window(measures=measures, frame=frame):
            return list_sources(node) if demanded or frame is not Frame.ALL or any_sensitive(measures) else ()
        case Join(left=left, right=right, kind=kind, most=most):
            adds = kind not in (JoinKind.SEMI, JoinKind.ANTI)
            return (*((left,) if demanded else ()), *((right,) if adds and (demanded or most is not None) else ()))
        case Union():
            return list_sources(node) if demanded else ()
        case _:
            return list_sources(node) if demanded else ()
