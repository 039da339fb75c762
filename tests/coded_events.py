"""Views written as a coded store, and an engine that loads all that it is given that way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from harness.detection.engine import StoredColumn, StoredTable
from harness.detection.engines.duckdb.connection import DuckDB
from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema
from harness.detection.view_columns import kind_of_type, list_view_columns, without_hidden
from harness.telemetry.events.event import CAUSE
from harness.telemetry.platform import UNITS_PER_SECOND, View


class CodedDuckDB(DuckDB):
    """DuckDB over a coded store of whatever it is given, however few rows there are."""

    def __init__(self) -> None:
        super().__init__()
        self.codes_from = 0
        self.folder = TemporaryDirectory(prefix="detlab-coded-")
        self.loads = 0

    def load(self, views: Sequence[View]) -> Schema:
        """Writes the views as a store and attaches it."""
        self.loads += 1
        self.attached_folder = Path(self.folder.name) / str(self.loads)
        self.attached_folder.mkdir()
        tables, dimensions = write_coded_store(self.attached_folder, views)
        return self.attach_store([Path(self.folder.name)], tables, dimensions, without_hidden(list_view_columns(views)))

    def close(self) -> None:
        """Removes the files as well."""
        super().close()
        self.folder.cleanup()


def write_coded_store(folder: Path, views: Sequence[View]) -> tuple[list[StoredTable], dict[str, pa.Table | Path]]:
    """Each view as a file of codes; text columns of one name share a dimension, which holds some values twice.

    The last third of each view is a table of its own that has texts as they are.
    """
    values: dict[str, dict[object, int]] = {}
    tables = []
    for number, view in enumerate(views):
        rows = len(view.columns)
        parts = [view.columns.slice(0, rows - rows // 3), view.columns.slice(rows - rows // 3)]
        for coded, part in zip((True, False), parts, strict=True):
            held: dict[str, pa.Array] = {}
            columns: dict[str, StoredColumn] = {}
            for name in part.column_names if coded or len(part) else ():
                if name != CAUSE:
                    place = f"c{len(held)}"
                    shared = values if coded else None
                    held[place], columns[name] = hold_column(name, place, part.column(name), shared)
            if held:
                path = folder / f"{number}-{coded}.parquet"
                pq.write_table(pa.table(held), path)
                tables.append(StoredTable(files=(path,), constants=view.constants, columns=columns))
    dimensions: dict[str, pa.Table | Path] = {}
    for name, known in values.items():
        kind = pa.list_(pa.string()) if any(isinstance(v, tuple) for v in known) else pa.string()
        # Each value stands there twice, so that codes have to be told from values.
        texts = [list(v) if isinstance(v, tuple) else v for v in known for _ in range(2)]
        dimensions[name] = pa.table({"value": pa.array(texts, kind)})
    return tables, dimensions


def hold_column(
    name: str, place: str, column: pa.ChunkedArray, values: dict[str, dict[object, int]] | None
) -> tuple[pa.Array, StoredColumn]:
    """What a file holds for a column, and how that is to be read; text as it is where there are no `values`."""
    if name == EVENT_COLUMN:
        return column.cast(pa.int64()), StoredColumn(held=place, kind=Kind.EVENT)
    kind = kind_of_type(column.type)
    if kind is Kind.NUMBER and name in UNITS_PER_SECOND:
        ticks = 1e6 / UNITS_PER_SECOND[name]
        whole = pc.multiply(column.cast(pa.float64()), ticks)
        if pc.all(pc.equal(whole, pc.round(whole))).as_py() is not False:
            return whole.cast(pa.int64()), StoredColumn(held=place, kind=kind, divisor=ticks)
    if kind in (Kind.NUMBER, Kind.BOOLEAN):
        return column, StoredColumn(held=place, kind=kind)
    if values is None:
        plain = pa.string() if kind is Kind.TEXT else column.type
        return column.cast(plain), StoredColumn(held=place, kind=kind)
    own = values.setdefault(f"{name} {kind}", {})
    texts = [tuple(v) if isinstance(v, list) else v for v in column.to_pylist()]
    codes = [None if v is None else 2 * own.setdefault(v, len(own)) + i % 2 for i, v in enumerate(texts)]
    return pa.array(codes, pa.int32()), StoredColumn(held=place, kind=kind, dimension=f"{name} {kind}")
