"""Events of one kind on their way to columns: rows that wait, parts that are columns already, the whole table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.record import record
from harness.telemetry.events.event import (
    CAUSE,
    NO_FIELDS,
    RECORD_FILE,
    RECORD_NUMBER,
    TEXT_TYPE,
    TIME,
    TIME_TYPE,
    UNLABELLED,
    Events,
)
from harness.telemetry.events.text_columns import map_distinct_values, print_floats
from harness.telemetry.events.windows_event import SYSTEM_FIELDS, is_windows
from harness.telemetry.events.windows_values import restore_values

# Records of a kind held as Python objects at once; chosen.
TABLE_ROWS_AT_ONCE = 8_192
# The widest of 176 recorded kinds has 61 fields; a bound for input made to grow.
MOST_EVENT_FIELDS = 2_000

CONSTANT_FIELDS = frozenset({*SYSTEM_FIELDS[:8], "Channel", "event_simpleName", "#event_simpleName", "ExternalApiType"})
"""Fields that say what kind an event is; of one value in a table, they need no column."""

EventTexts = Mapping[str, str]


class Placed(NamedTuple):
    """Where an event belongs among all, and which record of its file holds its text, if one does."""

    place: int
    record: int | None


@record
class PlacedRows:
    """The same of several events; `records` is None where no text is kept."""

    places: pa.Array
    records: pa.Array | None = None


class KindTable:
    """Records of one kind, turned into Arrow columns part by part so that few are held as Python objects."""

    def __init__(self, sensor: str, kind: str, damage: Callable[[str, str], None]) -> None:
        self.sensor, self.kind, self.damage = sensor, kind, damage
        # With each name where it came first: rows that are read alike are taken together, whatever lies between them.
        self.names: dict[str, tuple[int, int]] = {}
        self.known: object = None
        self.rows: list[EventTexts] = []
        self.times: list[int | None] = []
        self.placed: list[Placed] = []
        self.told: set[str] = set()
        self.file = ""
        self.parts: list[pa.Table] = []
        self.size = 0

    def add(self, time: int | None, fields: EventTexts, placed: Placed, file: str = "") -> None:
        """Takes one record, its place, and its file; every TABLE_ROWS_AT_ONCE of them become Arrow columns."""
        # A part holds records of one file, so that the file's name is one value of it.
        if file != self.file and self.rows:
            self.flush()
        self.file = file
        # Records of a kind mostly have the same names as the one before: one comparison instead of a merge.
        if fields.keys() != self.known:
            self.note_names(fields, placed.place)
            self.known = fields.keys()
        self.rows.append(fields)
        self.times.append(time)
        self.placed.append(placed)
        if len(self.rows) >= TABLE_ROWS_AT_ONCE:
            self.flush()

    def note_names(self, names: Iterable[str], place: int) -> None:
        """Notes the fields of an event and its place among all."""
        for order, name in enumerate(names):
            if (place, order) < self.names.get(name, BEHIND_ALL):
                self.names[name] = (place, order)

    @property
    def first(self) -> int:
        """The place of the first event that has a field."""
        return min(self.names.values(), default=BEHIND_ALL)[0]

    def flush(self) -> None:
        """Turns the records held so far into a part of the table."""
        self.leave_out()
        places, records = zip(*self.placed, strict=True) if self.placed else ((), ())
        placed = PlacedRows(pa.array(places, pa.int64()), pa.array(records, pa.int64()))
        columns = build_own_columns(pa.array(self.times, pa.int64()), placed, self.file)
        for name in self.names:
            columns[name] = pa.array([row.get(name) for row in self.rows], pa.string()).dictionary_encode()
        self.take_part(pa.table(columns))
        self.rows, self.times, self.placed = [], [], []

    def take_part(self, part: pa.Table) -> None:
        """Takes rows that are columns."""
        self.parts.append(part)
        self.size += part.nbytes

    def hand_on(self) -> Events | None:
        """The events held so far, which are forgotten; None if there is none."""
        if not self.rows and not self.parts:
            return None
        found = self.events(joined=False)
        self.parts, self.names, self.known, self.size = [], {}, None, 0
        return found

    def leave_out(self) -> None:
        """Drops fields that have a name of our own, and those beyond the most; each is told once."""
        own = RESERVED_NAMES & self.names.keys()
        if own:
            self.tell(f"fields with a name of detlab's own are not read: {min(own)}")
            self.names = {name: at for name, at in self.names.items() if name not in own}
        if len(self.names) > MOST_EVENT_FIELDS:
            self.tell(f"more than {MOST_EVENT_FIELDS} fields; the others are not read")
            self.names = dict([*self.names.items()][:MOST_EVENT_FIELDS])

    def tell(self, message: str) -> None:
        """Tells of something in this kind of events, once."""
        if message not in self.told:
            self.told.add(message)
            self.damage(f"{self.sensor} {self.kind}", message)

    def add_part(
        self, times: pa.Array, placed: PlacedRows, columns: Mapping[str, pa.DictionaryArray], file: str
    ) -> None:
        """Takes records by their columns; those that wait keep their places."""
        self.note_names(columns, int(placed.places[0].as_py()) if len(times) else 0)
        self.leave_out()
        self.known = None
        kept = {name: column for name, column in columns.items() if name in self.names}
        self.take_part(pa.table({**build_own_columns(times, placed, file), **kept}))

    def events(self, *, joined: bool = True) -> Events:
        """The whole table; System fields with one value in all of it are constants.

        One that is not `joined` may have its columns in parts with dictionaries of their own.
        """
        if self.rows or not self.parts:
            self.flush()
        # Parts differ in their fields; what a part lacks is null.
        table = pa.concat_tables(print_number_columns(self.parts, joined=joined), promote_options="default")
        if joined or bool((np.diff(table.column(EVENT_PLACE).to_numpy()) < 0).any()):
            table = table.unify_dictionaries().combine_chunks()
        # Rows that are read alike were taken together, and of equal times the one that was recorded first comes first.
        places = table.column(EVENT_PLACE).to_numpy()
        fields = sorted((name for name in table.column_names if name in self.names), key=self.names.__getitem__)
        own = [name for name in table.column_names if name not in self.names and name != EVENT_PLACE]
        table = table.select([*own, *fields])
        if bool((np.diff(places) < 0).any()):
            table = table.take(pa.array(np.argsort(places, kind="stable")))
        return tidy_events(Events(sensor=self.sensor, kind=self.kind, columns=table))


def print_number_columns(parts: Sequence[pa.Table], *, joined: bool) -> Sequence[pa.Table]:
    """The parts with numbers as texts, unless all of a column are numbers and they need not be joined."""
    numbers = {f.name for part in parts for f in part.schema if pa.types.is_float64(f.type)}
    if not joined:
        texts = {f.name for part in parts for f in part.schema if not pa.types.is_float64(f.type)}
        numbers &= texts
    return [print_some_columns(part, numbers) for part in parts] if numbers else parts


def print_some_columns(part: pa.Table, names: Collection[str]) -> pa.Table:
    """A part with these columns as texts, where it has them as numbers."""
    for at, field in enumerate(part.schema):
        if field.name in names and pa.types.is_float64(field.type):
            chunks = [print_floats(chunk).dictionary_encode() for chunk in part.column(at).chunks]
            part = part.set_column(at, field.name, pa.chunked_array(chunks, TEXT_TYPE))
    return part


EVENT_PLACE = "@place"
BEHIND_ALL = (1 << 62, 0)
"""Behind all places."""
RESERVED_NAMES = NO_FIELDS | {EVENT_PLACE}
"""Columns of events that are no fields."""


def build_own_columns(times: pa.Array, placed: PlacedRows, file: str) -> dict[str, pa.Array]:
    """The columns that are no fields: times, which are in microseconds, places, where texts lie, nobody's doing."""
    columns = {
        EVENT_PLACE: placed.places,
        TIME: times.cast(TIME_TYPE),
        CAUSE: pa.repeat(pa.scalar(UNLABELLED, pa.int32()), len(times)),
    }
    if placed.records is not None and placed.records.null_count < len(times):
        columns[RECORD_NUMBER] = placed.records
        columns[RECORD_FILE] = repeat_text(file, len(times))
    return columns


def repeat_text(text: str, rows: int) -> pa.DictionaryArray:
    """A column in which each row has the same text."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text], pa.string()))


def tidy_events(events: Events) -> Events:
    """The same events with System fields of one value as constants and what decoders do to values repaired."""
    constants: dict[str, str] = {}
    columns: dict[str, pa.ChunkedArray] = {}
    windows = is_windows(events)
    provider = find_constant_value(events, "Provider_Name") if windows else ""
    for name in events.columns.column_names:
        column = events.columns.column(name)
        # Numbers of a table that somebody's decoder touched would be texts.
        if name not in NO_FIELDS and not pa.types.is_float64(column.type):
            restore = restore_values(name, provider, events.kind) if windows else keep_values
            column = map_distinct_values(column, restore)
            if column is None:
                continue
            # Constants decide later which kinds a rule needs at all, without a look at any row.
            if name in CONSTANT_FIELDS and (value := the_one_value(column)) is not None:
                constants[name] = value
                continue
        columns[name] = column
    return Events(sensor=events.sensor, kind=events.kind, constants=constants, columns=pa.table(columns))


def find_constant_value(events: Events, name: str) -> str:
    """The value that a field has in all events; empty where there are several or none."""
    if name in events.constants or name not in events.columns.column_names:
        return events.constants.get(name, "")
    return the_one_value(events.columns.column(name)) or ""


def keep_values(values: pa.Array) -> pa.Array:
    """The values unchanged, for events that no decoder touched."""
    return values


def the_one_value(column: pa.ChunkedArray) -> str | None:
    """The value that every event has, if there is one."""
    values = pc.unique(column.cast(pa.string()) if column.type != TEXT_TYPE else column.combine_chunks())
    return str(values[0].as_py()) if len(values) == 1 and values[0].is_valid else None
