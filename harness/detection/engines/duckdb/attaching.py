"""Several Parquet files as the events of a store, read where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.store import (
    EMPTY_VIEW,
    DuckDBStore,
    kind_of_text,
    quote_sql_identifier,
    quote_sql_text,
)
from harness.detection.plan.expressions import EVENT_COLUMN, Kind, Schema
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.sql.dialect import PhysicalNames


def attach_all(
    store: DuckDBStore, folder: Path, files: Sequence[tuple[Path, Mapping[str, str]]], columns: Schema
) -> Schema:
    """Replaces the events by those in files that number them (`@event`); all of them in one folder, ever.

    Each file has constants of its own; `columns` are all that files and constants have together.
    """
    store.drop()
    store.refill = partial(attach_all, store, folder, files, columns)
    store.names = PhysicalNames([EVENT_COLUMN, *columns])
    parts = [attach_file(store, f"attached_{i}", path, constants) for i, (path, constants) in enumerate(files)]
    if not parts:
        # A table of no parts would be taken for one that the engine has under its own name.
        parts = [store.part("events_0", EMPTY_VIEW)]
    # Afterwards the setting cannot be changed ("Cannot change allowed_paths when enable_external_access is disabled"),
    # which is why all files ever attached lie in one folder.
    if not store.locked:
        store.execute(f"SET allowed_directories = [{quote_sql_text(str(folder))}]")
    return store.keep({EVENT_COLUMN: Kind.EVENT, **columns}, tuple(parts))


def attach_file(store: DuckDBStore, name: str, path: Path, constants: Mapping[str, str]) -> StoredPart:
    """One file as a view; its columns are taken by place, as DuckDB renames those that differ only in case."""
    source = f"read_parquet({quote_sql_text(str(path))})"
    listed = [(str(n), str(t)) for n, t, *_ in store.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    # DuckDB calls the second of ProcessId and ProcessID `ProcessID_1`; the file's own schema has the names.
    own = dict(zip(pq.read_schema(path).names, listed, strict=True))
    kinds = {n: Kind.EVENT if n == EVENT_COLUMN else kind_of_text(t) for n, (_, t) in own.items()}
    chosen = [
        f"CAST({quote_sql_identifier(own[n][0])} AS {DUCKDB.types[k]}) AS {quote_sql_identifier(store.names(n))}"
        for n, k in kinds.items()
    ]
    store.execute(f"CREATE VIEW {name} AS SELECT {', '.join(chosen)} FROM {source}")
    return StoredPart(name=name, constants=constants, columns=kinds, file=True)
