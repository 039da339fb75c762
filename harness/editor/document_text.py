"""A document as an editor has it: its text by lines, places in the editor's units, changes."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from harness.late_pattern import late_pattern

EDITOR_LINE_END = late_pattern(r"\r\n|\n|\r")
"""What ends a line in the protocol: no form feed and none of Unicode's separators."""

ASTRAL = late_pattern("[\U00010000-\U0010ffff]")


@dataclass(slots=True)
class DocumentText:
    """A text and the offsets at which its lines start; `encoding` is the unit in which a place counts its column."""

    text: str
    encoding: str = "utf-16"
    starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        """Finds the lines."""
        self.starts = [0, *(m.end() for m in EDITOR_LINE_END.finditer(self.text))]

    def find_offset(self, line: int, column: int) -> int:
        """The character at a place; a column beyond the line's end is its end, a line beyond the last the text's."""
        if line < 0:
            return 0
        if line >= len(self.starts):
            return len(self.text)
        start, end = self.starts[line], self.find_line_end(line)
        return start + count_characters(self.text[start:end], max(0, column), self.encoding)

    def find_line_end(self, line: int) -> int:
        """Where the text of a line ends, what ends the line not included."""
        if line + 1 >= len(self.starts):
            return len(self.text)
        end = self.starts[line + 1]
        return end - (2 if self.text[end - 2 : end] == "\r\n" else 1)

    def find_place(self, offset: int) -> tuple[int, int]:
        """Line and column of a character, both from 0, the column in the editor's units."""
        bounded = max(0, min(offset, len(self.text)))
        line = bisect_right(self.starts, bounded) - 1
        return line, count_units(self.text[self.starts[line] : bounded], self.encoding)

    def replace(self, start: tuple[int, int], end: tuple[int, int], new: str) -> DocumentText:
        """The document with the text between two places replaced."""
        first, last = sorted((self.find_offset(*start), self.find_offset(*end)))
        return DocumentText(self.text[:first] + new + self.text[last:], self.encoding)


def count_units(text: str, encoding: str) -> int:
    """How many units of an encoding a text has."""
    if encoding == "utf-32" or text.isascii():
        return len(text)
    if encoding == "utf-8":
        # Editors may send half of a surrogate pair, which has three bytes then.
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text) + len(ASTRAL.findall(text))


def count_characters(line: str, units: int, encoding: str) -> int:
    """How many characters of a line lie before a column; a column inside of a character is before it."""
    if encoding == "utf-32" or line.isascii():
        return min(units, len(line))
    seen = 0
    for number, character in enumerate(line):
        seen += count_units(character, encoding)
        if seen > units:
            return number
    return len(line)
