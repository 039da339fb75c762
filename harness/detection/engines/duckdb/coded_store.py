"""A coded store attached where it lies: each table a view of its files, each dimension a table of codes and values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, partial
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from harness.detection.engine import StoredColumn, StoredTable
from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.store import EMPTY_VIEW, DuckDBStore, quote_sql_identifier, quote_sql_text
from harness.detection.plan.dimension import Dimension, Measured, TimeSpan
from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.sql.dialect import PhysicalNames
from harness.late_module import LateModule

if TYPE_CHECKING:
    import pyarrow.parquet as pq
else:
    pq = LateModule("pyarrow.parquet")

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


class FileFacts:
    """What the footers of a table's files say, read when somebody first asks."""

    def __init__(self, store: DuckDBStore, table: StoredTable, dimensions: Mapping[str, Dimension]) -> None:
        self.store, self.table, self.dimensions = store, table, dimensions

    @cached_property
    def footers(self) -> list[pq.FileMetaData]:
        """The footers."""
        return [pq.read_metadata(path) for path in self.table.files]

    @cached_property
    def rows(self) -> int:
        """How many rows the files have together."""
        return sum(footer.num_rows for footer in self.footers)

    @cached_property
    def spans(self) -> dict[str, TimeSpan]:
        """The spans of the columns that are held in whole parts of their unit."""
        found: dict[str, TimeSpan] = {}
        for name, column in self.table.columns.items():
            if column.divisor == 1 or column.dimension is not None:
                continue
            bounds = [bound for footer in self.footers for bound in list_bounds(footer, column.held)]
            if column.default is not None:
                bounds.append((column.default, column.default))
            known = [bound for bound in bounds if bound is not None]
            if known and len(known) == len(bounds):
                low, high = (min(low for low, _ in known), max(high for _, high in known))
                least = low / column.divisor
                # Of a platform that shows whole milliseconds also the first is a whole one.
                least = floor(least) if column.whole else least
                found[name] = TimeSpan(least, high / column.divisor, self.rows)
        return found

    @cached_property
    def fixed(self) -> dict[str, str]:
        """The text of the columns of codes that hold a single one in every row."""
        found: dict[str, str] = {}
        for name, column in self.table.columns.items():
            if column.dimension is None or column.kind is not Kind.TEXT:
                continue
            codes = {bound for footer in self.footers for bound in list_codes(footer, column.held)}
            code = codes.pop() if len(codes) == 1 else None
            if code is not None:
                table = self.dimensions[name].table
                # All of it, since an open result keeps its connection from being used.
                values = self.store.execute(f"SELECT value FROM {table} WHERE code = {code}").fetchall()
                # One that is null is no constant of the platform.
                if values and values[0][0] is not None:
                    found[name] = values[0][0]
        return found


def list_codes(footer: pq.FileMetaData, name: str) -> Iterator[int | None]:
    """The code that a column holds in all rows of each row group; None of a group that holds others, or nulls."""
    place = footer.schema.names.index(name)
    for number in range(footer.num_row_groups):
        said = footer.row_group(number).column(place).statistics
        alone = said is not None and said.has_min_max and said.has_null_count and said.min == said.max
        yield said.min if alone and not said.null_count else None


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
    held = {n: dimensions[c.dimension] for n, c in table.columns.items() if c.dimension is not None}
    facts = FileFacts(store, table, held)
    return StoredPart(
        name=name,
        constants=table.constants,
        columns={n: c.kind for n, c in table.columns.items()},
        dimensions=held,
        file=True,
        count=lambda: facts.rows,
        spans=lambda: facts.spans,
        fixed=lambda: facts.fixed,
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
