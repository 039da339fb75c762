"""Which columns hold nothing but counts: statistics of them need no fractions, and no care for large numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Call, Column, Expression, Literal
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Join,
    JoinKind,
    Limit,
    Named,
    Node,
    Reverse,
    Select,
    Sort,
    Union,
    Window,
    list_sources,
    walk_nodes,
)

COUNTS = frozenset({ops.count, ops.count_distinct, ops.row_number})
CHOICES = frozenset({ops.minimum, ops.maximum, ops.first, ops.last, ops.lag, ops.lead, ops.fill})
"""Of the values of a group one."""
LARGEST_LITERAL = 1 << 31
"""A number beside counts; a count itself is bounded by the rows, far below where sums of squares leave 128 bits."""


def find_whole_columns(root: Node) -> dict[int, frozenset[str]]:
    """The columns of each node, by its id, that hold only counts, small whole literals or null."""
    found: dict[int, frozenset[str]] = {}
    for node in walk_nodes(root):
        found[id(node)] = find_own_whole_columns(node, found)
    return found


def find_own_whole_columns(node: Node, found: Mapping[int, frozenset[str]]) -> frozenset[str]:
    """The same of one node, those of its sources being known."""
    below = [found[id(s)] for s in list_sources(node)]
    match node:
        case Filter() | Sort() | Limit() | Reverse():
            return below[0]
        case Select(columns=named):
            return pick_whole(named, below[0])
        case Derive(columns=named) | Window(measures=named):
            return below[0] - {n for n, _ in named} | pick_whole(named, below[0])
        case Aggregate(keys=keys, measures=measures):
            return pick_whole((*keys, *measures), below[0])
        case Join(kind=JoinKind.SEMI | JoinKind.ANTI):
            return below[0]
        case Join(columns=named):
            return below[0] - {n for n, _ in named}
        case Union():
            return frozenset.intersection(*below) if below else frozenset()
        case _:
            return frozenset()


def pick_whole(named: Iterable[Named], known: frozenset[str]) -> frozenset[str]:
    """The names of the expressions that are whole."""
    return frozenset(n for n, e in named if is_whole(e, known))


def is_whole(expression: Expression, known: frozenset[str]) -> bool:
    """Whether an expression over columns of which these are whole gives counts, small whole literals or null."""
    match expression:
        case Literal(value):
            small = isinstance(value, int | float) and abs(value) < LARGEST_LITERAL and value % 1 == 0
            return value is None or small
        case Column(name):
            return name in known
        case Aggregation(operation, arguments):
            return operation in COUNTS or (operation in CHOICES and is_whole(arguments[0], known))
        case Call(ops.coalesce, arguments):
            return all(is_whole(a, known) for a in arguments)
        case Call(ops.if_, (_, chosen, otherwise)):
            return is_whole(chosen, known) and is_whole(otherwise, known)
        case _:
            return False
