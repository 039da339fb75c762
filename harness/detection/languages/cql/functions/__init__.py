"""The functions of CQL by family; importing this fills the table."""

from harness.detection.languages.cql.functions import (
    aggregates,
    assignment,
    filters,
    rows,
    text,
    time,
)

__all__ = ["aggregates", "assignment", "filters", "rows", "text", "time"]
