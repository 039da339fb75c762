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
    changes = changed(row, [w for w, _ in ways])
    tests = [c for _, c in ways]
    if not row.local and len(changes) + (not certain) > 1:
        which, tests = numbered(row, tests)
        if not certain:
            row.require(call("not", call("is_null", which)))
        row.overlay.update({n: switched(row, n, values, tests) for n, values in changes.items()})
        return
    if not certain:
        row.require(any_of(tuple(tests)))
    row.overlay.update({n: chosen(row, n, values, tests) for n, values in changes.items()})


def changed(row: Row, ways: Sequence[Row]) -> dict[str, dict[int, Expression]]:
    """The fields that some branch gives another value, and that value by the branch's place."""
    before, found = row.overlay, dict[str, dict[int, Expression]]()
    for place, way in enumerate(ways):
        for name, value in way.overlay.items():
            if before.get(name) is not value:
                found.setdefault(name, {})[place] = value
    return found


def numbered(row: Row, tests: Sequence[Expression]) -> tuple[Expression, list[Expression]]:
    """A column that holds the number of the branch taken, and tests against it."""
    places = [e for i, test in enumerate(tests) for e in (test, Literal(i + 1))]
    which = row.flow.keep(call("case", NULL, *places) if places else NULL)
    return which, [call("equal", which, Literal(i + 1)) for i in range(len(tests))]


def switched(row: Row, name: str, values: dict[int, Expression], tests: Sequence[Expression]) -> Expression:
    """A field's value after branches of which one number only holds."""
    old, *new = alike([row.read(name, quiet=True), *values.values()], row.flow.columns)
    return call("case", old, *(e for at, v in zip(values, new, strict=True) for e in (tests[at], v)))


def chosen(row: Row, name: str, values: dict[int, Expression], tests: Sequence[Expression]) -> Expression:
    """A field's value after branches of which the first counts that holds."""
    before = row.read(name, quiet=True)
    old, *new = alike([before, *(values.get(i, before) for i in range(len(tests)))], row.flow.columns)
    held = list(tests)
    if held and held[-1] == TRUE:
        old, held = new[len(held) - 1], held[:-1]
    return call("case", old, *(e for t, v in zip(held, new, strict=False) for e in (t, v))) if held else old


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
