"""DuckDB's table of primitives, and the types of the plan's kinds there."""

from __future__ import annotations

from harness.detection.plan.expressions import Kind
from harness.detection.sql.dialect import SqlDialect

DUCKDB = SqlDialect(
    name="duckdb",
    prints_as="duckdb",
    computes=True,
    merges=True,
    materializes=True,
    # One number type: DuckDB's integers and decimals raise on overflow, and neither product has types of numbers.
    types={
        Kind.TEXT: "TEXT",
        Kind.NUMBER: "DOUBLE",
        Kind.BOOLEAN: "BOOLEAN",
        Kind.LIST: "TEXT[]",
        Kind.NULL: "TEXT",
        Kind.EVENT: "BIGINT",
        Kind.EVENTS: "BIGINT[]",
    },
)
