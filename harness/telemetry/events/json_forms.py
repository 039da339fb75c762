"""Lines of JSON that differ in their values alone: the text between values, by which they are found, and the values.

Most lines of a log have the same keys in the same order as many others. The text around their values is the same to
the byte, so values are taken out of many lines at once, and none of them becomes an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np

from harness.telemetry.events.json_values import DEEPEST_OBJECT
from harness.telemetry.events.marked_lines import MarkedLines
from harness.telemetry.events.text_slices import Places, have_text

# A fraction stays the text that was written: 1.10 is not 1.1 in a log.
DECODE_JSON = msgspec.json.Decoder(float_hook=str)

TOKEN = re.compile(rb'(?P<text>"(?:[^"\\]|\\.)*+")|(?P<mark>[{}\[\]:,])|(?P<plain>[^\s"{}\[\]:,]+)|\s+', re.S)
# The widest of 138 forms in 10,015 events has 61 values; a bound for input made to grow.
MOST_LINE_VALUES = 2_000
# Some 2 MB of marks and text.
LINES_AT_ONCE = 4_096
# A form costs as much as some ten lines that are read as objects.
MOST_RARE_FORMS = 500


@dataclass(frozen=True, slots=True)
class LineValue:
    """Where a value lies in lines of a form: between two places that are counted from quotes of the line.

    Quotes are numbered from 1; 0 is the line's beginning, and the number behind the last quote is its end.
    """

    name: str
    text: bool
    start: int
    start_offset: int
    end: int
    end_offset: int


@dataclass(frozen=True)
class LineForm:
    """Lines with the same keys: their values, the text before each and behind the last, one of them as an object."""

    values: tuple[LineValue, ...]
    between: tuple[bytes, ...]
    sample: dict[str, Any]
    marks: int

    @cached_property
    def begins(self) -> tuple[Places, Places]:
        """The marks before values and the distance of each value from its mark."""
        return list_columns((value.start, value.start_offset) for value in self.values)

    @cached_property
    def ends(self) -> tuple[Places, Places]:
        """The marks behind values, and the distance of each value's end."""
        return list_columns((value.end, value.end_offset) for value in self.values)

    @cached_property
    def texts(self) -> list[tuple[int, int, int, int, bytes]]:
        """Each text between values: the mark before it, how far, the mark behind it, how far apart both are."""
        before = [(0, 0), *((value.end, value.end_offset) for value in self.values)]
        behind = [*((value.start, value.start_offset) for value in self.values), (self.marks - 1, 0)]
        return [
            (first, offset, last, offset + len(text) - other, text)
            for (first, offset), (last, other), text in zip(before, behind, self.between, strict=True)
        ]

    def match(self, lines: MarkedLines, rows: Places) -> tuple[Places, Places, Places]:
        """Which of some lines with as many quotes are of this form, and where their values begin and end.

        Places are a row a value.
        """
        blocks = [self.match_block(lines, rows[at : at + LINES_AT_ONCE]) for at in range(0, len(rows), LINES_AT_ONCE)]
        if len(blocks) == 1:
            return blocks[0]
        found, starts, ends = zip(*blocks, strict=True)
        return np.concatenate(found), np.concatenate(starts, axis=1), np.concatenate(ends, axis=1)

    def match_block(self, lines: MarkedLines, rows: Places) -> tuple[Places, Places, Places]:
        """The same of lines that are few enough to lie in a processor's own memory."""
        marks = lines.list_marks(rows)
        fits = np.ones(len(rows), bool)
        for first, _, last, distance, _ in self.texts:
            fits &= marks[last] - marks[first] == distance
        for value in self.values:
            if not value.text:
                fits &= marks[value.end] - marks[value.start] > value.start_offset - value.end_offset
        # Texts are looked at where they lie within their lines for sure.
        if not fits.all():
            rows, marks = rows[fits], marks[:, fits]
            fits = np.ones(len(rows), bool)
        for first, offset, _, _, text in self.texts:
            if not fits.any():
                break
            fits &= have_text(lines.data, marks[first] + offset, text)
        if not fits.all():
            rows, marks = rows[fits], marks[:, fits]
        begins, begin_offsets = self.begins
        ends, end_offsets = self.ends
        return rows, marks[begins] + begin_offsets[:, None], marks[ends] + end_offsets[:, None]


def list_columns(pairs: Iterable[tuple[int, int]]) -> tuple[Places, Places]:
    """The first and the second members of pairs."""
    first, second = np.array([*pairs], np.int64).reshape(-1, 2).T
    return first, second


class FormReader:
    """Reads the form of one line."""

    def __init__(self, line: bytes) -> None:
        self.line, self.at, self.quote = line, 0, 0
        self.values: list[LineValue] = []
        self.between: list[bytes] = []
        self.done = 0
        self.tokens = [m for m in TOKEN.finditer(line) if m.lastgroup]
        self.next = 0

    def read(self) -> LineForm | None:
        """The form; None for a line that is read as an object."""
        try:
            sample = DECODE_JSON.decode(self.line)
        except (msgspec.DecodeError, RecursionError):
            return None
        if not isinstance(sample, dict) or len(self.tokens) > 6 * MOST_LINE_VALUES:
            return None
        try:
            self.read_value("", 0)
        except (IndexError, ValueError):
            return None
        names = [value.name for value in self.values]
        if not names or len(set(names)) < len(names):
            return None
        return LineForm(tuple(self.values), (*self.between, self.line[self.done :]), sample, self.quote + 2)

    def take(self) -> re.Match[bytes]:
        """The next token."""
        token = self.tokens[self.next]
        self.next += 1
        self.quote += 2 * (token.lastgroup == "text")
        return token

    def read_value(self, name: str, depth: int) -> None:
        """Reads a value and what is in it."""
        if depth > DEEPEST_OBJECT:
            raise ValueError("too deep")
        token = self.take()
        if token[0] == b"{":
            self.read_members(name, depth)
        elif token[0] == b"[":
            self.read_elements(name, depth)
        elif token.lastgroup == "text":
            # The quotes of this text are the last two.
            self.add(LineValue(name, True, self.quote - 1, 1, self.quote, 0), token.start() + 1, token.end() - 1)
        else:
            self.add_plain(name, token)

    def read_members(self, name: str, depth: int) -> None:
        """Reads the members of an object, behind its brace."""
        prefix = f"{name}." if depth else ""
        seen = set()
        while (token := self.take())[0] != b"}":
            if token[0] == b",":
                continue
            key = DECODE_JSON.decode(token[0])
            # Of a key that stands twice the last value counts.
            if key in seen:
                raise ValueError("a key stands twice")
            seen.add(key)
            self.take()
            self.read_value(f"{prefix}{key}", depth + 1)

    def read_elements(self, name: str, depth: int) -> None:
        """Reads the elements of a list, behind its bracket."""
        number = 0
        while self.tokens[self.next][0] != b"]":
            if self.tokens[self.next][0] == b",":
                self.take()
                continue
            self.read_value(f"{name}[{number}]", depth + 1)
            number += 1
        self.take()

    def add_plain(self, name: str, token: re.Match[bytes]) -> None:
        """Adds a number or a word, which lies between two quotes, or between one and the end of the line."""
        rest = [later for later in self.tokens[self.next :] if later.lastgroup != "mark"][:1]
        if rest and rest[0].lastgroup == "plain":
            raise ValueError("two plain values between quotes")
        until = rest[0].start() if rest else len(self.line)
        value = LineValue(
            name,
            False,
            self.quote,
            token.start() - self.last_text_end(),
            self.quote + 1,
            token.end() - until,
        )
        self.add(value, token.start(), token.end())

    def last_text_end(self) -> int:
        """Where the quote of the text before stands."""
        before = [token for token in self.tokens[: self.next] if token.lastgroup == "text"]
        return before[-1].end() - 1 if before else 0

    def add(self, value: LineValue, start: int, end: int) -> None:
        """Adds a value that lies between two places of the line."""
        self.between.append(self.line[self.done : start])
        self.values.append(value)
        self.done = end


@dataclass(slots=True)
class FormTable:
    """The forms of the lines of one input, and how many more may be learned where few lines are like the others."""

    forms: dict[int, list[LineForm]] = field(default_factory=dict)
    credit: int = MOST_RARE_FORMS

    def split(self, lines: MarkedLines, fewest: int) -> Iterator[tuple[LineForm, Places, Places, Places]]:
        """Lines of the same form, where there are enough of them: form, rows, where each value begins and ends."""
        rows = np.flatnonzero(lines.sound & (lines.counts > 0) & (lines.counts % 2 == 0))
        order = rows[np.argsort(lines.counts[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(lines.counts[order], prepend=-1))
        for same in np.split(order, starts[1:]):
            yield from self.split_alike(lines, same, fewest)

    def split_alike(
        self, lines: MarkedLines, rows: Places, fewest: int
    ) -> Iterator[tuple[LineForm, Places, Places, Places]]:
        """The same of lines with as many quotes."""
        forms = self.forms.setdefault(int(lines.counts[rows[0]]) if len(rows) else 0, [])
        tried = 0
        while len(rows) >= fewest and (tried < len(forms) or self.credit > 0):
            if tried == len(forms):
                self.credit -= 1
                form = FormReader(lines.line(int(rows[0]))).read()
                if form is None:
                    rows = rows[1:]
                    continue
                forms.append(form)
            form = forms[tried]
            tried += 1
            found, begin, end = form.match(lines, rows)
            if len(found) >= fewest:
                self.credit += 1
                yield form, found, begin, end
            rows = np.setdiff1d(rows, found, assume_unique=True)
