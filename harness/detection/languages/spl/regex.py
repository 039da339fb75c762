"""Regular expressions as Splunk writes them: PCRE, checked before anything runs.

Reference: reference/spl.md 3.4, level 3
"""

from __future__ import annotations

from functools import lru_cache

from harness.detection.languages.spl.coercion import as_text, literal
from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Typed
from harness.detection.plan.values.pcre import PatternError
from harness.detection.plan.values.regex import compile_check, list_capture_groups
from harness.diagnostics import SourceError, Span
from harness.late_pattern import late_pattern

NAMED_GROUP_START = late_pattern(r"\(\?P?<([A-Za-z_]\w*)>")
# Chosen, no source: what is longer was made by a machine, and takes minutes.
LONGEST_PATTERN = 16384


def check_pattern_literal(pattern: Typed) -> Typed:
    """A pattern that is a literal, refused with its place if it cannot be read."""
    constant, span = pattern.constant, getattr(pattern.expression, "span", None)
    if isinstance(constant, str) and span is not None:
        check_pattern(constant, span)
    return as_text(pattern)


def element_matches(element: Typed, pattern: Typed) -> Typed:
    """Whether one of several values has a match."""
    return ops.regex_found(element, check_pattern_literal(pattern), literal(""))


def check_pattern(pattern: str, span: Span) -> str:
    """The pattern itself; an error at the character where it cannot be read."""
    fault = find_pattern_fault(pattern)
    if fault is None:
        return pattern
    message, at = fault
    near = f", at `{pattern[at : at + 20]}`" if pattern[at : at + 1] and span.text.find(pattern) < 0 else ""
    place = span.within(pattern, at, min(at + 1, len(pattern)))
    help = "a backslash of the text is `\\\\\\\\` in quotes" if pattern[at : at + 1] == "\\" else None
    raise SourceError("bad-regex", f"the regular expression cannot be read: {message}{near}", place, help=help)


@lru_cache(4096)
def find_pattern_fault(pattern: str) -> tuple[str, int] | None:
    """Why a pattern cannot be read, and at which character; None if it can."""
    if len(pattern) > LONGEST_PATTERN:
        return f"it is longer than {LONGEST_PATTERN:,} characters", 0
    try:
        compile_check(pattern)
    except PatternError as error:
        return error.message, error.position
    return None


def list_group_names(pattern: str) -> tuple[str, ...]:
    """Names of the named groups, each once, in order; of a pattern that cannot be read those that look so."""
    if find_pattern_fault(pattern) is not None:
        return tuple(dict.fromkeys(NAMED_GROUP_START.findall(pattern)))
    return tuple(dict.fromkeys(name for name in list_capture_groups(pattern).all if name))
