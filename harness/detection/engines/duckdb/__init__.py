"""DuckDB, embedded: the default engine."""

from __future__ import annotations

from harness.detection.engines.duckdb.connection import DuckDB


def connect() -> DuckDB:
    """A new, empty engine."""
    return DuckDB()
