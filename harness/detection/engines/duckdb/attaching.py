"""Several Parquet files as the events of a store, read where they lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.engines.duckdb.store import NOTHING, Store, kind_of_text, literal, quoted
from harness.detection.plan.columns import EVENT, Columns, Kind
from harness.detection.plan.pruning import Part
from harness.detection.sql.names import Names


def attach_all(
    store: Store, folder: Path, files: Sequence[tuple[Path, Mapping[str, str]]], columns: Columns
) -> Columns:
    """Replaces the events by those in files that number them (`@event`); all of them in one folder, ever.

    Each file has constants of its own; `columns` are all that files and constants have together.
    """
    store.drop()
    store.refill = partial(attach_all, store, folder, files, columns)
    store.names = Names([EVENT, *columns])
    parts = [attached(store, f"attached_{i}", path, constants) for i, (path, constants) in enumerate(files)]
    if not parts:
        parts = [store.part("events_0", NOTHING)]
    if not store.locked:
        store.execute(f"SET allowed_directories = [{literal(str(folder))}]")
    return store.keep({EVENT: Kind.EVENT, **columns}, tuple(parts))


def attached(store: Store, name: str, path: Path, constants: Mapping[str, str]) -> Part:
    """One file as a view; its columns are taken by place, as DuckDB renames those that differ only in case."""
    source = f"read_parquet({literal(str(path))})"
    listed = [(str(n), str(t)) for n, t, *_ in store.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
    own = dict(zip(pq.read_schema(path).names, listed, strict=True))
    kinds = {n: Kind.EVENT if n == EVENT else kind_of_text(t) for n, (_, t) in own.items()}
    chosen = [f"CAST({quoted(own[n][0])} AS {DUCKDB.types[k]}) AS {quoted(store.names(n))}" for n, k in kinds.items()]
    store.execute(f"CREATE VIEW {name} AS SELECT {', '.join(chosen)} FROM {source}")
    return Part(name=name, constants=constants, columns=kinds, file=True)
