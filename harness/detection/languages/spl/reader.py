"""A place in one stage's text that moves forward, and what every grammar needs there."""

from __future__ import annotations

import re

from harness.detection.languages.spl.text import QUOTED, ExpandedText
from harness.diagnostics import SourceError, Span

SKIPPED_BLANKS = re.compile(r"[\s,]*")
SEARCH_ESCAPE = re.compile(r'\\([\\"|])')
QUOTED_STRING = re.compile(QUOTED, re.S)
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


LITERAL_STAR = "\ufdd0"
"""Stands for a star that is no wildcard, which only lenient reading knows."""
ESCAPED_STAR = re.compile(r"(?<!\\)((?:\\\\)+)\\\*")


def with_literal_stars(text: str) -> str:
    r"""Text in which a star after doubled backslashes and a single one, `\\\*`, is no wildcard."""
    return ESCAPED_STAR.sub(lambda m: m[1] + LITERAL_STAR, text)


def escape_search_text(text: str) -> str:
    """Text as it is written inside double quotes."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace(LITERAL_STAR, "\\*")
