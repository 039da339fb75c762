"""Rows of two engines as they are compared: what products show differently of the same value is taken out."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from harness.detection.engine import CellValue
from harness.detection.plan.expressions import is_hidden
from harness.detection.remote_engine import decode_answer_cell
from harness.telemetry.platform import UNITS_PER_SECOND

# Their text hangs on how the product stores and shows it.
TEXTS = frozenset({"_raw", "@rawstring"})


def normalise_value(value: CellValue) -> str:
    """A value as it is compared: numbers to 12 digits, whichever way they are written; no text is an absent field."""
    decoded = decode_answer_cell(value)
    match decoded:
        case None:
            return ""
        case bool():
            return str(decoded).lower()
        case float() | int():
            # Parallel sums differ in the last digits.
            return f"{float(decoded):.12g}"
        case list():
            return "\n".join(normalise_value(item) for item in decoded)
        case _:
            return decoded


def normalise_time(name: str, value: CellValue) -> str:
    """A time to the millisecond, which is what products show of it; any other value as it is."""
    if name in UNITS_PER_SECOND and isinstance(value, int | float):
        # Cut off and not rounded, as %3N does; the half microsecond is for what is a whole millisecond but as a double.
        return str(math.floor(value * 1000 / UNITS_PER_SECOND[name] + 0.0005))
    return normalise_value(value)


def make_row_key(record: Mapping[str, CellValue], wanted: Collection[str] | None = None) -> tuple[str, ...]:
    """A row for comparison: its fields in order of name, only the wanted ones, empty ones left out."""
    found = []
    for name in sorted(record):
        if is_hidden(name) or name in TEXTS or (wanted is not None and name not in wanted):
            continue
        text = normalise_time(name, record[name])
        if text:
            found.append(f"{name}={text}")
    return tuple(found)


def build_row_keys(records: Iterable[Mapping[str, CellValue]], wanted: Collection[str] | None) -> list[tuple[str, ...]]:
    """Rows for comparison, sorted."""
    return sorted(make_row_key(record, wanted) for record in records)
