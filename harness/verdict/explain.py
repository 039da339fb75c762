"""Where in a query an attack is lost: each step's rows, the clause that lost it, the nearest miss of each threshold.

Nothing here knows a language or judges a row itself: every number comes from running a part of the rule's own plan.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.detection.engine import Engine, Value
from harness.detection.language import Plan
from harness.detection.plan.columns import EVENT
from harness.detection.plan.expressions import (
    Aggregation,
    Call,
    Column,
    Expression,
    Literal,
    call,
    columns_read,
    span_of,
)
from harness.detection.plan.nodes import Aggregate, Filter, Limit, Named, Node, Select, sources
from harness.detection.plan.provenance import traced
from harness.detection.plan.shape import columns_of
from harness.diagnostics import Span
from harness.verdict.alerts import as_events

MOST_VALUES = 3


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
    best: Value
    operator: str
    needed: Value
    span: Span | None

    def __str__(self) -> str:
        return f"{self.column} {shown(self.best)}, needs {self.operator} {shown(self.needed)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A part of a condition that lost rows of the attack: how many, and what they held in the fields it reads."""

    span: Span
    lost: int
    held: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    excluded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Where the last of the attack's events went: the step, the clauses in it, the thresholds missed."""

    step: int
    span: Span
    clauses: tuple[Clause, ...] = ()
    misses: tuple[Miss, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What became of the events on their way through a query. `absent` are fields read that no event had."""

    recorded: int
    malicious: int
    steps: tuple[Trace, ...]
    loss: Loss | None = None
    absent: tuple[str, ...] = ()


class Labels:
    """Which events are the attack's: the truth that explanations count by."""

    def __init__(self, malicious: Collection[int], total: int) -> None:
        """Numbers of the attack's events, and how many events there are at all."""
        self.malicious = frozenset(malicious)
        self.total = total

    def count(self, events: Collection[int]) -> tuple[int, int]:
        """How many of these are the attack's, and how many are not."""
        bad = len(self.malicious.intersection(events))
        return bad, len(events) - bad


def explain(plan: Plan, engine: Engine, labels: Labels) -> Explanation:
    """Runs the plan step by step and says where the attack's events were lost."""
    steps: list[Trace] = []
    loss: Loss | None = None
    before: Node | None = None
    for number, step in enumerate(plan.steps):
        groups = events_of(step.node, engine)
        bad, good = labels.count(set().union(*groups))
        steps.append(Trace(span=step.span, name=step.name, rows=len(groups), malicious=bad, benign=good))
        if bad == 0 and loss is None and labels.malicious:
            loss = find_loss(number, step.span, step.node, before, engine, labels)
        before = step.node
    absent = absent_fields(plan, engine)
    return Explanation(
        recorded=labels.total, malicious=len(labels.malicious), steps=tuple(steps), loss=loss, absent=absent
    )


def events_of(node: Node, engine: Engine) -> list[tuple[int, ...]]:
    """For each row of a relation the numbers of the events behind it."""
    rows = engine.run(Select(source=traced(node), columns=((EVENT, Column(EVENT)),)))
    return [as_events(row[0]) for row in rows.rows]


def between(node: Node, before: Node | None) -> Iterator[Node]:
    """The nodes of one step, the deepest first; they form a chain, a side branch is passed by."""
    chain: list[Node] = []
    current: Node | None = node
    while current is not None and current is not before:
        chain.append(current)
        below = sources(current)
        current = below[0] if below else None
    return reversed(chain)


def find_loss(step: int, span: Span, node: Node, before: Node | None, engine: Engine, labels: Labels) -> Loss:
    """The first node of a step after which none of the attack's events is left, and why."""
    for part in between(node, before):
        if any(labels.malicious.intersection(e) for e in events_of(part, engine)):
            continue
        place = part.span or span
        if isinstance(part, Filter):
            clauses = losing_clauses(part, engine, labels)
            return Loss(step=step, span=place, clauses=clauses, misses=missed(part, engine, labels))
        if isinstance(part, Limit):
            return Loss(step=step, span=place, reason=f"only {part.count} rows are kept")
        if not sources(part):
            return Loss(step=step, span=place, reason="the platform has none of the attack's events")
        return Loss(
            step=step, span=place, reason=f"no row is left after `{place.text.split()[0] if place.text else ''}`"
        )
    return Loss(step=step, span=span)


def conjuncts(condition: Expression) -> Iterator[Expression]:
    """The parts that must all hold, in the order of the text."""
    match condition:
        case Call("and", parts):
            for part in parts:
                yield from conjuncts(part)
        case Call("is_true", (inner,)):
            yield from conjuncts(inner)
        case _:
            yield condition


def alternatives(condition: Expression) -> Iterator[Expression]:
    """The parts of which one suffices."""
    match condition:
        case Call("or", parts):
            for part in parts:
                yield from alternatives(part)
        case Call("is_true", (inner,)):
            yield from alternatives(inner)
        case _:
            yield condition


def negated(condition: Expression) -> Expression | None:
    """What a `not` denies, or nothing if it is no `not`."""
    match condition:
        case Call("not", (inner,)):
            return inner
        case Call("is_true", (inner,)):
            return negated(inner)
        case _:
            return None


def losing_clauses(part: Filter, engine: Engine, labels: Labels) -> tuple[Clause, ...]:
    """The conjuncts that lost rows of the attack, in the order of the text; of an exclusion list its members."""
    tests: list[tuple[Expression, bool]] = []
    for conjunct in conjuncts(part.condition):
        denied = negated(conjunct)
        if denied is None:
            tests.append((call("not", call("is_true", conjunct)), False))
        else:
            members = [m for m in alternatives(denied) if span_of(m)]
            tests += [(call("is_true", m), True) for m in members or [denied]]
    found: list[Clause] = []
    alive = attack_rows(part.source, [t for t, _ in tests], engine, labels)
    for number, (test, excluded) in enumerate(tests):
        hit = [row for row in alive if row[number]]
        place = clause_place(test, part)
        if hit and place is not None:
            held = values_held(part.source, test, engine, labels)
            found.append(Clause(span=place, lost=len(hit), held=held, excluded=excluded))
            alive = [row for row in alive if not row[number]]
    return tuple(found)


def clause_place(test: Expression, part: Filter) -> Span | None:
    """The place of the clause inside a test that wraps it."""
    place = span_of(test)
    while place is None and isinstance(test, Call) and test.arguments:
        test = test.arguments[0]
        place = span_of(test)
    return place or part.span


def attack_rows(source: Node, tests: Sequence[Expression], engine: Engine, labels: Labels) -> list[tuple[Value, ...]]:
    """What each test gives for each row of the attack."""
    named: tuple[Named, ...] = tuple((f"t{i}", t) for i, t in enumerate(tests))
    columns = ((EVENT, Column(EVENT)), *named)
    rows = engine.run(Select(source=traced(source), columns=columns)).rows
    return [row[1:] for row in rows if labels.malicious.intersection(as_events(row[0]))]


def values_held(source: Node, test: Expression, engine: Engine, labels: Labels) -> dict[str, tuple[Value, ...]]:
    """The commonest values that the attack's rows have in the fields that a test reads."""
    held: dict[str, tuple[Value, ...]] = {}
    names = sorted(columns_read(test))
    rows = attack_rows(source, [Column(n) for n in names], engine, labels)
    for i, name in enumerate(names):
        counts: dict[str, tuple[int, Value]] = {}
        for row in rows:
            seen = counts.get(repr(row[i]), (0, row[i]))
            counts[repr(row[i])] = (seen[0] + 1, row[i])
        held[name] = tuple(v for _, v in sorted(counts.values(), key=lambda c: -c[0])[:MOST_VALUES])
    return held


OPERATORS = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=", "equal": "="}
MIRRORED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal"}


def thresholds(condition: Expression) -> Iterator[tuple[Call, str, Expression, Literal]]:
    """Comparisons of a column with a number: the call, its operation, the column's side, the number."""
    for conjunct in conjuncts(condition):
        match conjunct:
            case Call(operation, (left, Literal() as right)) if operation in OPERATORS and kindred(right):
                yield conjunct, operation, left, right
            case Call(operation, (Literal() as left, right)) if operation in MIRRORED and kindred(left):
                yield conjunct, MIRRORED[operation], right, left


def kindred(literal: Literal) -> bool:
    """Whether a literal is a number to be reached."""
    return isinstance(literal.value, int | float) and not isinstance(literal.value, bool)


def missed(part: Filter, engine: Engine, labels: Labels) -> tuple[Miss, ...]:
    """For each threshold of a condition that no row of the attack reached: the nearest."""
    found: list[Miss] = []
    for conjunct, operation, side, literal in thresholds(part.condition):
        rows = attack_rows(part.source, [side, call("is_true", conjunct)], engine, labels)
        values = [row[0] for row in rows if isinstance(row[0], int | float)]
        if any(row[1] for row in rows) or not values:
            continue
        best = min(values) if operation.startswith("less") else max(values)
        name = next(iter(sorted(columns_read(side))), "value")
        needed = literal.value
        assert not isinstance(needed, tuple)
        found.append(Miss(column=name, best=best, operator=OPERATORS[operation], needed=needed, span=span_of(conjunct)))
    return tuple(found)


def absent_fields(plan: Plan, engine: Engine) -> tuple[str, ...]:
    """Fields that the rule reads but no event has that passes its first step."""
    if not plan.steps or not plan.reads:
        return ()
    first = plan.steps[0].node
    columns = columns_of(first)
    present = [n for n in sorted(plan.reads) if n in columns]
    counts: tuple[Named, ...] = tuple((n, Aggregation("count", (Column(n),))) for n in present)
    rows = engine.run(Aggregate(source=first, keys=(), measures=(("rows", Aggregation("count")), *counts))).rows
    if not rows or not rows[0][0]:
        return ()
    empty = {n for n, c in zip(present, rows[0][1:], strict=True) if not c}
    made = {n for step in plan.steps for n in columns_of(step.node)} - set(columns)
    return tuple(sorted(empty | (plan.reads - set(columns) - made)))


def shown(value: Value) -> str:
    """A value for people: at most four decimals."""
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return ", ".join(value)
    return "nothing" if value is None else str(value)
