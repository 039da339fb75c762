"""From rows to alerts: who caused the events behind each; counted by cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.detection.engine import CellValue, ResultRows
from harness.detection.plan.expressions import EVENT_COLUMN, is_hidden
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.events.event import UNLABELLED, Cause


@record(kw_only=True)
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


class Attribution(Protocol):
    """Who caused what: the causes by number, and how to find those behind events."""

    @property
    def causes(self) -> tuple[Cause, ...]:
        """All causes, by number."""

    @property
    def malicious(self) -> frozenset[int]:
        """Numbers of the events that an attack left."""

    @property
    def size(self) -> int:
        """One more than the highest number of an event."""

    def find_events(self, causes: Sequence[int]) -> frozenset[int]:
        """Numbers of the events that these causes left."""

    def of_each(self, behind: Sequence[tuple[int, ...]]) -> list[tuple[Cause, ...]]:
        """The causes of each of several sets of events, each once, in order of number."""

    def list_causes(self) -> frozenset[int]:
        """Numbers of the causes that left an event."""


@record(kw_only=True)
class GroundTruth:
    """Who caused what: the causes, and for each event's number the number of its cause."""

    causes: tuple[Cause, ...]
    by_event: npt.NDArray[np.int32]

    @property
    def malicious(self) -> frozenset[int]:
        """Numbers of the events that an attack left."""
        return self.find_events([i for i, c in enumerate(self.causes) if c.malicious])

    @property
    def size(self) -> int:
        """One more than the highest number of an event."""
        return len(self.by_event)

    def find_events(self, causes: Sequence[int]) -> frozenset[int]:
        """Numbers of the events that these causes left."""
        return frozenset(np.flatnonzero(np.isin(self.by_event, causes)).tolist())

    def of(self, events: tuple[int, ...]) -> tuple[Cause, ...]:
        """The causes of these events, each once, in order of number."""
        numbers = np.unique(self.by_event[list(events)]) if events else ()
        return tuple(self.causes[i] for i in numbers if i != UNLABELLED)

    def of_each(self, behind: Sequence[tuple[int, ...]]) -> list[tuple[Cause, ...]]:
        """The causes of each of several sets of events."""
        return [self.of(events) for events in behind]

    def list_causes(self) -> frozenset[int]:
        """Numbers of the causes that left an event."""
        return frozenset(np.unique(self.by_event).tolist()) - {UNLABELLED}


def as_events(value: CellValue) -> tuple[int, ...]:
    """A provenance cell as event numbers."""
    if value is None:
        return ()
    # Below an aggregation one number, above it a list.
    return tuple(int(v) for v in value) if isinstance(value, list) else (int(value),)


def alerts_of(rows: ResultRows, truth: Attribution) -> tuple[Alert, ...]:
    """Each row of a traced query as an alert; rows that the query makes itself have no events behind them."""
    at = rows.columns.index(EVENT_COLUMN) if EVENT_COLUMN in rows.columns else None
    shown = [i for i, name in enumerate(rows.columns) if not is_hidden(name)]
    behind = [() if at is None else as_events(row[at]) for row in rows.rows]
    return tuple(
        Alert(fields={rows.columns[i]: row[i] for i in shown if row[i] is not None}, events=events, causes=causes)
        for row, events, causes in zip(rows.rows, behind, truth.of_each(behind), strict=True)
    )


def describe_field_differences(alert: Alert, wanted: Mapping[str, Any]) -> Iterator[str]:
    """What an alert's fields hold other than wanted, a sentence each; numbers compare as numbers."""
    for name, value in wanted.items():
        held = alert.fields.get(name)
        if not is_same_value(held, value):
            yield f"{name} is {held!r}, not {value!r}"


NUMBER_TEXT = late_pattern(r"-?\d{1,15}(?:\.\d{1,15})?")


def is_same_value(held: CellValue, wanted: Any) -> bool:
    """Whether a field holds what is wanted: numbers by value, lists as sets, all else as text."""
    if isinstance(wanted, list) and isinstance(held, list):
        # In any order: `values` sorts, `list` keeps the order of rows, and a scenario should not depend on which.
        return sorted(held) == sorted(str(w) for w in wanted)
    # A list of one is its value, and products do not say whether digits are a number.
    if isinstance(wanted, list) and len(wanted) == 1:
        return is_same_value(held, wanted[0])
    if isinstance(held, int | float) and isinstance(wanted, str) and NUMBER_TEXT.fullmatch(wanted):
        return is_same_value(held, float(wanted))
    if isinstance(held, int | float) and isinstance(wanted, int | float):
        # Chosen, no source: far above the error of a parallel sum, far below what a scenario would write.
        return abs(held - wanted) <= 1e-9 * max(1.0, abs(wanted))
    return str(held) == str(wanted)


NOBODY = "nobody is known to have caused it"


@record(kw_only=True)
class CensusLine:
    """One cause: its alerts, the hosts they are about, and on how many hosts it happened at all."""

    cause: str
    malicious: bool
    alerts: int
    hosts: int
    present: int


@record(kw_only=True)
class Census:
    """Alerts of `runs` runs of a rule over `days` days, by cause; an alert with several causes counts for each.

    Attacks without an alert are there too, benign causes only with one.
    """

    lines: tuple[CensusLine, ...]
    alerts: int
    days: float
    hosts: int
    runs: int
    events: int

    def a_day(self, count: int) -> float:
        """A count as a rate."""
        return count / self.days if self.days else 0.0


def census(
    alerts: Iterable[Alert], causes: Sequence[Cause], *, days: float, runs: int, events: int, caused: frozenset[int]
) -> Census:
    """The alerts of all runs by cause; `caused` are the numbers of causes that left events."""
    present: dict[tuple[str, bool], set[str]] = {}
    for number in caused:
        cause = causes[number]
        present.setdefault((cause.name, cause.malicious), set()).add(cause.host)
    # Attacks without an alert stand there with 0: what was missed matters most.
    counts: dict[tuple[str, bool], int] = {key: 0 for key in present if key[1]}
    hosts: dict[tuple[str, bool], set[str]] = {}
    total = 0
    for alert in alerts:
        total += 1
        # By name and label: the same software on many hosts is one line.
        for key in {(c.name, c.malicious) for c in alert.causes} or {(NOBODY, False)}:
            counts[key] = counts.get(key, 0) + 1
            hosts.setdefault(key, set()).update(c.host for c in alert.causes if (c.name, c.malicious) == key)
    lines = [
        CensusLine(
            cause=n, malicious=m, alerts=c, hosts=len(hosts.get((n, m), ())), present=len(present.get((n, m), ()))
        )
        for (n, m), c in counts.items()
    ]
    lines.sort(key=lambda line: (not line.malicious, -line.alerts, line.cause))
    everywhere = {host for key in present.values() for host in key}
    return Census(lines=tuple(lines), alerts=total, days=days, hosts=len(everywhere), runs=runs, events=events)
