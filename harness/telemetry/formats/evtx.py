"""Windows event logs (`.evtx`): read chunk by chunk, so that one bad chunk costs only itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from harness.late_pattern import late_pattern
from harness.telemetry.events.binary_records import CHUNK, find_records
from harness.telemetry.events.event import parse_microseconds
from harness.telemetry.events.event_columns import FEWEST_ROWS
from harness.telemetry.events.event_xml import holds_more_than_data, render_event_xml
from harness.telemetry.events.evtx_columns import CHUNK_MAGIC, RecordColumns, RecordReader, has_bad_checksum, is_sound
from harness.telemetry.events.evtx_records import decode_event, list_chunk_records
from harness.telemetry.events.input import EventTables, Stream
from harness.telemetry.events.record_rows import RecordRow
from harness.telemetry.events.text_slices import Places
from harness.telemetry.events.windows_event import from_rendered, sensor_of

MAGIC = b"ElfFile\0"
# The format's own size (libyal/libevtx).
HEADER = 4096

# 32 MiB, some 30,000 records: what is done once for all that are alike costs little beside them.
CHUNKS_AT_ONCE = 512

RECORD_NUMBER = late_pattern(r"record number (\d+)")


def recognises(head: bytes) -> bool:
    """Whether a file that begins so is an event log."""
    return head.startswith(MAGIC)


def read(stream: Stream, tables: EventTables) -> None:
    """Adds every readable record; damages are told by chunk or record number."""
    pieces = split_chunks(stream.blocks())
    header = next(pieces, b"")
    if len(header) < HEADER:
        tables.damage(stream.name, "the file ends within its header")
        return
    # Chunks are counted at byte 42 (libyal/libevtx).
    expected = int.from_bytes(header[42:44], "little")
    held, number = 0, 0
    waiting = WaitingChunks(stream, tables, header)
    for number, chunk in enumerate(pieces, 1):
        if chunk.startswith(CHUNK_MAGIC) or chunk.strip(b"\0"):
            held += 1
            waiting.take(chunk, number)
    waiting.flush()
    if number < expected:
        tables.damage(stream.name, f"the file ends after chunk {number}; its header counts {expected}")
    elif not expected and not held:
        tables.damage(stream.name, "the log holds no records")


@dataclass(slots=True)
class WaitingChunks:
    """Chunks that wait for more of them, so that records that are alike are read together."""

    stream: Stream
    tables: EventTables
    header: bytes
    reader: RecordReader = field(init=False)
    chunks: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    found: list[Places] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reader = RecordReader(self.header)

    def take(self, chunk: bytes, number: int) -> None:
        """Takes a chunk; one that is not sound is read at once, record by record."""
        found = find_records(chunk) if is_sound(chunk) else None
        if found is None:
            self.flush()
            for record in read_chunk(self.header, chunk, f"{self.stream.name}: chunk {number}", self.stream):
                add_evtx_record(record, self.stream.name, self.tables)
            return
        self.chunks.append(chunk)
        self.numbers.append(number)
        self.found.append(found)
        if len(self.chunks) >= CHUNKS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Adds the records of all chunks that wait."""
        chunks, numbers, found = self.chunks, self.numbers, self.found
        self.chunks, self.numbers, self.found = [], [], []
        if not chunks:
            return
        counts = [len(places) - 1 for places in found]
        chunk_of = np.repeat(np.arange(len(chunks)), counts)
        parts = list(self.reader.read(chunks, found)) if len(chunk_of) >= FEWEST_ROWS else []
        left = np.ones(len(chunk_of), bool)
        for part in parts:
            left[part.rows] = False
        # What is in no part is read by the package, which may find other records in a chunk that was made to mislead.
        others = {n: self.read_again(chunks[n], numbers[n]) for n in np.unique(chunk_of[left]).tolist()}
        if any(len(records) != counts[n] for n, records in others.items()):
            for n, chunk in enumerate(chunks):
                for record in others[n] if n in others else self.read_again(chunk, numbers[n]):
                    add_evtx_record(record, self.stream.name, self.tables)
            return
        first = np.cumsum([0, *counts])
        single = {row: others[n][row - first[n]] for row, n in enumerate(chunk_of.tolist()) if left[row]}
        self.add(parts, single, len(chunk_of))

    def read_again(self, chunk: bytes, number: int) -> list[Any]:
        """The records of a chunk as the package reads them."""
        return list(read_chunk(self.header, chunk, f"{self.stream.name}: chunk {number}", self.stream))

    def add(self, parts: Sequence[RecordColumns | RecordRow], single: Mapping[int, Any], rows: int) -> None:
        """Hands over parts and single records, each at the place of its own."""
        places = self.tables.begin_rows(rows) + np.arange(rows)
        records = self.tables.begin_records(rows) + np.arange(rows)
        for part in parts:
            part.add(self.tables, places, records)
        for row, record in single.items():
            self.tables.put_at(int(places[row]))
            add_evtx_record(record, self.stream.name, self.tables, int(records[row]))
        self.tables.put_at(None)


def list_records(stream: Stream) -> Iterator[Any]:
    """Each readable record again."""
    pieces = split_chunks(stream.blocks())
    header = next(pieces, b"")
    for number, chunk in enumerate(pieces, 1):
        if chunk.strip(b"\0"):
            yield from read_chunk(header, chunk, f"{stream.name}: chunk {number}", stream)


def event_texts(record: Any) -> list[str]:
    """A record as the event log itself renders it."""
    event = decode_event(record)
    _, written = find_record_time(record, event["System"]["TimeCreated"]["#attributes"].get("SystemTime"))
    event["System"]["TimeCreated"]["#attributes"]["SystemTime"] = written
    return [render_event_xml(event)]


def split_chunks(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The header, then each chunk; the last one may be short."""
    buffer, size = b"", HEADER
    for block in blocks:
        buffer += block
        at = 0
        while len(buffer) - at >= size:
            yield buffer[at : at + size]
            at, size = at + size, CHUNK
        buffer = buffer[at:]
    if buffer:
        yield buffer


def read_chunk(header: bytes, chunk: bytes, place: str, stream: Stream) -> Iterator[Any]:
    """The records of one chunk; a short chunk is padded, a bad checksum is a damage."""
    if len(chunk) < CHUNK:
        stream.damage(place, f"the file ends after {len(chunk)} of its {CHUNK} bytes")
        chunk = chunk.ljust(CHUNK, b"\0")
    elif chunk.startswith(CHUNK_MAGIC) and has_bad_checksum(chunk):
        stream.damage(place, "its checksum is not that of its data: values may be altered")
    for record in list_chunk_records(header, chunk):
        if isinstance(record, Exception):
            failed = RECORD_NUMBER.search(str(record))
            told = f"{stream.name}: record {failed[1]}" if failed else place
            stream.damage(told, describe_parser_fault(record))
        else:
            yield record


def add_evtx_record(record: Any, name: str, tables: EventTables, number: int | None = None) -> None:
    """Adds one record of the parser, which is the next one or has a number that was kept for it."""
    place = f"{name}: record {record['event_record_id']}"
    if number is None:
        number = tables.begin_records(1)
    try:
        event = decode_event(record)
        fields = from_rendered(event)
        # Of the others the fields say all that the log holds.
        keep = holds_more_than_data(event)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        tables.damage(place, f"{type(error).__name__}: {error}")
        return
    tables.put_record(number if keep else None)
    time, fields["SystemTime"] = find_record_time(record, fields.get("SystemTime"))
    tables.add(sensor_of(fields.get("Channel")), fields.get("EventID", ""), time, fields)


def find_record_time(record: Any, own: str | None) -> tuple[int | None, str]:
    """When a record was written, and how Windows prints that; `own` is its SystemTime as the parser cuts it."""
    written = record["timestamp"].removesuffix(" UTC")
    time = parse_microseconds(own)
    # The event's own SystemTime counts where a forwarded record has another time in its header.
    if own is None or time is None or time == parse_microseconds(written):
        return parse_microseconds(written), nine_digits(written)
    return time, nine_digits(own)


def nine_digits(time: str) -> str:
    """A time as Windows prints it; the parser cuts SystemTime to microseconds, the record's header has all of it."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction.ljust(9, '0')}Z"


def describe_parser_fault(error: Exception) -> str:
    """The innermost cause of the parser's error."""
    return str(error).rpartition(": An error occurred")[0] or str(error)
