"""What became of an attack's events at each step, and the clause that lost them.

Nothing here knows a language or judges a row itself: every number comes from running a part of the rule's own plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from itertools import chain

from harness.detection.engine import CellValue, Engine, ResultRows
from harness.detection.language import Plan
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    EVENT_COLUMN,
    Call,
    Column,
    Expression,
    Literal,
    columns_read,
)
from harness.detection.plan.nodes import Filter, Limit, Node, Scan, Select, list_sources
from harness.detection.plan.operation import Operation
from harness.detection.plan.passes.provenance import trace_events
from harness.diagnostics import Span
from harness.record import record
from harness.verdict.alerts import as_events
from harness.verdict.clauses import MIRRORED_OPERATIONS, Test, find_span, tests_of
from harness.verdict.joint_run import run_jointly
from harness.verdict.rows_behind import NO_ROWS, Labels, RowsBehind, find_rows_behind


@record(kw_only=True)
class Trace:
    """One step of the query: rows after it, and how many of the attack's and of other events they rest on."""

    span: Span
    name: str
    rows: int
    malicious: int
    benign: int


@record(kw_only=True)
class Miss:
    """A threshold that the attack did not reach: `TotalConnections 5, needs >= 10`."""

    column: str
    best: CellValue
    operator: str
    needed: CellValue
    span: Span | None

    def __str__(self) -> str:
        return f"{self.column} {format_value(self.best)}, needs {self.operator} {format_value(self.needed)}"


@record(kw_only=True)
class Clause:
    """A part of a condition that lost rows of the attack: how many, and what they held in the fields it reads.

    `excluded` says that it is a member of an exclusion list, so that having it is what lost them. One that lost none
    asks for a field that none of the attack's rows has.
    """

    span: Span
    lost: int
    held: Mapping[str, tuple[CellValue, ...]] = field(default_factory=dict)
    excluded: bool = False


@record(kw_only=True)
class EventLoss:
    """Where the last of the attack's events went: the step's number, the clauses in it, the thresholds missed."""

    step: int
    span: Span
    clauses: tuple[Clause, ...] = ()
    misses: tuple[Miss, ...] = ()
    reason: str = ""


@record(kw_only=True)
class Explanation:
    """The events of a trial through a query: how many were recorded, and how many each step kept."""

    recorded: int
    malicious: int
    steps: tuple[Trace, ...]
    loss: EventLoss | None = None


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


def explain(plan: Plan, engine: Engine, labels: Labels) -> Explanation:
    """Runs the plan's steps and says where the last of the attack's events was lost, and why."""
    return Inquiry(engine, [(plan, {0: labels})]).explanations([[0]])[0][0]


@record(kw_only=True)
class LossPlace:
    """Where a case lost its attack: the number of the step, and its first node that leaves none of the events."""

    step: int
    span: Span
    node: Node | None


@record(kw_only=True)
class FollowedPlan:
    """What the steps of a plan leave of each case: `left` has it for each of the nodes in `parts`, step by step.

    Of the first step it is only known for its last node at first: what stands below reads every kind of events. Those
    in `whole`, by identity, leave all events of every case.
    """

    plan: Plan
    cases: Mapping[int, Labels]
    parts: list[list[Node]]
    left: list[list[dict[int, RowsBehind]]]
    whole: Collection[int]

    def keeps_all(self, node: Node) -> bool:
        """Whether a node leaves all events of every case."""
        # A case's attack is what the stored events say of it, so a stored table has all of it.
        return isinstance(node, Scan) or id(node) in self.whole

    def find_passed(self, step: int, case: int) -> frozenset[int]:
        """The events of a case that are behind the rows of a step."""
        return self.left[step][-1].get(case, NO_ROWS).events

    def traces(self, case: int) -> tuple[Trace, ...]:
        """Each step's rows of one case and the events behind them."""
        found = []
        for step, left in zip(self.plan.steps, self.left, strict=True):
            own = left[-1].get(case, NO_ROWS)
            bad, good = self.cases[case].count(own.events)
            found.append(Trace(span=step.span, name=step.name, rows=own.rows, malicious=bad, benign=good))
        return tuple(found)

    def find_lost_step(self, case: int, steps: Sequence[Trace]) -> int | None:
        """The number of the step that lost a case's attack, if it had one and did."""
        # The first step that leaves nothing; later ones only pass the emptiness on.
        at = next((i for i, s in enumerate(steps) if s.malicious == 0), None)
        return at if self.cases[case].malicious else None

    def find_loss(self, case: int, at: int) -> LossPlace:
        """Where in a step a case lost its attack."""
        bad = self.cases[case].malicious
        nodes = ((n, left) for n, left in zip(self.parts[at], self.left[at], strict=True) if not self.keeps_all(n))
        node = next((n for n, left in nodes if left.get(case, NO_ROWS).events.isdisjoint(bad)), None)
        span = self.plan.steps[at].span
        return LossPlace(step=at, span=(node and node.span) or span, node=node)


class Inquiry:
    """What became of the events of many cases in plans that keep them apart; each plan has its cases' labels.

    All together take two statements: one for the steps, one for the conditions that lost somebody's attack. `whole` are
    nodes that are known to leave all events of every case.
    """

    def __init__(
        self,
        engine: Engine,
        plans: Sequence[tuple[Plan, Mapping[int, Labels]]],
        whole: Collection[int] = (),
    ) -> None:
        self.engine, self.plans, self.whole = engine, plans, whole

    @cached_property
    def followed(self) -> list[FollowedPlan]:
        """The plans, their steps run."""
        made = []
        for plan, cases in self.plans:
            parts = list_plan_nodes(plan)
            left: list[list[dict[int, RowsBehind]]] = [[{} for _ in own] for own in parts]
            made.append(FollowedPlan(plan=plan, cases=cases, parts=parts, left=left, whole=self.whole))
        places = [(own, i, k) for own in made for i, nodes in enumerate(own.parts) for k in range(len(nodes))]
        self.find_left([(own, i, k) for own, i, k in places if i or k == len(own.parts[0]) - 1])
        return made

    def find_left(self, places: Sequence[tuple[FollowedPlan, int, int]]) -> None:
        """Finds out what nodes leave, by one statement: those of these plans, steps and places in the step."""
        cases = {case: labels for _, own in self.plans for case, labels in own.items()}
        nodes = [own.parts[i][k] for own, i, k in places]
        for (own, i, k), left in zip(places, find_rows_behind(nodes, self.engine, cases), strict=True):
            own.left[i][k] = left

    def explanations(self, wanted: Sequence[Iterable[int]]) -> list[dict[int, Explanation]]:
        """For each plan and each of its wanted cases the events after each step, and what lost its attack."""
        traces = [{c: own.traces(c) for c in cases} for own, cases in zip(self.followed, wanted, strict=True)]
        losses = self.losses(self.find_losses(traces))
        return [
            {
                case: Explanation(
                    recorded=plan.cases[case].total,
                    malicious=len(plan.cases[case].malicious),
                    steps=steps,
                    loss=lost.get(case),
                )
                for case, steps in own.items()
            }
            for plan, own, lost in zip(self.followed, traces, losses, strict=True)
        ]

    def find_losses(self, traces: Sequence[Mapping[int, Sequence[Trace]]]) -> list[dict[int, LossPlace]]:
        """For each plan where its cases lost their attacks, those that did."""
        lost = [
            {case: at for case, steps in own.items() if (at := plan.find_lost_step(case, steps)) is not None}
            for plan, own in zip(self.followed, traces, strict=True)
        ]
        early = [plan for plan, own in zip(self.followed, lost, strict=True) if 0 in own.values()]
        below = [(plan, k) for plan in early for k, n in enumerate(plan.parts[0][:-1]) if not plan.keeps_all(n)]
        self.find_left([(plan, 0, k) for plan, k in below])
        return [
            {case: plan.find_loss(case, at) for case, at in own.items()}
            for plan, own in zip(self.followed, lost, strict=True)
        ]

    def losses(self, places: Sequence[Mapping[int, LossPlace]]) -> list[dict[int, EventLoss]]:
        """For each plan why cases lost their attacks where they did."""
        lost_at: dict[tuple[int, int], tuple[Filter, list[int]]] = {}
        for number, own in enumerate(places):
            for case, place in own.items():
                if isinstance(place.node, Filter):
                    lost_at.setdefault((number, id(place.node)), (place.node, []))[1].append(case)
        known: dict[int, Node] = {}
        tests = [LosingTests(node) for node, _ in lost_at.values()]
        rows = run_jointly([trace_events(t.relation, known) for t in tests], self.engine.run)
        why: dict[tuple[int, int], Findings] = {}
        for ((number, _), (_, cases)), test, tried in zip(lost_at.items(), tests, rows, strict=True):
            labels = {c: self.followed[number].cases[c] for c in cases}
            for case, found in test.find_by_case(tried, labels).items():
                why[number, case] = test.findings(found, places[number][case].span)
        return [
            {case: self.build_loss(place, why.get((number, case))) for case, place in own.items()}
            for number, own in enumerate(places)
        ]

    @staticmethod
    def build_loss(place: LossPlace, why: Findings | None) -> EventLoss:
        """The loss of a case: the clauses of a condition, or the reason that another node gives."""
        if why is not None:
            return EventLoss(step=place.step, span=place.span, clauses=why[0], misses=why[1])
        reason = "" if place.node is None else explain_node_loss(place.node)
        return EventLoss(step=place.step, span=place.span, reason=reason)


Findings = tuple[tuple[Clause, ...], tuple[Miss, ...]]


def explain_node_loss(part: Node) -> str:
    """Why a node that has no condition leaves no row of an attack."""
    match part:
        case Limit(count=count):
            return f"only {count} rows are kept"
        case _ if not list_sources(part):
            return "the platform has none of the attack's events"
        case _:
            return "no row of the attack comes out"


def list_plan_nodes(plan: Plan) -> list[list[Node]]:
    """The nodes of each step, the last of which gives the step's rows."""
    before = [None, *(s.node for s in plan.steps)]
    # A step that changes nothing has no node of its own.
    return [list(list_step_nodes(s.node, b)) or [s.node] for s, b in zip(plan.steps, before, strict=False)]


def list_step_nodes(node: Node, before: Node | None) -> Iterator[Node]:
    """The nodes of one step, the deepest first; they form a chain, a side branch is passed by."""
    found: list[Node] = []
    current: Node | None = node
    while current is not None and current is not before:
        # Only along the first source: a join's right side is a table or a subsearch that the attack need not pass.
        found.append(current)
        current = next(iter(list_sources(current)), None)
    return reversed(found)


class LosingTests:
    """Everything in a condition that can lose a row, tried on each row before it."""

    def __init__(self, part: Filter) -> None:
        self.tests = list(tests_of(part.condition))
        self.names = sorted(set(chain.from_iterable(columns_read(t.clause) for t in self.tests)))
        wanted = [*(t.loses for t in self.tests), *(Column(n) for n in self.names)]
        self.relation = Select(source=part.source, columns=tuple((f"t{i}", e) for i, e in enumerate(wanted)))

    @staticmethod
    def find_by_case(tried: ResultRows, cases: Mapping[int, Labels]) -> dict[int, list[tuple[CellValue, ...]]]:
        """The rows of each case's attack: the result of each test, then the value of each name."""
        at = tried.columns.index(EVENT_COLUMN)
        rows: dict[int, list[tuple[CellValue, ...]]] = {case: [] for case in cases}
        owners = {event: case for case, labels in cases.items() for event in labels.malicious}
        for row in tried.rows:
            case = next((owners[event] for event in as_events(row[at]) if event in owners), None)
            if case is not None:
                rows[case].append(row[:at] + row[at + 1 :])
        return rows

    def findings(self, rows: Sequence[tuple[CellValue, ...]], place: Span) -> Findings:
        """The clauses that lost one attack's rows, in the order of the text, and the thresholds that none reached."""
        values = {name: [row[len(self.tests) + i] for row in rows] for i, name in enumerate(self.names)}
        clauses: list[Clause] = []
        misses: list[Miss] = []
        alive = set(range(len(rows)))
        for number, test in enumerate(self.tests):
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
