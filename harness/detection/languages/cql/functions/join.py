"""Functions that bring events together: joins, and events that share a key."""

from __future__ import annotations

from harness.detection.languages.cql.aggregation import lower_group_by
from harness.detection.languages.cql.arguments import Names
from harness.detection.languages.cql.functions.group_by import find_step_span
from harness.detection.languages.cql.product_limits import build_limit_finding, largest_groups, note_cut
from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RowOrder
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import Argument, Array, FunctionCall, Pipeline, Syntax, Word
from harness.detection.languages.cql.time_range import restart_search
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import TRUE, Column, Expression, Literal
from harness.detection.plan.nodes import Join, JoinKind, Limit, Select, Window
from harness.detection.plan.operations import all_of, any_of
from harness.diagnostics import Severity, SourceError

JOIN_MODES = ("inner", "left")
# JoinRowLimit (reference/cql.md 12); 100,000 is the default of `limit`.
MOST_PARTNERS = 200_000


@FUNCTIONS.filter("join", unnamed="query", joins=True, second_pass=True)
def join(
    row: RowScope,
    *,
    query: Pipeline,
    field: Names,
    key: Names = (),
    include: Names = (),
    mode: str = "inner",
    max: float = 1,
    limit: float = 100_000,
    live: str = "",
    repo: str = "",
    view: str = "",
    start: str = "",
    end: str = "",
) -> Expression:
    """Whether a sub-query gives a row with the same key; the included fields of that row become fields.

    Reference: library.humio.com, join()
    """
    if row.local:
        raise row.unsupported("a join inside an array function", row.meaning.source.whole())
    flow = row.flow
    check_join(flow, field, key, mode, repo or view)
    other = partners(flow, query, start, end, limit)
    side, found = RowScope(other), flow.meaning.temporary()
    # Under names of their own: fields are only offered, so that a negated join leaves the event as it was.
    own = {n: flow.meaning.temporary() for n in include}
    sides = [(row.text(f), side.text(k)) for f, k in zip(field, key or field, strict=True)]
    marks = [flow.meaning.temporary() for _ in sides]
    chosen = (*((own[n], side.text(n)) for n in include), *((m, k) for m, (_, k) in zip(marks, sides, strict=True)))
    other.become(Select(source=other.node, columns=(*chosen, (found, TRUE))))
    keys = tuple((f, Column(m)) for m, (f, _) in zip(marks, sides, strict=True))
    taken = tuple((c, Column(c)) for c in (*own.values(), found))
    flow.become(Join(left=flow.node, right=other.node, kind=JoinKind.LEFT, keys=keys, columns=taken, most=1), other)
    there = ops.is_true(Column(found))
    for name, column in own.items():
        # Missing values of a row that was found become "" (reference/cql.md 13.3).
        row.offer(name, ops.if_(there, ops.coalesce(Column(column), Literal("")), Column(column)))
    return TRUE if mode == "left" else there


@FUNCTIONS.multiplying("join", parameter="max", when=lambda text: text != "1")
def join_several(
    flow: Scope,
    *,
    query: Pipeline,
    field: Names,
    key: Names = (),
    include: Names = (),
    mode: str = "inner",
    max: float = 1,
    limit: float = 100_000,
    live: str = "",
    repo: str = "",
    view: str = "",
    start: str = "",
    end: str = "",
) -> None:
    """The form of `join` that gives an event for each row found."""
    check_join(flow, field, key, mode, repo or view)
    if max < 1:
        raise SourceError("argument", "`max` is a number from 1", find_step_span(flow))
    row, other = RowScope(flow), partners(flow, query, start, end, limit)
    side = RowScope(other)
    keys = tuple((row.text(f), side.text(k)) for f, k in zip(field, key or field, strict=True))
    taken = tuple((n, ops.coalesce(side.text(n), Literal(""))) for n in include)
    kind = JoinKind.LEFT if mode == "left" else JoinKind.INNER
    made = Join(left=flow.node, right=other.node, kind=kind, keys=keys, columns=taken, most=int(max), span=flow.span)
    flow.become(made, other)


def check_join(flow: Scope, field: Names, key: Names, mode: str, elsewhere: str) -> None:
    """Refuses what no join can be; says that there is one store of events."""
    if key and len(key) != len(field):
        raise SourceError("argument", f"`key` names {len(key)} fields and `field` {len(field)}", find_step_span(flow))
    if mode not in JOIN_MODES:
        raise SourceError("argument", f"`mode` is {' or '.join(JOIN_MODES)}, not `{mode[:40]}`", find_step_span(flow))
    if elsewhere:
        message = "all events at hand are searched, whatever their repository"
        flow.meaning.tell("repository-not-chosen", elsewhere, message, find_step_span(flow), severity=Severity.NOTE)


def partners(flow: Scope, query: Pipeline, start: str, end: str, limit: float) -> Scope:
    """The rows of a sub-query in its own interval, and no more of them than it allows."""
    other = restart_search(flow, start, end)
    flow.meaning.run(other, query)
    most = int(min(limit, MOST_PARTNERS))
    before = other.node
    other.become(Limit(source=before, count=most, span=flow.span))
    # The product keeps a part without order; that it does is what a reader has to know.
    message = f"the sub-query gives more than the {most:,} rows that `join` keeps; the rest is left out"
    help = f"`join` takes a `limit` up to {MOST_PARTNERS:,}" if most < MOST_PARTNERS else "narrow the sub-query"
    note_cut(flow, build_limit_finding(flow, message, help), before, most, other.node)
    return other


def split_join_clauses(row: RowScope, where: Syntax) -> list[Expression]:
    """The conditions that events of one key have to meet, each by one of them."""
    items = where.items if isinstance(where, Array) else (where,)
    made = []
    for item in items:
        # Clauses must not see one another's changes: each is met by some event of the key.
        way = row.branch()
        for step in item.steps if isinstance(item, Pipeline) else (item,):
            if not row.meaning.plain(step):
                raise SourceError("unsupported", "a clause that makes other rows is not supported", step.span)
            row.meaning.take(way, step)
        made.append(way.condition())
    return made


def build_join_conditions(row: RowScope, field: Names, where: Syntax) -> tuple[Expression, list[Expression]]:
    """Whether all clauses hold for the key somewhere, and the clauses for the event itself."""
    if row.local:
        raise row.unsupported("a self join inside an array function", row.meaning.source.whole())
    tests, flow = split_join_clauses(row, where), row.flow
    keys = tuple(row.read(n) for n in field)
    # The product's filter of two passes is probabilistic (reference/cql.md 13.3), a window is exact.
    marks = [(flow.meaning.temporary(), ops.any_true(ops.is_true(t))) for t in tests]
    flow.become(Window(source=flow.node, partition=keys, measures=tuple(marks)))
    # All key fields must exist (reference/cql.md 13.3).
    there = [ops.not_(ops.is_null(k)) for k in keys]
    return all_of((*there, *(ops.is_true(Column(m)) for m, _ in marks))), tests


@FUNCTIONS.filter("selfJoinFilter", joins=True, second_pass=True)
def self_join_filter(row: RowScope, field: Names, *, where: Syntax, prefilter: bool = False) -> Expression:
    """Whether the events with the same key meet all clauses between them.

        createEvents(["k=1 a=1", "k=1 b=1", "k=2 a=1"]) | kvParse()
        | selfJoinFilter(k, where=[{a=1}, {b=1}]) | count() -> _count=2

    Reference: library.humio.com, selfJoinFilter()
    """
    together, tests = build_join_conditions(row, field, where)
    return all_of((together, any_of(tuple(tests)))) if prefilter else together


@FUNCTIONS.step("selfJoin", gathers=True, fields=FieldEffect.CLOSES, order=RowOrder.GIVES, joins=True, second_pass=True)
def self_join(
    flow: Scope,
    field: Names,
    *,
    where: Syntax,
    select: Names = (),
    collect: Names = (),
    limit: float = 20_000,
    prefilter: bool = False,
    postfilter: bool = False,
) -> None:
    """One row for each key whose events meet all clauses between them.

        createEvents(["k=1 a=1", "k=1 b=2", "k=2 a=1"]) | kvParse()
        | selfJoin(k, where=[{a=1}, {b=2}], select=[b]) -> k=1 b=2

    Reference: library.humio.com, selfJoin()
    """
    row = RowScope(flow)
    span = flow.span or flow.meaning.source.whole()
    together, _ = build_join_conditions(row, field, where)
    row.require(together)
    row.flush(span)
    made = []
    for name, fields in (("selectLast", select), ("collect", collect)):
        if fields:
            words = Array(items=tuple(Word(text=f, quoted=True, span=span) for f in fields), span=span)
            made.append(FunctionCall(name=name, arguments=(Argument(value=words, span=span),), span=span))
    lower_group_by(flow, field, Array(items=tuple(made), span=span), span)
    largest_groups(flow, field, int(limit), "selfJoin")
