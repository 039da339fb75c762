"""The coded store of what was received: it grows part by part out of the journal, and is searched as any other."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from harness.serve.event_texts import INDEX, read_received
from harness.serve.journal import drop_segments, read_records, sync_directory
from harness.serve.journal_record import Received, decode_received
from harness.telemetry.events.event import Events, TelemetryOrigin
from harness.telemetry.events.raw_text import RAW_FIELD
from harness.telemetry.format import read_telemetry
from harness.telemetry.indexing.props import Props
from harness.telemetry.splunk_inputs import metadata
from harness.telemetry.store.dimension import Dimensions, write_dimension
from harness.telemetry.store.manifest import (
    EVENT_NUMBER,
    MANIFEST,
    STORE_VERSION,
    StoredDimension,
    StoredKind,
    StoreManifest,
    is_store,
    read_manifest,
)
from harness.telemetry.store.reader import CodedStore
from harness.telemetry.store.writer import StoreWriter, merge_stored_kinds

PLACE_FILE = "place.json"
# Bytes of the journal that become one part, so that memory is bounded; chosen.
PART_BYTES = 32 << 20
# Files that one search would open; beyond it parts are put together.
MOST_STORE_FILES = 400
# Nobody reads an old file for longer than a search may run; chosen.
KEPT_SECONDS = 900.0
ENDLESS = 1 << 50


RewriteEvents = Callable[[Events, pa.Table], Events]
"""Gives what is left of events, of which the second argument is their rows as files hold them."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Up to where the journal is in the store whose manifest has this checksum, and before in the one before it."""

    manifest: str
    journal: int
    number: int
    events: int
    before: str = ""
    journal_before: int = 0


class EventIndex:
    """The store's writer: one process has it, others read the manifest as it is at that moment."""

    def __init__(self, data: Path) -> None:
        """Reads what is there."""
        self.journal, self.store, self.texts = data / "journal", data / "store", data / "texts"
        self.store.mkdir(parents=True, exist_ok=True)
        self.tables: tuple[StoredKind, ...] = ()
        self.dimensions = Dimensions()
        self.written: dict[str, tuple[int, str]] = {}
        self.described: dict[str, StoredDimension] = {}
        self.obsolete: list[tuple[float, str]] = []
        self.place = Place(manifest="", journal=0, number=0, events=0)
        if (self.store / PLACE_FILE).is_file():
            self.open()

    def open(self) -> None:
        """Goes on with the store as it was committed last."""
        place = msgspec.json.decode((self.store / PLACE_FILE).read_bytes(), type=Place)
        found = checksum(self.store / MANIFEST)
        # The place is written first: with the old manifest it is that of the old one.
        journal = place.journal if found == place.manifest else place.journal_before
        self.place = msgspec.structs.replace(place, manifest=found, journal=journal)
        if not is_store(self.store):
            return
        manifest = read_manifest(self.store)
        self.tables = manifest.tables
        store = CodedStore(self.store)
        # All of them were held before, whatever room was left then.
        self.dimensions.room += ENDLESS
        for name, held in manifest.dimensions.items():
            texts = store.texts(name)
            self.dimensions.encode(name, texts)
            self.written[name] = (len(texts), held.file)
            self.described[name] = held
        self.dimensions.room -= ENDLESS
        self.remove_strangers(manifest)

    def remove_strangers(self, manifest: StoreManifest) -> None:
        """Removes files that no manifest names: what a crash has left of a part."""
        known = {n for t in manifest.tables for n in t.files} | {d.file for d in manifest.dimensions.values()}
        for file in self.store.rglob("*.parquet"):
            if str(file.relative_to(self.store)) not in known:
                file.unlink()

    def catch_up(self, end: int, props: Props) -> None:
        """Takes what the journal holds up to a place."""
        parts: list[Received] = []
        size, reached = 0, self.place.journal
        for place, record in read_records(self.journal, reached, end):
            parts += decode_received(record)
            size, reached = size + len(record), place
            if size >= PART_BYTES:
                self.add_part(parts, reached, props)
                parts, size = [], 0
        if parts:
            self.add_part(parts, reached, props)
        drop_segments(self.journal, self.place.journal)
        if sum(len(t.files) for t in self.tables) > MOST_STORE_FILES:
            self.rewrite(lambda events, _: events)

    def skip(self, end: int) -> None:
        """Leaves out what ended the process that took it."""
        self.commit(self.tables, end)

    def add_part(self, parts: list[Received], reached: int, props: Props) -> None:
        """Writes the events of a part and commits them."""
        number = self.place.number + 1
        writer = self.write_events(read_received(parts, self.texts, number, props), number)
        self.commit(merge_stored_kinds([*self.tables, *writer.describe()]), reached, writer.next)

    def add_files(self, path: Path) -> None:
        """Takes the events of a file or a folder, as a platform would index them."""
        number = self.place.number + 1
        telemetry = read_telemetry(path)
        writer = self.write_events((name_index(events) for events in telemetry.events), number)
        self.commit(merge_stored_kinds([*self.tables, *writer.describe()]), self.place.journal, writer.next)

    def write_events(self, events: Iterable[Events], number: int) -> StoreWriter:
        """Writes events to files of their own."""
        writer = StoreWriter(self.store, self.dimensions, number=number, first=self.place.events)
        # Of few texts nobody can tell whether they repeat; whole events do not.
        writer.unlike.add(RAW_FIELD)
        with writer:
            writer.write(events)
        for table in writer.describe():
            for name in table.files:
                sync_file(self.store / name)
        return writer

    def commit(self, tables: tuple[StoredKind, ...], reached: int, events: int | None = None) -> None:
        """Makes tables the store's, and a place that up to which the journal is in them."""
        number = self.place.number + 1
        manifest = StoreManifest(
            format=STORE_VERSION,
            origin=str(TelemetryOrigin.REPLAYED),
            conditions={},
            causes=0,
            tables=tables,
            dimensions=self.write_dimensions(number),
            damages=(),
        )
        encoded = msgspec.json.encode(manifest, order="deterministic")
        last = self.place
        self.place = Place(
            manifest=hashlib.sha256(encoded).hexdigest(),
            journal=reached,
            number=number,
            events=last.events if events is None else events,
            before=last.manifest,
            journal_before=last.journal,
        )
        write_durably(self.store / PLACE_FILE, msgspec.json.encode(self.place))
        write_durably(self.store / MANIFEST, encoded)
        sync_directory(self.store)
        self.tables = tables
        self.remove_obsolete()

    def write_dimensions(self, number: int) -> dict[str, StoredDimension]:
        """Writes the texts of columns that have new ones; says what is where."""
        folder = self.store / "dimensions"
        folder.mkdir(exist_ok=True)
        found: dict[str, StoredDimension] = {}
        for place, (name, dimension) in enumerate(sorted(self.dimensions.by_name.items())):
            if not dimension.codes:
                continue
            size = len(dimension.codes)
            if self.written.get(name, (0, ""))[0] != size:
                file = f"dimensions/{number:06}-{place:05}.parquet"
                if name in self.written:
                    self.obsolete.append((time.monotonic(), self.written[name][1]))
                self.described[name] = write_dimension(self.store, file, dimension.texts())
                sync_file(self.store / file)
                self.written[name] = (size, file)
            found[name] = self.described[name]
        return found

    def remove_obsolete(self) -> None:
        """Removes files that no search reads any more."""
        while self.obsolete and self.obsolete[0][0] < time.monotonic() - KEPT_SECONDS:
            (self.store / self.obsolete.pop(0)[1]).unlink(missing_ok=True)

    def rewrite(self, change: RewriteEvents) -> None:
        """Writes all events anew with a change made to them; what is put together meanwhile is read faster."""
        store = CodedStore(self.store)
        number = self.place.number + 1
        old = self.tables

        def changed() -> Iterator[Events]:
            for table in old:
                for rows, events in store.pieces(table):
                    if len(kept := change(events, rows)):
                        yield kept

        writer = self.write_events(changed(), number)
        self.forget_files(old)
        self.tables = ()
        self.commit(merge_stored_kinds(writer.describe()), self.place.journal, writer.next)

    def drop_events(self, numbers: Collection[int]) -> None:
        """Takes events out of the store."""
        gone = np.fromiter(numbers, np.int64, len(numbers))

        def keep(events: Events, rows: pa.Table) -> Events:
            kept = ~np.isin(rows.column(EVENT_NUMBER).to_numpy(), gone)
            return events if kept.all() else events.with_columns(events.columns.filter(pa.array(kept)))

        if len(gone):
            self.rewrite(keep)

    def drop_index(self, name: str) -> None:
        """Takes all events of an index out of the store."""
        gone = [t for t in self.tables if t.constants.get(INDEX) == name]
        self.forget_files(gone)
        kept = tuple(t for t in self.tables if t.constants.get(INDEX) != name)
        self.commit(kept, self.place.journal)

    def forget_files(self, tables: Iterable[StoredKind]) -> None:
        """Notes that files of tables will be removed."""
        self.obsolete += ((time.monotonic(), name) for t in tables for name in t.files)


def name_index(events: Events) -> Events:
    """The events with the index that their input would write them to, if that is one for all."""
    index = metadata(events, {}).get(INDEX)
    return events.with_constants({INDEX: index}) if isinstance(index, str) else events


def checksum(file: Path) -> str:
    """The checksum of a file; none of one that is not there."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def write_durably(file: Path, content: bytes) -> None:
    """Puts a file in the place of another at once."""
    new = file.with_suffix(".new")
    with new.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)


def sync_file(file: Path) -> None:
    """Waits until the disk has a file: the journal, which has its events too, will go."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
