"""Windows event logs (`.evtx`): read chunk by chunk, so that one bad chunk costs only itself."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
from evtx import PyEvtxParser

from harness.telemetry.events.event import parse_microseconds
from harness.telemetry.events.event_xml import holds_more_than_data, render_event_xml
from harness.telemetry.events.input import EventTables, Stream
from harness.telemetry.events.windows_event import from_rendered, sensor_of

MAGIC = b"ElfFile\0"
# The format's own sizes (libyal/libevtx).
HEADER, CHUNK, CHUNK_HEADER = 4096, 65536, 512
CHUNK_MAGIC = b"ElfChnk\0"
# NO_CRC32 in the evtx package's words: the chunk's checksums mean nothing.
NO_CHECKSUM = 0x4

RECORD_NUMBER = re.compile(r"record number (\d+)")

# Numbers with a fraction stay as they are written: events are text.
DECODE = msgspec.json.Decoder(float_hook=str)


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
    for number, chunk in enumerate(pieces, 1):
        if chunk.strip(b"\0"):
            held += 1
            for record in read_chunk(header, chunk, f"{stream.name}: chunk {number}", stream):
                add_evtx_record(record, stream.name, tables)
    if number < expected:
        tables.damage(stream.name, f"the file ends after chunk {number}; its header counts {expected}")
    elif not expected and not held:
        tables.damage(stream.name, "the log holds no records")


def list_records(stream: Stream) -> Iterator[Any]:
    """Each readable record again."""
    pieces = split_chunks(stream.blocks())
    header = next(pieces, b"")
    for number, chunk in enumerate(pieces, 1):
        if chunk.strip(b"\0"):
            yield from read_chunk(header, chunk, f"{stream.name}: chunk {number}", stream)


def event_texts(record: Any) -> list[str]:
    """A record as the event log itself renders it."""
    event = DECODE.decode(record["data"])["Event"]
    _, written = find_record_time(record, event["System"]["TimeCreated"]["#attributes"].get("SystemTime"))
    event["System"]["TimeCreated"]["#attributes"]["SystemTime"] = written
    return [render_event_xml(event)]


def split_chunks(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The header, then each chunk; the last one may be short."""
    buffer, size = b"", HEADER
    for block in blocks:
        buffer += block
        while len(buffer) >= size:
            yield buffer[:size]
            buffer, size = buffer[size:], CHUNK
    if buffer:
        yield buffer


def read_chunk(header: bytes, chunk: bytes, place: str, stream: Stream) -> Iterator[Any]:
    """The records of one chunk; a short chunk is padded, a bad checksum is a damage."""
    if len(chunk) < CHUNK:
        stream.damage(place, f"the file ends after {len(chunk)} of its {CHUNK} bytes")
        chunk = chunk.ljust(CHUNK, b"\0")
    elif chunk.startswith(CHUNK_MAGIC) and has_bad_checksum(chunk):
        stream.damage(place, "its checksum is not that of its data: values may be altered")
    # One chunk as a log of its own: evtx 0.14 gives up a whole file at the first bad chunk header.
    one_chunk = header[:42] + (1).to_bytes(2, "little") + header[44:] + chunk
    try:
        # One thread: two gained nothing (engine.md 6), and records stay in order.
        found = iter(PyEvtxParser(io.BytesIO(one_chunk), number_of_threads=1).records_json())
    except (RuntimeError, OSError) as error:
        stream.damage(place, describe_parser_fault(error))
        return
    while True:
        try:
            record = next(found)
        except StopIteration:
            return
        except (RuntimeError, OSError) as error:
            failed = RECORD_NUMBER.search(str(error))
            stream.damage(f"{stream.name}: record {failed[1]}" if failed else place, describe_parser_fault(error))
        else:
            yield record


def has_bad_checksum(chunk: bytes) -> bool:
    """Whether a chunk's records are not those of which the log took the checksum."""
    free, checksum = int.from_bytes(chunk[48:52], "little"), int.from_bytes(chunk[52:56], "little")
    if int.from_bytes(chunk[120:124], "little") & NO_CHECKSUM or not CHUNK_HEADER <= free <= CHUNK:
        return False
    return zlib.crc32(chunk[CHUNK_HEADER:free]) != checksum


def add_evtx_record(record: Any, name: str, tables: EventTables) -> None:
    """Adds one record of the parser: a dict of its number, timestamp and JSON text."""
    place = f"{name}: record {record['event_record_id']}"
    try:
        event = DECODE.decode(record["data"])["Event"]
        fields = from_rendered(event)
        # Of the others the fields say all that the log holds.
        keep = holds_more_than_data(event)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        tables.begin_record(keep=False)
        tables.damage(place, f"{type(error).__name__}: {error}")
        return
    tables.begin_record(keep=keep)
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
