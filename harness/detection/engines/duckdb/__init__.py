"""DuckDB, embedded: the default engine. Each module of this folder spells a family of operations."""

from __future__ import annotations

from harness.detection.engines.duckdb import aggregates, lists, numbers, statistics, text, times
from harness.detection.engines.duckdb.connection import DuckDB

DUCKDB_SPELLINGS = (text, numbers, times, lists, aggregates, statistics)


def connect() -> DuckDB:
    """A new, empty engine."""
    return DuckDB()
