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
from harness.detection.plan.operation import Operation

ComputedValue = Any
Function = Callable[..., ComputedValue]

COMPUTATIONS: dict[Operation, Function] = {
    **addresses.ADDRESS_COMPUTATIONS,
    **backtracking.REGEX_COMPUTATIONS,
    **digits.NUMBER_COMPUTATIONS,
    **documents.JSON_COMPUTATIONS,
    **documents.XML_COMPUTATIONS,
    **encodings.ENCODING_COMPUTATIONS,
    **json_editing.JSON_EDIT_COMPUTATIONS,
    **list_order.LIST_ORDER_COMPUTATIONS,
    **list_statistics.LIST_STATISTIC_COMPUTATIONS,
    **printf.PRINTF_COMPUTATIONS,
    **record_fields.RECORD_COMPUTATIONS,
    **tables.TABLE_COMPUTATIONS,
    **text_tables.TEXT_TABLE_COMPUTATIONS,
    **timeformat.CALENDAR_COMPUTATIONS,
    **timeformat.TIME_FORMAT_COMPUTATIONS,
    **timemoves.TIME_MOVE_COMPUTATIONS,
    **timeparse.TIME_PARSE_COMPUTATIONS,
    **xpaths.XPATH_COMPUTATIONS,
}
"""By the operation's name; arguments are str, float, bool, list or None, the result is what the operation gives."""


def compute_values(operation: Operation, arguments: Iterable[Sequence[ComputedValue]]) -> list[ComputedValue]:
    """The operation's value for each tuple of arguments; a function that backtracks shares one time bound."""
    function = COMPUTATIONS[operation]
    # One clock for all values of a pattern: each may be quick enough, and a million of them not.
    if operation in backtracking.REGEX_COMPUTATIONS:
        with backtracking.bound_pattern_time():
            return [compute_value(operation, function, a) for a in arguments]
    return [compute_value(operation, function, a) for a in arguments]


def compute_value(operation: Operation, function: Function, arguments: Sequence[ComputedValue]) -> ComputedValue:
    """The value for one tuple of arguments."""
    if not operation.takes_null and any(a is None for a in arguments):
        return None
    return function(*arguments)
