"""A coded store attached where it lies: each table a view of its files, each dimension a table of codes and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from math import floor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harness.detection.engine import StoredColumn, StoredTable
from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.store import EMPTY_VIEW, DuckDBStore, quote_sql_identifier, quote_sql_text
from harness.detection.plan.dimension import Dimension, Measured, TimeSpan
from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.sql.dialect import PhysicalNames

# Chosen, no source: 100 bytes each would be 100 MB.
LARGEST_DIMENSION = 1_000_000
"""Values of a dimension that are kept in memory once they are read; more are read from the file each time."""
Dimensions = Mapping[str, pa.Table | Path]


def attach_store(
    store: DuckDBStore, folders: Sequence[Path], tables: Sequence[StoredTable], dimensions: Dimensions, columns: Schema
) -> Schema:
    """Replaces the events by those of a coded store's tables; all of them in these folders, ever."""
    store.drop()
    store.refill = partial(attach_store, store, folders, tables, dimensions, columns)
    store.names = PhysicalNames([EVENT_COLUMN, *columns])
    kinds = {c.dimension: c.kind for t in tables for c in t.columns.values() if c.dimension is not None}
    held = {}
    for place, (name, kind) in enumerate(kinds.items()):
        own, values = f"dimension_{place}", dimensions[name]
        store.arriving[own] = partial(create_dimension, store, own, values)
        held[name] = Dimension(own, kind, partial(measure_dimension, values))
    parts = [attach_table(store, f"attached_{i}", table, held) for i, table in enumerate(tables)]
    if not parts:
        # A table of no parts would be taken for one that the engine has under its own name.
        parts = [store.part("events_0", EMPTY_VIEW)]
    # Afterwards the setting cannot be changed ("Cannot change allowed_paths when enable_external_access is disabled"),
    # which is why all files ever attached lie in the same folders.
    if not store.locked:
        allowed = ", ".join(quote_sql_text(str(folder)) for folder in folders)
        store.execute(f"SET allowed_directories = [{allowed}]")
    return store.keep({EVENT_COLUMN: Kind.EVENT, **columns}, tuple(parts))


def measure_dimension(values: pa.Table | Path) -> Measured:
    """How many values there are, and whether each is another; a file of the store has each value once."""
    if not isinstance(values, pa.Table):
        return pq.read_metadata(values).num_rows, True
    column = values.column("value")
    # Arrow counts no distinct lists.
    plain = not pa.types.is_list(column.type)
    return len(column), plain and not column.null_count and pc.count_distinct(column).as_py() == len(column)


def count_file_rows(files: Sequence[Path]) -> int:
    """How many rows files have together."""
    return sum(pq.read_metadata(path).num_rows for path in files)


def read_time_spans(table: StoredTable) -> dict[str, TimeSpan]:
    """The spans of the columns that are held in whole parts of their unit, by the statistics of the files."""
    timed = {n: c for n, c in table.columns.items() if c.divisor != 1 and c.dimension is None}
    files = [pq.read_metadata(path) for path in table.files]
    found: dict[str, TimeSpan] = {}
    for name, column in timed.items():
        bounds = [bound for held in files for bound in list_bounds(held, column.held)]
        if column.default is not None:
            bounds.append((column.default, column.default))
        if bounds and None not in bounds:
            known = [bound for bound in bounds if bound is not None]
            low, high = min(low for low, _ in known) / column.divisor, max(high for _, high in known) / column.divisor
            rows = sum(held.num_rows for held in files)
            found[name] = TimeSpan(floor(low) if column.whole else low, high, rows)
    return found


def list_bounds(held: pq.FileMetaData, name: str) -> Iterator[tuple[float, float] | None]:
    """The least and the greatest value of a column in each row group; None where the file does not say."""
    place = held.schema.names.index(name)
    for number in range(held.num_row_groups):
        group = held.row_group(number).column(place)
        said = group.statistics
        if said is not None and said.has_min_max:
            yield said.min, said.max
        # Nothing but nulls has no least value.
        elif said is None or said.null_count != group.num_values:
            yield None


def attach_table(store: DuckDBStore, name: str, table: StoredTable, dimensions: Mapping[str, Dimension]) -> StoredPart:
    """One table as a view, which is made when a statement first names it."""
    store.arriving[name] = partial(create_table_view, store, name, table)
    return StoredPart(
        name=name,
        constants=table.constants,
        columns={n: c.kind for n, c in table.columns.items()},
        dimensions={n: dimensions[c.dimension] for n, c in table.columns.items() if c.dimension is not None},
        file=True,
        count=cache(partial(count_file_rows, table.files)),
        spans=cache(partial(read_time_spans, table)),
    )


def create_table_view(store: DuckDBStore, name: str, table: StoredTable) -> None:
    """A view over the files of a table; a coded column is its codes there."""
    files = ", ".join(quote_sql_text(str(path)) for path in table.files)
    source = f"read_parquet([{files}])"
    # By place: DuckDB calls the second of ProcessId and ProcessID `ProcessID_1`; the file's own schema has the names.
    held = pq.read_schema(table.files[0]).names
    listed = [str(row[0]) for row in store.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    own = dict(zip(held, listed, strict=True))
    chosen = [
        f"{present_held_value(quote_sql_identifier(own[c.held]), c)} AS {quote_sql_identifier(store.names(n))}"
        for n, c in table.columns.items()
    ]
    where = ""
    if table.bounds is not None:
        column, first, end = table.bounds
        bound = quote_sql_identifier(own[column])
        where = f" WHERE {bound} >= {first} AND {bound} < {end}"
    store.execute(f"CREATE VIEW {name} AS SELECT {', '.join(chosen)} FROM {source}{where}")


def present_held_value(held: str, column: StoredColumn) -> str:
    """The SQL of what a rule sees of a held value; of a coded one the code."""
    if column.dimension is not None:
        return held
    whole = held if column.default is None else f"coalesce({held}, {column.default!r})"
    made = f"CAST({whole} AS {DUCKDB.types[column.kind]})"
    value = made if column.divisor == 1 else f"({made} / {column.divisor!r}e0)"
    return f"floor({value})" if column.whole else value


def create_dimension(store: DuckDBStore, name: str, values: pa.Table | Path) -> None:
    """A dimension as a table of codes and values, or as a view of its file where it is large."""
    large = not isinstance(values, pa.Table) and pq.read_metadata(values).num_rows > LARGEST_DIMENSION
    store.dimensions[name] = kind = "VIEW" if large else "TABLE"
    if isinstance(values, pa.Table):
        codes = pa.array(range(len(values)), pa.int32())
        store.create(name, pa.table({"code": codes, "value": values.column("value")}))
        return
    source = f"read_parquet({quote_sql_text(str(values))}, file_row_number = TRUE)"
    store.execute(f"CREATE {kind} {name} AS SELECT CAST(file_row_number AS INTEGER) AS code, value FROM {source}")
