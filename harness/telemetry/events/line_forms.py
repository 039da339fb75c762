"""Texts that are the same but for their values: found by the text between values, many at once.

Most events of a log are written like many others: the same keys or elements in the same order. The text around their
values is the same to the byte, so values are taken out of many of them at once, and none becomes an object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from harness.record import record
from harness.telemetry.events.text_slices import Places, have_text
from harness.telemetry.simulation.identity import Bytes

# Some 2 MB of marks and text.
LINES_AT_ONCE = 4_096
# A form costs as much as some ten lines that are read as objects.
MOST_RARE_FORMS = 500

Known = TypeVar("Known")


class MarkedTexts(Protocol):
    """Texts with the places of what marks values in them; those that are not `sound` are read one by one."""

    data: Bytes
    counts: Places
    sound: npt.NDArray[np.bool_]

    def list_marks(self, rows: Places, numbers: Places) -> Places:
        """Some marks, a row a mark, of texts that have as many: 0 is their beginning, the last one their end."""

    def line(self, row: int) -> bytes:
        """The bytes of one text."""


@record
class LineValue:
    """Where a value lies in texts of a form: between two places that are counted from marks of the text.

    The first mark is the text's beginning and the last one its end; with `text` a value may be empty.
    """

    name: str
    text: bool
    start: int
    start_offset: int
    end: int
    end_offset: int


@dataclass(frozen=True)
class LineForm:
    """Texts that differ in their values alone: these, the text before each and behind the last, how many marks."""

    values: tuple[LineValue, ...]
    between: tuple[bytes, ...]
    marks: int

    @cached_property
    def needed(self) -> Places:
        """The marks beside values, in their order."""
        beside = {mark for value in self.values for mark in (value.start, value.end)}
        return np.array(sorted({0, *beside, self.marks - 1}))

    def find_mark(self, mark: int) -> int:
        """Which of the needed marks this is."""
        return int(np.searchsorted(self.needed, mark))

    @cached_property
    def begins(self) -> tuple[Places, Places]:
        """The marks before values and the distance of each value from its mark."""
        return list_columns((self.find_mark(value.start), value.start_offset) for value in self.values)

    @cached_property
    def ends(self) -> tuple[Places, Places]:
        """The marks behind values, and the distance of each value's end."""
        return list_columns((self.find_mark(value.end), value.end_offset) for value in self.values)

    @cached_property
    def filled(self) -> list[tuple[int, int, int]]:
        """Of values that may not be empty the marks before and behind, and how far apart these are at least."""
        return [
            (self.find_mark(value.start), self.find_mark(value.end), value.start_offset - value.end_offset)
            for value in self.values
            if not value.text
        ]

    @cached_property
    def texts(self) -> list[tuple[int, int, int, int, bytes]]:
        """Each text between values: the mark before it, how far, the mark behind it, how far apart both are."""
        before = [(0, 0), *((value.end, value.end_offset) for value in self.values)]
        behind = [*((value.start, value.start_offset) for value in self.values), (self.marks - 1, 0)]
        return [
            (self.find_mark(first), offset, self.find_mark(last), offset + len(text) - other, text)
            for (first, offset), (last, other), text in zip(before, behind, self.between, strict=True)
        ]

    def match(self, lines: MarkedTexts, rows: Places) -> tuple[Places, Places, Places]:
        """Which of some lines with as many quotes are of this form, and where their values begin and end.

        Places are a row a value.
        """
        blocks = [self.match_block(lines, rows[at : at + LINES_AT_ONCE]) for at in range(0, len(rows), LINES_AT_ONCE)]
        if len(blocks) == 1:
            return blocks[0]
        found, starts, ends = zip(*blocks, strict=True)
        return np.concatenate(found), np.concatenate(starts, axis=1), np.concatenate(ends, axis=1)

    def match_block(self, lines: MarkedTexts, rows: Places) -> tuple[Places, Places, Places]:
        """The same of lines that are few enough to lie in a processor's own memory."""
        marks = lines.list_marks(rows, self.needed)
        fits = np.ones(len(rows), bool)
        for first, _, last, distance, _ in self.texts:
            fits &= marks[last] - marks[first] == distance
        for first, last, distance in self.filled:
            fits &= marks[last] - marks[first] > distance
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


@record
class AlikeTexts(Generic[Known]):
    """Texts of a form: what is known of them, which they are, and where each value begins and ends, a row a value."""

    form: LineForm
    known: Known
    rows: Places
    begin: Places
    end: Places


@dataclass(slots=True)
class FormTable(Generic[Known]):
    """The forms of the lines of one input, and how many more may be learned where few lines are like the others.

    `read` gives the form of a line and what else is known of such lines; None for a line that is read alone.
    """

    read: Callable[[bytes], tuple[LineForm, Known] | None]
    forms: dict[int, list[tuple[LineForm, Known]]] = field(default_factory=dict)
    credit: int = MOST_RARE_FORMS

    def split(self, lines: MarkedTexts, fewest: int) -> Iterator[AlikeTexts[Known]]:
        """Lines of the same form, where there are enough of them: form, rows, where each value begins and ends."""
        rows = np.flatnonzero(lines.sound & (lines.counts > 0))
        order = rows[np.argsort(lines.counts[rows], kind="stable")]
        starts = np.flatnonzero(np.diff(lines.counts[order], prepend=-1))
        for same in np.split(order, starts[1:]):
            yield from self.split_alike(lines, same, fewest)

    def split_alike(self, lines: MarkedTexts, rows: Places, fewest: int) -> Iterator[AlikeTexts[Known]]:
        """The same of lines with as many quotes."""
        forms = self.forms.setdefault(int(lines.counts[rows[0]]) if len(rows) else 0, [])
        tried = 0
        while len(rows) >= fewest and (tried < len(forms) or self.credit > 0):
            if tried == len(forms):
                self.credit -= 1
                learned = self.read(lines.line(int(rows[0])))
                if learned is None:
                    rows = rows[1:]
                    continue
                forms.append(learned)
            form, known = forms[tried]
            tried += 1
            found, begin, end = form.match(lines, rows)
            if len(found) >= fewest:
                self.credit += 1
                yield AlikeTexts(form, known, found, begin, end)
            rows = np.setdiff1d(rows, found, assume_unique=True)
