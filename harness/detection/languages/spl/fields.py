"""Which fields an eval expression names."""

from __future__ import annotations

from harness.detection.languages.spl.syntax import EvalExpression, FieldReference, FunctionCall, OperandChain, Prefix

EVAL_CONSTANTS = ("true", "false", "null")
"""What Splunk takes for a value where it stands bare."""


def list_fields_in_order(expression: EvalExpression) -> tuple[str, ...]:
    """Names of the fields in an expression, each once, in the order of the text."""
    match expression:
        case FieldReference(name, quoted):
            return () if not quoted and name.lower() in EVAL_CONSTANTS else (name,)
        case Prefix(_, operand):
            return list_fields_in_order(operand)
        case OperandChain(_, parts) | FunctionCall(_, parts):
            return tuple(dict.fromkeys(name for part in parts for name in list_fields_in_order(part)))
        case _:
            return ()


def collect_fields(expression: EvalExpression) -> set[str]:
    """Names of the fields in an expression."""
    return set(list_fields_in_order(expression))
