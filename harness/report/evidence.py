"""The recorded events behind an alert: when each was written, and what it holds in the fields that a rule reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from harness.detection.plan.expressions import EVENT_COLUMN
from harness.telemetry.platform import View

SECONDS, MILLISECONDS = "_time", "@timestamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One recorded event: its number in the store, its time in epoch seconds (None if it has none), its fields."""

    number: int
    at: float | None
    fields: Mapping[str, str]

    @property
    def when(self) -> str:
        """The time for people, in UTC."""
        if self.at is None:
            return "no time"
        return datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def collect_evidence(
    views: Sequence[View], events: Collection[int], reads: Collection[str], most: int
) -> list[Evidence]:
    """The first `most` of these events by time, with the fields that a rule reads."""
    found = [e for view in views for e in of_view(view, events, sorted(reads), most)]
    # The number breaks ties, so that two runs list the same events.
    return sorted(found, key=lambda e: (e.at or 0.0, e.number))[:most]


def of_view(view: View, events: Collection[int], reads: Sequence[str], most: int) -> Iterator[Evidence]:
    """The events of one kind."""
    numbers = view.columns.column(EVENT_COLUMN).to_numpy()
    # Cut for each kind already: an alert may rest on a million events.
    chosen = np.flatnonzero(np.isin(numbers, np.fromiter(events, np.int64, len(events))))[:most]
    if not len(chosen):
        return
    names = view.columns.column_names
    columns = {n: view.columns.column(n).take(chosen).to_pylist() for n in reads if n in names}
    clock = next((n for n in (SECONDS, MILLISECONDS) if n in names), None)
    times = view.columns.column(clock).take(chosen).to_pylist() if clock else [None] * len(chosen)
    fixed = {n: view.constants[n] for n in reads if n in view.constants}
    for row, number in enumerate(chosen.tolist()):
        time = times[row]
        # Splunk has seconds, LogScale milliseconds.
        at = None if time is None else float(time) / (1 if clock == SECONDS else 1000)
        own = {n: format_field_value(values[row]) for n, values in columns.items() if values[row] is not None}
        shown = {n: v for n, v in {**own, **fixed}.items() if n not in (SECONDS, MILLISECONDS)}
        yield Evidence(number=int(numbers[number]), at=at, fields=dict(sorted(shown.items())))


def format_field_value(value: object) -> str:
    """A field's value for people."""
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
