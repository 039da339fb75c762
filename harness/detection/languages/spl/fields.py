"""Which fields an eval expression names."""

from __future__ import annotations

from harness.detection.languages.spl.syntax import Chain, Expression, Field, Invocation, Prefix


def fields(expression: Expression) -> set[str]:
    """Names of the fields in an expression."""
    match expression:
        case Field(name):
            return {name}
        case Prefix(_, operand):
            return fields(operand)
        case Chain(_, operands):
            return set().union(*(fields(o) for o in operands))
        case Invocation(_, arguments):
            return set().union(*(fields(a) for a in arguments))
        case _:
            return set()
