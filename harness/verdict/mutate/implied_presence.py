"""Tests that a field is there (`RemotePort=*`) which other conditions imply, so that dropping them changes nothing.

`port=* | port > 1024` asks nothing that `port > 1024` does not; nor does `ports=*` of a group's list of ports where the
group has more than 25 of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Call, Column, Expression, Literal
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Limit, Node, Reverse, Sort, walk_nodes
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import CASELESS_TESTS
from harness.verdict.clauses import split_conjunction
from harness.verdict.mutate.mutants import key_column
from harness.verdict.study.isolation import rebuild_on_sources

NULL_OF_EITHER: tuple[Operation, ...] = (
    ops.less,
    ops.less_equal,
    ops.greater,
    ops.greater_equal,
    ops.equal,
    ops.not_equal,
)
NULL_OF_NULL: frozenset[Operation] = frozenset(
    {
        *NULL_OF_EITHER,
        *CASELESS_TESTS,
        *CASELESS_TESTS.values(),
        *(ops.not_, ops.to_number, ops.regex_found, ops.cidr_contains, ops.lower, ops.upper, ops.length, ops.abs),
        *(ops.add, ops.subtract, ops.multiply, ops.divide),
    }
)
"""Operations that give null where their first argument, or of two any, is null."""
LISTS: frozenset[Operation] = frozenset(
    {ops.values, ops.collect, ops.minimum, ops.maximum, ops.first, ops.last, ops.mode, ops.sum, ops.mean}
)
"""Aggregates that give a value as soon as one of what they are of is there."""
WRAPPERS: frozenset[Operation] = frozenset({ops.list_join, ops.list_slice})


def drop_implied_presence(root: Node) -> Node:
    """The plan without tests that a column is there which another condition of the same rows implies."""
    made: dict[int, Node] = {}
    above = list_conditions_above(root)
    for node in walk_nodes(root):
        new = rebuild_on_sources(node, made)
        if isinstance(new, Filter):
            parts = list(split_conjunction(new.condition))
            kept = [
                p
                for i, p in enumerate(parts)
                if not is_implied(p, [*parts[:i], *parts[i + 1 :]], above.get(id(node), ()), node)
            ]
            if len(kept) < len(parts):
                new = replace(new, condition=join_conditions(kept)) if kept else new.source
        made[id(node)] = new
    return made[id(root)]


def join_conditions(parts: Sequence[Expression]) -> Expression:
    """All of several conditions."""
    return parts[0] if len(parts) == 1 else ops.and_(*parts)


def list_conditions_above(root: Node) -> Mapping[int, Sequence[Expression]]:
    """For each filter the conditions that every row of its result has to meet further on, as columns are there."""
    nodes = list(walk_nodes(root))
    readers: dict[int, list[Node]] = {}
    for node in nodes:
        if hasattr(node, "source"):
            readers.setdefault(id(node.source), []).append(node)
        for other in (*getattr(node, "sources", ()), *(getattr(node, s, None) for s in ("left", "right"))):
            if other is not None:
                readers.setdefault(id(other), []).append(node)
    return {id(n): tuple(conditions_behind(n, readers)) for n in nodes if isinstance(n, Filter)}


def conditions_behind(node: Node, readers: Mapping[int, Sequence[Node]]) -> Iterator[Expression]:
    """Conditions of the filters behind a node, as far as rows go on one by one and columns keep their values."""
    changed: set[str] = set()
    while len(behind := readers.get(id(node), ())) == 1:
        (node,) = behind
        match node:
            case Filter(condition=condition):
                yield from (c for c in split_conjunction(condition) if not changed & names_of(c))
            case Derive(columns=columns):
                changed |= {name for name, _ in columns}
            case Sort() | Reverse():
                pass
            case _:
                return


def names_of(e: Expression) -> set[str]:
    """The columns that an expression reads."""
    match e:
        case Column(name):
            return {name}
        case Call(_, arguments):
            return {n for a in arguments for n in names_of(a)}
        case _:
            return set()


def is_implied(test: Expression, beside: Sequence[Expression], above: Sequence[Expression], node: Node) -> bool:
    """Whether a test is one for presence, and a condition beside it or further on fails where the column is absent."""
    name = key_column(test)
    if name is None:
        return False
    others = (*beside, *above)
    # Further on only: of two equal tests one has to stay.
    if any(rejects_null(o, name) for o in others) or any(key_column(o) == name for o in above):
        return True
    counts = list_counts_beside(name, node)
    return any(asks_for_one(o, counts) for o in others)


def rejects_null(e: Expression, name: str) -> bool:
    """Whether a condition is never true where that column is null."""
    match e:
        case Call(ops.and_, parts):
            return any(rejects_null(p, name) for p in parts)
        case Call(ops.or_, parts):
            return all(rejects_null(p, name) for p in parts)
        case Call(ops.is_true, (inner,)):
            return rejects_null(inner, name)
        case _:
            return is_null_of_null(e, name)


def is_null_of_null(e: Expression, name: str) -> bool:
    """Whether an expression is null where that column is."""
    match e:
        case Column(own):
            return own == name
        case Call(operation, (first, *rest)) if operation in NULL_OF_NULL:
            both = operation in NULL_OF_EITHER
            return is_null_of_null(first, name) or (both and any(is_null_of_null(r, name) for r in rest))
        case Call(ops.if_, (_, yes, no)):
            return is_null_of_null(yes, name) and is_null_of_null(no, name)
        case Call(ops.in_ | ops.in_ci, (first, *_)):
            return is_null_of_null(first, name)
        case _:
            return False


def list_counts_beside(name: str, node: Node) -> frozenset[str]:
    """Columns that count what a column of the same groups lists: where they are above 0 it has a value."""
    below, changed = node, set[str]()
    while isinstance(below, Filter | Sort | Reverse | Limit | Derive):
        changed |= {n for n, _ in below.columns} if isinstance(below, Derive) else set()
        below = below.source
    if not isinstance(below, Aggregate) or name in changed:
        return frozenset()
    listed = next((find_listed(e) for n, e in below.measures if n == name), None)
    same = [n for n, e in below.measures if listed is not None and counts_listed(e, listed)]
    return frozenset(same) - changed


def find_listed(measure: Expression) -> Expression | None:
    """What a measure has a value of as soon as it is there once."""
    match measure:
        case Aggregation(operation, (listed, *_), None) if operation in LISTS:
            return replace(listed, span=None) if isinstance(listed, Column) else None
        case Call(operation, (inner, *_)) if operation in WRAPPERS:
            return find_listed(inner)
        case _:
            return None


def counts_listed(measure: Expression, listed: Expression) -> bool:
    """Whether a measure is the number of these values."""
    match measure:
        case Aggregation(ops.count | ops.count_distinct, (Column() as counted,), None):
            return replace(counted, span=None) == listed
        case _:
            return False


def asks_for_one(condition: Expression, names: frozenset[str]) -> bool:
    """Whether a condition asks that one of these counts be above 0."""
    match condition:
        case Call(ops.and_, parts):
            return any(asks_for_one(p, names) for p in parts)
        case Call(ops.greater | ops.greater_equal | ops.equal, (left, Literal(int() | float() as value))):
            while isinstance(left, Call) and left.operation == ops.to_number:
                left = left.arguments[0]
            least = value if condition.operation == ops.greater else value - 1
            return isinstance(left, Column) and left.name in names and least >= 0
        case _:
            return False
