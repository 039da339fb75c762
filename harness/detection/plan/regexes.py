"""Regular expressions in PCRE's syntax: checked, counted, and translated to RE2 where that means the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

from harness.detection.plan.pattern import PatternError, TwoSpellingPattern
from harness.detection.plan.pcre import PcreReader

__all__ = ["CaptureGroups", "PatternError", "compile_check", "list_capture_groups", "re2"]


@dataclass(frozen=True, slots=True)
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

    `$` becomes `\n?\z`, which finds the same but may be longer: with `whole_match` such a pattern is refused.
    """
    found = read_pattern(pattern, flags)
    # PCRE's $ stands before a last line end too, RE2's only at the very end; with flag m both mean any line's end.
    anchors = found.dollar and "m" not in found.flags
    # A flag m in the middle would change only the dollars behind it, which the pieces do not tell apart.
    if found.reasons or (anchors and (whole_match or "m" in inline_flags(found))):
        return None
    pieces = [r"(?:\n?\z)" if p == "$" and anchors else p for p in found.re2]
    prefix = f"(?{found.flags})" if found.flags else ""
    return prefix + "".join(pieces)


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
    # Without ASCII the library's \d and \w take digits and letters of all scripts, PCRE's only those of ASCII.
    ascii_only = pattern.isascii() and r"\X" not in pattern
    # VERSION0 is Python's own behaviour; VERSION1 would read `[a[b]` as nested sets.
    bits = regex.VERSION0 | (regex.ASCII if ascii_only else 0)
    for flag in found.flags:
        bits |= {"i": regex.IGNORECASE, "m": regex.MULTILINE, "s": regex.DOTALL}[flag]
    try:
        return regex.compile(text, bits)
    except regex.error as error:
        place = min(getattr(error, "pos", None) or 0, len(pattern))
        raise PatternError(str(error).split(" at position")[0], place) from None
