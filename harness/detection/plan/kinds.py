"""What an expression holds, known before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from harness.detection.plan import operations as ops
from harness.detection.plan.columns import Kind, Schema, merge_kinds
from harness.detection.plan.expressions import Aggregation, Call, Column, Expression, Lambda, LambdaParameter, Literal

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
