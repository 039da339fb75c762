"""A query's text after macros, each character with its place; a cursor over one stage."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from harness.diagnostics import Finding, Severity, Source, SourceError, Span
from harness.late_pattern import late_pattern

QUOTED = r'"(?:[^"\\]|\\.)*"'
# Pipes and brackets count outside quotes only, and not behind a backslash (reference/spl.md 3.1).
LAYOUT = late_pattern(rf"\\[|\"\\]|{QUOTED}|[|\[\]\"]", re.S)
# The product's own limit (reference/spl.md 3.1).
DEEPEST_SUBSEARCH = 8
COPIED = [(0, 0, -1)]
# Chosen, no source: each stage is a node of the plan or more.
MOST_STAGES = 500
TAKEN_OTHERWISE = ("lower-case-operator", "escaped-star", "word-of-where")
"""Slips that Splunk does not refuse: it takes them to mean something else."""


@dataclass(slots=True)
class ExpandedText:
    """Expanded text; `marks` say from which offset on a piece comes from where.

    A mark is (offset in `text`, start in the original, end in the original or -1). An end means that the whole piece
    stands for those characters (a macro call); -1 that it was copied character by character.
    """

    source: Source
    text: str
    marks: list[tuple[int, int, int]] = field(default_factory=lambda: [(0, 0, -1)])
    findings: list[Finding] = field(default_factory=list)
    strict: bool = False
    closing: dict[int, int] = field(default_factory=dict)
    pipes: dict[int, list[int]] = field(default_factory=dict)

    def place(self, offset: int) -> tuple[int, int]:
        """Where a character comes from: start and end in the original."""
        if self.marks == COPIED:
            return offset, offset + 1
        at, start, end = self.marks[bisect_right(self.marks, (offset, len(self.source.text) + 1, 0)) - 1]
        if end >= 0:
            return start, end
        return start + offset - at, start + offset - at + 1

    def span(self, start: int, end: int) -> Span:
        """The place in the original of the characters `start` up to `end` of the expanded text."""
        marks = self.marks
        piece = 0 if len(marks) == 1 else bisect_right(marks, (start, len(self.source.text) + 1, 0)) - 1
        at, begin, finish = marks[piece]
        # Nearly all stretches lie within one piece that was copied.
        if finish < 0 and (piece + 1 == len(marks) or end <= marks[piece + 1][0]):
            return Span(self.source, begin + start - at, begin + max(start, end) - at)
        first = self.place(start)
        if end <= start:
            return Span(self.source, first[0], first[0])
        last = self.place(end - 1)
        return Span(self.source, min(first[0], last[0]), max(first[1], last[1]))

    def error(self, code: str, message: str, start: int, end: int, help: str | None = None) -> SourceError:
        """An error about a stretch of the expanded text."""
        return SourceError(code, message, self.span(start, end), help=help)

    def deviation(self, code: str, message: str, start: int, end: int, help: str | None = None) -> None:
        """A slip that lenient reading forgives and strict reading refuses, or silently takes otherwise."""
        severity = Severity.WARNING if code in TAKEN_OTHERWISE else Severity.ERROR
        place = self.span(start, end)
        self.findings.append(Finding(code=code, span=place, message=message, help=help, severity=severity))

    def lay_out(self) -> None:
        """Finds which bracket closes which, and the pipes between stages of each pipeline."""
        opened: list[int] = [-1]
        self.pipes[-1] = []
        for found in LAYOUT.finditer(self.text):
            at, mark = found.start(), found.group()
            if mark == "|":
                self.pipes[opened[-1]].append(at)
            elif mark == "[":
                opened.append(at)
                self.pipes[at] = []
            elif mark == "]" and len(opened) > 1:
                self.closing[opened.pop()] = at
            elif mark == '"':
                raise self.error("unclosed-quote", "a quote is not closed", at, at + 1, 'write \\" for a literal quote')
        if len(opened) > 1:
            raise self.error("unclosed-bracket", "a `[` is not closed", opened[-1], opened[-1] + 1)
        most = max(len(p) for p in self.pipes.values())
        if most > MOST_STAGES:
            raise SourceError("too-long", f"a pipeline of {most} stages; {MOST_STAGES} are read", self.source.whole())


SKIPPED_BLANKS = late_pattern(r"[\s,]*")
# The first of three levels of backslashes; any other escape stays as written (reference/spl.md 3.4).
SEARCH_ESCAPE = late_pattern(r'\\([\\"|])')
QUOTED_STRING = late_pattern(QUOTED, re.S)
# Chosen, no source: each level takes a dozen of Python's 1,000 nested calls.
DEEPEST_SEARCH_NESTING = 60


class StageCursor:
    """The characters of one stage from `at` up to `end`."""

    __slots__ = ("at", "depth", "end", "source", "text")

    def __init__(self, source: ExpandedText, at: int, end: int) -> None:
        self.source, self.text, self.at, self.end, self.depth = source, source.text, at, end, 0

    def skip(self) -> int:
        """Moves over blanks and commas."""
        found = SKIPPED_BLANKS.match(self.text, self.at, self.end)
        self.at = found.end() if found else self.at
        return self.at

    def done(self) -> bool:
        """Whether nothing is left but blanks."""
        return self.skip() >= self.end

    def peek(self, text: str) -> bool:
        """Whether the text stands here."""
        return self.text.startswith(text, self.at, self.end)

    def span(self, start: int, end: int | None = None) -> Span:
        """The place in the original from `start` up to `end` or here."""
        return self.source.span(start, self.at if end is None else end)

    def error(
        self, code: str, message: str, start: int, end: int | None = None, help: str | None = None
    ) -> SourceError:
        """An error about a stretch of this stage, or about what stands at `start`."""
        if end is None:
            found = re.compile(r"\S+").match(self.text, start, self.end)
            end = found.end() if found else start
        return self.source.error(code, message, start, end, help)

    def deeper(self) -> None:
        """Counts one level of nesting more; too many are an error rather than a crash."""
        self.depth += 1
        if self.depth > DEEPEST_SEARCH_NESTING:
            raise self.error("too-deep", f"nested more than {DEEPEST_SEARCH_NESTING} deep", self.at)


def unescape_search_text(text: str) -> str:
    r"""Text of the search language without its escapes: `\\`, `\"` and `\|`; every other backslash stays.

    Reference: reference/spl.md 3.4, level 1
    """
    return SEARCH_ESCAPE.sub(r"\1", text) if "\\" in text else text


# A noncharacter of Unicode: no text holds it.
LITERAL_STAR = "\ufdd0"
"""Stands for a star that is no wildcard, which only lenient reading knows."""
ESCAPED_STAR = late_pattern(r"(?<!\\)((?:\\\\)+)\\\*")


def with_literal_stars(text: str) -> str:
    r"""Text in which a star after doubled backslashes and a single one, `\\\*`, is no wildcard."""
    return ESCAPED_STAR.sub(lambda m: m[1] + LITERAL_STAR, text)


def escape_search_text(text: str) -> str:
    """Text as it is written inside double quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace(LITERAL_STAR, "\\*")
