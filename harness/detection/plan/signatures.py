"""Which kind each argument of an operation must have, read from the operation's own line."""

from __future__ import annotations

from functools import cache

from harness.detection.plan.columns import Kind
from harness.detection.plan.operations import PLAN_OPERATIONS

NUMBER_PARAMETERS = frozenset(
    {"n", "start", "length", "digits", "base", "bits", "i", "j", "seconds", "span", "origin", "step"}
)
KINDS_BY_PARAMETER = {
    "b": Kind.BOOLEAN,
    "all": Kind.BOOLEAN,
    "l": Kind.LIST,
    "x": None,
    "y": None,
    "value": None,
    "lambda": None,
    "group": None,
    "events": None,
    "fraction": Kind.NUMBER,
    **dict.fromkeys(NUMBER_PARAMETERS, Kind.NUMBER),
}
REPEATED = {"case": 2, "json_object": 2}
"""Operations whose `...` repeats more than the last parameter."""


@cache
def parameters(operation: str) -> tuple[tuple[str, ...], int]:
    """The words for an operation's arguments, and how many of the last ones repeat."""
    words = [w.strip() for w in PLAN_OPERATIONS[operation].parameters.replace("[", "").replace("]", "").split(",")]
    repeats = words[-1] == "..."
    fixed = tuple(w for w in words if w and w != "...")
    return fixed, REPEATED.get(operation, 1) if repeats else 0


def argument_kind(operation: str, place: int) -> Kind | None:
    """The kind that the argument at `place` (from 0) must have; None where any will do."""
    words, repeats = parameters(operation)
    if place >= len(words):
        if not repeats:
            return None
        place = len(words) - repeats + (place - len(words)) % repeats
    return KINDS_BY_PARAMETER.get(words[place], Kind.TEXT)
