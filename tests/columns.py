"""Columns of events, as readers make them."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from harness.telemetry.events.event import RECORD_FILE, RECORD_NUMBER, Events
from harness.telemetry.events.text_columns import encode_text


def text_column(values: Sequence[str | None]) -> pa.ChunkedArray:
    """A field of events, one value for each."""
    return encode_text(pa.chunked_array([values], pa.string()))


def list_rows(events: Events) -> list[dict[str, Any]]:
    """The columns of events row by row, without where their texts lie."""
    kept = [n for n in events.columns.column_names if n not in (RECORD_NUMBER, RECORD_FILE)]
    return list(events.columns.select(kept).to_pylist())
