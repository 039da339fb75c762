"""A query's text after macros and comments, every character of which still knows its place in the original."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

from harness.diagnostics import Finding, Severity, Source, SourceError, Span

QUOTED = r'"(?:[^"\\]|\\.)*"'
LAYOUT = re.compile(rf"\\[|\"\\]|{QUOTED}|[|\[\]\"]", re.S)
DEEPEST_SUBSEARCH = 8
COPIED = [(0, 0, -1)]
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
