"""How many rows relations have of each case, and which events these rest on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from harness.detection.engine import Engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import EVENT_COLUMN, Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Aggregate, Named, Node, Select, Union
from harness.detection.plan.passes.provenance import trace_events
from harness.detection.plan.schema import columns_of
from harness.record import record
from harness.verdict.alerts import as_events
from harness.verdict.study.isolation import CASE_COLUMN

RELATION_COLUMN, ROWS_COLUMN = "relation", "rows"


@record(kw_only=True)
class Labels:
    """Which events are the attack's, how many events there are at all, and which they are if they are not all."""

    malicious: frozenset[int]
    total: int
    own: range | None = None

    def count(self, events: Collection[int]) -> tuple[int, int]:
        """How many of these are the attack's, and how many are not."""
        bad = len(self.malicious.intersection(events))
        return bad, len(events) - bad


@record
class RowsBehind:
    """How many rows a relation has of a case, and the events that they rest on."""

    rows: int = 0
    events: frozenset[int] = frozenset()


NO_ROWS = RowsBehind()


def find_rows_behind(nodes: Sequence[Node], engine: Engine, cases: Mapping[int, Labels]) -> list[dict[int, RowsBehind]]:
    """For each relation what each case has of it, by one statement; cases without a row are left out.

    Several cases are told apart by their column, which the relations of a plan that keeps them apart have.
    """
    found: list[dict[int, RowsBehind]] = [{} for _ in nodes]
    if not nodes:
        return found
    starts = {case: labels.own.start if labels.own else 0 for case, labels in cases.items()}
    first = min(starts, key=lambda case: starts[case])
    rows = engine.run(gather_rows_behind(nodes, apart=len(cases) > 1))
    places = [rows.columns.index(n) for n in (RELATION_COLUMN, CASE_COLUMN, ROWS_COLUMN)]
    events = rows.columns.index(EVENT_COLUMN) if EVENT_COLUMN in rows.columns else None
    for row in rows.rows:
        relation, case, count = (None if row[at] is None else int(float(str(row[at]))) for at in places)
        assert relation is not None
        # Rows that no event is behind belong to nobody; they are told of the first case.
        own = first if case is None else case
        behind = frozenset() if events is None else frozenset(as_events(row[events]))
        found[relation][own] = RowsBehind(count or 0, behind)
    return found


def gather_rows_behind(nodes: Sequence[Node], *, apart: bool) -> Node:
    """The relation with a row for each relation and case: how many rows that has, and the events behind them."""
    # Traced together, so that what the relations share stays shared and is written once.
    joint = trace_events(Union(sources=tuple(nodes)))
    assert isinstance(joint, Union)
    shapes = [columns_of(n) for n in joint.sources]
    # One number and a list of them are two types, which no column of a union can hold: below an aggregation a row
    # rests on one event, above it on a list of them.
    kinds = [shape.get(EVENT_COLUMN, Kind.NULL) for shape in shapes]
    summaries = []
    for kind in dict.fromkeys(kinds):
        parts = tuple(
            Select(source=joint.sources[i], columns=name_rows(i, apart and CASE_COLUMN in shapes[i], kind))
            for i in range(len(nodes))
            if kinds[i] is kind
        )
        measures: list[Named] = [(ROWS_COLUMN, ops.count())]
        if kind is not Kind.NULL:
            measures.append((EVENT_COLUMN, ops.gather(Column(EVENT_COLUMN))))
        keys = tuple((n, Column(n)) for n in (RELATION_COLUMN, CASE_COLUMN))
        summaries.append(Aggregate(source=Union(sources=parts), keys=keys, measures=tuple(measures)))
    return Union(sources=tuple(summaries))


def name_rows(relation: int, apart: bool, kind: Kind) -> tuple[Named, ...]:
    """The columns of a row that say of which relation and case it is, and which events are behind it."""
    case: Expression = Column(CASE_COLUMN) if apart else Literal(None)
    named: tuple[Named, ...] = ((RELATION_COLUMN, Literal(float(relation))), (CASE_COLUMN, case))
    return named if kind is Kind.NULL else (*named, (EVENT_COLUMN, Column(EVENT_COLUMN)))
