"""Parquet: what this program wrote, exactly as it was, and tables of others."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import IO, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from harness.diagnostics import HarnessError
from harness.telemetry.events.event import CAUSE, NO_FIELDS, TIME, TIME_TYPE, Cause, Events, Telemetry, TelemetryOrigin
from harness.telemetry.events.input import EventTables, Stream
from harness.telemetry.events.json_events import JsonEvents
from harness.telemetry.events.text_columns import encode_text

MAGIC = b"PAR1"
# Beside Arrow's own metadata, which any Parquet reader passes over.
LAYOUT = b"detlab"
"""Key of the metadata that say which of the file's rows and columns are which table of events."""

# Each batch has dictionaries of its own: of 64 Ki rows decoding takes three times as long as of these.
PARQUET_ROWS_AT_ONCE = 1 << 18
FEWEST_BATCH_ROWS = 1 << 10
BATCH_BYTES = 8 << 20
READ_AT_ONCE = 1 << 20
LARGEST_PARQUET = 8 << 30
"""A file whose columns say that they hold more bytes than this is not read at once."""
LARGEST_STREAMED_PARQUET = 16 << 40
"""The same of one whose events are handed on as they are read."""


class TableLayout(msgspec.Struct, frozen=True, kw_only=True):
    """Which columns of so many rows are a table of events, and what is the same in all of them."""

    sensor: str
    kind: str
    constants: dict[str, str]
    columns: list[str]
    rows: int


class FileLayout(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of a file are which table, one below the other."""

    format: int
    origin: TelemetryOrigin
    causes: list[Cause]
    tables: list[TableLayout]


def recognises(head: bytes) -> bool:
    """Whether content that begins so is Parquet."""
    return head.startswith(MAGIC)


def read(stream: Stream, tables: EventTables) -> None:
    """Adds the tables of a file of ours, the rows of any other. Raises HarnessError for a damaged file."""
    try:
        file = pq.ParquetFile(open_parquet(stream))
        # By what the columns say of themselves: a small file of repetitions unpacks without end.
        held = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
        most = LARGEST_STREAMED_PARQUET if tables.streams else LARGEST_PARQUET
        if held > most:
            raise HarnessError("too-large", f"{stream.name} holds {held >> 20} MiB, more than {most >> 20}")
        metadata = file.schema_arrow.metadata or {}
        if LAYOUT in metadata:
            restore(file, msgspec.json.decode(metadata[LAYOUT], type=FileLayout), tables)
        else:
            add_foreign_rows(file, stream, tables)
    except (pa.ArrowException, msgspec.DecodeError, OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        message = str(error).split("\n")[0]
        raise HarnessError("damaged-parquet", f"{stream.name} cannot be read as Parquet: {message}") from error


def open_parquet(stream: Stream) -> Any:
    """The path for Arrow, or in memory the content of what is packed."""
    return io.BytesIO(stream.whole(LARGEST_PARQUET)) if stream.packed else str(stream.path)


def restore(file: pq.ParquetFile, layout: FileLayout, tables: EventTables) -> None:
    """Takes the tables of a file of ours, a part after another where they are handed on."""
    shared = Counter(n for table in layout.tables for n in table.columns)
    parts = list_table_parts(
        file, layout, choose_batch_rows(file.metadata) if tables.streams else file.metadata.num_rows
    )
    found = (restore_table(table, rows, shared) for table, rows in parts)
    causes = tuple(layout.causes)
    if tables.streams:
        for events in found:
            tables.take(Telemetry(events=(events,), causes=causes, origin=layout.origin))
    else:
        tables.take(Telemetry(events=tuple(found), causes=causes, origin=layout.origin))


def list_table_parts(file: pq.ParquetFile, layout: FileLayout, most: int) -> Iterator[tuple[TableLayout, pa.Table]]:
    """Rows of each table, at most so many at once."""
    left = [(table, table.rows) for table in reversed(layout.tables)]
    for batch in file.iter_batches(max(most, 1)):
        batch.validate(full=True)
        rows = pa.Table.from_batches([batch])
        while len(rows) and left:
            table, missing = left.pop()
            yield table, rows.slice(0, missing)
            if missing > len(rows):
                left.append((table, missing - len(rows)))
            rows = rows.slice(missing)
    for table, _ in reversed(left):
        yield table, file.schema_arrow.empty_table()


def restore_table(table: TableLayout, rows: pa.Table, shared: Mapping[str, int]) -> Events:
    """Rows of one table as events."""
    # A tool that rewrote the file may have changed types.
    fixed = {TIME: rows.column(TIME).cast(TIME_TYPE), CAUSE: rows.column(CAUSE).cast(pa.int32())}
    texts = {n: of_its_own(rows.column(n), shared[n]) for n in table.columns}
    one = pa.table({**fixed, **texts}).unify_dictionaries().combine_chunks()
    return Events(sensor=table.sensor, kind=table.kind, constants=table.constants, columns=one)


def of_its_own(column: pa.ChunkedArray, tables: int) -> pa.ChunkedArray:
    """A table's part of a column, without the distinct values of other tables."""
    # Through plain text, which leaves behind the distinct values of the other tables of the file.
    return encode_text(column if tables == 1 else column.cast(pa.string()))


def choose_batch_rows(held: pq.FileMetaData) -> int:
    """How many rows are read at once: some 8 MB of columns, since each batch has dictionaries of its own."""
    size: int = sum(held.row_group(i).total_byte_size for i in range(held.num_row_groups))
    fitting: int = BATCH_BYTES * held.num_rows // max(size, 1)
    return max(FEWEST_BATCH_ROWS, min(PARQUET_ROWS_AT_ONCE, fitting))


def list_dictionary_columns(held: pq.FileMetaData) -> frozenset[str]:
    """Columns whose values the file has apart from its rows, in the first of its groups."""
    if not held.num_row_groups:
        return frozenset()
    columns = [held.row_group(0).column(i) for i in range(held.num_columns)]
    return frozenset(c.path_in_schema for c in columns if c.has_dictionary_page)


def add_foreign_rows(file: pq.ParquetFile, stream: Stream, tables: EventTables) -> None:
    """Adds each row of somebody else's table as an event, by its columns where rows are read alike."""
    # Most texts are few values, which the file has apart; of others Arrow would hold ten times as much.
    # Looking at a damaged group's columns ends the process (pyarrow 26: an exception that nothing passes on); reading
    # from it is an error, so a row is read first.
    next(file.iter_batches(1), None)
    apart = list_dictionary_columns(file.metadata)
    texts = [field.name for field in file.schema_arrow if pa.types.is_string(field.type) and field.name in apart]
    file = pq.ParquetFile(open_parquet(stream), read_dictionary=texts, buffer_size=READ_AT_ONCE, pre_buffer=False)
    with JsonEvents(stream.name, tables) as events:
        first = 1
        for batch in file.iter_batches(choose_batch_rows(file.metadata), use_threads=False):
            # Arrow takes codes beyond the texts of a damaged file, and fails when somebody looks at them.
            batch.validate(full=True)
            for row, fields in events.rows.add_batch(batch):
                try:
                    events.add_object(fields)
                except ValueError as error:
                    tables.damage(f"{stream.name}: row {first + row}", str(error))
            first += len(batch)


SUFFIX = ".parquet"

# Arrow's own default.
ROWS_IN_GROUP = 1 << 20


def write(telemetry: Telemetry, out: IO[bytes]) -> int:
    """Writes the tables one below the other; the layout says which rows and columns are whose."""
    tables = [tidy(events) for events in telemetry.events] or [pa.schema([(TIME, TIME_TYPE)]).empty_table()]
    # One wide table: a real recording has hundreds of kinds, and a schema for each made files twelve times as large.
    whole = pa.concat_tables(tables, promote_options="default").unify_dictionaries()
    about = {LAYOUT: msgspec.json.encode(describe_layout(telemetry))}
    pq.write_table(whole.replace_schema_metadata(about), out, compression="zstd", row_group_size=ROWS_IN_GROUP)
    return len(telemetry)


def describe_layout(telemetry: Telemetry) -> FileLayout:
    """The layout of a file of these events."""
    tables = [
        TableLayout(
            sensor=events.sensor,
            kind=events.kind,
            constants=dict(events.constants),
            columns=list_field_columns(events),
            rows=len(events),
        )
        for events in telemetry.events
    ]
    return FileLayout(format=1, origin=telemetry.origin, causes=list(telemetry.causes), tables=tables)


def list_field_columns(events: Events) -> list[str]:
    """Names of the columns that are fields."""
    return [n for n in events.columns.column_names if n not in NO_FIELDS]


def tidy(events: Events) -> pa.Table:
    """The table with time and cause first and all text dictionary-encoded."""
    columns = {TIME: events.columns.column(TIME), CAUSE: events.columns.column(CAUSE)}
    return pa.table({**columns, **{n: encode_text(events.columns.column(n)) for n in list_field_columns(events)}})
