"""What the grammar itself has to know of functions: which there are, and which of their arguments are expressions."""

from __future__ import annotations

from harness.detection.languages.cql.registry import FUNCTIONS, FunctionRole

FUNCTION_NAMES = FUNCTIONS.names
"""The documented name of each function by the one in lower case; it grows as functions are defined."""


def is_mistaken_comparison(function: str, name: str) -> bool:
    """Whether `name = ...` in a call is a comparison gone wrong rather than an argument with its name."""
    known = FUNCTIONS.get(function)
    return known is not None and bool(known.expressions) and name != "as" and name not in known.parameters


def expression_argument(function: str, argument: str | None) -> bool:
    """Whether an argument of a function is read as an expression."""
    known = FUNCTIONS.get(function)
    return known is not None and known.takes_expression(argument)


def is_question(function: str) -> bool:
    """Whether a function, whatever the case of its letters, is a filter that somebody may mean to join by `or`."""
    known = FUNCTIONS.get(FUNCTION_NAMES.get(function.lower(), ""))
    return known is not None and known.role is FunctionRole.FILTER and known.question
