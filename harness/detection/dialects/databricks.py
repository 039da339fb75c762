"""SQL of Databricks: Spark's own table, printed with what Databricks has beside it."""

from __future__ import annotations

from dataclasses import replace

from harness.detection.dialects import spark
from harness.detection.sql.writer import StatementWriter


def open_writer() -> StatementWriter:
    """A new writer."""
    made = spark.open_writer()
    # TRY_CAST and QUALIFY are Databricks' own words, so sqlglot's printer needs no help.
    return StatementWriter(replace(made.dialect, name="databricks", prints_as="databricks"), made.notes)
