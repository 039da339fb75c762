"""What is required of a node by those above it: the order of rows, the columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Expression, Schema, columns_read, walk_expressions
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Frame,
    Join,
    JoinKind,
    Limit,
    Named,
    Node,
    Scan,
    Select,
    Sort,
    Union,
    Unnest,
    Window,
    list_sources,
    walk_nodes,
)

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


def is_decided_by_order(root: Node) -> bool:
    """Whether the order of stored events decides which values or rows there are, not only how they are listed."""
    ordered = find_ordered_nodes(root, final=False)
    return any(isinstance(node, Scan) and id(node) in ordered for node in walk_nodes(root))


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


def collect_columns_by_node(
    root: Node, shapes: dict[int, Schema], whole: Collection[int] = ()
) -> dict[int, frozenset[str]]:
    """Names of the columns that are read of each node, by its id; of the root and of the `whole` ones all of them."""
    wanted: dict[int, set[str]] = {key: set(shapes[key]) for key in (id(root), *whole)}
    # From the root down, so that all readers of a node have spoken before its sources are asked.
    for node in reversed(list(walk_nodes(root))):
        own = wanted.setdefault(id(node), set())
        for source, names in zip(list_sources(node), of_sources(node, own, shapes), strict=True):
            wanted.setdefault(id(source), set()).update(names)
    return {key: frozenset(names) for key, names in wanted.items()}


def of_sources(node: Node, own: set[str], shapes: dict[int, Schema]) -> list[set[str]]:
    """The columns that a node reads of each of its sources to give its `own`."""
    match node:
        case Scan():
            return []
        case Filter(condition=condition):
            return [own | columns_read(condition)]
        case Derive(columns=named):
            # A replaced column is not read of the source unless an expression reads it.
            return [own - {n for n, _ in named} | collect_columns_read(e for n, e in named if n in own)]
        case Select(columns=named):
            return [collect_columns_read(e for n, e in named if n in own)]
        case Aggregate(keys=keys, measures=measures):
            return [collect_columns_read([*(e for _, e in keys), *(e for n, e in measures if n in own)])]
        case Window():
            return [collect_window_columns(node, own)]
        case Sort(keys=keys):
            return [own | collect_columns_read(k.expression for k in keys)]
        case Join():
            return of_join(node, own, shapes)
        case Unnest(column=column, position=position):
            # The list is read even where nobody wants it: it decides how many rows there are.
            return [own - {position} | {column}]
        case _:
            return [own & set(shapes[id(s)]) for s in list_sources(node)]


def collect_window_columns(node: Window, own: set[str]) -> set[str]:
    """The columns that a window reads."""
    inside = [e for n, e in node.measures if n in own]
    time = [] if node.time is None else [node.time]
    return own - {n for n, _ in node.measures} | collect_columns_read([*node.partition, *inside, *time])


def of_join(node: Join, own: set[str], shapes: dict[int, Schema]) -> list[set[str]]:
    """The columns that a join reads of its left and of its right side."""
    condition = columns_read(node.condition) if node.condition is not None else frozenset[str]()
    left = own | condition | collect_columns_read(k for k, _ in node.keys)
    right = (
        condition
        | collect_columns_read(k for _, k in node.keys)
        | collect_columns_read(e for n, e in node.columns if n in own)
    )
    return [left & set(shapes[id(node.left)]), set(right) & set(shapes[id(node.right)])]


def collect_columns_read(expressions: Iterable[Expression]) -> set[str]:
    """Names of the columns that any of the expressions reads."""
    return {name for e in expressions for name in columns_read(e)}


def keep_needed_columns(named: Iterable[Named], own: frozenset[str]) -> tuple[Named, ...]:
    """Those of the columns that are needed."""
    return tuple((n, e) for n, e in named if n in own)
