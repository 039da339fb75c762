"""Operations that SQL lacks, as Python functions of values.

An engine evaluates them once for each distinct combination of arguments and joins the results back, so that a value
that stands in a million events is looked at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any

from harness.detection.plan.operation import Operation
from harness.detection.plan.values.calendar import CALENDAR_COMPUTATIONS, TIME_MOVE_COMPUTATIONS
from harness.detection.plan.values.json import JSON_COMPUTATIONS, JSON_EDIT_COMPUTATIONS
from harness.detection.plan.values.nested_fields import NESTED_FIELD_COMPUTATIONS
from harness.detection.plan.values.network import ADDRESS_COMPUTATIONS
from harness.detection.plan.values.numbers import (
    LIST_ORDER_COMPUTATIONS,
    LIST_STATISTIC_COMPUTATIONS,
    NUMBER_COMPUTATIONS,
    PRINTF_COMPUTATIONS,
)
from harness.detection.plan.values.records import RECORD_COMPUTATIONS, XML_COMPUTATIONS, XPATH_COMPUTATIONS
from harness.detection.plan.values.regex import REGEX_COMPUTATIONS, bound_pattern_time
from harness.detection.plan.values.text import ENCODING_COMPUTATIONS, TABLE_COMPUTATIONS, TEXT_TABLE_COMPUTATIONS
from harness.detection.plan.values.time_format import TIME_FORMAT_COMPUTATIONS, TIME_PARSE_COMPUTATIONS

ComputedValue = Any
Function = Callable[..., ComputedValue]

COMPUTATIONS: dict[Operation, Function] = {
    **ADDRESS_COMPUTATIONS,
    **REGEX_COMPUTATIONS,
    **NUMBER_COMPUTATIONS,
    **JSON_COMPUTATIONS,
    **XML_COMPUTATIONS,
    **ENCODING_COMPUTATIONS,
    **JSON_EDIT_COMPUTATIONS,
    **NESTED_FIELD_COMPUTATIONS,
    **LIST_ORDER_COMPUTATIONS,
    **LIST_STATISTIC_COMPUTATIONS,
    **PRINTF_COMPUTATIONS,
    **RECORD_COMPUTATIONS,
    **TABLE_COMPUTATIONS,
    **TEXT_TABLE_COMPUTATIONS,
    **CALENDAR_COMPUTATIONS,
    **TIME_FORMAT_COMPUTATIONS,
    **TIME_MOVE_COMPUTATIONS,
    **TIME_PARSE_COMPUTATIONS,
    **XPATH_COMPUTATIONS,
}
"""By operation; arguments are str, float, bool, list or None, the result is what the operation gives."""


def compute_values(operation: Operation, arguments: Iterable[Sequence[ComputedValue]]) -> list[ComputedValue]:
    """The operation's value for each tuple of arguments; a function that backtracks shares one time bound."""
    function = COMPUTATIONS[operation]
    # One clock for all values of a pattern: each may be quick enough, and a million of them not.
    with bound_pattern_time() if operation in REGEX_COMPUTATIONS else nullcontext():
        if operation.takes_null:
            return [function(*a) for a in arguments]
        return [None if None in a else function(*a) for a in arguments]


def compute_value(operation: Operation, function: Function, arguments: Sequence[ComputedValue]) -> ComputedValue:
    """The value for one tuple of arguments."""
    if not operation.takes_null and any(a is None for a in arguments):
        return None
    return function(*arguments)
