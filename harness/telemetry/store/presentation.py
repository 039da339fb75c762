"""What a platform shows of a coded store, told of its dimensions and not of its events.

A platform is handed one or two rows of each table. What it makes of a recorded column value by value is noted, and can
be made of the column's texts alone; what it makes of several columns is computed of events, and only for who reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.record import record
from harness.telemetry.events.column_lineage import SPARING, Change, Epoch, Lineage, Origin, follow_columns
from harness.telemetry.events.event import (
    CAUSE,
    EARLIEST_ARRIVAL,
    TIME,
    TIME_TYPE,
    UNLABELLED,
    Events,
    Telemetry,
    fill_times,
)
from harness.telemetry.platform import Platform, View
from harness.telemetry.store.manifest import EVENT_NUMBER, StoredKind
from harness.telemetry.store.reader import CodedStore, TimeStretch, make_events

# Any text without a mark: what is done to it is done to the column's own.
WITNESS = "x"
# Values of metadata tell how a table is shown; a recording has few, beyond these it is shown by the first.
MOST_METADATA_VALUES = 10_000


@record(kw_only=True)
class PresentedColumn:
    """A presented column: times, or a recorded column whose values are changed; neither where it is computed.

    `kind` is the type of its values.
    """

    kind: pa.DataType
    origin: Origin | None = None
    epoch: Epoch | None = None

    @property
    def computed(self) -> bool:
        """Whether events have to be presented for it."""
        return self.origin is None and self.epoch is None


@record(kw_only=True)
class PresentedKind:
    """A table as a platform shows it."""

    table: StoredKind
    constants: Mapping[str, str]
    columns: Mapping[str, PresentedColumn]


@dataclass(slots=True)
class Presentation:
    """A store as a platform shows it under some conditions; `raw` adds the text of events."""

    store: CodedStore
    platform: Platform
    conditions: Mapping[str, str]
    raw: bool
    tables: list[PresentedKind] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    mapped: dict[tuple[str, tuple[Change, ...]], pa.StringArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for table in self.store.manifest.tables:
            shown, view = self.present_kind(table)
            self.tables.append(shown)
            self.views.append(view)

    @property
    def arrival(self) -> int:
        """When events without a time arrived, in microseconds: with the last of the others."""
        last = self.store.manifest.last
        return EARLIEST_ARRIVAL if last is None else max(last, EARLIEST_ARRIVAL)

    def present_kind(self, table: StoredKind) -> tuple[PresentedKind, View]:
        """How a table is shown, found out by showing a few rows that stand for it; and its schema."""
        lineage = Lineage()
        events = self.build_witnesses(table, lineage)
        with follow_columns(lineage):
            # Its text, if it is asked for, is made of fields here; whether it was recorded changes no column's kind.
            (view,) = self.platform.present(Telemetry(events=(events,)), self.conditions, raw=self.raw)
        columns = {
            name: describe_column(lineage, view.columns.column(name))
            for name in view.columns.column_names
            if name not in (EVENT_NUMBER, CAUSE)
        }
        schema = View(constants=view.constants, columns=view.columns.slice(0, 0))
        if self.raw and table.recorded:
            # Which of them a text has is known when it is read.
            texts = dict.fromkeys(self.platform.text_fields, PresentedColumn(kind=pa.string()))
            columns |= texts
            added = {n: pa.array([], pa.string()) for n in texts if n not in schema.columns.column_names}
            schema = replace(schema, columns=pa.table({**columns_by_name(schema.columns), **added}))
        return PresentedKind(table=table, constants=view.constants, columns=columns), schema

    def build_witnesses(self, table: StoredKind, lineage: Lineage) -> Events:
        """A few rows of a table: one with a text in each column that has any, one without where some lack it."""
        texts = {f.name: self.list_witness_texts(table, f.name) for f in table.fields}
        size = 1 + max([1, *map(len, texts.values())])
        columns: dict[str, pa.ChunkedArray] = {}
        for each in table.fields:
            held = texts[each.name]
            codes = np.minimum(np.arange(size, dtype=np.int32), len(held) - 1)
            mask = None
            if each.nulls:
                # A column that nobody filled is null throughout.
                mask = np.arange(size) >= (len(held) if each.filled or "" in held else 0)
            made = pa.DictionaryArray.from_arrays(pa.array(codes, mask=mask), pa.array(held, pa.string()))
            columns[each.name] = pa.chunked_array([made])
        columns[TIME] = pa.chunked_array([pa.array(np.arange(size, dtype=np.int64)).cast(TIME_TYPE)])
        columns[CAUSE] = pa.chunked_array([pa.array(np.full(size, UNLABELLED, np.int32))])
        for name, column in columns.items():
            lineage.add(name, column)
        return make_events(table, pa.table(columns))

    def list_witness_texts(self, table: StoredKind, name: str) -> list[str]:
        """Texts that stand for those of a column; they are its own where a platform looks at them."""
        own = next(f for f in table.fields if f.name == name)
        if name not in self.platform.telling_fields or not own.filled:
            return [WITNESS if own.filled else ""]
        seen: set[str] = set()
        for texts in self.store.list_texts(table, own):
            seen.update(texts)
            if len(seen) > MOST_METADATA_VALUES:
                break
        return sorted(seen)[:MOST_METADATA_VALUES] or [WITNESS]

    def is_unchanged(self, origin: Origin, table: StoredKind) -> bool:
        """Whether a column is shown as it was recorded."""
        held = next(f for f in table.fields if f.name == origin.name)
        dimension = self.store.manifest.dimensions.get(origin.name)
        marked = dimension.marked if held.coded and dimension else held.marked
        return all(change in SPARING and not marked for change in origin.changes)

    def map_dimension(self, origin: Origin) -> pa.StringArray:
        """The texts of a column as they are shown, by their codes; null where they are absent."""
        key = (origin.name, origin.changes)
        if key not in self.mapped:
            texts = self.store.texts(origin.name)
            for change in origin.changes:
                texts = change_texts(texts, change)
            self.mapped[key] = texts
        return self.mapped[key]

    def needs_events(self, shown: PresentedKind, name: str) -> bool:
        """Whether a column of a table can only be shown by presenting its events."""
        column = shown.columns[name]
        if column.computed:
            return True
        if column.origin is None:
            return False
        held = next(f for f in shown.table.fields if f.name == column.origin.name)
        if held.printed:
            return True
        return not held.coded and not self.is_unchanged(column.origin, shown.table)

    def compute(
        self, shown: PresentedKind, names: Collection[str], held: Collection[str], window: TimeStretch | None
    ) -> Iterator[pa.Table]:
        """The events of a table with presented columns, named by `name_computed`, beside those that files hold."""
        for rows, events in self.store.pieces(shown.table, None, window):
            told = Telemetry(events=(fill_arrival(events, self.arrival),))
            (view,) = self.platform.present(told, self.conditions, raw=self.raw)
            # A platform may leave events out.
            kept = view.columns.column(EVENT_NUMBER)
            own = rows if len(kept) == len(rows) else rows.take(kept)
            columns = {n: own.column(n) for n in (EVENT_NUMBER, TIME, CAUSE, *held)}
            for name in names:
                columns[name_computed(name)] = find_presented(view, name, shown.columns[name].kind)
            yield pa.table(columns)


def name_computed(name: str) -> str:
    """What files call a column that was computed: no recorded one is called so."""
    return f"@shown {name}"


def find_presented(view: View, name: str, kind: pa.DataType) -> pa.ChunkedArray:
    """A column of some events as they are shown; null where none of them has it."""
    if name in view.constants:
        return pa.chunked_array([pa.repeat(view.constants[name], len(view.columns)).cast(kind)])
    if name not in view.columns.column_names:
        return pa.chunked_array([pa.nulls(len(view.columns), kind)])
    found = view.columns.column(name)
    if pa.types.is_list(kind) and not pa.types.is_list(found.type):
        return list_each(found.cast(pa.string()))
    return found.cast(kind)


def list_each(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each text as a list of one; none where it is absent."""
    return pa.chunked_array([pa.array([None if t is None else [t] for t in texts.to_pylist()], pa.list_(pa.string()))])


def columns_by_name(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """The columns of a table."""
    return {name: table.column(name) for name in table.column_names}


def describe_column(lineage: Lineage, column: pa.ChunkedArray) -> PresentedColumn:
    """Where a presented column comes from."""
    kind = pa.string() if pa.types.is_dictionary(column.type) or pa.types.is_null(column.type) else column.type
    return PresentedColumn(kind=kind, origin=lineage.find_origin(column), epoch=lineage.find_epoch(column))


def change_texts(texts: pa.StringArray, change: Change) -> pa.StringArray:
    """Texts changed; what is null stays so."""
    if not texts.null_count:
        return change(texts)
    # Changes are made for distinct values, of which none is null.
    known = pc.is_valid(texts)
    changed = change(texts.drop_null())
    place = np.cumsum(np.asarray(known), dtype=np.int64) - 1
    return changed.take(pa.array(place, mask=~np.asarray(known)))


def fill_arrival(events: Events, arrival: int) -> Events:
    """The events with the time of arrival where they have none."""
    at = events.columns.schema.get_field_index(TIME)
    return events.with_columns(events.columns.set_column(at, TIME, fill_times(events.columns.column(TIME), arrival)))
