"""What is known of a node before it runs: its columns, their kinds, how many rows at most."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    Aggregation,
    Call,
    Column,
    Expression,
    Kind,
    Lambda,
    LambdaParameter,
    Literal,
    Schema,
    merge_kinds,
)
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Join,
    JoinKind,
    Limit,
    Node,
    Scan,
    Select,
    Union,
    Unnest,
    Values,
    Window,
    list_sources,
    walk_nodes,
)

InferredKinds = dict[int, tuple[Kind, Expression]]


def joint_kind(kinds: Iterator[Kind]) -> Kind:
    """The kind that holds values of all of these."""
    joint = Kind.NULL
    for kind in kinds:
        joint = merge_kinds(joint, kind)
    return joint


def literal_kind(value: object) -> Kind:
    """The kind of a literal's value."""
    match value:
        case None:
            return Kind.NULL
        case bool():
            return Kind.BOOLEAN
        case int() | float():
            return Kind.NUMBER
        case tuple():
            return Kind.LIST
        case _:
            return Kind.TEXT


def kind_of(expression: Expression, columns: Schema, known: InferredKinds | None = None) -> Kind:
    """What the expression holds, given the columns it reads; a column that is not there is NULL.

    `known` keeps what was found out before, by identity: a part that stands in several places is looked at once.
    """
    known = {} if known is None else known
    found = known.get(id(expression))
    if found is None:
        # The expression is kept too, so that its id is not given to another one.
        found = known[id(expression)] = (own_kind(expression, columns, known), expression)
    return found[0]


def own_kind(expression: Expression, columns: Schema, known: InferredKinds) -> Kind:
    """The kind of an expression that was not looked at before."""
    match expression:
        case Literal(value):
            return literal_kind(value)
        case Column(name):
            return columns.get(name, Kind.NULL)
        case LambdaParameter(_, kind):
            return kind
        case Lambda(_, body):
            return kind_of(body, columns, known)
        case Call(ops.if_, (_, _, _)):
            return chain_kind(expression, columns, known)
        case Call(operation, arguments) | Aggregation(operation, arguments):
            if operation.result is not None:
                return operation.result
            return joint_kind(kind_of(arguments[i], columns, known) for i in operation.alike(len(arguments)))
        case _:
            raise TypeError(f"not an expression: {expression!r}")


def chain_kind(expression: Expression, columns: Schema, known: InferredKinds) -> Kind:
    """The kind of a chain of `if`s, each the other choice of the one before, however long."""
    joint = Kind.NULL
    # A loop: chains of a thousand branches would take Python's recursion limit.
    while isinstance(expression, Call) and expression.operation == ops.if_ and len(expression.arguments) == 3:
        joint = merge_kinds(joint, kind_of(expression.arguments[1], columns, known))
        expression = expression.arguments[2]
    return merge_kinds(joint, kind_of(expression, columns, known))


def columns_of(node: Node, known: dict[int, Schema] | None = None) -> Schema:
    """The columns of the relation, in order; `known` keeps those of nodes already seen, by identity."""
    known = {} if known is None else known
    for each in walk_nodes(node):
        if id(each) not in known:
            known[id(each)] = own_columns(each, known)
    return known[id(node)]


def own_columns(node: Node, known: dict[int, Schema]) -> Schema:
    """The columns of one node, those of its sources being known."""
    below = [known[id(s)] for s in list_sources(node)]
    match node:
        case Scan(columns=columns) | Values(columns=columns):
            return columns
        case Select(columns=named):
            return {n: kind_of(e, below[0]) for n, e in named}
        case Derive(columns=named) | Window(measures=named):
            return {**below[0], **{n: kind_of(e, below[0]) for n, e in named}}
        case Aggregate(keys=keys, measures=measures):
            return {n: kind_of(e, below[0]) for n, e in (*keys, *measures)}
        case Join(kind=kind, columns=named):
            if kind in (JoinKind.SEMI, JoinKind.ANTI):
                return below[0]
            taken = {n: kind_of(e, below[1]) for n, e in named}
            # A name that both sides have keeps the left value where there is no partner, so it must hold both kinds.
            return {**below[0], **{n: merge_kinds(below[0].get(n, Kind.NULL), k) for n, k in taken.items()}}
        case Union():
            joint: dict[str, Kind] = {}
            for columns in below:
                for name, k in columns.items():
                    joint[name] = merge_kinds(joint.get(name, Kind.NULL), k)
            return joint
        case Unnest(column=column, position=position):
            place = {position: Kind.NUMBER} if position else {}
            return {**below[0], column: Kind.TEXT, **place}
        case _:
            return below[0]


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
