"""Events as flat fields on their way to the tables: kept until many have the same names, then read by their columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.event_columns import (
    FEWEST_ROWS,
    Rows,
    RowsDifferError,
    Texts,
    build_columns,
    encode_column,
    find_times,
    list_readings,
    list_row_fields,
    list_rows_by_presence,
)
from harness.telemetry.events.event_layout import EventLayout, build_layout
from harness.telemetry.events.export_times import find_export_time
from harness.telemetry.events.input import EventTables
from harness.telemetry.events.kind_table import Placed, PlacedRows, repeat_text
from harness.telemetry.events.whole_tables import WholeTable, read_table_of_numbers, read_whole_table
from harness.telemetry.shape import list_fitting_envelopes

# Layouts are kept by field names; 138 are in 10,015 events of 176 kinds. A bound for input that never repeats one.
MOST_LAYOUTS = 20_000
# Kinds of unknown objects that are told apart.
MOST_UNKNOWN_KINDS = 1_000
# Some 25 MB of Python objects.
MOST_WAITING_ROWS = 16_384

Flat: TypeAlias = dict[str, str]


class Label(NamedTuple):
    """What an envelope says of an event: metadata, a time for one without its own, the name of its shape."""

    metadata: Mapping[str, str]
    time: str | None = None
    shape: str = ""


NO_LABEL = Label({})


@dataclass(slots=True)
class WaitingRows:
    """Events with the same names and the same metadata, which wait for more of them."""

    label: Label
    rows: list[Flat] = field(default_factory=list)
    times: list[str | None] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)


class EventRows:
    """Takes events as flat fields under whatever names a tool gave them; counts what there is to tell of them."""

    def __init__(self, name: str, tables: EventTables) -> None:
        self.name, self.tables = name, tables
        self.layouts: dict[tuple[str, ...], EventLayout] = {}
        self.waiting: dict[tuple[object, ...], WaitingRows] = {}
        self.count = 0
        self.guessed: Counter[str] = Counter()
        self.shapes: Counter[str] = Counter()
        self.unknown: Counter[tuple[str, ...]] = Counter()
        self.nameless: Counter[str] = Counter()
        self.unzoned = 0

    def find_layout(self, flat: Mapping[str, str]) -> EventLayout:
        """How events with these fields are read."""
        names = tuple(flat)
        layout = self.layouts.get(names)
        # Our own events name sensor and kind in values, so their names alone do not tell how they are read.
        if layout is None or "@sensor" in flat:
            layout = build_layout(flat)
            if len(self.layouts) < MOST_LAYOUTS:
                self.layouts[names] = layout
        return layout

    def add(self, flat: Flat, label: Label = NO_LABEL) -> None:
        """Takes one event."""
        metadata = tuple(label.metadata.items()) if label.metadata else ()
        key = (tuple(flat), metadata, label.shape, flat.get("@sensor"), flat.get("@kind"))
        same = self.waiting.get(key)
        if same is None:
            same = self.waiting[key] = WaitingRows(label)
        same.rows.append(flat)
        same.times.append(label.time)
        same.placed.append(self.tables.begin_event())
        self.count += 1
        if self.count >= MOST_WAITING_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hands all events that wait to the tables."""
        waiting, self.waiting, self.count = self.waiting, {}, 0
        for same in waiting.values():
            if len(same.rows) < FEWEST_ROWS or not self.add_waiting(same):
                for flat, time, placed in zip(same.rows, same.times, same.placed, strict=True):
                    self.add_row(flat, same.label._replace(time=time), placed)

    def add_waiting(self, same: WaitingRows) -> bool:
        """Adds events by their columns; False where they have to be added one by one."""
        names = list(same.rows[0])
        texts = {n: pa.array([row[n] for row in same.rows], pa.string()).dictionary_encode() for n in names}
        places, records = zip(*same.placed, strict=True)
        placed = PlacedRows(pa.array(places, pa.int64()), pa.array(records, pa.int64()))
        try:
            self.add_alike(texts, np.arange(len(same.rows)), placed, same.label, same.times)
        except RowsDifferError:
            return False
        return True

    def add_batch(self, batch: pa.RecordBatch) -> Iterator[tuple[int, dict[str, Any]]]:
        """Adds the rows of a table by its columns; gives those that are read as objects, with their number."""
        base = self.tables.begin_rows(len(batch))
        streamed = self.tables.streams and len(batch) >= FEWEST_ROWS
        if streamed and (whole := read_table_of_numbers(batch, self.find_layout)) is not None:
            self.add_whole(whole, PlacedRows(pa.array(np.arange(base, base + len(batch)))))
            return
        encoded = {name: encode_column(column) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
        texts = {name: column for name, column in encoded.items() if column is not None}
        objects: Iterable[Mapping[str, Any]]
        if len(texts) == len(encoded):
            placed = PlacedRows(pa.array(np.arange(base, base + len(batch))))
            if len(batch) >= FEWEST_ROWS and (whole := self.read_whole(batch, texts)) is not None:
                self.add_whole(whole, placed)
                return
            left = sorted(self.add_groups(texts, placed))
            objects = list_row_fields(texts, np.array(left, np.int64))
        else:
            # A value with parts becomes several fields, whose names may be others in each row.
            left, objects = list(range(len(batch))), batch.to_pylist()
        for row, fields in zip(left, objects, strict=True):
            self.tables.put_at(base + row)
            yield row, {name: value for name, value in fields.items() if value is not None}
        self.tables.put_at(None)

    def add_groups(
        self, texts: Texts, placed: PlacedRows, *, nested: bool = False, opened: bool = False
    ) -> Iterator[int]:
        """Adds rows that are read alike, where there are enough of them; gives the numbers of all others.

        With `nested` they were objects with objects in them, of which one may be the event; with `opened` no envelope
        is around them, whatever their names.
        """
        for rows in list_rows_by_presence(texts, len(placed.places)):
            if len(rows) < FEWEST_ROWS:
                yield from map(int, rows)
                continue
            there = {name: column for name, column in texts.items() if column.indices[int(rows[0])].is_valid}
            try:
                if not opened and list_fitting_envelopes(tuple(there)):
                    raise RowsDifferError
                self.check_held_events(there, nested=nested)
                self.add_alike(there, rows, take_placed(placed, rows))
            except RowsDifferError:
                yield from map(int, rows)

    def read_whole(self, batch: pa.RecordBatch, texts: Texts) -> WholeTable | None:
        """How all rows of a table are read; None where not all are read alike."""
        numbers = {f.name: batch.column(f.name) for f in batch.schema if pa.types.is_float64(f.type)}
        sets = list(list_rows_by_presence(texts, len(batch)))
        return read_whole_table(texts, sets, numbers, self.find_layout)

    def add_whole(self, whole: WholeTable, placed: PlacedRows) -> None:
        """Adds a table of which all rows are events of one kind."""
        for each in whole.sets:
            self.tell(each.layout, each.texts, len(each.rows), nameless=each.reading.nameless, unzoned=0)
        self.unzoned += whole.unzoned
        said = {name: repeat_text(value, len(placed.places)) for name, value in whole.constants.items()}
        self.tables.add_columns(whole.sensor, whole.kind, whole.times, placed, {**whole.columns, **said})

    def check_held_events(self, texts: Texts, *, nested: bool) -> None:
        """Raises RowsDifferError where a field of events of no known shape may hold the event."""
        layout = self.find_texts_layout(texts)
        if not layout.known and (nested or any(may_hold_event(texts[name]) for name in layout.texts)):
            raise RowsDifferError

    def find_texts_layout(self, texts: Texts) -> EventLayout:
        """How rows with these fields are read."""
        return self.find_layout({name: column.dictionary[0].as_py() for name, column in texts.items()})

    def add_alike(
        self,
        texts: Texts,
        rows: Rows,
        placed: PlacedRows,
        label: Label = NO_LABEL,
        times: list[str | None] | None = None,
    ) -> None:
        """Adds rows that have the same fields; raises RowsDifferError, with none added, where they are not read alike.

        `times` are those of the envelopes, for rows without their own.
        """
        layout = self.find_texts_layout(texts)
        # An event of our own names its sensor and kind itself, and an unknown one may hold an event in a text.
        several = any(len(texts[name].dictionary) > 1 for name in ("@sensor", "@kind") if name in texts)
        if several or layout.prefix or not layout.time_names:
            raise RowsDifferError
        for some, read in list(list_readings(texts, rows, layout)):
            found, unzoned = find_times(texts, some, layout)
            if times is not None and found.null_count:
                found, more = fill_times(found, [times[row] for row in some])
                unzoned += more
            self.tell(layout, texts, len(some), nameless=read.nameless, unzoned=unzoned, shape=label.shape)
            columns = build_columns(texts, some, read)
            columns |= {name: repeat_text(value, len(some)) for name, value in label.metadata.items()}
            own = take_placed(placed, np.searchsorted(rows, some))
            self.tables.add_columns(read.sensor, read.kind, found, own, columns)

    def add_row(self, flat: Flat, label: Label, placed: Placed) -> None:
        """Adds one event."""
        layout = self.find_layout(flat)
        fields = {new: flat[old] for old, new in layout.names}
        # Later than the event's own: what a collector says of index and host is what a search sees.
        fields |= label.metadata
        nameless = layout.finish(fields, flat) if layout.finish is not None else ""
        at, unzoned = layout.time(flat)
        if at is None and label.time is not None:
            at, unzoned = find_export_time({"time": label.time}, ("time",))
        self.tell(layout, flat, 1, nameless=nameless, unzoned=unzoned, shape=label.shape)
        self.tables.add(layout.sensor(fields), layout.kind(fields), at, fields, placed)

    def tell(
        self, layout: EventLayout, names: Iterable[str], events: int, *, nameless: str, unzoned: int, shape: str = ""
    ) -> None:
        """Counts events that were read alike: of which shape they were, what was guessed of them, what was missing."""
        if nameless:
            self.nameless[nameless] += events
        self.guessed[layout.guess] += events
        self.shapes[shape or layout.shape] += events
        if not layout.known and not layout.guess and len(self.unknown) < MOST_UNKNOWN_KINDS:
            self.unknown[tuple(names)] += events
        self.unzoned += unzoned

    def done(self) -> None:
        """Hands over what waits, and tells of how many events something had to be guessed, and their shapes."""
        self.flush()
        for guess, count in self.guessed.items():
            if guess:
                self.tables.misread(self.name, f"{count} events {guess}")
        for kind, count in self.nameless.items():
            message = f"{count} events of {kind}: no manifest or message tells them, a rule sees none"
            self.tables.misread(self.name, message)
        if self.unzoned:
            self.tables.misread(self.name, f"{self.unzoned} times name no zone; they are read as UTC")
        self.tables.count_shapes(self.name, self.shapes, self.unknown)


def take_placed(placed: PlacedRows, rows: Rows) -> PlacedRows:
    """Where some of the rows belong."""
    if len(rows) == len(placed.places):
        return placed
    at = pa.array(rows)
    return PlacedRows(placed.places.take(at), None if placed.records is None else placed.records.take(at))


def may_hold_event(column: pa.DictionaryArray) -> bool:
    """Whether a text looks like an event in XML or JSON."""
    return bool(pc.any(pc.match_substring_regex(column.dictionary, r"<Event|^\s*\{")).as_py())


def fill_times(found: pa.Array, times: list[str | None]) -> tuple[pa.Array, int]:
    """Times with those of envelopes where there is none, and of how many the zone had to be assumed."""
    values, unzoned = found.to_pylist(), 0
    for at, text in enumerate(times):
        if values[at] is None and text is not None:
            values[at], assumed = find_export_time({"time": text}, ("time",))
            unzoned += assumed
    return pa.array(values, pa.int64()), unzoned
