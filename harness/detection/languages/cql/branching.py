"""`case` and `match`: the first branch that lets an event pass decides what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.detection.languages.cql.coercion import alike
from harness.detection.languages.cql.conditions import condition, fits, matched
from harness.detection.languages.cql.flow import Flow, Row
from harness.detection.languages.cql.regex import translated
from harness.detection.languages.cql.syntax import (
    Arm,
    Call,
    Case,
    Match,
    Negation,
    Parameter,
    Pipeline,
    Regex,
    Syntax,
    Truth,
    Word,
)
from harness.detection.languages.cql.values import text_of
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import NULL, TRUE, Aggregation, Column, Expression, Literal, any_of, call
from harness.detection.plan.nodes import Join, JoinKind, Sort, SortKey, Union, Window
from harness.diagnostics import Span

Take = Callable[[Row, Syntax], None]
Run = Callable[[Flow, Pipeline], None]


def case(row: Row, part: Case, take: Take) -> None:
    """Reads all branches side by side and takes each row as the first one that fits leaves it."""
    branches = []
    for branch in part.branches:
        way = row.branch()
        for step in branch.steps:
            take(way, step)
        branches.append((way, branch.span))
    choose(row, branches)


def match(row: Row, part: Match, take: Take) -> None:
    """The same with a guard over one field before each branch."""
    field = text_of(row.meaning, part.field)
    branches = []
    for arm in part.arms:
        way = row.branch()
        way.require(guarded(way, field, arm.guard, part.field.span))
        way.accept()
        for step in arm.pipeline.steps:
            take(way, step)
        branches.append((way, arm.span))
    choose(row, branches)


def guarded(row: Row, field: str, guard: Syntax, place: Span) -> Expression:
    """Whether a field fits a guard."""
    match guard:
        case Truth():
            return TRUE
        case Negation(part=inside):
            with row.refusing():
                return call("not", call("is_true", guarded(row, field, inside, place)), span=guard.span)
        case Regex(body=body, flags=flags):
            return matched(row, row.read(field, place), translated(body, flags, guard.span), guard.span)
        case Word() | Parameter():
            text = text_of(row.meaning, guard)
            if isinstance(guard, Word) and not guard.quoted and text.lower() == "true":
                return TRUE
            return fits(row, row.read(field, place), "*" if text == "**" else text, guard.span)
        case Call():
            before, row.implied = row.implied, field
            asked = condition(row, guard)
            row.implied = before
            return asked
        case _:
            return condition(row, guard)


def choose(row: Row, branches: Sequence[tuple[Row, Span]]) -> None:
    """Gives each field the value of the first branch whose conditions hold; without one the event is dropped."""
    ways: list[tuple[Row, Expression]] = []
    for way, _ in branches:
        held = way.condition()
        ways.append((way, held))
        if held == TRUE:
            break
    certain = bool(ways) and ways[-1][1] == TRUE
    before = row.overlay
    fields = dict.fromkeys(n for w, _ in ways for n, v in w.overlay.items() if before.get(n) is not v)
    tests = [c for _, c in ways]
    if not row.local and len(fields) + (not certain) > 1:
        tests = numbered(row, tests)
    if not certain:
        row.require(any_of(tuple(c for c in tests)))
    assigned = {name: chosen(row, name, [w for w, _ in ways], tests) for name in fields}
    row.overlay.update(assigned)


def numbered(row: Row, tests: list[Expression]) -> list[Expression]:
    """Tests against one column that holds the number of the branch taken."""
    places: list[Expression] = []
    for i, test in enumerate(tests):
        places += [test, Literal(i + 1)]
    which = row.flow.keep(call("case", NULL, *places) if places else NULL)
    return [call("equal", which, Literal(i + 1)) for i in range(len(tests))]


def chosen(row: Row, name: str, ways: Sequence[Row], tests: Sequence[Expression]) -> Expression:
    """A field's value after the branches."""
    old = row.read(name, quiet=True)
    pairs = [(t, w.overlay.get(name, old)) for w, t in zip(ways, tests, strict=True)]
    values = alike([old, *(v for _, v in pairs)], row.flow.columns)
    if tests and tests[-1] == TRUE:
        otherwise, pairs, values = values[-1], pairs[:-1], values[:-1]
    else:
        otherwise = values[0]
    if not pairs:
        return otherwise
    flat: list[Expression] = []
    for (test, _), value in zip(pairs, values[1:], strict=True):
        flat += [test, value]
    return call("case", otherwise, *flat)


def apart(flow: Flow, part: Case | Match, run: Run) -> None:
    """Branches that make other rows: each takes the events that no branch before it let pass."""
    row = Row(flow)
    mark = flow.meaning.temporary()
    flow.become(Window(source=flow.node, measures=((mark, Aggregation("row_number")),)))
    rest, ends = flow.copy(), []
    branches = part.branches if isinstance(part, Case) else part.arms
    for branch in branches:
        way = rest.copy()
        if isinstance(branch, Arm):
            guard = Row(way)
            assert isinstance(part, Match)
            guard.require(guarded(guard, text_of(row.meaning, part.field), branch.guard, part.field.span))
            guard.accept()
            guard.flush(branch.guard.span)
        run(way, branch.pipeline if isinstance(branch, Arm) else branch)
        ends.append(way)
        keys = ((Column(mark), Column(mark)),)
        rest.become(Join(left=rest.node, right=way.node, kind=JoinKind.ANTI, keys=keys, span=branch.span), way)
    joined = Union(sources=tuple(w.node for w in ends), span=part.span)
    flow.columns = together(ends)
    flow.node = Sort(source=joined, keys=(SortKey(Column(mark)),), span=part.span)


def together(flows: Sequence[Flow]) -> dict[str, Kind]:
    """The columns of several flows one after the other."""
    known: dict[str, Kind] = {}
    for flow in flows:
        for name, kind in flow.columns.items():
            before = known.get(name, Kind.NULL)
            known[name] = kind if before in (Kind.NULL, kind) else before if kind is Kind.NULL else joint(before, kind)
    return known


def joint(a: Kind, b: Kind) -> Kind:
    """The kind of a column that two relations hold differently."""
    return Kind.LIST if Kind.LIST in (a, b) else Kind.TEXT
