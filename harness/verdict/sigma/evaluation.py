"""A Sigma rule evaluated on recorded events, and its conversion's findings held against it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from harness.diagnostics import HarnessError
from harness.scenario.sigma.collection import SigmaSubject
from harness.scenario.sigma.detection import DetectionItem, DetectionNegation, DetectionNode, walk_items
from harness.scenario.sigma.rule import SigmaCorrelation, SigmaRule
from harness.telemetry.events.event import TIME, Telemetry, fill_times, find_arrival
from harness.telemetry.platform import View
from harness.telemetry.simulation.activity import BooleanArray
from harness.verdict.alerts import Alert
from harness.verdict.sigma.correlations import SigmaHit, evaluate_correlation
from harness.verdict.sigma.evaluate import combine_masks, evaluate_detection, evaluate_item
from harness.verdict.sigma.event_texts import EventTable, read_events
from harness.verdict.sigma.log_sources import select_log_source
from harness.verdict.sigma.opinion import MOST_NAMED, LossStage, LostHit, NearMiss, SigmaOpinion


class SigmaEvaluation:
    """A Sigma rule or correlation on recorded events."""

    def __init__(
        self, subject: SigmaSubject, telemetry: Telemetry, renamed: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        """Nothing is evaluated yet; `renamed` are the names that a query has for fields of the rule."""
        self.subject, self.renamed = subject, renamed or {}
        arrival = find_arrival(telemetry)
        self.tables: list[EventTable] = [read_events(events) for events in telemetry.events]
        self.times = [
            fill_times(events.columns.column(TIME), arrival).cast(pa.int64()).to_numpy() for events in telemetry.events
        ]
        sizes = [table.rows for table in self.tables]
        self.first = [0, *np.cumsum(sizes).tolist()]

    def find_hits(self, rule: SigmaRule) -> list[SigmaHit]:
        """The events that a single rule fits, each a hit."""
        found = []
        for number, table in enumerate(self.tables):
            for row in np.flatnonzero(self.fits(rule, table)):
                found.append(self.hit(number, int(row)))
        return sorted(found, key=lambda hit: (hit.at, hit.events))

    def fits(self, rule: SigmaRule, table: EventTable) -> BooleanArray:
        """Which events of a table a rule fits: by its own condition, or by any where a correlation refers to it."""
        chosen = select_log_source(rule.source, table)
        if not chosen.any():
            return chosen
        own = rule is self.subject.rule
        trees = rule.detection.conditions[self.subject.condition :][:1] if own else rule.detection.conditions
        fitting = np.zeros(table.rows, dtype=bool)
        for tree in trees:
            fitting |= evaluate_detection(tree, table)
        return chosen & fitting

    def hit(self, table: int, row: int) -> SigmaHit:
        """One event as a hit."""
        return SigmaHit(
            at=int(self.times[table][row]),
            events=(self.first[table] + row,),
            field=lambda name: next((t for texts in self.tables[table].find(name) if (t := texts.text(row))), None),
        )

    def hits(self) -> list[SigmaHit]:
        """What the rule or the correlation finds."""
        rule = self.subject.rule
        if isinstance(rule, SigmaCorrelation):
            return evaluate_correlation(rule, self.subject, self.find_hits)
        return self.find_hits(rule)

    def locate(self, event: int) -> tuple[EventTable, int]:
        """The table and row of an event."""
        number = int(np.searchsorted(self.first, event, side="right")) - 1
        return self.tables[number], event - self.first[number]

    def find_near_misses(self, rule: SigmaRule) -> tuple[int, tuple[NearMiss, ...]]:
        """How many events are of a rule's log source, and which items keep the nearest of them from it."""
        tree = rule.detection.conditions[self.subject.condition if rule is self.subject.rule else 0]
        items = list(list_wanted_items(tree))
        total = 0
        best: tuple[int, EventTable, int] | None = None
        for table in self.tables:
            chosen = select_log_source(rule.source, table)
            total += int(chosen.sum())
            if not chosen.any():
                continue
            fitted = sum((evaluate_item(i, table).astype(np.int64) for i in items), np.zeros(table.rows, np.int64))
            row = int(np.argmax(np.where(chosen, fitted, -1)))
            if best is None or fitted[row] > best[0]:
                best = int(fitted[row]), table, row
        if best is None:
            return total, ()
        _, table, row = best
        missed = [i for i in items if not evaluate_item(i, table)[row]]
        return total, tuple(describe_miss(i, table, row) for i in missed[:MOST_NAMED])


def list_wanted_items(node: DetectionNode) -> Iterator[DetectionItem]:
    """The items that are to fit: those behind `not` are left out."""
    if not isinstance(node, DetectionNegation):
        members = getattr(node, "members", None) or ([node.member] if hasattr(node, "member") else [])
        if isinstance(node, DetectionItem):
            yield node
        for member in members:
            yield from list_wanted_items(member)


def describe_miss(item: DetectionItem, table: EventTable, row: int) -> NearMiss:
    """An item that an event does not fit."""
    held = [t for texts in table.find(item.field) if (t := texts.text(row)) is not None] if item.field else []
    return NearMiss(span=item.span, item=str(item), held=", ".join(held) if held else "nothing")


def form_opinion(
    subject: SigmaSubject,
    telemetry: Telemetry,
    views: Sequence[View],
    alerts: Sequence[Alert] | None,
    renamed: Mapping[str, tuple[str, ...]] | None = None,
) -> SigmaOpinion | None:
    """What the rule finds by its own text, and what becomes of it; without `alerts` there is no query to compare.

    None where nobody can tell: for a placeholder without values, or plain text whose fields no rule can name.
    """
    try:
        evaluation = SigmaEvaluation(subject, telemetry, renamed)
        hits = evaluation.hits()
    except HarnessError:
        return None
    found = {event for alert in alerts or () for event in alert.events}
    meant = {event for hit in hits for event in hit.events}
    # An alert of a correlation is found where one of its events is: products cut time in their own way.
    lost = [hit for hit in hits if not found.intersection(hit.events)] if alerts is not None else []
    source, misses = 0, tuple[NearMiss, ...]()
    if not hits and isinstance(subject.rule, SigmaRule):
        source, misses = evaluation.find_near_misses(subject.rule)
    return SigmaOpinion(
        hits=len(hits),
        alone=alerts is None,
        lost=tuple(classify_losses(evaluation, lost, views)),
        added=tuple(sorted(found - meant)),
        source=source,
        misses=misses,
    )


def classify_losses(evaluation: SigmaEvaluation, lost: Sequence[SigmaHit], views: Sequence[View]) -> Iterator[LostHit]:
    """Where hits are lost: on the platform if the rule's text does not fit what that shows of their events."""
    trees = [tree for rule in evaluation.subject.rules for tree in rule.detection.conditions]
    places: dict[int, tuple[View, int]] = {}
    shown: set[int] = set()
    for view in views if lost else ():
        numbers = view.columns.column("@event").to_numpy()
        table = EventTable(len(numbers), view.constants, view.columns, exact=True, renamed=evaluation.renamed)
        fitting = combine_masks([evaluate_detection(tree, table) for tree in trees], len(numbers), every=False)
        shown |= set(numbers[fitting].tolist())
        places |= {event: (view, row) for row, event in enumerate(numbers.tolist())}
    for number, hit in enumerate(lost):
        hidden = [e for e in hit.events if e not in shown and e in places]
        if not hidden:
            group = ", ".join(f"{name}={value}" for name, value in hit.group)
            yield LostHit(events=hit.events, stage=LossStage.CONVERSION, held=group)
            continue
        view, row = places[hidden[0]]
        told = number < MOST_NAMED
        one = EventTable(1, view.constants, view.columns.slice(row, 1), exact=True, renamed=evaluation.renamed)
        changes = list_changes(evaluation, hidden[0], one)
        yield LostHit(events=hit.events, stage=LossStage.PLATFORM, held="; ".join(changes) if told else "")


def list_changes(evaluation: SigmaEvaluation, event: int, shown: EventTable) -> Iterator[str]:
    """The fields of a rule that a platform shows otherwise than they were recorded."""
    table, row = evaluation.locate(event)
    names = dict.fromkeys(
        i.field for r in evaluation.subject.rules for s in r.detection.selections.values() for i in walk_items(s)
    )
    for name in names:
        recorded = next((t for texts in table.find(name) if (t := texts.text(row)) is not None), None)
        there = next((t for texts in shown.find(name) if (t := texts.text(0)) is not None), None)
        if recorded != there:
            yield f"{name} is {there if there is not None else 'absent'} there"
