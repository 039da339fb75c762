"""JSON, an object a line: any shipper's read, flat ones written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

import msgspec
import numpy as np
import pyarrow as pa

from harness.telemetry.events.event import Telemetry
from harness.telemetry.events.event_columns import FEWEST_ROWS, take_texts
from harness.telemetry.events.input import LONGEST_RECORD, MEMBERS_OF_RECORD, EventTables, Stream
from harness.telemetry.events.json_event_texts import list_event_texts
from harness.telemetry.events.json_events import JsonEvents
from harness.telemetry.events.json_forms import read_line_form
from harness.telemetry.events.json_line_values import read_values
from harness.telemetry.events.kind_table import PlacedRows
from harness.telemetry.events.line_forms import AlikeTexts, FormTable
from harness.telemetry.events.line_pieces import LinePiece, list_line_pieces
from harness.telemetry.events.marked_lines import MarkedLines, mark_lines
from harness.telemetry.events.raw_text import json_texts, stamp_fields, write_lines
from harness.telemetry.events.text_slices import Places

# A fraction stays the text that was written: 1.10 is not 1.1 in a log.
DECODE = msgspec.json.Decoder(float_hook=str)

FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)

# Possessive: a string without an end must not be tried again from each of its characters.
OBJECT_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*+(")?|[{}]|\n', re.S)
BETWEEN = b" \t\r\n,[]"
# evtx_dump numbers the objects that it prints.
RECORD_LINE = re.compile(rb"Record \d+\r?\n")


def recognises(head: bytes) -> bool:
    """Whether content that begins so is JSON."""
    found = RECORD_LINE.match(head)
    head = head[found.end() :] if found else head
    return head.startswith((b"{", b"[{", b"[ ", b"[\n", b"[\r", b"[]")) or head == b"["


def read(stream: Stream, tables: EventTables) -> None:
    """Adds every readable object; a damage names its line."""
    with JsonEvents(stream.name, tables) as events:
        if one_a_line(stream):
            lines = LineReader(stream, tables, events)
            for piece in list_line_pieces(stream):
                lines.read(piece)
            return
        for line, text in find_objects(stream):
            tables.begin_record()
            add_text(line, text, stream, tables, events)


def add_text(line: int, text: bytes, stream: Stream, tables: EventTables, events: JsonEvents) -> None:
    """Adds the events in the text of an object."""
    place = f"{stream.name}: line {line}"
    try:
        value = DECODE.decode(text)
    except FAILURES as error:
        tables.damage(place, f"no JSON: {describe_json_fault(error)}")
        value = repair_utf8(text, error)
    try:
        if value is not None:
            events.add(value)
    except (ValueError, RecursionError) as error:
        tables.damage(place, str(error))


class LineReader:
    """Reads lines that are alike by their columns, and all others one by one."""

    def __init__(self, stream: Stream, tables: EventTables, events: JsonEvents) -> None:
        self.stream, self.tables, self.events = stream, tables, events
        self.forms = FormTable(read_line_form)

    def read(self, piece: LinePiece) -> None:
        """Adds the events of whole lines."""
        lines = mark_lines(piece.text)
        filled = lines.list_filled()
        # By number of a line, though blank ones have none.
        places = np.zeros(len(lines.begins), np.int64)
        records = np.zeros(len(lines.begins), np.int64)
        places[filled] = self.tables.begin_rows(len(filled)) + np.arange(len(filled))
        records[filled] = self.tables.begin_records(len(filled)) + np.arange(len(filled))
        left = np.zeros(len(lines.begins), bool)
        left[filled] = True
        for alike in self.forms.split(lines, FEWEST_ROWS):
            if self.events.is_read_by_columns(alike.known):
                left[alike.rows] = False
                left[self.add(alike, lines, places, records)] = True
        for row in np.flatnonzero(left).tolist():
            self.tables.put_at(int(places[row]))
            self.tables.put_record(int(records[row]))
            add_text(piece.first + row, lines.line(row).strip(), self.stream, self.tables, self.events)
        self.tables.put_at(None)

    def add(self, alike: AlikeTexts[dict[str, Any]], lines: MarkedLines, places: Places, records: Places) -> Places:
        """Adds lines of a form; gives those that are to be read one by one."""
        columns, wrong = read_values(alike, lines.data)
        rows = alike.rows
        kept = np.flatnonzero(~wrong)
        if len(kept) < FEWEST_ROWS:
            return rows
        if len(kept) < len(rows):
            columns = {name: take_texts(column, kept) for name, column in columns.items()}
        placed = PlacedRows(pa.array(places[rows[kept]]), pa.array(records[rows[kept]] * MEMBERS_OF_RECORD))
        nested = any(isinstance(value, dict) for value in alike.known.values())
        others = [*self.events.rows.add_groups(columns, placed, nested=nested, opened=True)]
        return np.concatenate((rows[wrong], rows[kept[others]]))


def find_texts(stream: Stream) -> Iterator[tuple[int, bytes]]:
    """Each line, or each object that fills many, and the line on which it starts."""
    return stream.lines() if one_a_line(stream) else find_objects(stream)


def list_records(stream: Stream) -> Iterator[bytes]:
    """The text of each object again."""
    return (text for _, text in find_texts(stream))


def event_texts(record: bytes) -> Iterator[str]:
    """The text of each event in an object."""
    text = record.decode("utf-8", "replace")
    try:
        value = DECODE.decode(record)
    except FAILURES as error:
        value = repair_utf8(record, error)
    try:
        yield from list_event_texts(value, text)
    except (ValueError, RecursionError):
        # Told as damage when the events were read: what is behind it in the record was not added.
        return


def one_a_line(stream: Stream) -> bool:
    """Whether the first lines are objects of their own: most decode, as they would not if one object filled many."""
    lines = [line for line in stream.text_head.split(b"\n")[:20] if line.strip()]
    # Of numbered objects those that fill a line are found by their braces too, so that no number is told as damage.
    first = lines if not RECORD_LINE.match(lines[0] + b"\n") else [b"["]
    # The last of the lines may be cut by the head's length, so it need not decode.
    return not first[0].startswith(b"[") and sum(is_whole_object(line) for line in first) * 2 > len(first) - 1


def is_whole_object(line: bytes) -> bool:
    """Whether a line is one JSON object."""
    try:
        return isinstance(DECODE.decode(line), dict)
    except FAILURES:
        return False


def repair_utf8(text: bytes, error: Exception) -> Any:
    """The object with bytes that are no UTF-8 replaced, if only they stood in the way."""
    if not isinstance(error, UnicodeDecodeError):
        return None
    try:
        return DECODE.decode(text.decode("utf-8", "replace"))
    except FAILURES:
        return None


def describe_json_fault(error: Exception) -> str:
    """A JSON error in few words, lower case."""
    if isinstance(error, RecursionError):
        return "objects lie too deep in one another"
    if isinstance(error, UnicodeDecodeError):
        return "bytes that are no UTF-8 are replaced"
    return str(error).removeprefix("JSON is malformed: ").lower()


def find_objects(stream: Stream) -> Iterator[tuple[int, bytes]]:
    """Each object that is in no other, whatever stands around it, and the line on which it starts."""
    splitter = Splitter(stream)
    for block in stream.text_blocks():
        yield from splitter.take(block)
    yield from splitter.take(b"", last=True)
    splitter.done()


class Splitter:
    """Finds where objects start and end by their braces; starts anew where a line begins as the broken object did."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.buffer, self.at, self.line, self.depth = b"", 0, 1, 0
        self.start, self.started_on, self.told = -1, 1, 0
        self.waiting: list[bytes] = []
        self.awaited = 0

    def take(self, block: bytes, *, last: bool = False) -> Iterator[tuple[int, bytes]]:
        """The objects that end in this block or in blocks before it that wait; with `last` none waits."""
        self.waiting.append(block)
        self.awaited += len(block)
        # A string without an end is read again from its beginning, and what is kept is copied: with each block that
        # would cost the square of an object's length.
        held = len(self.buffer)
        if not last and 2 * self.awaited < held and held + self.awaited <= LONGEST_RECORD:
            return
        self.buffer = b"".join((self.buffer, *self.waiting))
        self.waiting, self.awaited = [], 0
        for mark in OBJECT_TOKEN.finditer(self.buffer, self.at):
            token = mark[0]
            if token == b"\n":
                self.line += 1
            elif token == b"{":
                self.open(mark.start())
            elif token == b"}":
                self.depth = max(0, self.depth - 1)
                if self.depth == 0 and self.start >= 0:
                    yield self.started_on, self.buffer[self.start : mark.end()]
                    self.start, self.told = -1, mark.end()
            # A string that goes on in the next block: what is behind it waits.
            elif mark[1] is None and mark.end() >= len(self.buffer) - 1:
                break
            self.at = mark.end()
        self.forget()

    def open(self, at: int) -> None:
        """Notes an opening brace: of a new object, or of one within it."""
        # A printed object whose end is lost would swallow all after it; the next
        # that begins at its indentation starts anew.
        if self.start >= 0 and self.indent(at) is not None and self.indent(at) == self.indent(self.start):
            self.stream.damage(self.place(self.started_on), "the object has no end before the next one starts")
            self.depth, self.told = 0, at
        if self.depth == 0:
            between = self.buffer[self.told : at].strip(BETWEEN)
            if between and not RECORD_LINE.fullmatch(between + b"\n"):
                self.stream.damage(self.place(self.line), f"no JSON object: `{shorten_bytes(between)}`")
            self.start, self.started_on = at, self.line
        self.depth += 1

    def indent(self, at: int) -> bytes | None:
        """The indentation of a brace; None where more than blanks stand before it on its line."""
        before = self.buffer[self.buffer.rfind(b"\n", 0, at) + 1 : at]
        return None if before.strip() else before

    def forget(self) -> None:
        """Drops what has been read; keeps the object that has not ended."""
        keep = self.start if self.start >= 0 else self.at
        # From the line's beginning, so that the indentation of a brace can be seen, but no more than 200 bytes.
        keep = max(self.buffer.rfind(b"\n", 0, keep) + 1, keep - 200)
        self.buffer, self.at, self.told = self.buffer[keep:], self.at - keep, max(0, self.told - keep)
        self.start = self.start - keep if self.start >= 0 else -1
        if len(self.buffer) > LONGEST_RECORD:
            message = f"no object ends within {LONGEST_RECORD >> 20} MiB; not read"
            self.stream.damage(self.place(self.started_on), message)
            self.buffer, self.at, self.start, self.depth, self.told = b"", 0, -1, 0, 0

    def done(self) -> None:
        """Tells of an object that the file ends in, and of what stands after the last one."""
        if self.start >= 0:
            self.stream.damage(self.place(self.started_on), "the file ends within this object")
        elif rest := self.buffer[self.told :].strip(BETWEEN):
            self.stream.damage(self.place(self.line), f"no JSON object: `{shorten_bytes(rest)}`")

    def place(self, line: int) -> str:
        """A line of the stream as a place."""
        return f"{self.stream.name}: line {line}"


def shorten_bytes(text: bytes) -> str:
    """The first line of a text, at most 60 bytes, for a message."""
    return text[:60].split(b"\n")[0].decode("utf-8", "replace").strip()


SUFFIX = ".ndjson"


def write(telemetry: Telemetry, out: IO[bytes]) -> int:
    """Writes every event; one whose fields do not tell its sensor names it."""
    return write_lines([(events, json_texts(stamp_fields(events), len(events))) for events in telemetry.events], out)
