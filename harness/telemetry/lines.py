"""Events of several kinds as lines in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO

import numpy as np
import pyarrow as pa

from harness.telemetry.event import TIME, Events

# Some 40 MB of XML lines, held as Python texts at once.
LINES_AT_ONCE = 20_000


def write_lines(tables: Sequence[tuple[Events, pa.ChunkedArray]], out: IO[bytes]) -> int:
    """Writes each event's text and a line end, the earliest first; of equal times the first table's comes first.

    Returns how many events that were.
    """
    if not tables:
        return 0
    # Stable: the order of the tables, and within each of its rows, decides equal times, so equal input is equal bytes.
    order = np.argsort(np.concatenate([list_sortable_times(events) for events, _ in tables]), kind="stable")
    whole = pa.chunked_array([chunk for _, texts in tables for chunk in texts.chunks], pa.string())
    for first in range(0, len(order), LINES_AT_ONCE):
        block = whole.take(pa.array(order[first : first + LINES_AT_ONCE])).to_pylist()
        out.write(("\n".join(block) + "\n").encode())
    return len(order)


def list_sortable_times(events: Events) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The time of each event in microseconds; events without one come last."""
    times = events.columns.column(TIME).cast(pa.int64()).fill_null(np.iinfo(np.int64).max)
    return np.asarray(times.to_numpy(), np.int64)
