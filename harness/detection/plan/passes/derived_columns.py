"""Steps that add columns put together; which derived columns to compute first.

DuckDB pushes conditions down through all that they stand on, into every part of a union. A data model's field is a
choice over the group of an event, which is a choice over all groups: a dozen conditions on it took a minute to plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.detection.plan.expressions import Call, Column, Expression, Lambda, columns_read
from harness.detection.plan.nodes import (
    Derive,
    Filter,
    Join,
    Node,
    Scan,
    Select,
    Union,
    Values,
    list_sources,
    walk_nodes,
)
from harness.detection.plan.passes.partitions import ROW_BY_ROW, Chain, chain_over_scan


def merge_derives(root: Node) -> Node:
    """The same plan with fewer `Derive`; one that several nodes read stays by itself."""
    readers = Counter(id(s) for node in walk_nodes(root) for s in list_sources(node))
    known: dict[int, Node] = {}
    open_: dict[int, dict[str, Expression]] = {}

    def made(node: Node) -> Node:
        """What a node became, its columns complete."""
        named = open_.pop(id(node), None)
        if named is not None:
            known[id(node)] = replace(known[id(node)], columns=tuple(named.items()))  # type: ignore[call-arg]
        return known[id(node)]

    for node in walk_nodes(root):
        if isinstance(node, Derive):
            below = node.source
            # A step that somebody else reads as well has to stay as it was.
            before = open_.get(id(below)) if readers[id(below)] == 1 else None
            # An expression that reads a column of the step below needs it as a relation; DuckDB took over 12 s for an
            # eval of 1,000 columns as a chain, one wide step takes 1 s.
            if before is not None and not any(columns_read(e) & before.keys() for _, e in node.columns):
                before.update(node.columns)
                open_[id(node)] = open_.pop(id(below))
                known[id(node)] = known[id(below)]
                continue
            known[id(node)] = replace_sources(node, (made(below),))
            open_[id(node)] = dict(node.columns)
        else:
            known[id(node)] = replace_sources(node, tuple(made(s) for s in list_sources(node)))
    return made(root)


def replace_sources(node: Node, below: tuple[Node, ...]) -> Node:
    """A node over what its sources became; itself where they are the same."""
    # Identity is kept wherever possible: everything that is known of nodes is known by their id.
    if all(a is b for a, b in zip(below, list_sources(node), strict=True)):
        return node
    match node:
        case Scan() | Values():
            return node
        case Join():
            return replace(node, left=below[0], right=below[1])
        case Union():
            return replace(node, sources=below)
        case _:
            return replace(node, source=below[0])  # type: ignore[call-arg]


# Chosen, no source; tests/detection/engines/duckdb/test_many_parts.py holds a statement on either side of it.
MOST_UNFOLDED_PARTS = 5_000
"""Parts of conditions, once for each part of the table, that an optimizer can be left with."""
# Unfolded sizes multiply at each step; Python's integers would grow without bound.
CAP = 10**9


def computed_first(root: Node, parts: Callable[[Scan], int]) -> frozenset[int]:
    """Ids of the nodes that derive columns whose conditions would unfold beyond measure.

    `parts` says of how many parts a scan is put together; 0 where its rows are better not kept.
    """
    found: set[int] = set()
    for node in walk_nodes(root):
        if isinstance(node, ROW_BY_ROW):
            continue
        for source in list_sources(node):
            found |= find_node_to_derive(*chain_over_scan(source), parts)
    return frozenset(found | find_node_to_derive(*chain_over_scan(root), parts))


def find_node_to_derive(scan: Scan | None, chain: Chain, parts: Callable[[Scan], int]) -> set[int]:
    """The first node of a chain that derives anything, if the chain's conditions are too much."""
    deriving = next((node for node in chain if isinstance(node, Derive)), None)
    if scan is None or deriving is None or measure_unfolded_chain(chain) * parts(scan) <= MOST_UNFOLDED_PARTS:
        return set()
    return {id(deriving)}


def measure_unfolded_chain(chain: Chain) -> int:
    """How many parts all conditions of a chain have with every derived column written out."""
    sizes: dict[str, int] = {}
    total = 0
    for node in chain:
        match node:
            case Filter():
                total += measure_expression(node.condition, sizes)
            case Derive():
                # A new table and not an update: expressions of one Derive read the row as it was before it.
                sizes = sizes | {name: measure_expression(value, sizes) for name, value in node.columns}
            case Select():
                sizes = {name: measure_expression(value, sizes) for name, value in node.columns}
    return min(total, CAP)


def measure_expression(expression: Expression, sizes: Mapping[str, int]) -> int:
    """How many parts an expression has with columns of such sizes."""
    match expression:
        case Column(name):
            return sizes.get(name, 1)
        case Call(_, arguments):
            # A list and not a generator, which costs more for two or three arguments.
            return min(CAP, 1 + sum([measure_expression(each, sizes) for each in arguments]))
        case Lambda(_, body):
            return 1 + measure_expression(body, sizes)
        case _:
            return 1
