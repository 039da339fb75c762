"""Tables of a coded store handed to an engine where they lie, and who caused their events."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.detection.engine import StoredColumn, StoredTable
from harness.detection.plan.expressions import EVENT_COLUMN, Kind
from harness.late_module import LateModule
from harness.telemetry.events.event import CAUSE, EARLIEST_ARRIVAL, TIME, UNLABELLED, Cause
from harness.telemetry.store.manifest import StoredKind, StoreManifest
from harness.telemetry.store.presentation import Presentation, PresentedColumn, PresentedKind, name_computed
from harness.telemetry.store.reader import CodedStore, TimeStretch

if TYPE_CHECKING:
    import pyarrow.parquet as pq
else:
    pq = LateModule("pyarrow.parquet")

EventNumbers = npt.NDArray[np.int64]


def compute_arrival(manifest: StoreManifest) -> int:
    """When events without a time arrived, in microseconds: with the last of the others."""
    return EARLIEST_ARRIVAL if manifest.last is None else manifest.last


@dataclass(slots=True)
class AttachedColumns:
    """The columns that a plan reads of a store, as an engine takes them, and the dimensions of these.

    What has to be computed for plan `number` is written to a folder.
    """

    presentation: Presentation
    folder: Path
    names: Collection[str]
    window: TimeStretch | None
    number: int
    dimensions: dict[str, pa.Table | Path] = field(default_factory=dict)

    def attach(self, shown: PresentedKind) -> StoredTable | None:
        """A table of the store; None where none of its events is left."""
        held = [n for n in shown.columns if n in self.names]
        computed = [n for n in held if self.presentation.needs_events(shown, n)]
        columns = {n: self.describe(shown, n, shown.columns[n]) for n in held if n not in computed}
        columns |= {n: describe_computed(n, shown.columns[n]) for n in computed}
        columns[EVENT_COLUMN] = StoredColumn(held=EVENT_COLUMN, kind=Kind.EVENT)
        if CAUSE in self.names:
            columns[CAUSE] = StoredColumn(held=CAUSE, kind=Kind.NUMBER)
        bounds = None if self.window is None else (TIME, self.window.begin, self.window.end)
        files = tuple(self.presentation.store.path.resolve() / name for name in shown.table.files)
        if computed:
            own = self.write(shown, computed, {c.held for c in columns.values()})
            if own is None:
                return None
            # Only events of the window were computed.
            files, bounds = (own,), None
        return StoredTable(files=files, constants=shown.constants, columns=columns, bounds=bounds)

    def describe(self, shown: PresentedKind, name: str, column: PresentedColumn) -> StoredColumn:
        """A column that files hold."""
        if column.epoch is not None:
            arrival = float(self.presentation.arrival) if shown.table.untimed else None
            return StoredColumn(
                held=TIME,
                kind=Kind.NUMBER,
                divisor=1e6 / column.epoch.per_second,
                default=arrival,
                whole=column.epoch.whole,
            )
        origin = column.origin
        assert origin is not None
        own = next(f for f in shown.table.fields if f.name == origin.name)
        if not own.coded:
            return StoredColumn(held=origin.name, kind=Kind.TEXT)
        unchanged = self.presentation.is_unchanged(origin, shown.table)
        # Changes are the same object wherever they are the same, but for those that a table makes itself.
        key = origin.name if unchanged else " ".join((origin.name, *(str(id(c)) for c in origin.changes)))
        if key not in self.dimensions:
            found = self.presentation.store.manifest.dimensions.get(origin.name)
            as_held = unchanged and found is not None
            values = None if as_held else pa.table({"value": self.presentation.map_dimension(origin)})
            self.dimensions[key] = self.presentation.store.path.resolve() / found.file if found and as_held else values
        return StoredColumn(held=origin.name, kind=Kind.TEXT, dimension=key)

    def write(self, shown: PresentedKind, computed: Sequence[str], held: Collection[str]) -> Path | None:
        """Writes a table with its computed columns; None without an event."""
        # A new name for each plan, so that nothing an engine remembers of an old file is taken for this one.
        file = self.folder / f"{self.number}-{self.presentation.tables.index(shown)}.parquet"
        kept = [n for n in held if n in shown.table.columns]
        writer: pq.ParquetWriter | None = None
        for table in self.presentation.compute(shown, computed, kept, self.window):
            # Read once and thrown away, so written fast: lz4, no statistics.
            writer = writer or pq.ParquetWriter(file, table.schema, compression="lz4", write_statistics=False)
            writer.write_table(table)
        if writer is None:
            return None
        writer.close()
        return file


def describe_computed(name: str, column: PresentedColumn) -> StoredColumn:
    """A column that was computed for a plan."""
    if pa.types.is_list(column.kind):
        kind = Kind.LIST
    else:
        kind = Kind.NUMBER if pa.types.is_floating(column.kind) else Kind.TEXT
    return StoredColumn(held=name_computed(name), kind=kind)


class StoredTruth:
    """Who caused the events of a store, read where somebody asks for it."""

    def __init__(self, store: CodedStore, tables: Sequence[StoredKind], window: TimeStretch | None) -> None:
        """Of these tables, and of events of a window if one is given."""
        self.store, self.tables, self.window = store, tables, window

    @property
    def causes(self) -> tuple[Cause, ...]:
        """All causes, by number."""
        return self.store.causes

    @property
    def malicious(self) -> frozenset[int]:
        """Numbers of the events that an attack left."""
        return self.find_events([i for i, c in enumerate(self.causes) if c.malicious])

    def find_events(self, causes: Sequence[int]) -> frozenset[int]:
        """Numbers of the events that these causes left."""
        found: set[int] = set()
        for numbers, own in self.pieces() if causes else ():
            found.update(numbers[np.isin(own, causes)].tolist())
        return frozenset(found)

    @property
    def size(self) -> int:
        """One more than the highest number of an event."""
        return self.store.manifest.rows

    def pieces(self) -> list[tuple[EventNumbers, npt.NDArray[np.int32]]]:
        """Numbers of events and of their causes."""
        return [
            (rows.column(EVENT_COLUMN).to_numpy(), rows.column(CAUSE).to_numpy())
            for table in self.tables
            for rows, _ in self.store.pieces(table, (), self.window)
        ]

    def of_each(self, behind: Sequence[tuple[int, ...]]) -> list[tuple[Cause, ...]]:
        """The causes of each of several sets of events, each once, in order of number."""
        if not self.causes or not any(behind):
            return [() for _ in behind]
        wanted = np.unique(np.concatenate([np.asarray(events, np.int64) for events in behind]))
        causes = np.full(len(wanted), UNLABELLED, np.int64)
        for table in self.tables:
            for file, group in self.store.groups(table, self.window):
                self.look_up(file, group, wanted, causes)
        found = []
        for events in behind:
            numbers = np.unique(causes[np.searchsorted(wanted, np.asarray(events, np.int64))])
            found.append(tuple(self.causes[i] for i in numbers.tolist() if i != UNLABELLED))
        return found

    def look_up(self, file: pq.ParquetFile, group: int, wanted: EventNumbers, causes: EventNumbers) -> None:
        """Sets the causes of those of the wanted events that are in a row group."""
        at = file.schema_arrow.get_field_index(EVENT_COLUMN)
        bounds = file.metadata.row_group(group).column(at).statistics
        if bounds is not None and bounds.has_min_max:
            first, end = np.searchsorted(wanted, [bounds.min, bounds.max + 1])
            if first == end:
                return
        rows = file.read_row_group(group, columns=[EVENT_COLUMN, CAUSE])
        numbers = rows.column(EVENT_COLUMN).to_numpy()
        # Numbers rise within a file.
        places = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
        there = numbers[places] == wanted
        causes[there] = rows.column(CAUSE).to_numpy()[places[there]]

    def list_causes(self) -> frozenset[int]:
        """Numbers of the causes that left an event."""
        return frozenset(np.flatnonzero(count_causes(self.store, self.tables, self.window)[:-1]).tolist())


def count_causes(store: CodedStore, tables: Sequence[StoredKind], window: TimeStretch | None) -> EventNumbers:
    """How many events each cause left, by its number; those of nobody stand last."""
    found = np.zeros(store.manifest.causes + 1, np.int64)
    for table in tables:
        for causes in store.list_causes(table, window):
            # UNLABELLED is -1, and bincount takes no negative number.
            found += np.roll(np.bincount(causes + 1, minlength=len(found)), -1)
    return found
