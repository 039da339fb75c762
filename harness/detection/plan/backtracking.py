"""Regular expressions that RE2 cannot run, by the `regex` library, never longer than a bound."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.plan.regexes import library, list_capture_groups
from harness.diagnostics import HarnessError

# Both chosen, no source: a pattern that needs longer for one value does not end at all as a rule.
LONGEST_MATCH = 2.0
"""Seconds that one text may take."""
LONGEST_QUERY = 60.0
"""Seconds that all texts of one pattern may take together."""

# A stack, so that bounds nest; infinite where nobody began a clock.
ends = [float("inf")]


@contextmanager
def bound_pattern_time() -> Iterator[None]:
    """Starts the clock for one pattern over many texts; raises HarnessError when it has run out."""
    ends.append(monotonic() + LONGEST_QUERY)
    try:
        yield
    except TimeoutError:
        raise HarnessError(
            "regex-timeout",
            f"a regular expression took longer than {LONGEST_MATCH:g} s for one value",
            help="rewrite nested repetitions such as `(a+)+` so that there is one way to match",
        ) from None
    finally:
        ends.pop()


def measure_seconds_left() -> float:
    """What is left for the next text."""
    left = min(LONGEST_MATCH, ends[-1] - monotonic())
    if left <= 0:
        raise TimeoutError
    return left


def match_backtracking(text: str, pattern: str, flags: str) -> bool:
    """Whether it is found anywhere."""
    return library(pattern, flags).search(text, timeout=measure_seconds_left()) is not None


def extract_backtracking(text: str, pattern: str, flags: str, group: str | float) -> str | None:
    """The group of the first match."""
    number = list_capture_groups(pattern).number(group)
    found = library(pattern, flags).search(text, timeout=measure_seconds_left()) if number is not None else None
    return found[number] if found else None


def extract_all_backtracking(text: str, pattern: str, flags: str, group: str | float) -> list[str] | None:
    """The group of every match, those left out where it took no part."""
    number = list_capture_groups(pattern).number(group)
    if number is None:
        return None
    matches = library(pattern, flags).finditer(text, timeout=measure_seconds_left())
    return [m[number] for m in matches if m[number] is not None] or None


def extract_pairs_backtracking(
    text: str, pattern: str, flags: str, key: float, value: float, separator: str
) -> list[str] | None:
    """Two groups of every match in which both took part."""
    matches = library(pattern, flags).finditer(text, timeout=measure_seconds_left())
    found = ((m[int(key)], m[int(value)]) for m in matches)
    return [f"{k}{separator}{v}" for k, v in found if k is not None and v is not None] or None


def replace_backtracking(text: str, pattern: str, flags: str, new: str, every: bool) -> str:
    r"""Matches replaced; \1 is a group, a group that took no part is nothing."""
    parts = split_replacement(new)

    def replacement(match: Any) -> str:
        return "".join(p if isinstance(p, str) else group_of(match, p) for p in parts)

    made: str = library(pattern, flags).sub(replacement, text, count=0 if every else 1, timeout=measure_seconds_left())
    return made


# The products leave out what a replacement names in vain; the library would raise.
def group_of(match: Any, number: int) -> str:
    """A group's text, empty where there is none."""
    return (match[number] or "") if number <= match.re.groups else ""


def split_replacement(new: str) -> list[str | int]:
    r"""A replacement as text and group numbers; `\\` is a backslash."""
    parts: list[str | int] = []
    for piece in re.findall(r"\\\d|\\\\|[^\\]+|\\", new):
        parts.append(int(piece[1]) if re.fullmatch(r"\\\d", piece) else "\\" if piece == r"\\" else piece)
    return parts


def split_backtracking(text: str, pattern: str, flags: str) -> list[str]:
    """The pieces between matches; empty matches do not divide."""
    made, at = [], 0
    for match in library(pattern, flags).finditer(text, timeout=measure_seconds_left()):
        # DuckDB would split "abc" at '' into its letters.
        if match.end() > match.start():
            made.append(text[at : match.start()])
            at = match.end()
    return [*made, text[at:]]


REGEX_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {
    ops.regex_found: match_backtracking,
    ops.regex_extract: extract_backtracking,
    ops.regex_extract_all: extract_all_backtracking,
    ops.regex_pairs: extract_pairs_backtracking,
    ops.regex_replace: replace_backtracking,
    ops.regex_split: split_backtracking,
}
