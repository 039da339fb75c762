"""An input: its bytes in bounded pieces, its records as tables of events, its damage told."""

from __future__ import annotations

import codecs
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from harness.diagnostics import HarnessError
from harness.telemetry.events.compression import Packing, find_packing, unpack_blocks
from harness.telemetry.events.event import (
    FARTHEST_TIME,
    TIME,
    Damage,
    Telemetry,
    TelemetryOrigin,
    drop_impossible_times,
    merge_telemetry,
)
from harness.telemetry.events.kind_table import EventTexts, KindTable, Placed, PlacedRows, repeat_text

BLOCK = 1 << 20
LONGEST_RECORD = 16 << 20
"""No record of any format is longer; what is longer is damage and is skipped without being held."""

# No path can hold it.
MEMBER_MARK = "\0"
BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True)
class Stream:
    """A file of events, or one `member` of an archive; `damage` is told the place and what could not be read there."""

    path: Path
    name: str
    damage: Callable[[str, str], None] = field(compare=False)
    member: str = ""

    @property
    def reference(self) -> str:
        """The file and its member as one text, by which they are found again."""
        return f"{self.path}{MEMBER_MARK}{self.member}" if self.member else str(self.path)

    @classmethod
    def at(cls, reference: str) -> Stream:
        """The stream of such a text; its damages were told when it was read first."""
        path, _, member = reference.partition(MEMBER_MARK)
        return cls(Path(path), Path(path).name, lambda place, message: None, member)

    def blocks(self) -> Iterator[bytes]:
        """The content, unpacked if it is packed, in pieces of about a mebibyte."""
        try:
            with self.open() as file:
                packing = self.packing
                if packing is None:
                    yield from iter(lambda: file.read(BLOCK), b"")
                else:
                    size = self.path.stat().st_size
                    yield from unpack_blocks(packing, file, size, BLOCK, lambda text: self.damage(self.name, text))
        # An encrypted member is a RuntimeError.
        except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise HarnessError("unreadable", f"{self.name}: {describe_fault(error)}") from error

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The file, or the member of the archive, as it lies on disk."""
        if not self.member:
            with self.path.open("rb") as file:
                yield file
            return
        with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as held:
            yield held

    @property
    def packed(self) -> bool:
        """Whether the content is not what lies on disk."""
        return self.packing is not None or bool(self.member)

    @cached_property
    def packing(self) -> Packing | None:
        """How the file is packed."""
        try:
            with self.open() as file:
                return find_packing(file.read(6))
        except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise HarnessError("unreadable", f"{self.name}: {describe_fault(error)}") from error

    @cached_property
    def head(self) -> bytes:
        """The first bytes of the content, by which a format is known."""
        blocks = self.blocks()
        # More than any reader looks at.
        return next(blocks, b"")[:65536]

    def whole(self, most: int) -> bytes:
        """All of the content. Raises HarnessError where it is more than `most` bytes."""
        parts, size = [], 0
        for block in self.blocks():
            parts.append(block)
            size += len(block)
            if size > most:
                raise HarnessError("too-large", f"{self.name} unpacks to more than {most >> 20} MiB")
        return b"".join(parts)

    @cached_property
    def encoding(self) -> str:
        """The encoding that a byte order mark names; UTF-8 without one."""
        return next((e for mark, e in BYTE_ORDER_MARKS.items() if self.head.startswith(mark)), "utf-8")

    @property
    def text_head(self) -> bytes:
        """The first bytes of the content as UTF-8, without byte order mark and leading blanks."""
        decoded = self.head.decode(self.encoding, "replace").lstrip("\ufeff")
        # Cut within a character, the head must still be text.
        return decoded.encode("utf-8", "replace").lstrip()

    def text_blocks(self) -> Iterator[bytes]:
        """The content as UTF-8 without byte order mark; bytes that are no UTF-8 are left for the reader to tell."""
        first = True
        decoder = codecs.getincrementaldecoder(self.encoding)("replace")
        for block in self.blocks():
            if self.encoding != "utf-8":
                block = decoder.decode(block).encode("utf-8", "replace")
            yield block.removeprefix(codecs.BOM_UTF8) if first else block
            first = False

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Each line that is not blank with its number, counted from 1; one that is too long is damage."""
        number, rest, skipping = 0, b"", False
        for block in self.text_blocks():
            *whole, last = block.split(b"\n")
            for line in whole:
                number += 1
                if skipping:
                    skipping = False
                elif text := (rest + line).strip():
                    yield number, text
                rest = b""
            if not skipping:
                rest += last
            if len(rest) > LONGEST_RECORD:
                self.damage(f"{self.name}: line {number + 1}", f"longer than {LONGEST_RECORD >> 20} MiB; not read")
                rest, skipping = b"", True
        if text := rest.strip():
            yield number + 1, text


def describe_fault(error: Exception) -> str:
    """What the system or a library says of a file that cannot be opened, in lower case."""
    return (getattr(error, "strerror", None) or str(error)).lower()


# 176 kinds are in 10,015 events; a bound for input made to grow.
MOST_KINDS = 5_000
# Half a million rows and 24 MB of columns, several times that while they are put in order; chosen.
MOST_HELD_ROWS = 1 << 19
MOST_HELD_BYTES = 24 << 20
# Some 100 MB of Python objects.
MOST_LOOSE_ROWS = 1 << 16
# More than anybody reads; a broken file of a gigabyte would have millions.
MOST_DAMAGES = 1_000

# A record may be an answer of a service that lists events: so many of one answer have numbers of their own.
MEMBERS_OF_RECORD = 1 << 20

# As an index or a repository does with what it cannot read a time from: it arrived with the last of the others.
PLACED = "they stand at the end of the known times"


class EventTables:
    """What readers fill: records of any kinds in the order of the input, and its damages."""

    def __init__(self, sink: Callable[[Telemetry], None] | None = None) -> None:
        """Begins without any; `shapes` and `unknown` tell of each file what its events were, for who asks.

        With a `sink` only a bounded part of the events is held: what is full is handed on as it comes.
        """
        self._sink = sink
        self._since = 0
        self._complete = False
        self._kinds: dict[tuple[str, str], KindTable] = {}
        self._damages: list[Damage] = []
        self._more_damages = 0
        self._whole: list[Telemetry] = []
        self.added = 0
        self.shapes: dict[str, Counter[str]] = {}
        self.unknown: dict[str, Counter[tuple[str, ...]]] = {}
        self._without_time = self._impossible_time = 0
        self._file = ""
        self._metadata: Mapping[str, str] = {}
        self._record: int | None = None
        self._next = 0
        self._place = 0
        self._kept_place: int | None = None

    def open_file(self, stream: Stream, metadata: Mapping[str, str] | None = None) -> None:
        """Called before a file is read; records are counted anew, and its events have the metadata that are said."""
        self._file, self._record, self._next = stream.reference, None, 0
        self._metadata = metadata or {}

    def begin_record(self, *, keep: bool = True) -> None:
        """Called for each record before its events are added; with `keep` its text is found again by its number.

        A record whose text its fields say entirely needs none.
        """
        self._record = self._next * MEMBERS_OF_RECORD if keep else None
        self._next += 1

    def begin_records(self, records: int) -> int:
        """Called before as many records of one event each are added in any order; gives the number of the first."""
        self._next += records
        return self._next - records

    def put_record(self, number: int | None) -> None:
        """Says in which record of the file the next event is; with None in one whose text is not kept."""
        self._record = None if number is None else number * MEMBERS_OF_RECORD

    def begin_rows(self, rows: int) -> int:
        """Called before rows of a table are added in any order; gives the place of the first among all events."""
        self._place += rows
        return self._place - rows

    def put_at(self, place: int | None) -> None:
        """Says where the next events belong: at a place that was kept for a row, or with None behind all others."""
        self._kept_place = place

    def begin_event(self) -> Placed:
        """Where the next event of the record belongs, which may be added later than others."""
        kept = self._kept_place
        placed = Placed(self._place if kept is None else kept, self._record)
        self._place += kept is None
        if self._record is not None:
            self._record += 1
        return placed

    def take(self, whole: Telemetry) -> None:
        """Takes tables that are ready, with their causes, as this program writes them."""
        events = []
        for each in whole.events:
            at, times = each.columns.schema.get_field_index(TIME), each.columns.column(TIME)
            possible = drop_impossible_times(times)
            self._without_time += times.null_count
            self._impossible_time += possible.null_count - times.null_count
            events.append(each.with_columns(each.columns.set_column(at, TIME, possible)).with_constants(self._metadata))
        self.added += len(whole)
        self._whole.append(replace(whole, events=tuple(events)))
        self._complete = True
        if self._sink is not None:
            self.hand_on()

    def add(self, sensor: str, kind: str, time: int | None, fields: EventTexts, placed: Placed | None = None) -> None:
        """Takes one record: its time in microseconds since 1970, if it has one, and its fields as text.

        It belongs behind all others unless a place was kept for it.
        """
        self.added += 1
        if time is None:
            self._without_time += 1
        elif not -FARTHEST_TIME <= time <= FARTHEST_TIME:
            self._impossible_time += 1
            time = None
        rows = self.find_table(sensor, kind)
        if rows is not None:
            whole = {**fields, **self._metadata} if self._metadata else fields
            rows.add(time, whole, placed or self.begin_event(), self._file)
            self._since += 1
            # Just turned into columns, or many rows of many kinds wait.
            if self._sink is not None and (not rows.rows or self._since % MOST_LOOSE_ROWS == 0):
                self.hand_on_full()

    def add_columns(
        self, sensor: str, kind: str, times: pa.Array, placed: PlacedRows, columns: Mapping[str, pa.DictionaryArray]
    ) -> None:
        """Takes records of one kind by their columns: times in microseconds, texts as `TEXT_TYPE`."""
        possible = pc.if_else(pc.less_equal(pc.abs(times), FARTHEST_TIME), times, None)
        self._without_time += times.null_count
        self._impossible_time += possible.null_count - times.null_count
        table = self.find_table(sensor, kind)
        if table is not None:
            self.added += len(times)
            said = {name: repeat_text(value, len(times)) for name, value in self._metadata.items()}
            table.add_part(possible, placed, {**columns, **said}, self._file)
            self._since += len(times)
            if self._sink is not None:
                self.hand_on_full()

    def hand_on_full(self) -> None:
        """Hands on what is held where that is much."""
        kinds = self._kinds.values()
        full = self._since >= MOST_HELD_ROWS or sum(k.size for k in kinds) >= MOST_HELD_BYTES
        if full or sum(len(k.rows) for k in kinds) >= MOST_LOOSE_ROWS:
            self.hand_on()

    def hand_on(self) -> None:
        """Gives what is held to the sink."""
        assert self._sink is not None
        whole, self._whole, self._since = self._whole, [], 0
        for part in whole:
            self._sink(part)
        kinds = sorted(self._kinds.values(), key=attrgetter("first"))
        events = tuple(found for kind in kinds if (found := kind.hand_on()) is not None)
        if events:
            self._sink(Telemetry(events=events, origin=TelemetryOrigin.REPLAYED))

    def find_table(self, sensor: str, kind: str) -> KindTable | None:
        """The table of a kind; None where there are too many, which is told."""
        table = self._kinds.get((sensor, kind))
        if table is None:
            if len(self._kinds) >= MOST_KINDS:
                self.damage(f"{sensor} {kind[:40]}", f"more than {MOST_KINDS} kinds of events; not read")
                return None
            table = self._kinds[sensor, kind] = KindTable(sensor, kind, self.damage)
        return table

    def damage(self, place: str, message: str, *, misread: bool = False) -> None:
        """Keeps a damage; beyond MOST_DAMAGES they are only counted."""
        if len(self._damages) < MOST_DAMAGES:
            self._damages.append(Damage(place=place, message=message, misread=misread))
        else:
            self._more_damages += 1

    def misread(self, place: str, message: str) -> None:
        """Keeps that events were read, but perhaps not as what they are."""
        self.damage(place, message, misread=True)

    def count_shapes(
        self, name: str, shapes: Mapping[str, int], unknown: Mapping[tuple[str, ...], int] | None = None
    ) -> None:
        """Takes how many events of a file were of which shape, and the field names of those of none."""
        self.shapes.setdefault(name, Counter()).update(shapes)
        if unknown:
            self.unknown.setdefault(name, Counter()).update(unknown)

    def count_rest(self, name: str, shape: str, before: int) -> None:
        """Counts the events that were added since there were `before`, and that nobody counted, as of one shape."""
        rest = self.added - before - sum(self.shapes.get(name, Counter()).values())
        if rest > 0:
            self.count_shapes(name, {shape: rest})

    @property
    def streams(self) -> bool:
        """Whether events are handed on as they come."""
        return self._sink is not None

    @property
    def complete(self) -> bool:
        """Whether a file was read that says itself how many events it holds."""
        return self._complete

    def report_times(self, name: str) -> None:
        """Tells of a file how many of its events have no time, or none that can be; called once it has been read."""
        if self._without_time:
            self.damage(name, f"events without a time that can be read: {self._without_time}; {PLACED}")
        if self._impossible_time:
            self.damage(name, f"events with a time before 1684 or after 2255: {self._impossible_time}; {PLACED}")
        self._without_time = self._impossible_time = 0

    @property
    def damages(self) -> tuple[Damage, ...]:
        """All damages; beyond a thousand only how many more there are."""
        if not self._more_damages:
            return tuple(self._damages)
        last = Damage(place=self._damages[-1].place, message=f"{self._more_damages} more damages are not listed")
        return (*self._damages, last)

    def telemetry(self) -> Telemetry:
        """Everything taken, a table a kind, in the order in which kinds first came."""
        records = tuple(kind.events() for kind in sorted(self._kinds.values(), key=attrgetter("first")))
        parts = [*self._whole, Telemetry(events=records, origin=TelemetryOrigin.REPLAYED)] if records else self._whole
        origins = {part.origin for part in parts}
        origin = origins.pop() if len(origins) == 1 else TelemetryOrigin.REPLAYED
        return replace(merge_telemetry(parts), origin=origin, damages=self.damages)
