"""Events of any format written as a coded store, as they are read: memory is bounded whatever the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.telemetry.events.event import Cause, Damage, Telemetry, TelemetryOrigin, shift_causes
from harness.telemetry.events.input import EventTables
from harness.telemetry.format import find_event_files, nothing_read, read_folder
from harness.telemetry.indexing.plain_text import Input
from harness.telemetry.recording import is_recording, open_recording
from harness.telemetry.store.dimension import Dimensions
from harness.telemetry.store.folder import check_place, replace_folder, write_causes
from harness.telemetry.store.manifest import (
    STORE_VERSION,
    StoreManifest,
    is_store,
    merge_conditions,
    write_manifest,
)
from harness.telemetry.store.reader import CodedStore
from harness.telemetry.store.writer import OpenFile, StoreWriter, open_parquet, open_scratch_parquet

Progress = Callable[[int], None]


# Events in memory take twice what JSON of them takes on disk; what is packed some eight times more.
LARGE_INPUT = 256 << 20
"""Bytes of text from which on events are written to a store in passing."""
PACKED_FACTOR = 8
PACKED = (".gz", ".zst", ".xz", ".bz2", ".zip")
# 15 bytes an event of a lake of connections, against 300 as JSON: a million of them took 4.8 s and 0.9 GB in memory,
# 1.7 s and 0.34 GB by way of a store.
COLUMNS_FACTOR = 20
"""Bytes of text for one of Parquet."""


def is_large(paths: Sequence[Path], memory: int) -> bool:
    """Whether events had better not be held in memory, of which there is so much."""
    size = 0
    for file in (f for path in paths if path.exists() for f in find_event_files(path)):
        size += file.stat().st_size * measure_packing(file.suffix.lower())
    return size > min(LARGE_INPUT, memory // 4)


def measure_packing(suffix: str) -> int:
    """Bytes of text that a byte of a file with this suffix stands for."""
    if suffix == ".parquet":
        return COLUMNS_FACTOR
    return PACKED_FACTOR if suffix in PACKED else 1


class StoreSink:
    """Takes recordings, a part after another, and writes them to the folder of a store."""

    def __init__(self, folder: Path, progress: Progress | None = None, open_file: OpenFile = open_parquet) -> None:
        """`progress` is told after each part how many events there are."""
        self.folder, self.progress = folder, progress
        self.dimensions = Dimensions()
        self.writer = StoreWriter(folder, self.dimensions, open_file=open_file)
        self.causes: list[Cause] = []
        self.origins: dict[TelemetryOrigin, None] = {}
        self.latest: tuple[tuple[Cause, ...], int] = ((), 0)

    def take(self, part: Telemetry) -> None:
        """Writes a part."""
        self.origins[part.origin] = None
        causes, first = self.latest
        if part.causes and part.causes is not causes:
            # A recording that comes in several parts has its causes once.
            first = len(self.causes)
            self.causes += part.causes
            self.latest = (part.causes, first)
        self.writer.write(shift_causes(e, first) if part.causes else e for e in part.events)
        if self.progress:
            self.progress(self.writer.next)

    def finish(self, conditions: Mapping[str, str], damages: Sequence[Damage]) -> StoreManifest:
        """Writes what belongs to no table, the manifest last."""
        self.writer.close()
        origin = next(iter(self.origins)) if len(self.origins) == 1 else TelemetryOrigin.REPLAYED
        manifest = StoreManifest(
            format=STORE_VERSION,
            origin=str(origin),
            conditions=dict(conditions),
            causes=write_causes(self.folder, self.causes),
            tables=tuple(self.writer.describe()),
            dimensions=self.dimensions.write(self.folder),
            damages=tuple((d.place, d.message, d.misread) for d in damages),
        )
        write_manifest(self.folder, manifest)
        return manifest


def ingest(
    paths: Sequence[Path],
    out: Path,
    *,
    plain: Input | None = None,
    conditions: Mapping[str, str] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> StoreManifest:
    """Writes the events of files, folders, recordings and stores as one store; it is there when it is whole.

    Raises HarnessError where something else is there, and for a path of which nothing can be read.
    """
    check_place(out, replace=overwrite)
    with replace_folder(out) as folder:
        return write_store(paths, folder, plain=plain, conditions=conditions or {}, progress=progress)


def write_store(
    paths: Sequence[Path],
    folder: Path,
    *,
    plain: Input | None = None,
    conditions: Mapping[str, str],
    progress: Progress | None = None,
    scratch: bool = False,
) -> StoreManifest:
    """The same into an empty folder; `scratch` is whether it will be thrown away soon."""
    sink = StoreSink(folder, progress, open_scratch_parquet if scratch else open_parquet)
    damages: list[Damage] = []
    known: dict[str, str] = {}
    try:
        for path in paths:
            if is_store(path):
                known = merge_conditions(known, copy_store(path, sink, damages))
                continue
            tables = EventTables(sink.take)
            before = sink.writer.next
            if is_recording(path):
                tables.take(open_recording(path).telemetry())
            else:
                read_folder(path, tables, plain)
            tables.hand_on()
            if sink.writer.next == before and (tables.damages or not tables.complete):
                raise nothing_read(path, tables.damages)
            damages += tables.damages
        return sink.finish(merge_conditions(known, conditions), damages)
    finally:
        sink.writer.close()


def copy_store(path: Path, sink: StoreSink, damages: list[Damage]) -> Mapping[str, str]:
    """Adds the events of another store; gives the conditions under which they were recorded."""
    store = CodedStore(path)
    origin = TelemetryOrigin(store.manifest.origin)
    for table in store.manifest.tables:
        for _, events in store.pieces(table):
            sink.take(Telemetry(events=(events,), causes=store.causes, origin=origin))
    damages += store.damages
    return store.manifest.conditions
