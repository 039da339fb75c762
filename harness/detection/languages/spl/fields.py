"""Which fields an eval expression names."""

from __future__ import annotations

from harness.detection.languages.spl.syntax import Chain, Expression, Field, Invocation, Prefix

WORDS = ("true", "false", "null")
"""What Splunk takes for a value where it stands bare."""


def in_order(expression: Expression) -> tuple[str, ...]:
    """Names of the fields in an expression, each once, in the order of the text."""
    match expression:
        case Field(name, quoted):
            return () if not quoted and name.lower() in WORDS else (name,)
        case Prefix(_, operand):
            return in_order(operand)
        case Chain(_, parts) | Invocation(_, parts):
            return tuple(dict.fromkeys(name for part in parts for name in in_order(part)))
        case _:
            return ()


def fields(expression: Expression) -> set[str]:
    """Names of the fields in an expression."""
    return set(in_order(expression))
