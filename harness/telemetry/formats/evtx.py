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
            read_chunk(header, chunk, f"{stream.name}: chunk {number}", stream.name, tables)
    if number < expected:
        tables.damage(stream.name, f"the file ends after chunk {number}; its header counts {expected}")
    elif not expected and not held:
        tables.damage(stream.name, "the log holds no records")


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


def read_chunk(header: bytes, chunk: bytes, place: str, name: str, tables: EventTables) -> None:
    """Adds the records of one chunk; a short chunk is padded, a bad checksum is a damage."""
    if len(chunk) < CHUNK:
        tables.damage(place, f"the file ends after {len(chunk)} of its {CHUNK} bytes")
        chunk = chunk.ljust(CHUNK, b"\0")
    elif chunk.startswith(CHUNK_MAGIC) and has_bad_checksum(chunk):
        tables.damage(place, "its checksum is not that of its data: values may be altered")
    # One chunk as a log of its own: evtx 0.14 gives up a whole file at the first bad chunk header.
    one_chunk = header[:42] + (1).to_bytes(2, "little") + header[44:] + chunk
    try:
        # One thread: two gained nothing (engine.md 6), and records stay in order.
        records = iter(PyEvtxParser(io.BytesIO(one_chunk), number_of_threads=1).records_json())
    except (RuntimeError, OSError) as error:
        tables.damage(place, describe_parser_fault(error))
        return
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except (RuntimeError, OSError) as error:
            failed = RECORD_NUMBER.search(str(error))
            tables.damage(f"{name}: record {failed[1]}" if failed else place, describe_parser_fault(error))
        else:
            add_evtx_record(record, name, tables)


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
        fields = from_rendered(DECODE.decode(record["data"])["Event"])
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        tables.damage(place, f"{type(error).__name__}: {error}")
        return
    written = record["timestamp"].removesuffix(" UTC")
    time = parse_microseconds(fields.get("SystemTime"))
    # The event's own SystemTime counts where a forwarded record has another time in its header.
    if time is None or time == parse_microseconds(written):
        time, fields["SystemTime"] = parse_microseconds(written), nine_digits(written)
    else:
        fields["SystemTime"] = nine_digits(fields["SystemTime"])
    tables.add(sensor_of(fields.get("Channel")), fields.get("EventID", ""), time, fields)


def nine_digits(time: str) -> str:
    """A time as Windows prints it; the parser cuts SystemTime to microseconds, the record's header has all of it."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return f"{seconds}.{fraction.ljust(9, '0')}Z"


def describe_parser_fault(error: Exception) -> str:
    """The innermost cause of the parser's error."""
    return str(error).rpartition(": An error occurred")[0] or str(error)
