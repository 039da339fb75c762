"""Spark SQL, by the table that the engine runs by."""

from __future__ import annotations

from harness.detection.engines.spark import aggregates, lists, numbers, text, times
from harness.detection.engines.spark.dialect import SPARK
from harness.detection.sql.writer import StatementWriter

# Importing them fills the table.
SPARK_FAMILIES = (aggregates, lists, numbers, text, times)
NOTES = ("-- the session's time zone has to be UTC: SET TIME ZONE 'UTC'",)


def open_writer() -> StatementWriter:
    """A new writer."""
    return StatementWriter(SPARK, NOTES)
