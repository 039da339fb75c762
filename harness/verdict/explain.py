"""What became of an attack's events at each step, and the clause that lost them.

Nothing here knows a language or judges a row itself: every number comes from running a part of the rule's own plan.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from harness.detection.engine import CellValue, Engine
from harness.detection.language import Plan
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    EVENT_COLUMN,
    Call,
    Column,
    Expression,
    Kind,
    Literal,
    columns_read,
)
from harness.detection.plan.nodes import Filter, Limit, Node, Select, Union, list_sources
from harness.detection.plan.operation import Operation
from harness.detection.plan.passes.provenance import trace_events
from harness.detection.plan.schema import columns_of
from harness.diagnostics import Span
from harness.verdict.alerts import as_events
from harness.verdict.clauses import MIRRORED_OPERATIONS, Test, find_span, tests_of

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

    `excluded` says that it is a member of an exclusion list, so that having it is what lost them. One that lost none
    asks for a field that none of the attack's rows has.
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
    if not nodes:
        return found
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


# Chosen, no source: what fits on the line of a report.
MOST_HELD_VALUES = 3
COMPARISON_SIGNS: dict[Operation, str] = {
    ops.less: "<",
    ops.less_equal: "<=",
    ops.greater: ">",
    ops.greater_equal: ">=",
}
CaseGroups = list[tuple[int, ...]]
"""For each row the events behind it."""


def explain(plan: Plan, engine: Engine, labels: Labels) -> Explanation:
    """Runs the plan's steps and says where the last of the attack's events was lost, and why."""
    return Inquiry(plan=plan, engine=engine, cases={0: labels}).explanations()[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What became of the events of several cases in one plan that keeps them apart; `cases` has each one's labels.

    All cases together take a handful of statements: two for the steps, two for each step that lost somebody's attack.
    """

    plan: Plan
    engine: Engine
    cases: Mapping[int, Labels]

    def explanations(self) -> dict[int, Explanation]:
        """For each case its events after each step, and the step and clause that lost its attack."""
        behind = [self.apart(g) for g in events_behind([s.node for s in self.plan.steps], self.engine)]
        traces = {case: self.traces(case, behind) for case in self.cases}
        lost: dict[int, list[int]] = {}
        for case, steps in traces.items():
            # The first step that leaves nothing; later ones only pass the emptiness on.
            at = next((i for i, s in enumerate(steps) if s.malicious == 0), None)
            if at is not None and self.cases[case].malicious:
                lost.setdefault(at, []).append(case)
        losses = {case: loss for at, cases in lost.items() for case, loss in self.losses(at, cases, behind[at]).items()}
        return {
            case: Explanation(
                recorded=labels.total, malicious=len(labels.malicious), steps=traces[case], loss=losses.get(case)
            )
            for case, labels in self.cases.items()
        }

    def apart(self, groups: CaseGroups) -> dict[int, CaseGroups]:
        """The rows of each case."""
        found: dict[int, CaseGroups] = {case: [] for case in self.cases}
        starts = sorted((labels.own.start if labels.own else 0, case) for case, labels in self.cases.items())
        firsts = [start for start, _ in starts]
        for events in groups:
            # Events of a case are numbered in one stretch, so the first event of a row names its case.
            at = bisect_right(firsts, events[0]) - 1 if events else 0
            case = starts[at][1]
            if at >= 0 and (not events or events[0] in self.cases[case]):
                found[case].append(events)
        return found

    def traces(self, case: int, behind: Sequence[Mapping[int, CaseGroups]]) -> tuple[Trace, ...]:
        """Each step's rows of one case and the events behind them."""
        found = []
        for step, groups in zip(self.plan.steps, behind, strict=True):
            bad, good = self.cases[case].count(set().union(*groups[case]))
            found.append(Trace(span=step.span, name=step.name, rows=len(groups[case]), malicious=bad, benign=good))
        return tuple(found)

    def losses(self, at: int, cases: Sequence[int], behind: Mapping[int, CaseGroups]) -> dict[int, EventLoss]:
        """Why these cases lost their attacks at a step: at its first node that leaves none of an attack's events.

        `behind` are the rows that the step left.
        """
        step = self.plan.steps[at]
        parts = list(list_step_nodes(step.node, self.plan.steps[at - 1].node if at else None))
        # Of the step's last node the rows are known; most steps have no other.
        left = [*(self.apart(groups) for groups in events_behind(parts[:-1], self.engine)), behind]
        found: dict[int, EventLoss] = {}
        for number, part in enumerate(parts):
            gone = [c for c in cases if c not in found and not self.cases[c].among(left[number][c])]
            place = part.span or step.span
            if isinstance(part, Filter) and gone:
                for case, (clauses, misses) in find_losing_clauses(part, place, self.engine, self.labels(gone)).items():
                    found[case] = EventLoss(step=at, span=place, clauses=clauses, misses=misses)
            else:
                found |= {c: EventLoss(step=at, span=place, reason=explain_node_loss(part)) for c in gone}
        return {c: found.get(c, EventLoss(step=at, span=step.span)) for c in cases}

    def labels(self, cases: Collection[int]) -> dict[int, Labels]:
        """The labels of some of the cases."""
        return {c: self.cases[c] for c in cases}


def explain_node_loss(part: Node) -> str:
    """Why a node that has no condition leaves no row of an attack."""
    match part:
        case Limit(count=count):
            return f"only {count} rows are kept"
        case _ if not list_sources(part):
            return "the platform has none of the attack's events"
        case _:
            return "no row of the attack comes out"


def list_step_nodes(node: Node, before: Node | None) -> Iterator[Node]:
    """The nodes of one step, the deepest first; they form a chain, a side branch is passed by."""
    found: list[Node] = []
    current: Node | None = node
    while current is not None and current is not before:
        # Only along the first source: a join's right side is a table or a subsearch that the attack need not pass.
        found.append(current)
        current = next(iter(list_sources(current)), None)
    return reversed(found)


Findings = tuple[tuple[Clause, ...], tuple[Miss, ...]]


def find_losing_clauses(part: Filter, place: Span, engine: Engine, cases: Mapping[int, Labels]) -> dict[int, Findings]:
    """For each case the clauses that lost rows of its attack, and the thresholds that none of them reached."""
    tests = list(tests_of(part.condition))
    names = sorted(set(chain.from_iterable(columns_read(t.clause) for t in tests)))
    wanted = [*(t.loses for t in tests), *(Column(n) for n in names)]
    columns = ((EVENT_COLUMN, Column(EVENT_COLUMN)), *((f"t{i}", e) for i, e in enumerate(wanted)))
    rows: dict[int, list[tuple[CellValue, ...]]] = {case: [] for case in cases}
    for row in engine.run(Select(source=trace_events(part.source), columns=columns)).rows:
        events = as_events(row[0])
        for case, labels in cases.items():
            if labels.malicious.intersection(events):
                rows[case].append(row[1:])
                break
    return {case: findings(tests, names, found, place) for case, found in rows.items()}


def findings(
    tests: Sequence[Test], names: Sequence[str], rows: Sequence[tuple[CellValue, ...]], place: Span
) -> Findings:
    """The clauses that lost one attack's rows, in the order of the text, and the thresholds that none reached.

    A row has the result of each test, then the value of each name.
    """
    values = {name: [row[len(tests) + i] for row in rows] for i, name in enumerate(names)}
    clauses: list[Clause] = []
    misses: list[Miss] = []
    alive = set(range(len(rows)))
    for number, test in enumerate(tests):
        hit = sorted(i for i in alive if rows[i][number])
        if hit:
            held = {n: commonest([values[n][i] for i in hit]) for n in sorted(columns_read(test.clause))}
            clauses.append(
                Clause(span=find_span(test.clause) or place, lost=len(hit), held=held, excluded=test.excluded)
            )
        elif rows and all(row[number] for row in rows) and asks_for_field(test):
            # Every field that no row has is told, although the first of them left no row.
            held = {n: commonest(values[n]) for n in sorted(columns_read(test.clause))}
            clauses.append(Clause(span=find_span(test.clause) or place, lost=0, held=held, excluded=True))
        # A near miss is told only where no row reached the threshold.
        if rows and all(row[number] for row in rows):
            misses += misses_of(test.clause, values)
        # A row is lost once: to the first clause of the text that it fails.
        alive.difference_update(hit)
    return tuple(clauses), tuple(misses)


def asks_for_field(test: Test) -> bool:
    """Whether a test loses rows for the lack of a field, and for nothing else."""
    match test.clause:
        case Call(ops.is_null, (Column(),)):
            return test.excluded
        case _:
            return False


def commonest(values: Sequence[CellValue]) -> tuple[CellValue, ...]:
    """The most frequent values, the first seen of equally frequent ones first."""
    counts = Counter(repr(v) for v in values)
    # By repr, since lists cannot be keys; reversed, so that the first seen stays.
    first = {repr(v): v for v in reversed(values)}
    return tuple(first[text] for text, _ in counts.most_common(MOST_HELD_VALUES))


def misses_of(clause: Expression, values: Mapping[str, list[CellValue]]) -> Iterator[Miss]:
    """For a comparison of a column with a number: the nearest value to it that the attack's rows have."""
    match clause:
        case Call(operation, (side, Literal(needed))) if operation in COMPARISON_SIGNS:
            pass
        case Call(operation, (Literal(needed), side)) if operation in MIRRORED_OPERATIONS:
            operation = MIRRORED_OPERATIONS[operation]
        case _:
            return
    names = sorted(columns_read(side))
    if len(names) != 1 or not isinstance(needed, int | float):
        return
    numbers = [n for n in map(parse_cell_number, values[names[0]]) if n is not None]
    if numbers:
        best = min(numbers) if operation in (ops.less, ops.less_equal) else max(numbers)
        yield Miss(
            column=names[0], best=best, operator=COMPARISON_SIGNS[operation], needed=needed, span=find_span(clause)
        )


def parse_cell_number(value: CellValue) -> float | None:
    """A number, also one that is written as text."""
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None
