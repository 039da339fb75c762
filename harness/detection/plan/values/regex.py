"""Patterns checked, counted and translated; those that RE2 cannot run, within a bound."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from time import monotonic
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.detection.plan.values.pcre import LAST_LINE_END, PatternError, PcreReader, TwoSpellingPattern
from harness.detection.plan.values.re2_size import exceeds_re2
from harness.diagnostics import HarnessError
from harness.record import record

__all__ = ["CaptureGroups", "PatternError", "compile_check", "list_capture_groups", "re2"]


@record
class CaptureGroups:
    """The capturing groups of a pattern: the name of each or None, group 1 first."""

    all: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.all)

    def number(self, group: str | float | int) -> int | None:
        """The number of a group given by name or number; None if there is no such group."""
        if isinstance(group, str):
            return self.all.index(group) + 1 if group in self.all else None
        return int(group) if 0 <= int(group) <= len(self.all) else None


@lru_cache(maxsize=4096)
def read_pattern(pattern: str, flags: str = "") -> TwoSpellingPattern:
    """The pattern in both spellings; raises PatternError where it cannot be read."""
    return PcreReader(pattern, flags).read()


def compile_check(pattern: str, flags: str = "") -> None:
    """Raises PatternError, a ValueError with `message` and `position`, if the pattern is no regular expression."""
    try:
        # What RE2 runs was checked by the reader; compiling it for the library as well would only cost time.
        if read_pattern(pattern, flags).reasons:
            library(pattern, flags)
    except RecursionError:
        raise PatternError("the pattern nests too deep", 0) from None


def list_capture_groups(pattern: str) -> CaptureGroups:
    """The capturing groups of a pattern."""
    return CaptureGroups(tuple(read_pattern(pattern).names))


def re2(pattern: str, flags: str = "", *, whole_match: bool = False) -> str | None:
    r"""The pattern for RE2, None where RE2 cannot run it or would find something else.

    `$` and `\Z` become `\n?\z`, which finds the same but may be longer: with `whole_match` such a pattern is refused.
    """
    found = read_pattern(pattern, flags)
    # PCRE's $ stands before a last line end too, RE2's only at the very end; with flag m both mean any line's end.
    anchors = found.dollar and "m" not in found.flags
    # A flag m in the middle would change only the dollars behind it, which the pieces do not tell apart.
    if found.reasons or (anchors and "m" in inline_flags(found)):
        return None
    pieces = [LAST_LINE_END if p == "$" and anchors else p for p in found.re2]
    if whole_match and LAST_LINE_END in pieces:
        return None
    prefix = f"(?{found.flags})" if found.flags else ""
    made = prefix + "".join(pieces)
    return None if exceeds_re2(made) else made


def keep_one_group(pattern: str, number: int) -> str:
    """A pattern in RE2's spelling of whose groups only that one captures, as group 1."""
    count = 0

    def free(found: re.Match[str]) -> str:
        nonlocal count
        if found[0] != "(":
            return found[0]
        count += 1
        return "(" if count == number else "(?:"

    # What cannot be an opening group first: escapes, classes, and brackets that say what they are.
    return re.sub(r"\\.|\[(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*\]|\(\?|\(", free, pattern, flags=re.S)


def inline_flags(found: TwoSpellingPattern) -> str:
    """Flags that are switched on inside the pattern."""
    return "".join(p for p in found.re2 if p.startswith(("(?i", "(?m", "(?s")))


@lru_cache(maxsize=1024)
def library(pattern: str, flags: str = "") -> Any:
    """The pattern compiled by the `regex` library, which backtracks; raises PatternError."""
    # Imported by name: most rules have no such pattern, and start-up counts.
    regex = import_module("regex")
    found = read_pattern(pattern, flags)
    text = "".join(found.library)
    # VERSION0 is Python's own behaviour; VERSION1 would read `[a[b]` as nested sets.
    bits = regex.VERSION0
    for flag in found.flags:
        bits |= {"i": regex.IGNORECASE, "m": regex.MULTILINE, "s": regex.DOTALL}[flag]
    try:
        return regex.compile(text, bits)
    except regex.error as error:
        place = min(getattr(error, "pos", None) or 0, len(pattern))
        raise PatternError(str(error).split(" at position")[0], place) from None


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
    except MemoryError:
        # The library's stack for a group that runs itself again without end.
        raise HarnessError("regex-recursion", "a regular expression that runs itself again does not end") from None
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
