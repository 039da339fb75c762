"""Columns of events, as readers make them."""

from collections.abc import Sequence

import pyarrow as pa

from harness.telemetry.events.text_columns import encode_text


def text_column(values: Sequence[str | None]) -> pa.ChunkedArray:
    """A field of events, one value for each."""
    return encode_text(pa.chunked_array([values], pa.string()))
