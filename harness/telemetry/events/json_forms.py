"""Lines of JSON that differ in their values alone: the text between values, by which they are found, and the values.

Most lines of a log have the same keys in the same order as many others. The text around their values is the same to
the byte, so values are taken out of many lines at once, and none of them becomes an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.json_values import DEEPEST_OBJECT, flat
from harness.telemetry.events.text_slices import Bytes, Places, slice_texts, text_bytes

# A fraction stays the text that was written: 1.10 is not 1.1 in a log.
DECODE_JSON = msgspec.json.Decoder(float_hook=str)
DECODE_TEXTS = msgspec.json.Decoder(list[str])

TOKEN = re.compile(rb'(?P<text>"(?:[^"\\]|\\.)*+")|(?P<mark>[{}\[\]:,])|(?P<plain>[^\s"{}\[\]:,]+)|\s+', re.S)
QUOTE, BACKSLASH, LINE_END, RETURN = b'"\\\n\r'
# Numbers that print as they are written; -0 and what a machine's word does not hold are printed otherwise.
PLAIN_NUMBER = r"^(?:0|-?[1-9]\d{0,17}|-?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+))$"
# The widest of 138 forms in 10,015 events has 61 values; a bound for input made to grow.
MOST_VALUES = 2_000
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


@dataclass(frozen=True, slots=True)
class LineForm:
    """Lines with the same keys: their values, the text before each and behind the last, one of them as an object."""

    values: tuple[LineValue, ...]
    between: tuple[bytes, ...]
    sample: dict[str, Any]

    def match(self, lines: MarkedLines, rows: Places) -> tuple[Places, Places, Places]:
        """Which of some lines with as many quotes are of this form, and where their values begin and end.

        Places are a row a value.
        """
        marks = lines.list_marks(rows)
        starts = np.stack([marks[each.start] + each.start_offset for each in self.values])
        ends = np.stack([marks[each.end] + each.end_offset for each in self.values])
        sizes = np.array([*map(len, self.between)])[:, None]
        befores = np.concatenate((marks[:1], ends))
        behinds = np.concatenate((starts, marks[-1:]))
        fits = (behinds - befores == sizes).all(axis=0) & (ends >= starts).all(axis=0)
        chosen = np.flatnonzero(fits)
        for before, text in zip(befores, self.between, strict=True):
            chosen = chosen[lines.have_text(before[chosen], text)]
            if not len(chosen):
                break
        return rows[chosen], starts[:, chosen], ends[:, chosen]


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

    def list_marks(self, rows: Places) -> Places:
        """The beginning, the quotes and the end of lines that have as many of them; a row a mark."""
        count = int(self.counts[rows[0]])
        quotes = self.quotes[self.first_quotes[rows] + np.arange(count)[:, None]]
        return np.concatenate((self.begins[rows][None], quotes, self.ends[rows][None]))

    def have_text(self, at: Places, text: bytes) -> npt.NDArray[np.bool_]:
        """At which places a text stands."""
        kind = np.dtype(f"S{len(text)}")
        windows = np.ndarray((len(self.data) - len(text) + 1,), kind, self.data, 0, (1,))
        found: npt.NDArray[np.bool_] = windows[at] == text
        return found

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
    """The lines of a text that ends with a line, blank ones left out."""
    data = np.frombuffer(piece, np.uint8)
    stops = np.flatnonzero(data == LINE_END)
    begins = np.concatenate(([0], stops[:-1] + 1))
    ends = stops - (data[np.maximum(stops - 1, 0)] == RETURN) * (stops > begins)
    quotes = find_quotes(data)
    strange = find_strange(piece, data)
    bounds = np.searchsorted(quotes, np.append(begins, len(data)))
    sound = np.ones(len(begins), bool)
    sound[np.searchsorted(begins, strange, side="right") - 1] = False
    return MarkedLines(data, begins, ends, quotes, bounds[:-1], np.diff(bounds), sound)


def find_quotes(data: Bytes) -> Places:
    """The places of all quotes that begin or end a text."""
    quotes = np.flatnonzero(data == QUOTE)
    escaped = quotes[data[np.maximum(quotes - 1, 0)] == BACKSLASH]
    if not len(escaped):
        return quotes
    # An odd number of backslashes before a quote makes it a letter of the text.
    slashes = np.flatnonzero(data == BACKSLASH)
    run_begins = slashes[np.diff(slashes, prepend=-2) != 1]
    begin = run_begins[np.searchsorted(run_begins, escaped, side="left") - 1]
    return np.setdiff1d(quotes, escaped[(escaped - begin) & 1 == 1], assume_unique=True)


def find_strange(piece: bytes, data: Bytes) -> Places:
    """Places of bytes that JSON does not allow, or only as blanks, and of those that are no UTF-8."""
    strange = np.flatnonzero((data < 0x20) & (data != LINE_END) & (data != RETURN))
    returns = np.flatnonzero(data == RETURN)
    alone = returns[data[np.minimum(returns + 1, len(data) - 1)] != LINE_END]
    found = [strange, alone]
    try:
        piece.decode()
    except UnicodeDecodeError:
        found.append(np.flatnonzero(data >= 0x80))
    return np.concatenate(found)


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
        if not isinstance(sample, dict) or len(self.tokens) > 6 * MOST_VALUES:
            return None
        try:
            self.read_value("", 0)
        except (IndexError, ValueError):
            return None
        names = [value.name for value in self.values]
        if not names or len(set(names)) < len(names):
            return None
        return LineForm(tuple(self.values), (*self.between, self.line[self.done :]), sample)

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


def read_values(
    form: LineForm, data: Bytes, begin: Places, end: Places
) -> tuple[dict[str, pa.DictionaryArray], npt.NDArray[np.bool_]]:
    """The values of lines of a form by name, and which lines have one that cannot be read."""
    columns: dict[str, pa.DictionaryArray] = {}
    wrong = np.zeros(begin.shape[1], bool)
    for value, starts, ends in zip(form.values, begin, end, strict=True):
        read = read_text_values if value.text else read_plain_values
        columns[value.name], odd = read(data, starts, ends)
        if len(odd):
            wrong |= odd
    return columns, wrong


def read_text_values(data: Bytes, begin: Places, end: Places) -> tuple[pa.DictionaryArray, npt.NDArray[np.bool_]]:
    """Texts between quotes, and which of them cannot be read."""
    encoded = slice_texts(data, begin, end).dictionary_encode()
    values = encoded.dictionary
    if BACKSLASH not in text_bytes(values):
        return encoded, np.zeros(0, bool)
    escaped = pc.match_substring(values, "\\")
    written = values.filter(escaped).to_pylist()
    try:
        read: list[str | None] = [*DECODE_TEXTS.decode('["' + '","'.join(written) + '"]')]
    except msgspec.DecodeError:
        read = [decode_text(text) for text in written]
    # Two spellings of one text are one value.
    return replace_values(encoded, pc.replace_with_mask(values, escaped, pa.array(read, pa.string())))


def decode_text(written: str) -> str | None:
    """The text behind its spelling; None where that is wrong."""
    try:
        return DECODE_TEXTS.decode(f'["{written}"]')[0]
    except msgspec.DecodeError:
        return None


def replace_values(encoded: pa.DictionaryArray, values: pa.Array) -> tuple[pa.DictionaryArray, npt.NDArray[np.bool_]]:
    """A column with other distinct values, of which some may be equal; and the rows of those that are null."""
    again = values.dictionary_encode()
    codes = again.indices.take(encoded.indices)
    wrong = np.asarray(codes.is_null()) if codes.null_count else np.zeros(0, bool)
    return pa.DictionaryArray.from_arrays(codes, again.dictionary), wrong


def read_plain_values(data: Bytes, begin: Places, end: Places) -> tuple[pa.DictionaryArray, npt.NDArray[np.bool_]]:
    """Numbers and words as text, null for JSON's null; and which of them are none."""
    encoded = slice_texts(data, begin, end).dictionary_encode()
    values = encoded.dictionary
    plain = pc.match_substring_regex(values, PLAIN_NUMBER)
    if pc.all(plain).as_py():
        return encoded, np.zeros(0, bool)
    odd = pc.invert(plain)
    printed = [print_plain_value(text) for text in values.filter(odd).to_pylist()]
    wrong_values = np.zeros(len(values), bool)
    wrong_values[np.flatnonzero(np.asarray(odd))[[p is None for p in printed]]] = True
    texts = pa.array([p[0] if p else None for p in printed], pa.string())
    column, _ = replace_values(encoded, pc.replace_with_mask(values, odd, texts))
    return column, wrong_values[encoded.indices.to_numpy()]


def print_plain_value(written: str) -> tuple[str | None] | None:
    """A number or a word as text, with None for null; nothing for what is neither."""
    try:
        value = DECODE_JSON.decode(written)
    except msgspec.DecodeError:
        return None
    if isinstance(value, str | dict | list):
        return None
    return (next((text for _, text in flat("", value, None, 0)), None),)
