"""Lines of JSON with the places of their quotes, many at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.telemetry.events.text_slices import BYTES_AT_ONCE, Places, find_bytes
from harness.telemetry.simulation.identity import Bytes

QUOTE, BACKSLASH, LINE_END, RETURN = b'"\\\n\r'


@dataclass(slots=True)
class MarkedLines:
    """Whole lines with the places of their quotes; those that hold more than plain JSON text are not `sound`."""

    data: Bytes
    begins: Places
    ends: Places
    quotes: Places
    first_quotes: Places
    counts: Places
    sound: npt.NDArray[np.bool_]

    def list_marks(self, rows: Places, numbers: Places) -> Places:
        """Some marks of lines that have as many, a row a mark: the beginning, quotes from 1 on, the end."""
        marks = np.empty((len(numbers), len(rows)), np.int64)
        marks[0], marks[-1] = self.begins[rows], self.ends[rows]
        marks[1:-1] = self.quotes[self.first_quotes[rows] + (numbers[1:-1, None] - 1)]
        return marks

    def list_filled(self) -> Places:
        """The numbers of lines that are not blank."""
        filled = self.ends > self.begins
        for row in np.flatnonzero(filled & (self.counts == 0)).tolist():
            filled[row] = bool(self.line(row).strip())
        return np.flatnonzero(filled)

    def line(self, row: int) -> bytes:
        """The bytes of one line."""
        return self.data[self.begins[row] : self.ends[row]].tobytes()


def mark_lines(piece: bytes) -> MarkedLines:
    """The lines of a text that ends with a line."""
    data = np.frombuffer(piece, np.uint8)
    stops = find_bytes(data, LINE_END)
    begins = np.concatenate(([0], stops[:-1] + 1))
    ends = stops - (data[np.maximum(stops - 1, 0)] == RETURN) * (stops > begins)
    quotes = find_quotes(data)
    bounds = np.searchsorted(quotes, np.append(begins, len(data)))
    # A text that begins ends on its line.
    sound = np.diff(bounds) % 2 == 0
    for strange in find_strange(piece, data, len(stops)):
        sound[np.searchsorted(begins, strange, side="right") - 1] = False
    return MarkedLines(data, begins, ends, quotes, bounds[:-1], np.diff(bounds), sound)


def find_quotes(data: Bytes) -> Places:
    """The places of all quotes that begin or end a text."""
    quotes = find_bytes(data, QUOTE)
    escaped = np.flatnonzero(data[quotes - 1] == BACKSLASH)
    if not len(escaped):
        return quotes
    # An odd number of backslashes before a quote makes it a letter of the text.
    at = quotes[escaped]
    letters = data[at - 2] != BACKSLASH
    if not letters.all():
        slashes = find_bytes(data, BACKSLASH)
        run_begins = slashes[np.diff(slashes, prepend=-2) != 1]
        letters = (at - run_begins[np.searchsorted(run_begins, at, side="left") - 1]) & 1 == 1
    kept = np.ones(len(quotes), bool)
    kept[escaped[letters]] = False
    return quotes[kept]


def find_strange(piece: bytes, data: Bytes, lines: int) -> Iterator[Places]:
    """Places of bytes that JSON does not allow, or only as blanks, and of those that are no UTF-8."""
    blocks = (data[at : at + BYTES_AT_ONCE] for at in range(0, len(data), BYTES_AT_ONCE))
    # To look for one is far cheaper than to count them.
    returns = piece.count(b"\r") if b"\r" in piece else 0
    if sum(int(np.count_nonzero(block < 0x20)) for block in blocks) != lines + returns:
        yield np.flatnonzero((data < 0x20) & (data != LINE_END) & (data != RETURN))
    if returns and returns != piece.count(b"\r\n"):
        alone = find_bytes(data, RETURN)
        yield alone[data[alone + 1] != LINE_END]
    if not is_utf8(piece):
        yield np.flatnonzero(data >= 0x80)


def is_utf8(piece: bytes) -> bool:
    """Whether a text is UTF-8; Arrow finds out in a thirtieth of the time that decoding takes."""
    offsets = pa.py_buffer(np.array([0, len(piece)], np.int32))
    try:
        pa.Array.from_buffers(pa.binary(), 1, [None, offsets, pa.py_buffer(piece)]).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True
