"""Writes recorded events as a coded store, a batch at a time: codes and texts to files by kind and columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias

import numpy as np
import pyarrow as pa

from harness.late_module import LateModule
from harness.telemetry.events.event import (
    CAUSE,
    NO_FIELDS,
    RECORD_FILE,
    RECORD_NUMBER,
    TIME,
    Events,
)
from harness.telemetry.events.text_columns import encode_text
from harness.telemetry.store.dimension import Dimensions, has_marked_text
from harness.telemetry.store.manifest import EVENT_NUMBER, MICROSECONDS_IN, Form, StoredField, StoredKind

if TYPE_CHECKING:
    import pyarrow.parquet as pq
else:
    pq = LateModule("pyarrow.parquet")

# Two rows a distinct text is chosen: below it codes save nothing.
ROWS_A_TEXT = 2
# Of fewer rows nobody can say whether their texts repeat.
ROWS_TO_TELL = 4_096
# Some kinds have their own files; beyond it the one that was written to longest ago is closed.
MOST_OPEN_FILES = 200
ROWS_IN_GROUP = 1 << 20

OpenFile: TypeAlias = "Callable[[Path, pa.Schema], RowsFile]"
Constants: TypeAlias = "tuple[tuple[str, str], ...]"
KindKey: TypeAlias = "tuple[str, str, Constants]"


class RowsFile(Protocol):
    """A file that rows are added to."""

    def write_table(self, table: pa.Table) -> None:
        """Adds rows."""

    def close(self) -> None:
        """Ends the file."""


@dataclass(slots=True)
class FieldFacts:
    """What is known of a field so far."""

    form: Form
    nulls: bool = False
    filled: bool = False
    marked: bool = False


@dataclass(slots=True)
class KindWriter:
    """A table that is being written: its columns, what is known of them, its files."""

    sensor: str
    kind: str
    constants: Constants
    fields: dict[str, FieldFacts]
    recorded: bool
    rows: int = 0
    files: list[str] = field(default_factory=list)
    first: int | None = None
    last: int | None = None
    untimed: bool = False
    file: RowsFile | None = None

    def holds(self, columns: Mapping[str, Form], recorded: bool) -> bool:
        """Whether events with these columns, each in its form, can be rows of it."""
        if any(f.form in MICROSECONDS_IN and n not in columns for n, f in self.fields.items()):
            return False
        fits = all(n in self.fields and self.fields[n].form is form for n, form in columns.items())
        return fits and recorded is self.recorded

    def note_times(self, times: pa.Array) -> None:
        """Takes the times of more events."""
        self.untimed |= times.null_count > 0
        known = times.drop_null().to_numpy()
        if len(known):
            self.first = min(int(known.min()), known[0] if self.first is None else self.first)
            self.last = max(int(known.max()), known[0] if self.last is None else self.last)
            self.first, self.last = int(self.first), int(self.last)

    def describe(self) -> StoredKind:
        """The table as a manifest has it."""
        fields = tuple(
            StoredField(name=n, form=f.form, nulls=f.nulls, filled=f.filled, marked=f.marked)
            for n, f in self.fields.items()
        )
        return StoredKind(
            sensor=self.sensor,
            kind=self.kind,
            constants=dict(self.constants),
            fields=fields,
            rows=self.rows,
            files=tuple(self.files),
            first=self.first,
            last=self.last,
            untimed=self.untimed,
            recorded=self.recorded,
        )


HELD_AS_NUMBERS = (pa.int32(), pa.int64())


def open_parquet(path: Path, schema: pa.Schema) -> RowsFile:
    """A file of a store: numbers as differences, codes by their few values, bounds of times and numbers."""
    coded = [f.name for f in schema if f.type == pa.int32()]
    deltas = [n for n in (EVENT_NUMBER, TIME, RECORD_NUMBER) if n in schema.names]
    made: RowsFile = pq.ParquetWriter(
        path,
        schema,
        # Read by each rule: on codes zstd costs a fifth of the reading and saves a tenth of the bytes.
        compression={f.name: "lz4" if f.type in HELD_AS_NUMBERS else "zstd" for f in schema},
        use_dictionary=coded,
        # Of codes too: an engine packs groups by how large they can be, and one that is alone is a constant.
        write_statistics=[EVENT_NUMBER, TIME, *coded],
        column_encoding=dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
    )
    return made


def load_writing_modules() -> None:
    """Imports what writing needs: before a fork once, behind it once in each process."""
    # Both import at first use, arrays what else is installed and knows arrays.
    pa.array([""])
    assert pq.ParquetWriter


def open_scratch_parquet(path: Path, schema: pa.Schema) -> RowsFile:
    """A file of a store that is read once or twice and thrown away: numbers as they are, which cost least to write."""
    made: RowsFile = pq.ParquetWriter(
        path,
        schema,
        # Packing codes takes as long as reading them does: 40 % of the writing, and an engine reads both alike.
        compression={f.name: "none" if f.type in HELD_AS_NUMBERS else "lz4" for f in schema},
        use_dictionary=False,
        write_statistics=[f.name for f in schema if f.name in (EVENT_NUMBER, TIME) or f.type == pa.int32()],
    )
    return made


class StoreWriter:
    """The tables of a store, or of a part of one, written as events come; those of one kind share a file."""

    def __init__(
        self,
        folder: Path,
        dimensions: Dimensions,
        *,
        number: int = 0,
        first: int = 0,
        open_file: OpenFile = open_parquet,
    ) -> None:
        """Files bear the number of the part; events are numbered from `first` on."""
        self.folder, self.dimensions, self.number, self.next = folder, dimensions, number, first
        self.open_file = open_file
        self.tables: dict[KindKey, list[KindWriter]] = {}
        self.texts: set[tuple[str, str, str]] = set()
        self.unlike: set[str] = set()
        self.open: dict[int, KindWriter] = {}
        self.names: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends all files."""
        for table in self.open.values():
            close_file(table)
        self.open.clear()

    def write(self, recorded: Iterable[Events]) -> None:
        """Adds events, the first tables first."""
        for events in recorded:
            if len(events):
                self.write_table(events)

    def write_table(self, events: Events) -> None:
        """Adds the events of one table."""
        names = [n for n in events.columns.column_names if n not in NO_FIELDS]
        columns = {n: events.columns.column(n) for n in names}
        columns = {n: c if pa.types.is_float64(c.type) else encode_text(c) for n, c in columns.items()}
        codes = {n: self.encode(events, n, column) for n, column in columns.items()}
        times = events.columns.column(TIME).cast(pa.int64()).combine_chunks()
        forms = {n: find_form(column, codes[n], times) for n, column in columns.items()}
        recorded = RECORD_NUMBER in events.columns.column_names
        table = self.find_table(events, forms, recorded)
        size = len(events)
        made: dict[str, pa.Array | pa.ChunkedArray] = {
            EVENT_NUMBER: pa.array(np.arange(self.next, self.next + size, dtype=np.int64)),
            TIME: times,
            CAUSE: events.columns.column(CAUSE).combine_chunks(),
        }
        if recorded:
            made[RECORD_NUMBER] = events.columns.column(RECORD_NUMBER).combine_chunks()
            made[RECORD_FILE] = events.columns.column(RECORD_FILE).cast(pa.string()).combine_chunks()
        for name, facts in table.fields.items():
            if facts.form in MICROSECONDS_IN:
                facts.filled = True
                continue
            made[name] = self.held_column(facts, columns.get(name), codes.get(name), size)
        self.next += size
        table.note_times(times)
        table.rows += size
        self.file_of(table, made).write_table(pa.table(made))

    def encode(self, events: Events, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray | None:
        """The codes of a column; None for one that is held as text."""
        key = (events.sensor, events.kind, name)
        if key in self.texts or pa.types.is_float64(column.type):
            return None
        if self.repeats(name, column):
            parts = [self.encode_chunk(name, chunk) for chunk in column.chunks]
            if all(part is not None for part in parts):
                return pa.chunked_array(parts, pa.int32())
        self.texts.add(key)
        return None

    def repeats(self, name: str, column: pa.ChunkedArray) -> bool:
        """Whether codes save anything: texts come several times, or have come before."""
        if sum(len(chunk.dictionary) for chunk in column.chunks) * ROWS_A_TEXT <= len(column):
            return True
        # The last rows of an input are few, and all of their texts may be known.
        new = sum(self.dimensions.count_new(name, chunk.dictionary) for chunk in column.chunks)
        if new * ROWS_A_TEXT <= len(column):
            return True
        if len(column) >= ROWS_TO_TELL:
            self.unlike.add(name)
        # Of few rows nobody can tell, but for what the same column is in other kinds.
        return name not in self.unlike

    def encode_chunk(self, name: str, chunk: pa.DictionaryArray) -> pa.Array | None:
        """The codes of a part of a column; None where there is no room for its texts."""
        if chunk.dictionary.null_count or len(chunk.dictionary) > len(chunk):
            # What lies in a dictionary and is in no row would stay in the store for ever.
            chunk = chunk.cast(pa.string()).dictionary_encode()
        found = self.dimensions.encode(name, chunk.dictionary)
        if found is None:
            return None
        if chunk.null_count:
            return pa.array(found).take(chunk.indices)
        return pa.array(found[chunk.indices.to_numpy()])

    def held_column(
        self, facts: FieldFacts, column: pa.ChunkedArray | None, codes: pa.ChunkedArray | None, size: int
    ) -> pa.Array | pa.ChunkedArray:
        """A field as a file holds it, what is known of it noted."""
        if column is None:
            facts.nulls = True
            return pa.nulls(size, HELD_TYPES[facts.form])
        facts.nulls |= column.null_count > 0
        if facts.form is Form.NUMBERS:
            facts.filled = True
            return column
        facts.filled = facts.filled or any(has_text(chunk.dictionary) for chunk in column.chunks)
        if codes is not None:
            return codes
        facts.marked = facts.marked or any(has_marked_text(chunk.dictionary) for chunk in column.chunks)
        return column.cast(pa.string())

    def find_table(self, events: Events, columns: Mapping[str, Form], recorded: bool) -> KindWriter:
        """The table that these events are rows of; a new one where none has all of their columns."""
        constants = tuple(sorted(events.constants.items()))
        same = self.tables.setdefault((events.sensor, events.kind, constants), [])
        for table in reversed(same):
            if table.holds(columns, recorded):
                return table
        before = {n: f.form for n, f in same[-1].fields.items()} if same else {}
        # With the columns of the one before, so that tables become fewer and not more where fields come and go.
        fields = {n: FieldFacts(form=form) for n, form in {**before, **columns}.items()}
        # Of events without the field their time must not be taken for it.
        fields = {n: f for n, f in fields.items() if n in columns or f.form not in MICROSECONDS_IN}
        made = KindWriter(sensor=events.sensor, kind=events.kind, constants=constants, fields=fields, recorded=recorded)
        same.append(made)
        return made

    def file_of(self, table: KindWriter, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> RowsFile:
        """The file that a table's next rows belong in."""
        if table.file is None:
            if len(self.open) >= MOST_OPEN_FILES:
                close_file(self.open.pop(next(iter(self.open))))
            name = self.name_file(table)
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            schema = pa.schema([(n, column.type) for n, column in columns.items()])
            table.file = self.open_file(self.folder / name, schema)
            table.files.append(name)
        else:
            self.open.pop(id(table))
        self.open[id(table)] = table
        return table.file

    def name_file(self, table: KindWriter) -> str:
        """A new name, in the folder of a sensor and kind."""
        folder = "".join(c if c.isalnum() or c in "-_." else "_" for c in f"{table.sensor}-{table.kind}")[:80]
        base = f"{folder}/{self.number:05}"
        name, more = f"{base}.parquet", 0
        while name.lower() in self.names:
            more += 1
            name = f"{base}-{more}.parquet"
        self.names.add(name.lower())
        return name

    def describe(self) -> list[StoredKind]:
        """What was written, a table a kind and set of columns."""
        return [table.describe() for same in self.tables.values() for table in same]


def close_file(table: KindWriter) -> None:
    """Ends the file that a table is written to."""
    if table.file is not None:
        table.file.close()
        table.file = None


HELD_TYPES = {Form.CODES: pa.int32(), Form.TEXTS: pa.string(), Form.NUMBERS: pa.float64()}


def find_form(column: pa.ChunkedArray, codes: pa.ChunkedArray | None, times: pa.Array) -> Form:
    """How files hold a column of events of these times, which are in microseconds."""
    if pa.types.is_float64(column.type):
        if column.null_count or times.null_count:
            return Form.NUMBERS
        micros, numbers = times.to_numpy(), column.to_numpy()
        return next((f for f, unit in MICROSECONDS_IN.items() if (micros / unit == numbers).all()), Form.NUMBERS)
    return Form.TEXTS if codes is None else Form.CODES


def has_text(texts: pa.StringArray) -> bool:
    """Whether a text is not empty."""
    # Distinct texts: of two one is not.
    return len(texts) > 1 or (len(texts) == 1 and texts[0].as_py() != "")


def merge_stored_kinds(tables: Iterable[StoredKind]) -> tuple[StoredKind, ...]:
    """Tables of the same sensor, kind, constants and columns as one, in order of their names."""
    groups: dict[tuple[object, ...], list[StoredKind]] = {}
    for t in tables:
        shape = tuple((f.name, f.form) for f in t.fields)
        groups.setdefault((t.sensor, t.kind, tuple(sorted(t.constants.items())), shape, t.recorded), []).append(t)
    return tuple(join_stored_kinds(same) for _, same in sorted(groups.items()))


def join_stored_kinds(same: Sequence[StoredKind]) -> StoredKind:
    """Several parts of one table as one."""
    fields = tuple(
        StoredField(
            name=held[0].name,
            form=held[0].form,
            nulls=any(f.nulls for f in held),
            filled=any(f.filled for f in held),
            marked=any(f.marked for f in held),
        )
        for held in zip(*(t.fields for t in same), strict=True)
    )
    return StoredKind(
        sensor=same[0].sensor,
        kind=same[0].kind,
        constants=same[0].constants,
        fields=fields,
        rows=sum(t.rows for t in same),
        files=tuple(sorted(n for t in same for n in t.files)),
        first=min((t.first for t in same if t.first is not None), default=None),
        last=max((t.last for t in same if t.last is not None), default=None),
        untimed=any(t.untimed for t in same),
        recorded=same[0].recorded,
    )
