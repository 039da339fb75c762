"""What an expression holds, known before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from harness.detection.plan.columns import Columns, Kind, either
from harness.detection.plan.expressions import Aggregation, Call, Column, Expression, Lambda, Literal, Parameter
from harness.detection.plan.operations import OPERATIONS


def joint_kind(kinds: Iterator[Kind]) -> Kind:
    """The kind that holds values of all of these."""
    joint = Kind.NULL
    for kind in kinds:
        joint = either(joint, kind)
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


def kind_of(expression: Expression, columns: Columns) -> Kind:
    """What the expression holds, given the columns it reads; a column that is not there is NULL."""
    match expression:
        case Literal(value):
            return literal_kind(value)
        case Column(name):
            return columns.get(name, Kind.NULL)
        case Parameter(_, kind):
            return kind
        case Lambda(_, body):
            return kind_of(body, columns)
        case Call(operation, arguments) | Aggregation(operation, arguments):
            result = OPERATIONS[operation].result
            if isinstance(result, Kind):
                return result
            return joint_kind(kind_of(arguments[i], columns) for i in result if i < len(arguments))
        case _:
            raise TypeError(f"not an expression: {expression!r}")
