"""How many hosts were watched for how long, and which attacks there are: what rates are rates of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.record import record
from harness.telemetry.events.event import CAUSE, UNLABELLED, Telemetry
from harness.telemetry.platform import UNITS_PER_SECOND, View
from harness.verdict.study.batch import ATTACK, HOST_COLUMN, Batch
from harness.verdict.study.isolation import CASE_COLUMN

SECONDS_IN_DAY = 86400.0
# An hour because rules count by the hour; chosen, no other source.
LEAST_SECONDS = 3600.0
"""A host counts as watched for at least an hour: less would make rates a day out of minutes."""

Unit = tuple[int, str]
"""A host of a case: what resampling draws."""


@record(kw_only=True)
class AttackInBatch:
    """One attack: the cause it is named by, its case, the host it happened on, and how many events it left."""

    number: int
    case: int
    name: str
    host: str
    events: int

    @property
    def unit(self) -> Unit:
        """Case and host of the attack: the unit that resampling draws."""
        return self.case, self.host


@record(kw_only=True)
class WatchedPopulation:
    """Hosts and the days that each was watched, attacks, and the seconds between the first and last event of a case."""

    days: dict[Unit, float]
    attacks: tuple[AttackInBatch, ...]

    @property
    def host_days(self) -> float:
        """Days of all hosts together."""
        return sum(self.days.values())


def build_watched_population(batch: Batch) -> WatchedPopulation:
    """What a batch watched; attacks that left no event on this platform are attacks all the same."""
    hosts: dict[Unit, int] = {}
    first: dict[int, float] = {}
    last: dict[int, float] = {}
    left: dict[int, tuple[Unit, int]] = {}
    for view in batch.views:
        for case, host, low, high, count in by_host(view):
            hosts[case, host] = hosts.get((case, host), 0) + count
            first[case], last[case] = min(first.get(case, low), low), max(last.get(case, high), high)
        for attack, case, host, count in by_attack(view):
            unit, known = left.get(attack, ((case, host), 0))
            left[attack] = (unit, known + count)
    # A host is watched as long as its case goes on: silence between its own events is watched too.
    days = {u: max(last[u[0]] - first[u[0]], LEAST_SECONDS) / SECONDS_IN_DAY for u in hosts}
    return WatchedPopulation(days=days, attacks=tuple(attacks(batch, left)))


def attacks(batch: Batch, left: dict[int, tuple[Unit, int]]) -> Sequence[AttackInBatch]:
    """All attacks of a batch."""
    found: list[AttackInBatch] = []
    cause, case = 0, 0
    for lot in batch.lots:
        own = lot.attacks()
        happened = count_events_by_cause(lot.telemetry)
        for number in np.unique(own[own != UNLABELLED]).tolist():
            # A scenario is an attack even where no sensor saw it; of what was recorded many causes never happened.
            if not lot.one_attack and not happened[number]:
                continue
            told = lot.telemetry.causes[number]
            of = case + int(lot.cases(np.array([number], np.int32))[0])
            unit, events = left.get(number + cause, ((of, told.host), 0))
            # A scenario's causes are called by their behaviours; `detail` is what the scenario is called.
            name = told.detail or told.name if lot.one_attack else told.name
            found.append(AttackInBatch(number=number + cause, case=of, name=name, host=unit[1], events=events))
        cause += len(lot.telemetry.causes)
        case += lot.count
    return found


def count_events_by_cause(telemetry: Telemetry) -> npt.NDArray[np.int64]:
    """How many events each cause left, by its number."""
    found = np.zeros(len(telemetry.causes), np.int64)
    for events in telemetry.events:
        causes = events.columns.column(CAUSE).to_numpy()
        found += np.bincount(causes[causes != UNLABELLED], minlength=len(found))
    return found


def by_host(view: View) -> list[tuple[int, str, float, float, int]]:
    """Case, host, first and last second, and number of events."""
    name = next((n for n in UNITS_PER_SECOND if n in view.columns.column_names), None)
    if name is None or not len(view.columns):
        return []
    # Grouped in Arrow: there may be millions of events and thousands of hosts.
    table = pa.table(
        {"case": view.columns.column(CASE_COLUMN), "host": decode_hosts(view), "time": view.columns.column(name)}
    )
    rows = table.group_by(["case", "host"]).aggregate([("time", "min"), ("time", "max"), ("time", "count")]).to_pylist()
    per = UNITS_PER_SECOND[name]
    return [
        (r["case"], r["host"] or "", r["time_min"] / per, r["time_max"] / per, r["time_count"])
        for r in rows
        if r["time_min"] is not None
    ]


def by_attack(view: View) -> list[tuple[int, int, str, int]]:
    """Attack, case, host and number of events."""
    held = pc.is_valid(view.columns.column(ATTACK))
    table = pa.table(
        {"attack": view.columns.column(ATTACK), "case": view.columns.column(CASE_COLUMN), "host": decode_hosts(view)}
    )
    rows = table.filter(held).group_by(["attack", "case", "host"]).aggregate([([], "count_all")]).to_pylist()
    return [(r["attack"], r["case"], r["host"] or "", r["count_all"]) for r in rows]


def decode_hosts(view: View) -> pa.ChunkedArray:
    """The host column as text."""
    column = view.columns.column(HOST_COLUMN)
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
