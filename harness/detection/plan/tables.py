"""Tables of patterns, looked up in Python: which rows of a long table fit a value."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation

# ASCII's record separator: a literal of the plan is one text, and no cell of a lookup table has it.
PAYLOAD_SEPARATOR = "\x1e"
RowNumbers = list[int]


class Patterns:
    """Patterns with `*` sorted by how they are found: whole, by their end, by their start, or one by one."""

    def __init__(self, patterns: str, *, sensitive: bool) -> None:
        self.sensitive = sensitive
        self.whole: dict[str, RowNumbers] = {}
        self.ends: dict[str, RowNumbers] = {}
        self.starts: dict[str, RowNumbers] = {}
        self.others: list[tuple[re.Pattern[str], int]] = []
        for place, written in enumerate(patterns.split(PAYLOAD_SEPARATOR)):
            self.put(written if sensitive else written.lower(), place)
        # One look-up for each length that occurs, and not one test for each of tens of thousands of domains.
        self.end_lengths = sorted({len(e) for e in self.ends})
        self.start_lengths = sorted({len(s) for s in self.starts})

    def put(self, pattern: str, place: int) -> None:
        """Adds one pattern to the index of its form."""
        if "*" not in pattern:
            self.whole.setdefault(pattern, []).append(place)
        elif "*" not in pattern[1:]:
            self.ends.setdefault(pattern[1:], []).append(place)
        elif "*" not in pattern[:-1]:
            self.starts.setdefault(pattern[:-1], []).append(place)
        else:
            regex = ".*".join(re.escape(p) for p in re.split(r"\*+", pattern))
            self.others.append((re.compile(regex, re.S), place))

    def fitting(self, value: str) -> RowNumbers:
        """The rows whose pattern fits the whole value, in order."""
        text = value if self.sensitive else value.lower()
        found = list(self.whole.get(text, ()))
        for length in self.end_lengths:
            if length <= len(text):
                found += self.ends.get(text[len(text) - length :], ())
        for length in self.start_lengths:
            if length <= len(text):
                found += self.starts.get(text[:length], ())
        found += [place for regex, place in self.others if regex.fullmatch(text)]
        return sorted(found)


@lru_cache(8)
def sorted_patterns(patterns: str, sensitive: bool) -> Patterns:
    """The patterns of a table, made ready once."""
    return Patterns(patterns, sensitive=sensitive)


@lru_cache(8)
def split_payloads(payloads: str) -> list[str]:
    """The payloads of a table."""
    return payloads.split(PAYLOAD_SEPARATOR)


def glob_payloads(value: str, patterns: str, payloads: str, most: float, sensitive: bool) -> list[str] | None:
    """The payloads of the first `most` rows whose pattern fits the value; None if none does."""
    rows = sorted_patterns(patterns, sensitive).fitting(value)[: int(most)]
    table = split_payloads(payloads)
    return [table[row] for row in rows] or None


TABLE_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.glob_payloads: glob_payloads}
