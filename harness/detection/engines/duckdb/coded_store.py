"""A coded store attached where it lies: each table a view of its files, each dimension a table of codes and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from harness.detection.engine import StoredColumn, StoredTable
from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.store import EMPTY_VIEW, DuckDBStore, quote_sql_identifier, quote_sql_text
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
    tables_of = {name: f"dimension_{place}" for place, name in enumerate(dimensions)}
    for name, table_name in tables_of.items():
        store.arriving[table_name] = partial(create_dimension, store, table_name, dimensions[name])
    parts = [attach_table(store, f"attached_{i}", table, tables_of) for i, table in enumerate(tables)]
    if not parts:
        # A table of no parts would be taken for one that the engine has under its own name.
        parts = [store.part("events_0", EMPTY_VIEW)]
    # Afterwards the setting cannot be changed ("Cannot change allowed_paths when enable_external_access is disabled"),
    # which is why all files ever attached lie in the same folders.
    if not store.locked:
        allowed = ", ".join(quote_sql_text(str(folder)) for folder in folders)
        store.execute(f"SET allowed_directories = [{allowed}]")
    return store.keep({EVENT_COLUMN: Kind.EVENT, **columns}, tuple(parts))


def attach_table(store: DuckDBStore, name: str, table: StoredTable, dimensions: Mapping[str, str]) -> StoredPart:
    """One table as a view, which is made when a statement first names it."""
    store.arriving[name] = partial(create_table_view, store, name, table)
    return StoredPart(
        name=name,
        constants=table.constants,
        columns={n: c.kind for n, c in table.columns.items()},
        dimensions={n: dimensions[c.dimension] for n, c in table.columns.items() if c.dimension is not None},
        file=True,
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
