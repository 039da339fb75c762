"""From rows to alerts: who caused the events behind each row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.detection.engine import CellValue, ResultRows
from harness.detection.plan.expressions import EVENT_COLUMN, is_hidden
from harness.telemetry.events.event import UNLABELLED, Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A row that a rule returned, and who caused the events behind it.

    `events` are the numbers of the contributing events in the store; `causes` the activities they belong to.
    """

    fields: Mapping[str, CellValue]
    events: tuple[int, ...]
    causes: tuple[Cause, ...]

    @property
    def malicious(self) -> bool:
        """Whether an attack contributed to it."""
        return any(c.malicious for c in self.causes)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundTruth:
    """Who caused what: the causes, and for each event's number the number of its cause."""

    causes: tuple[Cause, ...]
    by_event: npt.NDArray[np.int32]

    @property
    def malicious(self) -> frozenset[int]:
        """Numbers of the events that an attack left."""
        bad = [i for i, c in enumerate(self.causes) if c.malicious]
        return frozenset(np.flatnonzero(np.isin(self.by_event, bad)).tolist())

    def of(self, events: tuple[int, ...]) -> tuple[Cause, ...]:
        """The causes of these events, each once, in order of number."""
        numbers = np.unique(self.by_event[list(events)]) if events else ()
        return tuple(self.causes[i] for i in numbers if i != UNLABELLED)


def as_events(value: CellValue) -> tuple[int, ...]:
    """A provenance cell as event numbers."""
    if value is None:
        return ()
    # Below an aggregation one number, above it a list.
    return tuple(int(v) for v in value) if isinstance(value, list) else (int(value),)


def alerts_of(rows: ResultRows, truth: GroundTruth) -> tuple[Alert, ...]:
    """Each row of a traced query as an alert; rows that the query makes itself have no events behind them."""
    at = rows.columns.index(EVENT_COLUMN) if EVENT_COLUMN in rows.columns else None
    shown = [i for i, name in enumerate(rows.columns) if not is_hidden(name)]
    return tuple(
        Alert(
            fields={rows.columns[i]: row[i] for i in shown if row[i] is not None},
            events=events,
            causes=truth.of(events),
        )
        for row in rows.rows
        for events in (() if at is None else as_events(row[at]),)
    )


def describe_field_differences(alert: Alert, wanted: Mapping[str, Any]) -> Iterator[str]:
    """What an alert's fields hold other than wanted, a sentence each; numbers compare as numbers."""
    for name, value in wanted.items():
        held = alert.fields.get(name)
        if not is_same_value(held, value):
            yield f"{name} is {held!r}, not {value!r}"


def is_same_value(held: CellValue, wanted: Any) -> bool:
    """Whether a field holds what is wanted: numbers by value, lists as sets, all else as text."""
    if isinstance(wanted, list) and isinstance(held, list):
        # In any order: `values` sorts, `list` keeps the order of rows, and a scenario should not depend on which.
        return sorted(held) == sorted(str(w) for w in wanted)
    if isinstance(held, int | float) and isinstance(wanted, int | float):
        # Chosen, no source: far above the error of a parallel sum, far below what a scenario would write.
        return abs(held - wanted) <= 1e-9 * max(1.0, abs(wanted))
    return str(held) == str(wanted)
