"""Windows events as XML: wevtutil, Event Viewer, Splunk's forwarder; read and written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.event import Telemetry, parse_microseconds
from harness.telemetry.events.event_columns import FEWEST_ROWS, take_texts
from harness.telemetry.events.evtx_columns import split_by_kind
from harness.telemetry.events.input import LONGEST_RECORD, MEMBERS_OF_RECORD, EventTables, Stream
from harness.telemetry.events.iso_times import read_iso_times
from harness.telemetry.events.kind_table import PlacedRows, repeat_text
from harness.telemetry.events.line_forms import FormTable
from harness.telemetry.events.line_pieces import PIECE
from harness.telemetry.events.marked_lines import is_utf8
from harness.telemetry.events.raw_text import build_native_texts, write_lines
from harness.telemetry.events.text_slices import Places
from harness.telemetry.events.windows_event import (
    LINUX_CHANNEL,
    LINUX_METADATA,
    fields_of_event,
    is_windows,
    sensor_of,
)
from harness.telemetry.events.xml_forms import MarkedEvents, mark_events, read_event_form
from harness.telemetry.events.xml_values import count_breaks, read_xml_values
from harness.telemetry.formats import csv_table

# Not <EventData>, <EventID> or <Events>.
START = re.compile(rb"<Event(?=[\s>])")
END = b"</Event>"
# evtx_dump numbers its records; syslog has a header before each event, as Sysmon for Linux writes them.
SYSLOG_HEADER = (
    rb"(?:<\d{1,3}>)?(?:1 )?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) \S+ [^\s:\[]+(?:\[\d+\])?"
    rb"(?:: ?| \S+ \S+ (?:-|\[[^\n]*?\]) )"
)
BETWEEN = re.compile(
    rb"(?:\s+|<\?xml[^>]*\?>|</?Events[^>]*>|<!--.*?-->|\xef\xbb\xbf|Record \d+\r?\n|"
    + SYSLOG_HEADER
    + rb"(?=<Event|\Z))*",
    re.S,
)


def recognises(head: bytes) -> bool:
    """Whether content that begins so is XML, or text with events in XML among it."""
    if head[:1] in b"{[" or START.search(head) is None:
        return False
    # A table may hold events in its cells, and binary data pieces of them.
    return head.startswith(b"<") or (b"\0" not in head and not csv_table.recognises(head))


def read(stream: Stream, tables: EventTables) -> None:
    """Adds every event; what stands between events and is no markup around them is damage."""
    reader = ElementReader(stream, tables)
    waiting: list[bytes] = []
    size = 0
    for block in stream.text_blocks():
        waiting.append(block)
        size += len(block)
        if size >= PIECE:
            left = reader.take(b"".join(waiting))
            waiting, size = [left], len(left)
    reader.finish(b"".join(waiting))


class ElementReader:
    """Reads events that are alike by their columns, and all others one by one."""

    def __init__(self, stream: Stream, tables: EventTables) -> None:
        self.stream, self.tables = stream, tables
        self.finder = ElementFinder(stream)
        self.forms = FormTable(read_event_form)

    def take(self, text: bytes) -> bytes:
        """Adds the events that end in a text, and gives what is behind the last one."""
        end = text.rfind(END) + len(END)
        if end < len(END):
            # Without an end there is nothing to wait for but damage.
            self.add_one_by_one(text)
            return b""
        piece, left = text[:end], text[end:]
        events = mark_events(piece) if not self.finder.waits and is_utf8(piece) else None
        if events is None:
            self.add_one_by_one(piece)
        else:
            self.add_events(events, piece)
        return left

    def finish(self, text: bytes) -> None:
        """Adds the last events."""
        self.add_one_by_one(self.take(text))
        self.finder.finish()

    def add_one_by_one(self, text: bytes) -> None:
        """Adds the events of a text one by one."""
        for line, xml in self.finder.take(text):
            self.tables.begin_record()
            self.add_event(line, xml)

    def add_event(self, line: int, xml: bytes) -> None:
        """Adds one event."""
        place = f"{self.stream.name}: line {line}"
        try:
            text = xml.decode("utf-8")
        except UnicodeDecodeError as error:
            told = f"bytes that are no UTF-8 are replaced (the first is at {error.start} of this event)"
            self.tables.damage(place, told)
            text = xml.decode("utf-8", "replace")
        try:
            fields = fields_of_event(text)
        except ValueError as error:
            self.tables.damage(place, f"malformed XML: {error}")
            return
        time = parse_microseconds(fields.get("SystemTime"))
        if fields.get("Channel") == LINUX_CHANNEL:
            fields |= LINUX_METADATA
        self.tables.add(sensor_of(fields.get("Channel")), fields.get("EventID", ""), time, fields)

    def add_events(self, events: MarkedEvents, piece: bytes) -> None:
        """Adds events that follow one another."""
        count = len(events.begins)
        lines = self.finder.line + count_breaks(piece, events.begins)
        self.tell_gaps(events, piece)
        self.finder.line += piece.count(b"\n")
        places = self.tables.begin_rows(count) + np.arange(count)
        records = self.tables.begin_records(count) + np.arange(count)
        left = np.ones(count, bool)
        for alike in self.forms.split(events, FEWEST_ROWS):
            columns, wrong = read_xml_values(alike, events.data)
            left[alike.rows] = wrong
            for some in split_by_kind(columns, np.flatnonzero(~wrong)):
                rows = alike.rows[some]
                placed = PlacedRows(pa.array(places[rows]), pa.array(records[rows] * MEMBERS_OF_RECORD))
                self.add_alike({name: take_field(held, some, len(wrong)) for name, held in columns.items()}, placed)
        for row in np.flatnonzero(left).tolist():
            self.tables.put_at(int(places[row]))
            self.tables.put_record(int(records[row]))
            self.add_event(int(lines[row]), events.line(row))
        self.tables.put_at(None)

    def add_alike(self, columns: Mapping[str, pa.DictionaryArray], placed: PlacedRows) -> None:
        """Adds events of one channel and number."""
        first = {name: columns[name][0].as_py() for name in ("Channel", "EventID") if name in columns}
        count = len(placed.places)
        if first.get("Channel") == LINUX_CHANNEL:
            columns = {**columns, **{name: repeat_text(text, count) for name, text in LINUX_METADATA.items()}}
        written = columns.get("SystemTime")
        times = pa.nulls(count, pa.int64()) if written is None else read_times(written.dictionary).take(written.indices)
        self.tables.add_columns(sensor_of(first.get("Channel")), first.get("EventID", ""), times, placed, columns)

    def tell_gaps(self, events: MarkedEvents, piece: bytes) -> None:
        """Tells what stands between events and is no markup around them."""
        starts = np.concatenate(([0], events.ends[:-1]))
        sizes = events.begins - starts
        usual = (sizes == 0) | ((sizes == 1) & (events.data[starts] == ord("\n")))
        odd = np.flatnonzero(~usual)
        for gap, line in zip(odd.tolist(), self.finder.line + count_breaks(piece, starts[odd]), strict=True):
            tell_between(self.stream, piece[starts[gap] : events.begins[gap]], int(line))


def read_times(texts: pa.StringArray) -> pa.Array:
    """Microseconds of distinct texts of any look; null for what spells no time."""
    micros, read = read_iso_times(texts)
    if read.all():
        return pa.array(micros)
    others = [parse_microseconds(text) for text in texts.filter(pa.array(~read)).to_pylist()]
    return pc.replace_with_mask(pa.array(micros), pa.array(~read), pa.array(others, pa.int64()))


def take_field(held: pa.DictionaryArray | str, rows: Places, count: int) -> pa.DictionaryArray:
    """A field of some of so many events."""
    if isinstance(held, str):
        return repeat_text(held, len(rows))
    return held if len(rows) == count else take_texts(held, rows)


def list_records(stream: Stream) -> Iterator[bytes]:
    """The text of each event again."""
    return (xml for _, xml in find_event_elements(stream))


def event_texts(record: bytes) -> list[str]:
    """The event's text."""
    return [record.decode("utf-8", "replace")]


def find_event_elements(stream: Stream) -> Iterator[tuple[int, bytes]]:
    """Each event's text and the number of the line on which it starts; all else is told as damage."""
    finder = ElementFinder(stream)
    for block in stream.text_blocks():
        yield from finder.take(block)
    finder.finish()


class ElementFinder:
    """Finds events one by one, whatever stands between them."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.buffer, self.line, self.skipping = b"", 1, False

    @property
    def waits(self) -> bool:
        """Whether something has begun that has not ended."""
        return bool(self.buffer) or self.skipping

    def take(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """The events that end in a text which goes on where the one before it ended."""
        buffer, done = self.buffer + block, 0
        while (found := START.search(buffer, done)) is not None:
            if not self.skipping:
                tell_between(self.stream, buffer[done : found.start()], self.line)
            self.line += buffer.count(b"\n", done, found.start())
            done, self.skipping = found.start(), False
            again = START.search(buffer, done + 1)
            # Looked for before the next beginning only: an event without an end must not take the next one's.
            end = buffer.find(END, done, again.start() if again else len(buffer))
            if again and end < 0:
                place = f"{self.stream.name}: line {self.line}"
                self.stream.damage(place, "the event has no end before the next one starts")
                self.line += buffer.count(b"\n", done, again.start())
                done = again.start()
                continue
            if end < 0:
                break
            end += len(END)
            yield self.line, buffer[done:end]
            self.line += buffer.count(b"\n", done, end)
            done = end
        self.buffer = buffer[done:]
        if len(self.buffer) > LONGEST_RECORD or self.skipping:
            self.skip()

    def skip(self) -> None:
        """Drops what is too long to be an event."""
        if not self.skipping:
            message = f"no event ends within {LONGEST_RECORD >> 20} MiB; skipped to the next one"
            self.stream.damage(f"{self.stream.name}: line {self.line}", message)
        self.line += self.buffer[:-16].count(b"\n")
        # A beginning may be cut at the border of blocks; 16 bytes are more than START looks at.
        self.buffer, self.skipping = self.buffer[-16:], True

    def finish(self) -> None:
        """Tells what is left at the end."""
        tell_rest(self.stream, self.buffer, self.line, self.skipping)


def tell_rest(stream: Stream, buffer: bytes, line: int, skipping: bool) -> None:
    """Tells a torn event at the end, or text behind the last one, as damage."""
    if START.match(buffer):
        stream.damage(f"{stream.name}: line {line}", "the file ends within this event")
    elif not skipping:
        tell_between(stream, buffer, line)


def tell_between(stream: Stream, text: bytes, line: int) -> None:
    """Tells text between events that is neither blank nor the markup around them."""
    known = BETWEEN.match(text)
    rest = text[known.end() if known else 0 :]
    if rest.strip():
        at = line + text.count(b"\n", 0, len(text) - len(rest))
        shown = rest.lstrip()[:60].split(b"\n")[0].decode("utf-8", "replace").strip()
        stream.damage(f"{stream.name}: line {at}", f"this is no event in XML: `{shown}`")


SUFFIX = ".xml"


def write(telemetry: Telemetry, out: IO[bytes]) -> int:
    """Writes the Windows events; others have no such form."""
    return write_lines([(events, build_native_texts(events)) for events in telemetry.events if is_windows(events)], out)
