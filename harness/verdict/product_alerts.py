"""Whose doing a row of a product is: by the fields that the simulation knows, or by what is there without the attack.

A product gives rows and no provenance. A row that is an event is found again among the events; where rows are made of
many events, the benign part alone is searched too, and a row that is not there was changed or brought by the attack.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.detection.engine import CellValue, ResultRows
from harness.detection.language import Plan
from harness.detection.plan.expressions import EVENT_COLUMN, is_hidden
from harness.detection.plan.nodes import Derive, Filter, Limit, Scan, Select, Sort, walk_nodes
from harness.record import record
from harness.telemetry.events.event import CAUSE, Cause
from harness.telemetry.platform import View
from harness.verdict.alerts import Alert
from harness.verdict.row_keys import make_row_key, normalise_time, normalise_value
from harness.verdict.store import list_made_columns

ATTACK_PART, BENIGN_PART = "attack", "benign"
# A plan of these alone gives one row for one event.
EVENT_NODES = (Scan, Filter, Derive, Select, Sort, Limit)


@record(kw_only=True)
class SentParts:
    """A trial's events as they were sent: the attack's and all others, and who caused them."""

    views: Mapping[str, tuple[View, ...]]
    causes: tuple[Cause, ...]

    def causes_of(self, part: str) -> tuple[Cause, ...]:
        """The causes of a part's events, each once."""
        numbers = {n for view in self.views.get(part, ()) for n in view.columns.column(CAUSE).to_pylist()}
        return tuple(self.causes[n] for n in sorted(n for n in numbers if n is not None and n >= 0))


def split_by_cause(views: Sequence[View], causes: tuple[Cause, ...]) -> SentParts:
    """The events in two parts; a part without events is not there."""
    found: dict[str, list[View]] = {}
    for view in views:
        bad = [n is not None and n >= 0 and causes[n].malicious for n in view.columns.column(CAUSE).to_pylist()]
        for part, wanted in ((ATTACK_PART, bad), (BENIGN_PART, [not b for b in bad])):
            if any(wanted):
                columns = view.columns.filter(wanted)
                found.setdefault(part, []).append(View(constants=view.constants, columns=columns))
    return SentParts(views={part: tuple(own) for part, own in found.items()}, causes=causes)


def is_row_by_row(plan: Plan | None) -> bool:
    """Whether each row of a query is one event; of a query that cannot be planned nobody knows."""
    return plan is not None and all(isinstance(node, EVENT_NODES) for node in walk_nodes(plan.node))


def build_alerts(
    rows: ResultRows, parts: SentParts, without_attack: ResultRows | None, plan: Plan | None
) -> list[Alert]:
    """Each row as an alert; `without_attack` are the rows of the benign part alone, None where rows are events."""
    records = list(rows.records())
    if len(parts.views) < 2:
        causes = parts.causes_of(next(iter(parts.views), BENIGN_PART))
        return [Alert(fields=row, events=(), causes=causes) for row in records]
    if without_attack is None:
        return list(join_by_fields(records, parts, plan))
    left = Counter(make_row_key(row) for row in without_attack.records())
    alerts = []
    for row in records:
        key = make_row_key(row)
        there = left[key] > 0
        left[key] -= there
        alerts.append(Alert(fields=row, events=(), causes=parts.causes_of(BENIGN_PART if there else ATTACK_PART)))
    return alerts


def join_by_fields(records: Sequence[Mapping[str, CellValue]], parts: SentParts, plan: Plan | None) -> Iterator[Alert]:
    """Each row with the events that hold the same in every field that is an event's own."""
    made = {name for node in walk_nodes(plan.node) for name in list_made_columns(node)} if plan else set()
    events = [event for own in parts.views.values() for view in own for event in list_view_events(view)]
    known = {name for fields, _, _ in events for name in fields} - made
    for row in records:
        asked = {n: normalise_time(n, v) for n, v in row.items() if n in known}
        found = [(event, cause) for fields, event, cause in events if is_held(fields, asked)]
        numbers = sorted({cause for _, cause in found if cause >= 0})
        yield Alert(
            fields=row, events=tuple(event for event, _ in found), causes=tuple(parts.causes[n] for n in numbers)
        )


def is_held(fields: Mapping[str, str], asked: Mapping[str, str]) -> bool:
    """Whether an event holds these values; a row of none of its fields is nobody's."""
    return bool(asked) and all(fields.get(name) == value for name, value in asked.items())


def list_view_events(view: View) -> Iterator[tuple[dict[str, str], int, int]]:
    """The events of a view: their fields as they are compared, their number and their cause."""
    constants = {name: normalise_value(value) for name, value in view.constants.items()}
    for row in view.columns.to_pylist():
        own = {n: normalise_time(n, v) for n, v in row.items() if v is not None and not is_hidden(n) and n != CAUSE}
        yield constants | own, int(row[EVENT_COLUMN]), -1 if row[CAUSE] is None else int(row[CAUSE])
