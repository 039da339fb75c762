"""Alerts counted by what caused them: how many a day each software costs, and which attacks were seen at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.telemetry.events.event import Cause
from harness.verdict.alerts import Alert

NOBODY = "nobody is known to have caused it"


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusLine:
    """One cause: its alerts, the hosts they are about, and on how many hosts it happened at all."""

    cause: str
    malicious: bool
    alerts: int
    hosts: int
    present: int


@dataclass(frozen=True, slots=True, kw_only=True)
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
