"""Event logs of our own making: the binary form of `.evtx`, as far as text goes, with no template and no types."""

import struct
import zlib

EPOCH_1601 = 11_644_473_600


def event_log(records, *, per_chunk=100):
    """An event log whose records are the given trees: (tag, attributes, children or text)."""
    chunks = [chunk(records[i : i + per_chunk], i + 1) for i in range(0, len(records), per_chunk)]
    return wrap_chunks(chunks, len(records))


def wrap_chunks(chunks, records):
    header = struct.pack("<8sQQQIHHHH", b"ElfFile\0", 0, len(chunks) - 1, records + 1, 128, 1, 3, 4096, len(chunks))
    header = header.ljust(120, b"\0")
    return (header + struct.pack("<II", 0, zlib.crc32(header))).ljust(4096, b"\0") + b"".join(chunks)


def chunk(records, first):
    made = [
        (ticks, lambda at, tree=tree: b"\x0f\x01\x01\x00" + element(tree, at + 4) + b"\x00") for ticks, tree in records
    ]
    return wrap_records(made, first)


def wrap_records(records, first):
    """A chunk of records: each has its ticks and what makes its XML at a place of the chunk."""
    body, last = b"", 512
    for number, (ticks, make) in enumerate(records, first):
        last = 512 + len(body)
        body += record(number, ticks, make(last + 24))
    end = 512 + len(body)
    final = first + len(records) - 1
    head = struct.pack("<8sQQQQIIII", b"ElfChnk\0", first, final, first, final, 128, last, end, zlib.crc32(body))
    head = head.ljust(120, b"\0") + struct.pack("<I", 0)
    tables = bytes(512 - 128)
    return (head + struct.pack("<I", zlib.crc32(head[:120] + tables)) + tables + body).ljust(65536, b"\0")


def record(number, ticks, xml):
    size = 24 + len(xml) + 4
    size += -size % 8
    stamp = EPOCH_1601 * 10_000_000 + ticks
    return (b"**\0\0" + struct.pack("<IQQ", size, number, stamp) + xml).ljust(size - 4, b"\0") + struct.pack("<I", size)


def element(tree, at):
    """An element in binary; `at` is its place in the chunk, to which names refer."""
    tag, attributes, inside = tree
    start = 1 + 4 + 4
    named = name(tag)
    listed = b""
    if attributes:
        first = at + start + len(named) + 4
        for i, (key, value) in enumerate(attributes.items()):
            more = 0x46 if i < len(attributes) - 1 else 0x06
            place = first + len(listed) + 5
            listed += struct.pack("<BI", more, place) + name(key) + value_text(value)
    rest = named + (struct.pack("<I", len(listed)) + listed if attributes else b"") + b"\x02"
    if isinstance(inside, str):
        rest += value_text(inside) if inside else b""
    else:
        for child in inside:
            rest += element(child, at + start + len(rest))
    rest += b"\x04"
    return struct.pack("<BII", 0x41 if attributes else 0x01, len(rest) + 4, at + start) + rest


def name(text):
    return struct.pack("<IHH", 0, 0, len(text)) + text.encode("utf-16-le") + b"\0\0"


def value_text(text):
    return struct.pack("<BBH", 0x05, 0x01, len(text)) + text.encode("utf-16-le")


def sysmon(number, data, *, time="2024-01-01T10:00:00.250300Z", ticks=17041032002503004):
    """A record of Sysmon as our event logs hold it."""
    system = [
        ("Provider", {"Name": "Microsoft-Windows-Sysmon", "Guid": "5770385F-C22A-43E0-BF4C-06F5698FFBD9"}, ""),
        ("EventID", {}, "3"),
        ("TimeCreated", {"SystemTime": time}, ""),
        ("EventRecordID", {}, str(number)),
        ("Channel", {}, "Microsoft-Windows-Sysmon/Operational"),
        ("Computer", {}, "WS01"),
    ]
    values = [("Data", {"Name": key}, value) for key, value in data.items()]
    return ticks, ("Event", {}, [("System", {}, system), ("EventData", {}, values)])
