"""`python -m bench.competitors.duckdb_reader FILE [COPY]`: a file by DuckDB's own reader, written as Parquet."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

READERS = {".parquet": "read_parquet", ".json": "read_ndjson_auto", ".ndjson": "read_ndjson_auto", ".csv": "read_csv"}


def main(path: Path, copy: str | None) -> None:
    """Reads the file into memory, or from reader to writer."""
    connection = duckdb.connect(":memory:")
    connection.execute("SET preserve_insertion_order = false")
    source = f"SELECT * FROM {READERS[path.suffix]}('{path}')"
    if copy is not None:
        connection.execute(f"COPY ({source}) TO '{copy}' (FORMAT parquet, COMPRESSION zstd)")
    else:
        connection.execute(f"CREATE TABLE events AS {source}")
    held = "events" if copy is None else f"'{copy}'"
    print(connection.execute(f"SELECT count(*) FROM {held}").fetchall()[0][0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
