"""Windows events as XML: wevtutil, Event Viewer, Splunk's forwarder; read and written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO

from harness.telemetry.events.event import Telemetry, parse_microseconds
from harness.telemetry.events.input import LONGEST_RECORD, EventTables, Stream
from harness.telemetry.events.raw_text import build_native_texts, write_lines
from harness.telemetry.events.windows_event import (
    LINUX_CHANNEL,
    LINUX_METADATA,
    fields_of_event,
    is_windows,
    sensor_of,
)
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
    for line, xml in find_event_elements(stream):
        place = f"{stream.name}: line {line}"
        tables.begin_record()
        try:
            text = xml.decode("utf-8")
        except UnicodeDecodeError as error:
            tables.damage(place, f"bytes that are no UTF-8 are replaced (the first is at {error.start} of this event)")
            text = xml.decode("utf-8", "replace")
        try:
            fields = fields_of_event(text)
        except ValueError as error:
            tables.damage(place, f"malformed XML: {error}")
            continue
        time = parse_microseconds(fields.get("SystemTime"))
        if fields.get("Channel") == LINUX_CHANNEL:
            fields |= LINUX_METADATA
        tables.add(sensor_of(fields.get("Channel")), fields.get("EventID", ""), time, fields)


def list_records(stream: Stream) -> Iterator[bytes]:
    """The text of each event again."""
    return (xml for _, xml in find_event_elements(stream))


def event_texts(record: bytes) -> list[str]:
    """The event's text."""
    return [record.decode("utf-8", "replace")]


def find_event_elements(stream: Stream) -> Iterator[tuple[int, bytes]]:
    """Each event's text and the number of the line on which it starts; all else is told as damage."""
    buffer, line, skipping = b"", 1, False
    for block in stream.text_blocks():
        buffer += block
        done = 0
        while (found := START.search(buffer, done)) is not None:
            if not skipping:
                tell_between(stream, buffer[done : found.start()], line)
            line += buffer.count(b"\n", done, found.start())
            done, skipping = found.start(), False
            again = START.search(buffer, done + 1)
            # Looked for before the next beginning only: an event without an end must not take the next one's.
            end = buffer.find(END, done, again.start() if again else len(buffer))
            if again and end < 0:
                stream.damage(f"{stream.name}: line {line}", "the event has no end before the next one starts")
                line += buffer.count(b"\n", done, again.start())
                done = again.start()
                continue
            if end < 0:
                break
            end += len(END)
            yield line, buffer[done:end]
            line += buffer.count(b"\n", done, end)
            done = end
        buffer = buffer[done:]
        if len(buffer) > LONGEST_RECORD or skipping:
            message = f"no event ends within {LONGEST_RECORD >> 20} MiB; skipped to the next one"
            if not skipping:
                stream.damage(f"{stream.name}: line {line}", message)
            line += buffer[:-16].count(b"\n")
            # A beginning may be cut at the border of blocks; 16 bytes are more than START looks at.
            buffer, skipping = buffer[-16:], True
    tell_rest(stream, buffer, line, skipping)


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
