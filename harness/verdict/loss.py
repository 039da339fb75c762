"""Why an attack is lost at a step: the clause of the condition, the member of the list, the nearest miss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from harness.detection.engine import Engine, Value
from harness.detection.language import Plan
from harness.detection.plan.columns import EVENT
from harness.detection.plan.expressions import Call, Column, Expression, Literal, call, columns_read, span_of
from harness.detection.plan.nodes import Filter, Limit, Node, Select, sources
from harness.detection.plan.provenance import traced
from harness.diagnostics import Span
from harness.verdict.alerts import as_events
from harness.verdict.explain import Clause, Explanation, Labels, Loss, Miss, events_behind, traces

MOST_VALUES = 3
COMPARISONS = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}
MIRRORED = {"less": "greater", "less_equal": "greater_equal", "greater": "less", "greater_equal": "less_equal"}


def explain(plan: Plan, engine: Engine, labels: Labels) -> Explanation:
    """Runs the plan's steps and says where the last of the attack's events was lost, and why."""
    steps = traces(plan.steps, engine, labels)
    lost = next((i for i, s in enumerate(steps) if s.malicious == 0), None)
    loss = None
    if labels.malicious and lost is not None:
        before = plan.steps[lost - 1].node if lost else None
        loss = find_loss(lost, plan.steps[lost].span, list(between(plan.steps[lost].node, before)), engine, labels)
    return Explanation(recorded=labels.total, malicious=len(labels.malicious), steps=steps, loss=loss)


def between(node: Node, before: Node | None) -> Iterator[Node]:
    """The nodes of one step, the deepest first; they form a chain, a side branch is passed by."""
    found: list[Node] = []
    current: Node | None = node
    while current is not None and current is not before:
        found.append(current)
        current = next(iter(sources(current)), None)
    return reversed(found)


def find_loss(step: int, span: Span, parts: Sequence[Node], engine: Engine, labels: Labels) -> Loss:
    """The first of a step's nodes after which none of the attack's events is left, and why."""
    left = [labels.among(groups) for groups in events_behind(parts, engine)]
    part = parts[left.index(False)] if False in left else parts[-1]
    place = part.span or span
    match part:
        case Filter():
            clauses, misses = losing(part, place, engine, labels)
            return Loss(step=step, span=place, clauses=clauses, misses=misses)
        case Limit(count=count):
            return Loss(step=step, span=place, reason=f"only {count} rows are kept")
        case _ if not sources(part):
            return Loss(step=step, span=place, reason="the platform has none of the attack's events")
        case _:
            return Loss(step=step, span=place, reason="no row of the attack comes out")


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


def tests_of(condition: Expression) -> Iterator[tuple[Expression, Expression, bool]]:
    """What loses a row: a clause that does not hold, or a member of an exclusion list that does.

    Each is the clause, the test for losing by it, and whether it is an exclusion.
    """
    for conjunct in conjuncts(condition):
        denied = negated(conjunct)
        members = [m for m in alternatives(denied) if place_of(m)] if denied else []
        if denied is None or not members:
            yield conjunct, call("not", call("is_true", conjunct)), False
        else:
            yield from ((m, call("is_true", m), True) for m in members)


def place_of(expression: Expression) -> Span | None:
    """The place of an expression, or of what it wraps."""
    while span_of(expression) is None and isinstance(expression, Call) and expression.arguments:
        expression = expression.arguments[0]
    return span_of(expression)


def losing(part: Filter, place: Span, engine: Engine, labels: Labels) -> tuple[tuple[Clause, ...], tuple[Miss, ...]]:
    """The clauses that lost rows of the attack, in the order of the text, and the thresholds that none reached."""
    tests = list(tests_of(part.condition))
    names = sorted(set(chain.from_iterable(columns_read(clause) for clause, _, _ in tests)))
    wanted = [*(t for _, t, _ in tests), *(Column(n) for n in names)]
    rows = attack_rows(part.source, wanted, engine, labels)
    values = {name: [row[len(tests) + i] for row in rows] for i, name in enumerate(names)}
    clauses: list[Clause] = []
    misses: list[Miss] = []
    alive = set(range(len(rows)))
    for number, (clause, _, excluded) in enumerate(tests):
        hit = {i for i in alive if rows[i][number]}
        if not hit:
            continue
        held = {n: commonest([values[n][i] for i in sorted(hit)]) for n in sorted(columns_read(clause))}
        clauses.append(Clause(span=place_of(clause) or place, lost=len(hit), held=held, excluded=excluded))
        if len(hit) == len(alive):
            misses += misses_of(clause, values)
        alive -= hit
    return tuple(clauses), (*misses, *later_misses(tests, rows, values, misses))


def later_misses(
    tests: Sequence[tuple[Expression, Expression, bool]],
    rows: Sequence[tuple[Value, ...]],
    values: dict[str, list[Value]],
    known: Sequence[Miss],
) -> Iterator[Miss]:
    """Thresholds after the one that lost the attack which no row would have reached either."""
    seen = {m.span for m in known}
    for number, (clause, _, _) in enumerate(tests):
        if rows and all(row[number] for row in rows):
            yield from (m for m in misses_of(clause, values) if m.span not in seen)


def attack_rows(source: Node, wanted: Sequence[Expression], engine: Engine, labels: Labels) -> list[tuple[Value, ...]]:
    """What each expression gives for each row that the attack has a part in."""
    columns = ((EVENT, Column(EVENT)), *((f"t{i}", e) for i, e in enumerate(wanted)))
    rows = engine.run(Select(source=traced(source), columns=columns)).rows
    return [row[1:] for row in rows if labels.malicious.intersection(as_events(row[0]))]


def commonest(values: Sequence[Value]) -> tuple[Value, ...]:
    """The most frequent values, the first seen of equally frequent ones first."""
    counts = Counter(repr(v) for v in values)
    first = {repr(v): v for v in reversed(values)}
    return tuple(first[text] for text, _ in counts.most_common(MOST_VALUES))


def misses_of(clause: Expression, values: dict[str, list[Value]]) -> Iterator[Miss]:
    """For a comparison of a column with a number: the nearest value to it that the attack's rows have."""
    match clause:
        case Call(operation, (side, Literal(needed))) if operation in COMPARISONS:
            pass
        case Call(operation, (Literal(needed), side)) if operation in MIRRORED:
            operation = MIRRORED[operation]
        case _:
            return
    names = sorted(columns_read(side))
    if len(names) != 1 or not isinstance(needed, int | float):
        return
    numbers = [n for n in map(as_number, values[names[0]]) if n is not None]
    if numbers:
        best = min(numbers) if operation.startswith("less") else max(numbers)
        yield Miss(column=names[0], best=best, operator=COMPARISONS[operation], needed=needed, span=place_of(clause))


def as_number(value: Value) -> float | None:
    """A number, also one that is written as text."""
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None
