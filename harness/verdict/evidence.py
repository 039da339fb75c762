"""What a report shows behind a verdict: the recorded events of its alerts, and the attack in time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from harness.detection.plan.expressions import EVENT_COLUMN
from harness.record import record
from harness.telemetry.platform import UNITS_PER_SECOND, View
from harness.verdict.alerts import Alert
from harness.verdict.explain import Explanation
from harness.verdict.rows_behind import Labels

# All chosen, no source: five alerts show the shape of all, and a page of 100 verdicts stays below a megabyte.
MOST_SHOWN_ALERTS = 5
MOST_SHOWN_EVENTS = 8
MOST_MOMENTS = 200
MOST_ATTACK_BUCKETS = 60
BUCKET_SECONDS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 86_400, 604_800)
"""Lengths of buckets that a person can name."""


@record(kw_only=True)
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


@record(kw_only=True)
class Timeline:
    """The events of a trial in buckets of `width` seconds from `start` (epoch seconds): the attack's and all others.

    `alerts` are the moments at which each was complete: the time of the last event behind it, malicious or not.
    """

    start: float
    width: int
    attack: tuple[int, ...]
    other: tuple[int, ...]
    alerts: tuple[tuple[float, bool], ...]


@record(kw_only=True)
class ShownAlert:
    """An alert by its place among its verdict's, and the first of the events behind it."""

    place: int
    events: tuple[Evidence, ...]


@record(kw_only=True)
class VerdictDetail:
    """What a page shows of a verdict beside its outcome; the explanation is there whatever the outcome."""

    explanation: Explanation | None
    timeline: Timeline | None
    shown: tuple[ShownAlert, ...]


def collect_evidence(
    views: Sequence[View], events: Collection[int], reads: Collection[str], most: int
) -> list[Evidence]:
    """The first `most` of these events by time, with the fields that a rule reads."""
    found = [e for view in views for e in list_view_evidence(view, events, sorted(reads), most)]
    # The number breaks ties, so that two runs list the same events.
    return sorted(found, key=lambda e: (e.at or 0.0, e.number))[:most]


def list_view_evidence(view: View, events: Collection[int], reads: Sequence[str], most: int) -> Iterator[Evidence]:
    """The events of one kind."""
    numbers = view.columns.column(EVENT_COLUMN).to_numpy()
    # Cut for each kind already: an alert may rest on a million events.
    chosen = np.flatnonzero(np.isin(numbers, np.fromiter(events, np.int64, len(events))))[:most]
    if not len(chosen):
        return
    names = view.columns.column_names
    columns = {n: view.columns.column(n).take(chosen).to_pylist() for n in reads if n in names}
    clock = next((n for n in UNITS_PER_SECOND if n in names), None)
    times = view.columns.column(clock).take(chosen).to_pylist() if clock else [None] * len(chosen)
    fixed = {n: view.constants[n] for n in reads if n in view.constants}
    for row, number in enumerate(chosen.tolist()):
        time = times[row]
        at = None if time is None or clock is None else float(time) / UNITS_PER_SECOND[clock]
        own = {n: format_field_value(values[row]) for n, values in columns.items() if values[row] is not None}
        shown = {n: v for n, v in {**own, **fixed}.items() if n not in UNITS_PER_SECOND}
        yield Evidence(number=int(numbers[number]), at=at, fields=dict(sorted(shown.items())))


def format_field_value(value: object) -> str:
    """A field's value for people."""
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)


class EventLog:
    """The events of many trials by number: their times in epoch seconds, and their fields."""

    def __init__(self, views: Sequence[View]) -> None:
        self.views = views
        pairs = [(v.columns.column(EVENT_COLUMN).to_numpy(), read_event_times(v)) for v in views]
        numbers = np.concatenate([np.empty(0, np.int64), *(n for n, _ in pairs)])
        times = np.concatenate([np.empty(0, np.float64), *(t for _, t in pairs)])
        order = np.argsort(numbers, kind="stable")
        self.numbers, self.times = numbers[order], times[order]

    def detail(
        self, labels: Labels, alerts: Sequence[Alert], reads: Collection[str], explanation: Explanation | None
    ) -> VerdictDetail:
        """What a page shows of a trial, given what its rule reads."""
        return VerdictDetail(
            explanation=explanation, timeline=self.timeline(labels, alerts), shown=self.show_alerts(alerts, reads)
        )

    def moments(self, events: Collection[int]) -> npt.NDArray[np.float64]:
        """The times of these events, those without one left out."""
        wanted = np.sort(np.fromiter(events, np.int64, len(events)))
        places = np.searchsorted(self.numbers, wanted)
        places = places[places < len(self.numbers)]
        found = self.times[places]
        timed: npt.NDArray[np.float64] = found[~np.isnan(found)]
        return timed

    def show_alerts(self, alerts: Sequence[Alert], reads: Collection[str]) -> tuple[ShownAlert, ...]:
        """The first alerts with their first events; those of an attack come before others."""
        order = sorted(range(len(alerts)), key=lambda i: (not alerts[i].malicious, i))[:MOST_SHOWN_ALERTS]
        return tuple(
            ShownAlert(place=i, events=tuple(collect_evidence(self.views, alerts[i].events, reads, MOST_SHOWN_EVENTS)))
            for i in order
        )

    def timeline(self, labels: Labels, alerts: Sequence[Alert]) -> Timeline | None:
        """One trial in time; None where no event of it has a time."""
        everything = self.moments(labels.own or range(labels.total))
        if not len(everything):
            return None
        attack = self.moments(labels.malicious)
        span = float(everything.max() - everything.min())
        width = next((w for w in BUCKET_SECONDS if span / w < MOST_ATTACK_BUCKETS - 1), BUCKET_SECONDS[-1])
        start = float(everything.min() // width * width)
        # Of a recording of many years the last buckets are one.
        size = min(MOST_ATTACK_BUCKETS, int((everything.max() - start) // width) + 1)

        def count(moments: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
            places = np.minimum((moments - start) // width, size - 1).astype(np.int64)
            return np.bincount(places, minlength=size)

        bad, whole = count(attack), count(everything)
        known = [(self.moments(a.events), a.malicious) for a in alerts[:MOST_MOMENTS]]
        return Timeline(
            start=start,
            width=width,
            attack=tuple(bad.tolist()),
            other=tuple((whole - bad).tolist()),
            alerts=tuple(sorted((float(times.max()), bad) for times, bad in known if len(times))),
        )


def read_event_times(view: View) -> npt.NDArray[np.float64]:
    """The time of each event of a kind in epoch seconds, NaN where it has none."""
    clock = next((n for n in UNITS_PER_SECOND if n in view.columns.column_names), None)
    if clock is None:
        return np.full(len(view.columns), np.nan)
    column = view.columns.column(clock).cast("double").to_numpy()
    times: npt.NDArray[np.float64] = column.astype(np.float64) / UNITS_PER_SECOND[clock]
    return times
