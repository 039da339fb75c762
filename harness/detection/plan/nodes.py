"""Nodes of the plan: each is one relational step with one meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from enum import StrEnum

from harness.detection.plan.expressions import Expression, Scalar, Schema, SortKey
from harness.diagnostics import Span
from harness.record import record

Named = tuple[str, Expression]
"""A column and what it holds."""


@record(kw_only=True)
class Node:
    """A relation. `span` is the part of the rule that made it; most nodes read one `source`."""

    span: Span | None = None


@record(kw_only=True)
class Scan(Node):
    """All rows of a stored table; `events` is the platform's view of the telemetry.

    Its current order is that of `order`.
    """

    table: str = "events"
    columns: Schema
    order: tuple[SortKey, ...] = ()


@record(kw_only=True)
class Values(Node):
    """Rows that the rule itself or a small table brings, in order."""

    columns: Schema
    rows: tuple[tuple[Scalar | tuple[str, ...], ...], ...]


@record(kw_only=True)
class Filter(Node):
    """The rows of `source` for which `condition` is true; null is not true."""

    source: Node
    condition: Expression


@record(kw_only=True)
class Derive(Node):
    """`source` with columns added or replaced; all expressions read the row as it was in `source`."""

    source: Node
    columns: tuple[Named, ...]


@record(kw_only=True)
class Select(Node):
    """Exactly these columns, in this order; two of one name are an error of the front end."""

    source: Node
    columns: tuple[Named, ...]


@record(kw_only=True)
class Aggregate(Node):
    """One row for each distinct combination of `keys` in `source`; without keys exactly one, also of no rows.

    NULL is a key like any other here. SPL drops such rows, so its front end puts a `Filter` below; a language that
    keeps them does not. The order of its rows is ascending by the keys.
    """

    source: Node
    keys: tuple[Named, ...]
    measures: tuple[Named, ...]


class Frame(StrEnum):
    """Which rows of a partition a window measure sees."""

    ALL = "all"
    RUNNING = "running"
    BEFORE = "before"


@record(kw_only=True)
class Window(Node):
    """`source` with columns that look at other rows of the same `partition`.

    Measures are aggregations, or the window operations `row_number`, `lag` and `lead`. RUNNING is from the first row
    to the current one in the current order (only the last `rows` of them if given), BEFORE the same without the
    current one. `time` and `range` limit the frame to rows whose `time` is less than `range` away.
    """

    source: Node
    partition: tuple[Expression, ...] = ()
    measures: tuple[Named, ...]
    frame: Frame = Frame.ALL
    rows: int | None = None
    time: Expression | None = None
    range: float | None = None


@record(kw_only=True)
class Sort(Node):
    """`source` in the order of `keys`; equal rows stay in the order they had."""

    source: Node
    keys: tuple[SortKey, ...]


@record(kw_only=True)
class Limit(Node):
    """The first `count` rows in the current order after skipping `offset`; of the last rows if `last`."""

    source: Node
    count: int
    offset: int = 0
    last: bool = False


@record(kw_only=True)
class Reverse(Node):
    """`source` in the opposite of its current order."""

    source: Node


class JoinKind(StrEnum):
    """What becomes of rows of the left side without a partner; SEMI and ANTI add no columns."""

    INNER = "inner"
    LEFT = "left"
    SEMI = "semi"
    ANTI = "anti"
    CROSS = "cross"


@record(kw_only=True)
class Join(Node):
    """Rows of `left` with the columns of their partners in `right`, in the order of `left`.

    Partners agree in all `keys` (a pair is left, right; null agrees with nothing) and satisfy `condition`, which sees
    the columns of both. `columns` are the columns of `right` to take, by the name to give them; a name that `left` has
    too is replaced where there is a partner. Of several partners the first `most` in the order of `right` count.
    """

    left: Node
    right: Node
    kind: JoinKind = JoinKind.INNER
    keys: tuple[tuple[Expression, Expression], ...] = ()
    condition: Expression | None = None
    columns: tuple[Named, ...] = ()
    most: int | None = None


@record(kw_only=True)
class Union(Node):
    """The rows of all `sources` one after the other; a column that one of them lacks is null there."""

    sources: tuple[Node, ...]


@record(kw_only=True)
class Unnest(Node):
    """One row for each element of the list `column`, which then holds the element as text, in order.

    A row whose list is null is dropped, or stays with null if `keep_empty`. `position`, if given, names a column for
    the element's place, counted from 0.
    """

    source: Node
    column: str
    keep_empty: bool = False
    position: str | None = None


def list_sources(node: Node) -> tuple[Node, ...]:
    """The nodes that a node reads."""
    match node:
        case Join(left=left, right=right):
            return (left, right)
        case Union(sources=several):
            return several
        case Scan() | Values():
            return ()
        case _:
            return (node.source,)  # type: ignore[attr-defined]


def walk_nodes(node: Node) -> Iterator[Node]:
    """The node and all below it, each once, the deepest first."""
    # With a stack of its own: pipelines of hundreds of steps would take Python's recursion limit. By identity, since
    # equal nodes may stand in several places.
    done: set[int] = set()
    stack = [(node, False)]
    while stack:
        current, ready = stack.pop()
        if id(current) in done:
            continue
        if ready:
            done.add(id(current))
            yield current
            continue
        stack.append((current, True))
        # Reversed, since the last one put on the stack comes out first.
        stack.extend((s, False) for s in reversed(list_sources(current)))


def list_own_parts(node: Node) -> list[object]:
    """What a node says itself, without its sources."""
    values = [getattr(node, f.name) for f in fields(node)]
    return [
        # Sources are compared by themselves, since all nodes of both plans are walked side by side.
        v
        for v in values
        if not isinstance(v, Node) and not (isinstance(v, tuple) and v and isinstance(v[0], Node))
    ]


def is_same_plan(ours: Node, theirs: Node) -> bool:
    """Whether two plans are equal: node by node, since a search of hundreds of steps nests that deep."""
    if ours is theirs:
        return True
    pairs = list(walk_nodes(ours)), list(walk_nodes(theirs))
    if len(pairs[0]) != len(pairs[1]):
        return False
    places = [{id(node): place for place, node in enumerate(nodes)} for nodes in pairs]
    return all(
        type(a) is type(b)
        and [places[0][id(s)] for s in list_sources(a)] == [places[1][id(s)] for s in list_sources(b)]
        and list_own_parts(a) == list_own_parts(b)
        for a, b in zip(*pairs, strict=True)
    )


def list_node_expressions(node: Node) -> tuple[Expression, ...]:
    """The expressions that a node itself evaluates."""
    match node:
        case Filter(condition=condition):
            return (condition,)
        case Derive(columns=named) | Select(columns=named):
            return tuple(e for _, e in named)
        case Aggregate(keys=keys, measures=measures):
            return tuple(e for _, e in (*keys, *measures))
        case Window(partition=partition, measures=measures, time=time):
            return (*partition, *(e for _, e in measures), *(() if time is None else (time,)))
        case Sort(keys=keys) | Scan(order=keys):
            return tuple(k.expression for k in keys)
        case Join(keys=pairs, condition=condition, columns=named):
            both = (e for pair in pairs for e in pair)
            return (*both, *(() if condition is None else (condition,)), *(e for _, e in named))
        case _:
            return ()
