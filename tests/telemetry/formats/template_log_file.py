"""Event logs of our own making whose records are templates with values of every kind, as Windows writes them."""

import struct
from dataclasses import dataclass
from uuid import UUID

from tests.telemetry.formats.event_log_file import EPOCH_1601, name, value_text, wrap_chunks, wrap_records

NULL, TEXT, TRUTH, BINARY, GUID, FILE_TIME, SID = 0x00, 0x01, 0x0D, 0x0E, 0x0F, 0x11, 0x13
HEX_32, HEX_64, NESTED, TEXT_LIST = 0x14, 0x15, 0x21, 0x81
NUMBERS = {0x03: "<b", 0x04: "<B", 0x05: "<h", 0x06: "<H", 0x07: "<i", 0x08: "<I", 0x09: "<q", 0x0A: "<Q"}


@dataclass(frozen=True)
class Hole:
    """Where a template takes a value: its number and kind; an optional one takes its element away without it."""

    number: int
    kind: int
    optional: bool = True


@dataclass(frozen=True)
class Value:
    """A value of a kind as the log holds it."""

    kind: int
    data: bytes


def text(value):
    return Value(TEXT, value.encode("utf-16-le", "surrogatepass"))


def number(kind, value):
    return Value(kind, struct.pack(NUMBERS[kind], value))


def guid(value):
    return Value(GUID, UUID(value).bytes_le)


def file_time(micros):
    return Value(FILE_TIME, struct.pack("<Q", EPOCH_1601 * 10_000_000 + micros * 10))


def sid(*parts):
    return Value(
        SID, bytes((1, len(parts) - 1)) + parts[0].to_bytes(6, "big") + struct.pack(f"<{len(parts) - 1}I", *parts[1:])
    )


@dataclass(frozen=True)
class Filled:
    """A template, by its tree, and the values put into it."""

    tree: tuple
    values: tuple


def template_log(records, *, per_chunk=50):
    """An event log of records (ticks, Filled); each chunk defines a template where it is used first."""
    chunks = []
    for first in range(0, len(records), per_chunk):
        defined = {}
        chunks.append(
            wrap_records(
                [
                    (ticks, lambda at, filled=filled, defined=defined: fragment(filled, at, defined))
                    for ticks, filled in records[first : first + per_chunk]
                ],
                first + 1,
            )
        )
    return wrap_chunks(chunks, len(records))


def fragment(filled, at, defined):
    """A use of a template that begins at a place of the chunk."""
    start = b"\x0f\x01\x01\x00\x0c\x01"
    behind = at + len(start) + 8
    identity = UUID(int=hash(repr(filled.tree)) & (2**128 - 1)).bytes_le
    definition = b""
    if filled.tree not in defined:
        defined[filled.tree] = behind
        body = b"\x0f\x01\x01\x00" + element(filled.tree, behind + 24 + 4) + b"\x00"
        definition = struct.pack("<I", 0) + identity + struct.pack("<I", len(body)) + body
    head = start + identity[:4] + struct.pack("<I", defined[filled.tree]) + definition
    count = len(filled.values)
    place = at + len(head) + 4 + 4 * count
    held = []
    for value in filled.values:
        data = fragment(value, place, defined) if isinstance(value, Filled) else value.data
        held.append((NESTED if isinstance(value, Filled) else value.kind, data))
        place += len(data)
    described = b"".join(struct.pack("<HBB", len(data), kind, 0) for kind, data in held)
    return head + struct.pack("<I", count) + described + b"".join(data for _, data in held) + b"\x00"


def element(tree, at):
    """An element of a template."""
    tag, attributes, inside = tree
    named = name(tag)
    listed = b""
    first = at + 11 + len(named) + 4
    for i, (key, value) in enumerate(attributes):
        more = 0x46 if i < len(attributes) - 1 else 0x06
        listed += struct.pack("<BI", more, first + len(listed) + 5) + name(key) + content(value)
    rest = named + (struct.pack("<I", len(listed)) + listed if attributes else b"") + b"\x02"
    if isinstance(inside, tuple):
        for child in inside:
            rest += content(child) if isinstance(child, Hole) else element(child, at + 11 + len(rest))
    else:
        rest += content(inside)
    rest += b"\x04"
    return struct.pack("<BHII", 0x41 if attributes else 0x01, 0xFFFF, len(rest) + 4, at + 11) + rest


def content(value):
    """A text of the template, or where a value goes."""
    if isinstance(value, Hole):
        return struct.pack("<BHB", 0x0E if value.optional else 0x0D, value.number, value.kind)
    return value_text(value) if value else b""
