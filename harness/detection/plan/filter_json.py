"""Plans that only filter as JSON and back, so that they can be kept: no code, no statement, operations by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.detection.plan.expressions import Call, Column, Expression, Lambda, LambdaParameter, Literal, Schema
from harness.detection.plan.nodes import Derive, Filter, Node, Reverse, Scan, Select, Sort
from harness.detection.plan.operation import PLAN_OPERATIONS

LITERAL, LISTED, COLUMN, LAMBDA, PARAMETER = "'", "[", ".", "\\", "$"
"""What stands for an expression that is no call, whose first word is the name of its operation."""
FILTER, DERIVE, SELECT = "filter", "derive", "select"


def encode_filter_plan(node: Node) -> list[Any] | None:
    """The steps of a plan over the stored events, the first first; None of one that does more than filter."""
    steps: list[Any] = []
    while not isinstance(node, Scan):
        match node:
            case Filter(source=below, condition=condition):
                steps.append([FILTER, encode_expression(condition)])
            case Derive(source=below, columns=named) | Select(source=below, columns=named):
                word = DERIVE if isinstance(node, Derive) else SELECT
                steps.append([word, [[name, encode_expression(e)] for name, e in named]])
            case Sort(source=below) | Reverse(source=below):
                # An order changes nothing about which rows there are.
                pass
            case _:
                return None
        node = below
    return steps[::-1] if node.table == "events" else None


def encode_expression(expression: Expression) -> list[Any]:
    """An expression as nested lists. Raises TypeError for what no filter has."""
    match expression:
        case Literal(tuple() as values):
            return [LISTED, *values]
        case Literal(value):
            return [LITERAL, value]
        case Column(name):
            return [COLUMN, name]
        case Call(operation, arguments):
            return [operation.name, *map(encode_expression, arguments)]
        case Lambda(parameter, body):
            return [LAMBDA, parameter.name, encode_expression(body)]
        case LambdaParameter(name):
            return [PARAMETER, name]
    raise TypeError(f"{expression!r:.80} is no part of a filter")


def decode_filter_plan(steps: Sequence[Any], columns: Schema) -> Node:
    """The plan again, over a store with these columns. Raises ValueError, KeyError or TypeError for anything else."""
    node: Node = Scan(columns=columns)
    for word, held in steps:
        if word == FILTER:
            node = Filter(source=node, condition=decode_expression(held))
        elif word in (DERIVE, SELECT):
            named = tuple((read_name(name), decode_expression(e)) for name, e in held)
            node = Derive(source=node, columns=named) if word == DERIVE else Select(source=node, columns=named)
        else:
            raise ValueError(word)
    return node


def decode_expression(held: Sequence[Any]) -> Expression:
    """An expression again."""
    word, *rest = held
    operation = PLAN_OPERATIONS.get(word)
    if operation is not None:
        return Call(operation, tuple(map(decode_expression, rest)))
    if word == LISTED:
        return Literal(tuple(map(read_name, rest)))
    if word == LAMBDA:
        name, body = rest
        return Lambda(LambdaParameter(read_name(name)), decode_expression(body))
    (value,) = rest
    if word == LITERAL and (value is None or isinstance(value, str | float | bool | int)):
        return Literal(value)
    if word == COLUMN:
        return Column(read_name(value))
    if word == PARAMETER:
        return LambdaParameter(read_name(value))
    raise ValueError(word)


def read_name(held: object) -> str:
    """A text; anything else is an error."""
    if not isinstance(held, str):
        raise TypeError(held)
    return held
