"""What became of an attack's events at each step of a query.

Nothing here knows a language or judges a row itself: every number comes from running a part of the rule's own plan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from harness.detection.engine import CellValue, Engine
from harness.detection.plan.expressions import EVENT_COLUMN, Column, Kind, Literal
from harness.detection.plan.nodes import Node, Select, Union
from harness.detection.plan.passes.provenance import trace_events
from harness.detection.plan.schema import columns_of
from harness.diagnostics import Span
from harness.verdict.alerts import as_events

STEP_COLUMN = "step"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One step of the query: rows after it, and how many of the attack's and of other events they rest on."""

    span: Span
    name: str
    rows: int
    malicious: int
    benign: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A threshold that the attack did not reach: `TotalConnections 5, needs >= 10`."""

    column: str
    best: CellValue
    operator: str
    needed: CellValue
    span: Span | None

    def __str__(self) -> str:
        return f"{self.column} {format_value(self.best)}, needs {self.operator} {format_value(self.needed)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A part of a condition that lost rows of the attack: how many, and what they held in the fields it reads.

    `excluded` says that it is a member of an exclusion list, so that having it is what lost them.
    """

    span: Span
    lost: int
    held: Mapping[str, tuple[CellValue, ...]] = field(default_factory=dict)
    excluded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLoss:
    """Where the last of the attack's events went: the step's number, the clauses in it, the thresholds missed."""

    step: int
    span: Span
    clauses: tuple[Clause, ...] = ()
    misses: tuple[Miss, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The events of a trial through a query: how many were recorded, and how many each step kept."""

    recorded: int
    malicious: int
    steps: tuple[Trace, ...]
    loss: EventLoss | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Which events are the attack's, how many events there are at all, and which they are if they are not all."""

    malicious: frozenset[int]
    total: int
    own: range | None = None

    def __contains__(self, event: int) -> bool:
        """Whether an event is one of them."""
        return self.own is None or event in self.own

    def count(self, events: Collection[int]) -> tuple[int, int]:
        """How many of these are the attack's, and how many are not."""
        bad = len(self.malicious.intersection(events))
        return bad, len(events) - bad

    def among(self, groups: Sequence[tuple[int, ...]]) -> bool:
        """Whether an event of the attack is behind one of these rows."""
        return any(self.malicious.intersection(g) for g in groups)


def events_behind(nodes: Sequence[Node], engine: Engine) -> list[list[tuple[int, ...]]]:
    """For each relation, for each of its rows, the numbers of the events behind it; two statements at most.

    Below an aggregation a row rests on one event, above it on a list of them: the two kinds go apart.
    """
    found: list[list[tuple[int, ...]]] = [[] for _ in nodes]
    # Traced together, so that what the steps share stays shared and is written once.
    joint = trace_events(Union(sources=tuple(nodes)))
    assert isinstance(joint, Union)
    # One number and a list of them are two types, which no column of a union can hold.
    kinds = [columns_of(n).get(EVENT_COLUMN, Kind.NULL) for n in joint.sources]
    for kind in dict.fromkeys(kinds):
        parts = tuple(
            Select(source=n, columns=((STEP_COLUMN, Literal(i)), (EVENT_COLUMN, Column(EVENT_COLUMN))))
            for i, n in enumerate(joint.sources)
            if kinds[i] is kind
        )
        for step, events in engine.run(Union(sources=parts)).rows:
            assert isinstance(step, int | float)
            found[int(step)].append(as_events(events))
    return found


def format_value(value: CellValue) -> str:
    """A value for people: at most four decimals."""
    if isinstance(value, float):
        # Chosen, no source: enough to see on which side of a threshold a ratio lies.
        return f"{value:.4f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return ", ".join(value)
    return "nothing" if value is None else str(value)
