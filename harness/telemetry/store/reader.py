"""A coded store read again: its events, a bounded piece at a time, its texts and causes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.diagnostics import HarnessError
from harness.late_module import LateModule
from harness.record import record
from harness.telemetry.events.event import (
    CAUSE,
    RECORD_FILE,
    RECORD_NUMBER,
    TEXT_TYPE,
    TIME,
    TIME_TYPE,
    Cause,
    Damage,
    Events,
    Telemetry,
    TelemetryOrigin,
    group_tables,
)
from harness.telemetry.events.text_columns import print_floats
from harness.telemetry.store.manifest import (
    CAUSES_FILE,
    EVENT_NUMBER,
    MICROSECONDS_IN,
    StoredField,
    StoredKind,
    StoreManifest,
    read_manifest,
)

if TYPE_CHECKING:
    import pyarrow.parquet as pq
else:
    pq = LateModule("pyarrow.parquet")

# The office of 500 hosts has 47 million in a week; held whole an event takes 115 to 820 bytes, measured on 1.6 million.
MOST_EVENTS = 40_000_000
"""Events that are read into memory as a whole; more are for commands that read what a rule needs."""

FAILURES = (pa.ArrowException, OSError, KeyError, ValueError, IndexError)


@record(kw_only=True)
class TimeStretch:
    """A stretch of time in microseconds since 1970, `end` not included."""

    begin: int
    end: int


class CodedStore:
    """A store on disk; its texts are read when somebody asks for them."""

    def __init__(self, path: Path) -> None:
        """Raises HarnessError for what is none."""
        self.path = path
        self.manifest: StoreManifest = read_manifest(path)
        self.known: dict[str, pa.StringArray] = {}

    def texts(self, name: str) -> pa.StringArray:
        """The texts of a column by their codes."""
        if name not in self.known:
            held = self.manifest.dimensions.get(name)
            read = self.read(held.file) if held else pa.table({"value": pa.array([], pa.string())})
            texts = read.column("value").cast(pa.string()).combine_chunks()
            self.known[name] = texts.chunk(0) if isinstance(texts, pa.ChunkedArray) else texts
        return self.known[name]

    def read(self, name: str) -> pa.Table:
        """A whole small file of the store."""
        try:
            # Not read_table, which imports what reads folders of files.
            return pq.ParquetFile(self.path / name).read()
        except FAILURES as error:
            raise damaged_file(self.path / name, error) from error

    @cached_property
    def causes(self) -> tuple[Cause, ...]:
        """Who did what, by number."""
        if not self.manifest.causes:
            return ()
        return tuple(Cause(**row) for row in self.read(CAUSES_FILE).to_pylist())

    @property
    def damages(self) -> tuple[Damage, ...]:
        """What could not be read when the store was written."""
        return tuple(Damage(place=p, message=m, misread=misread) for p, m, misread in self.manifest.damages)

    def groups(self, table: StoredKind, window: TimeStretch | None = None) -> Iterator[tuple[pq.ParquetFile, int]]:
        """The row groups of a table that can hold an event of the window, each with its file."""
        for name in table.files:
            file = self.open_file(name)
            for group in range(file.num_row_groups):
                if window is None or may_overlap(file, group, window):
                    yield file, group

    def open_file(self, name: str) -> pq.ParquetFile:
        """One of the store's files."""
        try:
            return pq.ParquetFile(self.path / name)
        except FAILURES as error:
            raise damaged_file(self.path / name, error) from error

    def pieces(
        self, table: StoredKind, columns: Sequence[str] | None = None, window: TimeStretch | None = None
    ) -> Iterator[tuple[pa.Table, Events]]:
        """The rows of a table as files hold them, and as events; of these fields, of a window, if one is given."""
        own = [RECORD_NUMBER, RECORD_FILE] if table.recorded else []
        chosen = [f for f in table.fields if columns is None or f.name in set(columns)]
        wanted = [EVENT_NUMBER, TIME, CAUSE, *own, *(f.name for f in chosen if f.form not in MICROSECONDS_IN)]
        for file, group in self.groups(table, window):
            try:
                read = file.read_row_group(group, columns=wanted).combine_chunks()
                if window is not None:
                    read = clip_rows(read, window)
                if len(read):
                    yield read, self.events_of(table, chosen, read)
            except FAILURES as error:
                raise damaged_file(self.path, error) from error

    def list_texts(self, table: StoredKind, field: StoredField) -> Iterator[list[str]]:
        """The different texts of a field in the row groups of a table, until there can be no other."""
        if not field.coded:
            for _, events in self.pieces(table, [field.name], None):
                yield events.columns.column(field.name).chunk(0).dictionary.to_pylist()
            return
        texts = self.texts(field.name)
        seen = np.zeros(len(texts), bool)
        for file, group in self.groups(table):
            try:
                codes = list_distinct_codes(file, group, field.name, bounds=bool(seen.all()))
                # Below 0 an array would count from its end.
                if len(codes) and not 0 <= int(codes.min()) <= int(codes.max()) < len(texts):
                    raise ValueError(f"{field.name} has codes of texts that are not there")
            except FAILURES as error:
                raise damaged_file(self.path, error) from error
            if not seen.all():
                yield texts.take(pa.array(codes)).to_pylist()
            seen[codes] = True

    def list_causes(self, table: StoredKind, window: TimeStretch | None = None) -> Iterator[npt.NDArray[np.int32]]:
        """The numbers of the causes of a table's events, of a window, if one is given."""
        # One column of four bytes: a study asks it of every event there is.
        wanted = [CAUSE] if window is None else [TIME, CAUSE]
        for file, group in self.groups(table, window):
            try:
                read = file.read_row_group(group, columns=wanted).combine_chunks()
            except FAILURES as error:
                raise damaged_file(self.path, error) from error
            yield (read if window is None else clip_rows(read, window)).column(CAUSE).to_numpy()

    def events_of(self, table: StoredKind, chosen: Sequence[StoredField], read: pa.Table) -> Events:
        """Rows of a file as events."""
        columns: dict[str, Any] = {
            TIME: read.column(TIME).cast(TIME_TYPE),
            CAUSE: read.column(CAUSE),
        }
        if table.recorded:
            columns[RECORD_NUMBER] = read.column(RECORD_NUMBER)
            columns[RECORD_FILE] = read.column(RECORD_FILE).dictionary_encode()
        for each in chosen:
            unit = MICROSECONDS_IN.get(each.form)
            held = read.column(each.name) if unit is None else count_time_units(read.column(TIME), unit)
            columns[each.name] = self.decode(each, held.chunk(0) if held.num_chunks == 1 else held.combine_chunks())
        return make_events(table, pa.table(columns))

    def decode(self, field: StoredField, held: pa.Array) -> pa.DictionaryArray:
        """A column as events have it: only texts that are in it."""
        if field.printed:
            return print_floats(held).dictionary_encode()
        if not field.coded:
            return held.dictionary_encode()
        texts = self.texts(field.name)
        codes = held.fill_null(0).to_numpy()
        if len(codes) and (int(codes.max()) >= max(len(texts), 1) or int(codes.min()) < 0):
            raise ValueError(f"{field.name} has codes of texts that are not there")
        seen = np.zeros(max(len(texts), 1), bool)
        seen[codes if not held.null_count else held.drop_null().to_numpy()] = True
        places = np.cumsum(seen, dtype=np.int32) - 1
        moved = pa.array(np.maximum(places[codes], 0), mask=np.asarray(held.is_null()) if held.null_count else None)
        return pa.DictionaryArray.from_arrays(moved, texts.take(pa.array(np.flatnonzero(seen[: len(texts)]))))

    def telemetry(self) -> Telemetry:
        """All of it in memory. Raises HarnessError for a store that is too large for that."""
        if self.manifest.rows > MOST_EVENTS:
            message = f"{self.path} holds {self.manifest.rows} events, more than {MOST_EVENTS} at once"
            raise HarnessError("too-large", message, help="run a rule on it: `detlab query RULE --events FOLDER`")
        events = group_tables([e for table in self.manifest.tables for _, e in self.pieces(table)])
        origin = TelemetryOrigin(self.manifest.origin)
        return Telemetry(events=events, causes=self.causes, origin=origin, damages=self.damages)


def read_stored_telemetry(path: Path) -> Telemetry:
    """A whole store in memory. Raises HarnessError for one that is too large for that."""
    return CodedStore(path).telemetry()


def make_events(table: StoredKind, columns: pa.Table) -> Events:
    """Rows of a table as events."""
    return Events(sensor=table.sensor, kind=table.kind, constants=table.constants, columns=columns)


def empty_events(table: StoredKind) -> Events:
    """No events of a table, for its schema."""
    types = {TIME: TIME_TYPE, CAUSE: pa.int32()}
    schema = pa.schema([(n, types.get(n, TEXT_TYPE)) for n in (TIME, CAUSE, *table.columns)])
    return make_events(table, schema.empty_table())


def count_time_units(micros: pa.ChunkedArray, unit: int) -> pa.ChunkedArray:
    """Times as numbers of so many microseconds each since 1970."""
    return pc.divide(micros.cast(pa.float64()), float(unit))


def may_overlap(file: pq.ParquetFile, group: int, window: TimeStretch) -> bool:
    """Whether a row group can hold an event of a stretch of time, by its bounds."""
    held = file.metadata.row_group(group)
    at = file.schema_arrow.get_field_index(TIME)
    bounds = held.column(at).statistics
    if bounds is None or not bounds.has_min_max:
        return True
    return bool(bounds.min < window.end and bounds.max >= window.begin)


def list_distinct_codes(file: pq.ParquetFile, group: int, name: str, *, bounds: bool) -> npt.NDArray[np.int32]:
    """The codes that a column has in a row group, or only the `bounds` of them; read where the file does not say."""
    said = file.metadata.row_group(group).column(file.schema_arrow.get_field_index(name)).statistics
    if said is not None and said.has_min_max and (bounds or said.min == said.max):
        return np.array(sorted({said.min, said.max}), np.int32)
    read = file.read_row_group(group, columns=[name]).column(name)
    found: npt.NDArray[np.int32] = pc.unique(read).drop_null().to_numpy()
    return found


def clip_rows(read: pa.Table, window: TimeStretch) -> pa.Table:
    """The rows of a stretch of time."""
    times = read.column(TIME).to_numpy()
    kept = np.flatnonzero((times >= window.begin) & (times < window.end))
    return read if len(kept) == len(read) else read.take(pa.array(kept)).combine_chunks()


def damaged_file(path: Path, error: Exception) -> HarnessError:
    """What is said of a file of a store that cannot be read."""
    message = str(error).partition("\n")[0]
    return HarnessError("damaged-store", f"{path} cannot be read: {message}")
