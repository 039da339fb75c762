"""Operations that SQL lacks, as Python functions of values.

An engine evaluates them once for each distinct combination of arguments and joins the results back, so that a value
that stands in a million events is looked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from harness.detection.plan import (
    addresses,
    backtracking,
    digits,
    documents,
    encodings,
    json_editing,
    list_order,
    list_statistics,
    printf,
    record_fields,
    tables,
    text_tables,
    timeformat,
    timemoves,
    timeparse,
    xpaths,
)

Value = Any
Function = Callable[..., Value]

FUNCTIONS: dict[str, Function] = {
    **addresses.FUNCTIONS,
    **backtracking.FUNCTIONS,
    **digits.FUNCTIONS,
    **documents.FUNCTIONS,
    **encodings.FUNCTIONS,
    **json_editing.FUNCTIONS,
    **list_order.FUNCTIONS,
    **list_statistics.FUNCTIONS,
    **printf.FUNCTIONS,
    **record_fields.FUNCTIONS,
    **tables.FUNCTIONS,
    **text_tables.FUNCTIONS,
    **timeformat.FUNCTIONS,
    **timemoves.FUNCTIONS,
    **timeparse.FUNCTIONS,
    **xpaths.FUNCTIONS,
}
"""By the operation's name; arguments are str, float, bool, list or None, the result is what the operation gives."""

TAKES_NULL = frozenset({"json_object", "json_array"})
"""Functions that look at nulls themselves; of all others a null gives null."""


def evaluate(operation: str, arguments: Iterable[Sequence[Value]]) -> list[Value]:
    """The operation's value for each tuple of arguments; a function that backtracks shares one time bound."""
    function = FUNCTIONS[operation]
    if operation in backtracking.FUNCTIONS:
        with backtracking.bounded():
            return [applied(operation, function, a) for a in arguments]
    return [applied(operation, function, a) for a in arguments]


def applied(operation: str, function: Function, arguments: Sequence[Value]) -> Value:
    """The value for one tuple of arguments."""
    if operation not in TAKES_NULL and any(a is None for a in arguments):
        return None
    return function(*arguments)
