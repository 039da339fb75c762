"""What a plan says about its numbers before it runs: between which bounds they lie, whether they are whole, ever null.

A count of a group is at least 1, a mean lies between what it is a mean of, a score of ones and zeros between 0 and
their number. A comparison that such bounds decide is the same for every event there could be.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Call, Column, Expression, Literal
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Limit,
    Node,
    Reverse,
    Select,
    Sort,
    Window,
    list_sources,
    walk_nodes,
)
from harness.detection.plan.operation import Operation
from harness.record import record


@record
class Bounds:
    """The least and the greatest value, both possible, whether all are whole, and whether there may be none."""

    low: float = -inf
    high: float = inf
    whole: bool = False
    nullable: bool = True


ANYTHING = Bounds()
KnownBounds = Mapping[str, Bounds]


def of_nodes(root: Node) -> dict[int, KnownBounds]:
    """For each node's id the bounds of its columns."""
    found: dict[int, KnownBounds] = {}
    for node in walk_nodes(root):
        below = [found[id(s)] for s in list_sources(node)]
        found[id(node)] = bound_node_columns(node, below[0] if below else {})
    return found


def bound_node_columns(node: Node, below: KnownBounds) -> KnownBounds:
    """The bounds of one node's columns; none for joins and unions."""
    match node:
        case Derive(columns=columns):
            return {**below, **{n: bound_expression(e, below) for n, e in columns}}
        case Select(columns=columns):
            return {n: bound_expression(e, below) for n, e in columns}
        case Aggregate(keys=keys, measures=measures):
            rows = bool(keys)
            return {
                **{n: bound_expression(e, below) for n, e in keys},
                **{n: bound_expression(e, below, grouped=rows) for n, e in measures},
            }
        case Window(measures=measures):
            # A window's own columns are left unbounded, which is always safe.
            return {n: b for n, b in below.items() if n not in {m for m, _ in measures}}
        case Filter() | Sort() | Limit() | Reverse():
            return below
        case _:
            return {}


def bound_expression(e: Expression, known: KnownBounds, *, grouped: bool = False) -> Bounds:
    """The bounds of an expression; `grouped` says that its aggregations are of groups with at least one row."""
    match e:
        # Before numbers: True is an int in Python.
        case Literal(bool()):
            return ANYTHING
        case Literal(int() | float() as value):
            return Bounds(value, value, float(value).is_integer(), False)
        case Column(name):
            return known.get(name, ANYTHING)
        case Aggregation(operation, arguments, where):
            inner = bound_expression(arguments[0], known) if arguments else ANYTHING
            return of_aggregation(operation, inner, bool(arguments), grouped and where is None)
        case Call(ops.if_, (_, yes, no)):
            return widen_bounds(
                bound_expression(yes, known, grouped=grouped), bound_expression(no, known, grouped=grouped)
            )
        case Call(operation, (left, right)) if operation in (ops.add, ops.subtract, ops.multiply, ops.divide):
            return bound_arithmetic(
                operation,
                bound_expression(left, known, grouped=grouped),
                bound_expression(right, known, grouped=grouped),
            )
        case Call(ops.abs | ops.sqrt | ops.length | ops.list_length, _):
            return Bounds(low=0.0)
        case _:
            return ANYTHING


def of_aggregation(operation: Operation, inner: Bounds, counted: bool, filled: bool) -> Bounds:
    """The bounds of an aggregate of values with these bounds; `filled` says that there is at least one row."""
    nullable = inner.nullable or not filled
    match operation:
        case ops.count:
            # count(x) of a group may be 0 where x can be null, count alone cannot.
            return Bounds(1.0 if filled and not (counted and inner.nullable) else 0.0, inf, True, False)
        case ops.count_distinct:
            return Bounds(1.0 if filled and not inner.nullable else 0.0, inf, True, False)
        case ops.sum:
            # Of several values that are not negative the sum is at least one of them.
            return Bounds(inner.low if inner.low >= 0 else -inf, inf, inner.whole, nullable)
        case ops.mean | ops.percentile:
            return Bounds(inner.low, inner.high, False, nullable)
        case ops.minimum | ops.maximum | ops.percentile_below | ops.first | ops.last | ops.mode:
            return Bounds(inner.low, inner.high, inner.whole, nullable)
        case ops.stdev_sample | ops.variance_sample:
            # Null of one row.
            return Bounds(0.0, inf, False, True)
        case ops.stdev_population | ops.variance_population:
            return Bounds(0.0, inf, False, nullable)
        case _:
            return ANYTHING


def widen_bounds(a: Bounds, b: Bounds) -> Bounds:
    """The bounds of one or the other."""
    return Bounds(min(a.low, b.low), max(a.high, b.high), a.whole and b.whole, a.nullable or b.nullable)


def bound_arithmetic(operation: Operation, a: Bounds, b: Bounds) -> Bounds:
    """The bounds of a sum, a difference, a product or a quotient."""
    nullable, whole = a.nullable or b.nullable, a.whole and b.whole
    match operation:
        case ops.add:
            return Bounds(a.low + b.low, a.high + b.high, whole, nullable)
        case ops.subtract:
            return Bounds(a.low - b.high, a.high - b.low, whole, nullable)
        case ops.multiply if a.low >= 0 and b.low >= 0:
            return Bounds(0.0 if 0 in (a.low, b.low) else a.low * b.low, inf, whole, nullable)
        case ops.divide if a.low >= 0 and b.low >= 0:
            # The plan's division by zero is null.
            return Bounds(0.0, inf, False, nullable or b.low == 0)
        case _:
            return ANYTHING if nullable else Bounds(nullable=False)
