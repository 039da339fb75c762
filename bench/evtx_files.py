"""A large EVTX file out of small ones: each chunk is filled with further records of the templates that it holds.

A file is a header and chunks of 64 KiB, each of which stands by itself. A record is binary XML: a reference to a
template in its chunk, and values to put in. Records that are added have numbers, times and process ids of their own.
Layout: libyal, "Windows XML Event Log (EVTX) format".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

HEADER, CHUNK, CHUNK_HEADER, RECORD_HEADER = 4096, 65536, 512, 24
CHUNK_MARK, RECORD_MARK, FRAGMENT = b"ElfChnk\0", b"**\0\0", b"\x0f\x01\x01\x00"
FREE_SPACE, CHECKSUM, CHECKED = 48, 124, 120
TEMPLATE = 0x0C
# An eighth of a second a record, in units of 100 ns; chosen, no source.
TICKS = 1_250_000


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a record: its type, its bytes, their place in the chunk."""

    type: int
    data: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a chunk, and how far it is behind the one that it repeats."""

    data: bytes
    at: int
    number: int
    written: int

    def repeated(self, number: int, behind: int) -> bytes:
        """The bytes of the same record with another number, later."""
        xml = repeat_fragment(self.data[RECORD_HEADER:-4], self.at + RECORD_HEADER, (self.number, number), behind)
        size = RECORD_HEADER + len(xml) + 4
        size += -size % 8
        head = RECORD_MARK + struct.pack("<IQQ", size, number, self.written + behind * TICKS)
        return (head + xml).ljust(size - 4, b"\0") + struct.pack("<I", size)


def list_values(data: bytes, at: int) -> tuple[bytes, list[Value]]:
    """Which template a fragment of binary XML refers to, and its values; `at` is the fragment's place in the chunk."""
    if not data.startswith(FRAGMENT) or data[4] != TEMPLATE:
        raise ValueError("the record is not an instance of a template")
    reference, place = data[4:14], 14
    if struct.unpack_from("<I", data, 10)[0] == at + place:
        # The template itself stands here, where its chunk uses it first.
        place += 24 + struct.unpack_from("<I", data, place + 20)[0]
    (count,) = struct.unpack_from("<I", data, place)
    start = place + 4 + 4 * count
    values = []
    for size, kind in struct.iter_unpack("<HBx", data[place + 4 : start]):
        values.append(Value(kind, data[start : start + size], at + start))
        start += size
    return reference, values


def repeat_fragment(data: bytes, at: int, numbers: tuple[int, int], behind: int) -> bytes:
    """A fragment of the same template with the values of a later event."""
    reference, values = list_values(data, at)
    changed = [change_value(value, numbers, behind) for value in values]
    described = b"".join(struct.pack("<HBB", len(c), v.type, 0) for v, c in zip(values, changed, strict=True))
    return FRAGMENT + reference + struct.pack("<I", len(values)) + described + b"".join(changed) + b"\0"


def change_value(value: Value, numbers: tuple[int, int], behind: int) -> bytes:
    """A value as a later event has it: the number of the record, times, process ids and handles."""
    before, after = numbers
    match value.type, len(value.data):
        case (_, 0):
            return value.data
        case (0x21, _):
            return repeat_fragment(value.data, value.at, numbers, behind)
        case (0x0A, 8) if struct.unpack("<Q", value.data)[0] == before:
            return struct.pack("<Q", after)
        case (0x11, 8):
            return struct.pack("<Q", struct.unpack("<Q", value.data)[0] + behind * TICKS)
        case (0x08, 4) if struct.unpack("<I", value.data)[0] > 50:
            # Small numbers are kinds and levels; ids of processes are multiples of four.
            return struct.pack("<I", (struct.unpack("<I", value.data)[0] + 4 * (behind % 300)) & 0xFFFFFFFF)
    return value.data


def read_chunks(path: Path) -> Iterator[bytes]:
    """The chunks of a file that are in use."""
    data = path.read_bytes()
    for at in range(HEADER, len(data) - CHUNK + 1, CHUNK):
        if data.startswith(CHUNK_MARK, at):
            yield data[at : at + CHUNK]


def read_records(chunk: bytes) -> Iterator[Record]:
    """The records of a chunk."""
    at, end = CHUNK_HEADER, struct.unpack_from("<I", chunk, FREE_SPACE)[0]
    while at < end:
        size, number, written = struct.unpack_from("<IQQ", chunk, at + 4)
        yield Record(chunk[at : at + size], at, number, written)
        at += size


def fill_chunk(chunk: bytes, first: int) -> tuple[bytes, int]:
    """A chunk full of records like its own, numbered from `first`, and how many. Raises ValueError for others."""
    records = list(read_records(chunk))
    body = bytearray(chunk[CHUNK_HEADER : struct.unpack_from("<I", chunk, FREE_SPACE)[0]])
    count, last = len(records), records[-1].at
    for record in cycle(records):
        more = record.repeated(first + count, first + count)
        if CHUNK_HEADER + len(body) + len(more) > CHUNK:
            break
        last = CHUNK_HEADER + len(body)
        body += more
        count += 1
    head = bytearray(chunk[:CHUNK_HEADER])
    numbers = (first, first + count - 1)
    struct.pack_into(
        "<QQQQIIII", head, 8, *numbers, *numbers, 128, last, CHUNK_HEADER + len(body), zlib.crc32(bytes(body))
    )
    struct.pack_into("<I", head, CHECKSUM, zlib.crc32(bytes(head[:CHECKED]) + bytes(head[128:])))
    return (bytes(head) + bytes(body)).ljust(CHUNK, b"\0"), count


def join_evtx(paths: Sequence[Path], events: int, out: Path) -> int:
    """Writes a file of at least so many records like those of others, and gives their number."""
    chunks = [chunk for path in paths for chunk in read_chunks(path) if is_repeatable(chunk)]
    written, parts = 0, 0
    with out.open("wb") as file:
        file.seek(HEADER)
        for chunk in cycle(chunks):
            filled, count = fill_chunk(chunk, 1 + written)
            file.write(filled)
            written, parts = written + count, parts + 1
            if written >= events:
                break
        header = bytearray(paths[0].read_bytes()[:HEADER])
        struct.pack_into("<QQQ", header, 8, 0, parts - 1, 1 + written)
        # The field has 16 bits; readers go by the size of the file.
        struct.pack_into("<H", header, 42, min(parts, 65535))
        struct.pack_into("<I", header, CHECKSUM, zlib.crc32(bytes(header[:CHECKED])))
        file.seek(0)
        file.write(header)
    return written


def is_repeatable(chunk: bytes) -> bool:
    """Whether all records of a chunk are instances of templates, also those within values."""
    try:
        fill_chunk(chunk, 1)
    except (ValueError, struct.error, IndexError):
        return False
    return True
