"""The stricter answer to which texts are numbers: those of digits with a fraction, such as -12.5, and no others.

Reference: reference/spl.md 2.2, question Q11
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from harness.detection.language import Step
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Call, Expression, Literal, SortKey, rebuild_expression
from harness.detection.plan.nodes import Node, walk_nodes

PLAIN_NUMBER = Literal(r"^-?\d+(\.\d+)?$")


def plain_only(root: Node, steps: Iterable[Step]) -> tuple[Node, tuple[Step, ...]]:
    """A plan in which text such as `1e3`, `+5`, `.5` and `5.` is no number, and its steps."""
    known: dict[int, Node] = {}
    kept = list(steps)
    for top in (*(s.node for s in kept), root):
        for node in walk_nodes(top):
            if id(node) not in known:
                known[id(node)] = rebuild_node(node, known)
    return known[id(root)], tuple(replace(s, node=known[id(s.node)]) for s in kept)


def rebuild_node(node: Node, known: dict[int, Node]) -> Node:
    """A node over what its sources became."""
    parts: dict[str, Any] = {f.name: rewrite_part(getattr(node, f.name), known) for f in fields(node)}
    return replace(node, **parts)


def rewrite_part(part: object, known: dict[int, Node]) -> object:
    """A part of a node: a source, an expression, or several."""
    match part:
        case Node():
            return known[id(part)]
        case Expression():
            return rebuild_expression(part, stricter)
        case SortKey(expression):
            return replace(part, expression=rebuild_expression(expression, stricter))
        case tuple():
            return tuple(rewrite_part(p, known) for p in part)
        case _:
            return part


def stricter(expression: Expression) -> Expression:
    """Reading a number asks first whether the text is plain digits."""
    if not isinstance(expression, Call) or expression.operation not in (ops.to_number, ops.is_number):
        return expression
    plain = ops.regex_found(expression.arguments[0], PLAIN_NUMBER, Literal(""))
    if expression.operation == ops.is_number:
        return ops.and_(expression, ops.coalesce(plain, Literal(False)), span=expression.span)
    return ops.if_(plain, expression, NULL, span=expression.span)
