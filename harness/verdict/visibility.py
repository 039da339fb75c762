"""Was it recorded? Counts events by field, before any rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.scenario.scenario import Signal
from harness.telemetry.events.event import Events, Telemetry
from harness.telemetry.simulation.activity import BooleanArray


def count_signal(telemetry: Telemetry, signal: Signal) -> int:
    """How many recorded events are of the signal's kind and have its fields."""
    kinds = telemetry.of(signal.sensor, str(signal.event))
    return sum(int(np.count_nonzero(matches_fields(events, signal.where))) for events in kinds)


def matches_fields(events: Events, where: Mapping[str, Any]) -> BooleanArray:
    """Which events have all these values: whole, but for case, * for any run; a list is one of them, null absent."""
    mask: BooleanArray = np.ones(len(events), dtype=bool)
    for name, wanted in where.items():
        mask &= has_field_value(events, name, wanted)
    return mask


def has_field_value(events: Events, name: str, wanted: Any) -> BooleanArray:
    """Which events have one of the wanted values in a field."""
    if name in events.constants:
        return np.full(len(events), matches_value(events.constants[name], wanted))
    if name not in events.columns.column_names:
        return np.full(len(events), wanted is None)
    column = events.columns.column(name).combine_chunks()
    if not pa.types.is_dictionary(column.type):
        # A pattern is tried once for each distinct value, not for each event.
        column = pc.dictionary_encode(column.cast(pa.string()))
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    # One entry more than the dictionary has: nulls get its code.
    good = np.array([matches_value(v, wanted) for v in column.dictionary.to_pylist()] + [wanted is None], dtype=bool)
    codes = pc.fill_null(column.indices, len(good) - 1).to_numpy(zero_copy_only=False)
    result: BooleanArray = good[codes]
    return result


def matches_value(value: str | None, wanted: Any) -> bool:
    """Whether one value is what is wanted."""
    if isinstance(wanted, list | tuple):
        return any(matches_value(value, w) for w in wanted)
    if value is None or wanted is None:
        return value is None and wanted is None
    if isinstance(wanted, bool):
        # YAML reads a bare true as a boolean, the event holds the word.
        wanted = "true" if wanted else "false"
    return compile_wildcard(str(wanted)).fullmatch(value) is not None


def compile_wildcard(pattern: str) -> re.Pattern[str]:
    """A pattern with * as a regular expression for the whole value."""
    return re.compile(".*".join(re.escape(part) for part in re.split(r"\*+", pattern)), re.IGNORECASE | re.DOTALL)
