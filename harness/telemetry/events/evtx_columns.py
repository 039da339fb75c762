"""Records of event logs on their way to the tables, by their columns; what is read otherwise is left to the caller."""

from __future__ import annotations

import struct
import zlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from harness.record import record
from harness.telemetry.events.binary_records import (
    CHUNK,
    CHUNK_HEADER,
    AlikeRecords,
    RecordBatch,
    RecordSplitter,
)
from harness.telemetry.events.binary_values import (
    EPOCH_TICKS,
    FILE_TIME,
    BinaryColumn,
    is_possible_time,
    print_binary_values,
    print_ticks,
)
from harness.telemetry.events.binary_xml import Templates
from harness.telemetry.events.event_columns import FEWEST_ROWS
from harness.telemetry.events.input import MEMBERS_OF_RECORD, EventTables
from harness.telemetry.events.kind_table import PlacedRows, repeat_text
from harness.telemetry.events.record_layout import RecordLayout, learn_layout
from harness.telemetry.events.record_rows import RareRecords, RecordRow, read_rare_records
from harness.telemetry.events.text_slices import Places, gather_numbers
from harness.telemetry.events.windows_event import sensor_of
from harness.telemetry.simulation.identity import Bytes

CHUNK_MAGIC = b"ElfChnk\0"
# NO_CRC32 in the evtx package's words: the chunk's checksums mean nothing.
NO_CHECKSUM = 0x4


@record
class RecordColumns:
    """Records that are read alike: their numbers in the batch, sensor, kind, times in microseconds, fields."""

    rows: Places
    sensor: str
    kind: str
    times: pa.Array
    columns: Mapping[str, pa.DictionaryArray]
    keep: bool

    def add(self, tables: EventTables, places: Places, records: Places) -> None:
        """Hands them to the tables; `places` and `records` are those of all records of the batch."""
        kept = pa.array(records[self.rows] * MEMBERS_OF_RECORD) if self.keep else None
        placed = PlacedRows(pa.array(places[self.rows]), kept)
        tables.add_columns(self.sensor, self.kind, self.times, placed, self.columns)


class RecordReader:
    """Reads records of one log by their columns; remembers how those of each form are read."""

    def __init__(self, header: bytes) -> None:
        self.header = header
        self.templates = Templates()
        self.layouts: dict[tuple[object, ...], RecordLayout | None] = {}
        self.seen: Counter[tuple[object, ...]] = Counter()

    def read(self, chunks: Sequence[bytes], found: Sequence[Places]) -> Iterator[RecordColumns | RecordRow]:
        """The records of whole chunks that are read here; `found` is where those of each chunk lie."""
        first_rows = np.cumsum([0, *(len(places) - 1 for places in found)])[:-1]
        batch = RecordBatch(self.header, np.frombuffer(b"".join(chunks), np.uint8), first_rows)
        at = np.concatenate([places[:-1] + CHUNK * n for n, places in enumerate(found)])
        # Behind a record stands its size once more.
        ends = np.concatenate([places[1:] + CHUNK * n for n, places in enumerate(found)]) - 4
        written = gather_numbers(batch.data, at + 16, "<i8")
        rare: list[RareRecords] = []
        for alike in RecordSplitter(batch.data, chunks, self.templates).split(at, ends):
            self.seen[alike.key] += len(alike.rows)
            layout = self.find_layout(alike, batch)
            number = layout.fields.get("SystemTime") if layout is not None else None
            if layout is None or not isinstance(number, int) or alike.values[number].kind != FILE_TIME:
                continue
            if len(alike.rows) < FEWEST_ROWS:
                rare.append(RareRecords(alike, layout, number, written[alike.rows]))
            else:
                yield from self.read_alike(alike, layout, number, batch.data, written[alike.rows])
        yield from read_rare_records(rare, batch.data)

    def find_layout(self, alike: AlikeRecords, batch: RecordBatch) -> RecordLayout | None:
        """How records are read, once there have been enough of their form."""
        if alike.key not in self.layouts:
            if self.seen[alike.key] < FEWEST_ROWS or not alike.values:
                return None
            self.layouts[alike.key] = learn_layout(alike, batch)
        return self.layouts[alike.key]

    def read_alike(
        self, alike: AlikeRecords, layout: RecordLayout, number: int, data: Bytes, written: Places
    ) -> Iterator[RecordColumns]:
        """Records with one layout, apart by kind; `number` is that of the value with their time."""
        own = gather_numbers(data, alike.values[number].at, "<i8")
        odd = ~(is_possible_time(own) & is_possible_time(written))
        printed = print_values(data, alike, {n for name, n in layout.fields.items() if name != "SystemTime"})
        columns: dict[str, pa.DictionaryArray] = {}
        for name, held in layout.fields.items():
            if isinstance(held, str) or name == "SystemTime":
                columns[name] = repeat_text(held if isinstance(held, str) else "", len(own))
            else:
                columns[name] = printed[held].texts
                odd[printed[held].odd] = True
        # The event's own time counts where a forwarded record has another one in its header.
        ticks = np.where(own // 10 == written // 10, written, own // 10 * 10)
        for some in split_by_kind(columns, np.flatnonzero(~odd)):
            yield self.build(alike.rows, some, columns, ticks, keep=layout.keep)

    def build(
        self, rows: Places, some: Places, columns: Mapping[str, pa.DictionaryArray], ticks: Places, *, keep: bool
    ) -> RecordColumns:
        """Some rows of which sensor and kind are the same."""
        whole = len(some) == len(rows)
        taken = pa.array(some)
        held = {name: column if whole else take_used(column, taken) for name, column in columns.items()}
        at = ticks[some]
        held["SystemTime"] = print_ticks(at, 9)
        first = {name: held[name][0].as_py() for name in ("Channel", "EventID") if name in held}
        return RecordColumns(
            rows=rows[some],
            sensor=sensor_of(first.get("Channel")),
            kind=first.get("EventID", ""),
            times=pa.array((at - EPOCH_TICKS) // 10),
            columns=held,
            keep=keep,
        )


def print_values(data: Bytes, alike: AlikeRecords, wanted: Collection[int | str]) -> dict[int, BinaryColumn]:
    """Some of the values of records by their number, those of one kind together."""
    kinds: defaultdict[int, list[int]] = defaultdict(list)
    for number, value in enumerate(alike.values):
        if number in wanted:
            kinds[value.kind].append(number)
    found: dict[int, BinaryColumn] = {}
    for kind, numbers in kinds.items():
        at = [alike.values[number].at for number in numbers]
        sizes = [alike.values[number].sizes for number in numbers]
        found.update(zip(numbers, print_binary_values(data, kind, at, sizes), strict=True))
    return found


def take_used(column: pa.DictionaryArray, rows: pa.Array) -> pa.DictionaryArray:
    """Some rows of a column, with the texts that are in them."""
    used = column.indices.take(rows).dictionary_encode()
    return pa.DictionaryArray.from_arrays(used.indices, column.dictionary.take(used.dictionary))


def split_by_kind(columns: Mapping[str, pa.DictionaryArray | str], rows: Places) -> Iterator[Places]:
    """The rows by their channel and number."""
    group = np.zeros(len(rows), np.int64)
    for name in ("Channel", "EventID"):
        column = columns.get(name)
        if column is not None and not isinstance(column, str) and len(column.dictionary) > 1:
            group = group * (len(column.dictionary) + 1) + column.indices.to_numpy()[rows]
    numbers = np.unique(group).tolist() if group.any() else [0]
    for number in numbers if len(rows) else ():
        yield rows if len(numbers) == 1 else rows[group == number]


def is_sound(chunk: bytes) -> bool:
    """Whether a chunk is whole and both of its checksums are right."""
    if len(chunk) < CHUNK or not chunk.startswith(CHUNK_MAGIC) or chunk[120] & NO_CHECKSUM or has_bad_checksum(chunk):
        return False
    header: int = struct.unpack_from("<I", chunk, 124)[0]
    return zlib.crc32(chunk[128:CHUNK_HEADER], zlib.crc32(chunk[:120])) == header


def has_bad_checksum(chunk: bytes) -> bool:
    """Whether a chunk's records are not those of which the log took the checksum."""
    free, checksum = int.from_bytes(chunk[48:52], "little"), int.from_bytes(chunk[52:56], "little")
    if int.from_bytes(chunk[120:124], "little") & NO_CHECKSUM or not CHUNK_HEADER <= free <= CHUNK:
        return False
    # A view, since the bytes would be copied.
    return zlib.crc32(memoryview(chunk)[CHUNK_HEADER:free]) != checksum
