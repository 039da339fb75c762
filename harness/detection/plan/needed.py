"""Which columns of each node are read above it: the others need not be computed."""

from __future__ import annotations

from collections.abc import Iterable

from harness.detection.plan.columns import Schema
from harness.detection.plan.expressions import Expression, columns_read
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Join,
    Named,
    Node,
    Scan,
    Select,
    Sort,
    Unnest,
    Window,
    list_sources,
    walk_nodes,
)


def collect_columns_by_node(root: Node, shapes: dict[int, Schema]) -> dict[int, frozenset[str]]:
    """Names of the columns that are read of each node, by its id; of the root all of them."""
    wanted: dict[int, set[str]] = {id(root): set(shapes[id(root)])}
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
