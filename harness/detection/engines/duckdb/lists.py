"""Lists in DuckDB."""

from __future__ import annotations

from harness.detection.engines.duckdb.dialect import DUCKDB
from harness.detection.sql import build as b
from harness.detection.sql.build import SQL, fn


def never_empty(value: SQL) -> SQL:
    """Null for a list of nothing."""
    return fn("nullif", value, b.cast(b.array(), "TEXT[]"))


@DUCKDB.spell("list")
def listed(*t: SQL) -> SQL:
    """The texts that are not null."""
    return never_empty(fn("list_filter", b.array(*t), b.lambda_of("x", b.not_null(b.fn("x")))))


@DUCKDB.spell("events_joined", kinds=True)
def events_joined(*events: SQL, kinds: tuple = ()) -> SQL:  # type: ignore[type-arg]
    """Distinct events of all."""
    return events[0]
