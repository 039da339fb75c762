"""`case` and `match`: the first branch that lets an event pass decides what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.detection.languages.cql.coercion import as_common_kind
from harness.detection.languages.cql.conditions import lower_condition, lower_regex_match, match_whole_value
from harness.detection.languages.cql.parameters import resolve_text
from harness.detection.languages.cql.regex import translate_regex
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import (
    Arm,
    CaseStep,
    FunctionCall,
    Match,
    Negation,
    Pipeline,
    QueryParameter,
    Regex,
    Syntax,
    TruthFilter,
    Word,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, TRUE, Column, Expression, Kind, Literal, SortKey
from harness.detection.plan.nodes import Join, JoinKind, Sort, Union, Window
from harness.detection.plan.operations import any_of
from harness.diagnostics import Span

Take = Callable[[RowScope, Syntax], None]
Run = Callable[[Scope, Pipeline], None]


def lower_case(row: RowScope, part: CaseStep, take: Take) -> None:
    """Reads all branches side by side and takes each row as the first one that fits leaves it."""
    branches = []
    for branch in part.branches:
        way = row.branch()
        for step in branch.steps:
            take(way, step)
        branches.append((way, branch.span))
    choose_branch_values(row, branches)


def lower_match(row: RowScope, part: Match, take: Take) -> None:
    """The same with a guard over one field before each branch."""
    field = resolve_text(row.meaning, part.field)
    branches = []
    for arm in part.arms:
        way = row.branch()
        way.require(lower_arm_guard(way, field, arm.guard, part.field.span))
        way.accept()
        for step in arm.pipeline.steps:
            take(way, step)
        branches.append((way, arm.span))
    choose_branch_values(row, branches)


def lower_arm_guard(row: RowScope, field: str, guard: Syntax, place: Span) -> Expression:
    """Whether a field fits a guard."""
    match guard:
        case TruthFilter():
            return TRUE
        case Negation(part=inside):
            with row.refusing():
                return ops.not_(ops.is_true(lower_arm_guard(row, field, inside, place)), span=guard.span)
        case Regex(body=body, flags=flags):
            return lower_regex_match(row, row.read(field, place), translate_regex(body, flags, guard.span), guard.span)
        case Word() | QueryParameter():
            text = resolve_text(row.meaning, guard)
            # `*` and `true` match a missing field too, `"*"` and `**` want one (reference/cql.md 6).
            if isinstance(guard, Word) and not guard.quoted and text.lower() == "true":
                return TRUE
            return match_whole_value(row, row.read(field, place), "*" if text == "**" else text, guard.span)
        case FunctionCall():
            # The guard's function tests the field of the `match`, as after `=~`.
            before, row.implied = row.implied, field
            asked = lower_condition(row, guard)
            row.implied = before
            return asked
        case _:
            return lower_condition(row, guard)


def choose_branch_values(row: RowScope, branches: Sequence[tuple[RowScope, Span]]) -> None:
    """Gives each field the value of the first branch whose conditions hold; without one the event is dropped."""
    ways: list[tuple[RowScope, Expression]] = []
    for way, _ in branches:
        held = way.condition()
        ways.append((way, held))
        # `*` as a branch takes all events that are left (reference/cql.md 6); no branch after it can be reached.
        if held == TRUE:
            break
    certain = bool(ways) and ways[-1][1] == TRUE
    changes = collect_branch_changes(row, [w for w, _ in ways])
    tests = [c for _, c in ways]
    # A CASE repeats every test for each field that it sets; with the number of the branch in a column each test runs
    # once. One published query in six has a `case` (reference/cql.md 17).
    if not row.local and len(changes) + (not certain) > 1:
        which, tests = number_branches(row, tests)
        if not certain:
            row.require(ops.not_(ops.is_null(which)))
        row.overlay.update({n: build_value_by_number(row, n, values, tests) for n, values in changes.items()})
        return
    if not certain:
        row.require(any_of(tuple(tests)))
    row.overlay.update({n: build_first_branch_value(row, n, values, tests) for n, values in changes.items()})


def collect_branch_changes(row: RowScope, ways: Sequence[RowScope]) -> dict[str, dict[int, Expression]]:
    """The fields that some branch gives another value, and that value by the branch's place."""
    before, found = row.overlay, dict[str, dict[int, Expression]]()
    for place, way in enumerate(ways):
        for name, value in way.overlay.items():
            # Branches start as copies of one row, so what they left alone is the same object.
            if before.get(name) is not value:
                found.setdefault(name, {})[place] = value
    return found


def number_branches(row: RowScope, tests: Sequence[Expression]) -> tuple[Expression, list[Expression]]:
    """A column that holds the number of the branch taken, and tests against it."""
    places = [e for i, test in enumerate(tests) for e in (test, Literal(i + 1))]
    which = row.flow.keep(ops.case(NULL, *places) if places else NULL)
    return which, [ops.equal(which, Literal(i + 1)) for i in range(len(tests))]


def build_value_by_number(
    row: RowScope, name: str, values: dict[int, Expression], tests: Sequence[Expression]
) -> Expression:
    """A field's value after branches of which one number only holds."""
    old, *new = as_common_kind([row.read(name, quiet=True), *values.values()], row.flow.columns)
    return ops.case(old, *(e for at, v in zip(values, new, strict=True) for e in (tests[at], v)))


def build_first_branch_value(
    row: RowScope, name: str, values: dict[int, Expression], tests: Sequence[Expression]
) -> Expression:
    """A field's value after branches of which the first counts that holds."""
    before = row.read(name, quiet=True)
    old, *new = as_common_kind([before, *(values.get(i, before) for i in range(len(tests)))], row.flow.columns)
    held = list(tests)
    if held and held[-1] == TRUE:
        old, held = new[len(held) - 1], held[:-1]
    return ops.case(old, *(e for t, v in zip(held, new, strict=False) for e in (t, v))) if held else old


def lower_branches_apart(flow: Scope, part: CaseStep | Match, run: Run) -> None:
    """Branches that make other rows: each takes the events that no branch before it let pass."""
    row = RowScope(flow)
    mark = flow.meaning.temporary()
    # A branch that emits several rows of an event takes it from later branches once (reference/cql.md 6); only a number
    # of the event says which events it took.
    flow.become(Window(source=flow.node, measures=((mark, ops.row_number()),)))
    rest, ends = flow.copy(), []
    branches = part.branches if isinstance(part, CaseStep) else part.arms
    for branch in branches:
        way = rest.copy()
        if isinstance(branch, Arm):
            guard = RowScope(way)
            assert isinstance(part, Match)
            guard.require(lower_arm_guard(guard, resolve_text(row.meaning, part.field), branch.guard, part.field.span))
            guard.accept()
            guard.flush(branch.guard.span)
        run(way, branch.pipeline if isinstance(branch, Arm) else branch)
        ends.append(way)
        keys = ((Column(mark), Column(mark)),)
        rest.become(Join(left=rest.node, right=way.node, kind=JoinKind.ANTI, keys=keys, span=branch.span), way)
    joined = Union(sources=tuple(w.node for w in ends), span=part.span)
    flow.columns = merge_branch_columns(ends)
    # Branches stand one after the other now; events go on in the order in which they came.
    flow.node = Sort(source=joined, keys=(SortKey(Column(mark)),), span=part.span)


def merge_branch_columns(flows: Sequence[Scope]) -> dict[str, Kind]:
    """The columns of several flows one after the other."""
    known: dict[str, Kind] = {}
    for flow in flows:
        for name, kind in flow.columns.items():
            before = known.get(name, Kind.NULL)
            known[name] = (
                kind if before in (Kind.NULL, kind) else before if kind is Kind.NULL else widen_kind(before, kind)
            )
    return known


def widen_kind(a: Kind, b: Kind) -> Kind:
    """The kind of a column that two relations hold differently."""
    return Kind.LIST if Kind.LIST in (a, b) else Kind.TEXT
