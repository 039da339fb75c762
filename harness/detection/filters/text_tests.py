"""Operations of the plan on the distinct values of a column, by Arrow; what Arrow lacks by Python, once a value.

An operation that is in no table here is one that a filter is run for by its engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from harness.detection.filters.coded_columns import CodedColumn
from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.plan.value import COMPUTATIONS, compute_values
from harness.detection.plan.values.regex import re2
from harness.detection.plan.values.text import lower_characters
from harness.late_pattern import late_pattern

Test = Callable[..., pa.Array]
"""A column and texts: Arrow's booleans, null of a null."""


class UnsupportedFilterError(Exception):
    """A filter that only its engine can run."""


def find_members(values: pa.Array, texts: Sequence[str]) -> pa.Array:
    """Whether each value is one of these."""
    if len(texts) == 1:
        return pc.equal(values, pa.scalar(texts[0], pa.string()))
    found = pc.is_in(values, value_set=pa.array(texts, pa.string()))
    return pc.if_else(pc.is_null(values), pa.scalar(None, pa.bool_()), found)


def match_glob(values: pa.Array, pattern: str) -> pa.Array:
    """Whether each whole value fits; * is any run of characters."""
    return pc.match_substring_regex(values, r"(?s)\A" + ".*".join(map(escape_re2, pattern.split("*"))) + r"\z")


def escape_re2(text: str) -> str:
    """A text that RE2 takes for itself."""
    return "".join("\\" + c if c in r"\.+*?()|[]{}^$" else c for c in text)


def find_regex(column: CodedColumn, pattern: str, flags: str) -> pa.Array:
    """A match anywhere, by RE2 where it can run the pattern."""
    text = re2(pattern, flags or "")
    if text is None:
        return compute_distinct(ops.regex_found, column, (pattern, flags))
    return pc.match_substring_regex(column.values, text)


TESTS: dict[Operation, Test] = {
    ops.equal: lambda c, *t: find_members(c.values, t),
    ops.in_: lambda c, *t: find_members(c.values, t),
    ops.equal_ci: lambda c, *t: find_members(c.lower, [lower_characters(x) for x in t]),
    ops.in_ci: lambda c, *t: find_members(c.lower, [lower_characters(x) for x in t]),
    ops.starts_with: lambda c, t: pc.starts_with(c.values, t),
    ops.starts_with_ci: lambda c, t: pc.starts_with(c.lower, lower_characters(t)),
    ops.ends_with: lambda c, t: pc.ends_with(c.values, t),
    ops.ends_with_ci: lambda c, t: pc.ends_with(c.lower, lower_characters(t)),
    ops.contains: lambda c, t: pc.match_substring(c.values, t),
    ops.contains_ci: lambda c, t: pc.match_substring(c.lower, lower_characters(t)),
    ops.glob: lambda c, t: match_glob(c.values, t),
    ops.glob_ci: lambda c, t: match_glob(c.lower, lower_characters(t)),
    ops.regex_found: find_regex,
}
"""What is asked of a text and of literal texts."""

# DuckDB's cast rounds as Python's does where no digit is beyond what a double holds.
EXACT_NUMBER = late_pattern(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")
ODD_NUMBER = late_pattern(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def read_numbers(values: pa.Array) -> pa.Array:
    """The numbers that texts are; null of other texts."""
    return pa.array([parse_plain_number(v) for v in values.to_pylist()], pa.float64())


def parse_plain_number(text: str | None) -> float | None:
    """The number that a text is."""
    if text is None or EXACT_NUMBER.fullmatch(text):
        return None if text is None else float(text)
    if ODD_NUMBER.fullmatch(text):
        raise UnsupportedFilterError(f"{text} is read by the engine")
    return None


ARROW_TYPES = {"text": pa.string(), "number": pa.float64(), "boolean": pa.bool_()}


def compute_distinct(operation: Operation, column: CodedColumn, literals: Sequence[object]) -> pa.Array:
    """What Python gives of each distinct value."""
    if operation not in COMPUTATIONS or operation.result is None or str(operation.result) not in ARROW_TYPES:
        raise UnsupportedFilterError(f"{operation} is computed by the engine")
    found = compute_values(operation, ([value, *literals] for value in column.values.to_pylist()))
    return pa.array(found, ARROW_TYPES[str(operation.result)])


NUMBER_TESTS: dict[Operation, Any] = {
    ops.equal: pc.equal,
    ops.not_equal: pc.not_equal,
    ops.less: pc.less,
    ops.less_equal: pc.less_equal,
    ops.greater: pc.greater,
    ops.greater_equal: pc.greater_equal,
}
"""What is asked of a number and of a literal one."""
