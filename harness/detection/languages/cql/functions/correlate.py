"""`correlate`: events of several sub-queries that belong together."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.detection.languages.cql.arguments import Duration, Names
from harness.detection.languages.cql.functions.group_by import find_step_span
from harness.detection.languages.cql.parameters import resolve_texts
from harness.detection.languages.cql.registry import FUNCTIONS, FieldEffect, RowOrder
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.scope import Scope
from harness.detection.languages.cql.syntax import Argument, Junction, Link, Pipeline, Syntax, walk_syntax
from harness.detection.languages.cql.time_range import TIMESTAMP, restart_search
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Literal
from harness.detection.plan.nodes import Join, JoinKind, Select, Window
from harness.detection.plan.operations import all_of
from harness.diagnostics import SourceError

# Automatically included, as link fields are (reference/cql.md 13.4).
ALWAYS = ("@timestamp", "@id", "@ingesttimestamp")


@dataclass(slots=True)
class SubQuery:
    """One sub-query: its name, its events under that name, and the fields that tie it to others.

    `mark` is a column that numbers its events, `rank` one that orders them; `hidden` are fields not to see.
    """

    name: str
    flow: Scope
    links: list[tuple[str, str, str]]
    mark: str
    rank: str
    hidden: tuple[str, ...]


@FUNCTIONS.step("correlate", gathers=True, fields=FieldEffect.KEEPS, order=RowOrder.GIVES, joins=True)
def correlate(
    flow: Scope,
    *,
    sequence: bool = False,
    sequenceBy: Names = (),
    within: Duration | None = None,
    globalConstraints: Names = (),
    root: str = "",
    maxPerRoot: float = 1,
    includeMatchesOnceOnly: bool = False,
    includeConstraintValues: bool = True,
    iterationLimit: float = 5,
    jitterTolerance: Duration | None = None,
    **queries: Syntax,
) -> None:
    """Groups of one event from each named sub-query that agree in their links, in order and in time.

    Of several groups with the same event of the `root`, the first of the sub-queries unless one is named, the first
    `maxPerRoot` stay. How often the product would look for more is of no concern: the search here is exact.

    Reference: library.humio.com, correlate()
    """
    members = parse_sub_queries(flow, queries, globalConstraints, sequenceBy, implied=includeConstraintValues)
    check_correlation(flow, members, root, sequenceBy)
    chosen = sorted(members, key=lambda m: m.name != (root or members[0].name))
    pending = [(m.name, *link) for m in members for link in m.links]
    tolerance = (jitterTolerance or 0.0) if sequence or sequenceBy else None
    whole, there = chosen[0].flow, chosen[:1]
    for one in chosen[1:]:
        tests = build_time_condition(one, there, within) + build_order_condition(one, there, members, tolerance)
        join_sub_query(whole, one, [m.name for m in there], pending, tests, int(maxPerRoot))
        there.append(one)
    if len(chosen) > 2:
        first_of_each(whole, chosen[0].mark, int(maxPerRoot))
    for one in chosen if includeMatchesOnceOnly else []:
        first_of_each(whole, one.mark, 1)
    hidden = {h for m in members for h in m.hidden}
    whole.select((n, Column(n)) for n in whole.visible() if n not in hidden)
    flow.node, flow.columns, flow.present = whole.node, whole.columns, whole.present
    flow.events = flow.timed = False


def check_correlation(flow: Scope, members: list[SubQuery], root: str, order: Names) -> None:
    """Refuses sub-queries that are not there, and an order that is not known."""
    names = [m.name for m in members]
    if root and root not in names:
        raise SourceError("argument", f"`correlate` has no sub-query `{root[:40]}`", find_step_span(flow))
    if len(order) > 1:
        raise SourceError("unsupported", "an order by several fields is not supported", find_step_span(flow))
    for _, other, field in (link for m in members for link in m.links):
        # A misspelt name would tie to nothing and so to every event.
        if other not in names:
            raise SourceError(
                "argument", f"`correlate` has no sub-query `{other}` for `{other}.{field}`", find_step_span(flow)
            )


def parse_sub_queries(
    flow: Scope, queries: dict[str, Syntax], constraints: Names, ordered: Names, *, implied: bool
) -> list[SubQuery]:
    """The sub-queries; the first one is what the others have to agree with in the fields of `constraints`."""
    arguments = {n: a for n, a in queries.items() if isinstance(a, Argument)}
    strange = next((n for n in queries if n not in arguments), None)
    if strange is not None:
        raise SourceError("unknown-parameter", f"`correlate` has no parameter `{strange}`", find_step_span(flow))
    if len(arguments) < 2:
        raise SourceError("argument", "`correlate` needs two named sub-queries", find_step_span(flow))
    first = next(iter(arguments))
    made = []
    for name, argument in arguments.items():
        links = [(f, first, f) for f in constraints if name != first]
        ties = (*constraints, *collect_linked_fields(arguments, name))
        by = ordered[0] if ordered else TIMESTAMP
        made.append(build_sub_query(flow, name, argument, links, ties, by, implied=implied))
    return made


def collect_linked_fields(arguments: dict[str, Argument], name: str) -> list[str]:
    """Fields of a sub-query that the links of others name."""
    links = [p for a in arguments.values() for p in walk_syntax(a.value) if isinstance(p, Link)]
    return [field for other, field in (sides(link)[1] for link in links) if other == name]


def build_sub_query(
    flow: Scope,
    name: str,
    argument: Argument,
    links: list[tuple[str, str, str]],
    ties: tuple[str, ...],
    by: str,
    *,
    implied: bool,
) -> SubQuery:
    """The events of one sub-query, their fields named `name.field`; `ties` are those that others are tied to."""
    if not isinstance(argument.value, Pipeline):
        raise SourceError("argument", "expected a sub-query in braces", argument.span)
    steps = tuple(s for s in (strip_links(part, links) for part in argument.value.steps) if s is not None)
    inside = restart_search(flow)
    inside.meaning.run(inside, Pipeline(steps=steps, span=argument.span))
    # reference/cql.md 13.4: sub-queries must not contain aggregates.
    if not inside.events:
        raise SourceError("misplaced", "a sub-query of `correlate` has no aggregate", argument.span)
    wanted = next((resolve_texts(flow.meaning, a.value) for a in argument.attributes if a.name == "include"), ("*",))
    tied = (*(link[0] for link in links), *ties)
    # Fields are read before they are renamed: a link may name one that `include` leaves out.
    fields = inside.visible() if "*" in wanted else (*wanted, *tied, *ALWAYS)
    row, mark, rank = RowScope(inside), flow.meaning.temporary(), flow.meaning.temporary()
    chosen = {f"{name}.{f}": row.read(f, quiet=True) for f in (*fields, *collect_sub_query_fields(flow, name))}
    kept = (*wanted, *ALWAYS)
    hidden = () if implied or "*" in wanted else tuple(f"{name}.{f}" for f in tied if f not in kept)
    inside.become(Window(source=inside.node, measures=((mark, ops.row_number()),)))
    own = ((mark, Column(mark)), (rank, row.number(by)))
    inside.become(Select(source=inside.node, columns=(*chosen.items(), *own), span=argument.span))
    return SubQuery(name, inside, links, mark, rank, hidden)


def build_time_condition(one: SubQuery, there: list[SubQuery], within: float | None) -> list[Expression]:
    """That an event is no farther away than allowed from those that are there."""
    if within is None:
        return []
    time = Column(f"{one.name}.{TIMESTAMP}")
    # The whole constellation lies within `within`, so each pair of its events does.
    away = [ops.abs(ops.subtract(time, Column(f"{m.name}.{TIMESTAMP}"))) for m in there]
    return [ops.less_equal(a, Literal(within)) for a in away]


def build_order_condition(
    one: SubQuery, there: list[SubQuery], order: list[SubQuery], tolerance: float | None
) -> list[Expression]:
    """That events come in the order of their sub-queries, but for a tolerance."""
    if tolerance is None:
        return []
    made: list[Expression] = []
    for other in there:
        early, late = sorted((one, other), key=order.index)
        made.append(ops.greater_equal(ops.add(Column(late.rank), Literal(tolerance)), Column(early.rank)))
    return made


def first_of_each(flow: Scope, mark: str, most: int) -> None:
    """Only the first groups with each event of a sub-query."""
    number = flow.meaning.temporary()
    measures = ((number, ops.row_number()),)
    flow.become(Window(source=flow.node, partition=(Column(mark),), measures=measures))
    flow.require(ops.less_equal(Column(number), Literal(most)), flow.span)


def collect_sub_query_fields(flow: Scope, name: str) -> list[str]:
    """Fields of a sub-query that the rest of the query names."""
    return sorted(m.removeprefix(f"{name}.") for m in flow.meaning.mentioned if m.startswith(f"{name}."))


def strip_links(part: Syntax, links: list[tuple[str, str, str]]) -> Syntax | None:
    """A step without its links, which are noted as own field, other sub-query, other field."""
    if isinstance(part, Link):
        left, right = sides(part)
        links.append((left, *right))
        return None
    if isinstance(part, Junction) and part.operator == "and":
        kept = tuple(p for p in (strip_links(p, links) for p in part.parts) if p is not None)
        return kept[0] if len(kept) == 1 else replace(part, parts=kept) if kept else None
    return part


def sides(link: Link) -> tuple[str, tuple[str, str]]:
    """A link's own field, and the other sub-query with its field."""
    own, other = link.left, link.right
    # `f <=> A.g` and `A.g <=> f` mean the same.
    if "." not in other.text:
        own, other = other, own
    name, _, field = other.text.partition(".")
    return own.text, (name, field)


def join_sub_query(
    whole: Scope,
    one: SubQuery,
    there: list[str],
    pending: list[tuple[str, str, str, str]],
    tests: list[Expression],
    most: int,
) -> None:
    """One sub-query more beside those that are there."""
    keys: list[tuple[Expression, Expression]] = []
    here, right = RowScope(whole), RowScope(one.flow)
    for owner, field, other, theirs in pending:
        if owner == one.name and other in there:
            keys.append((here.text(f"{other}.{theirs}"), right.text(f"{owner}.{field}")))
        elif other == one.name and owner in there:
            keys.append((here.text(f"{owner}.{field}"), right.text(f"{other}.{theirs}")))
    made = Join(
        left=whole.node,
        right=one.flow.node,
        kind=JoinKind.INNER,
        keys=tuple(keys),
        condition=all_of(tuple(tests)) if tests else None,
        columns=tuple((n, Column(n)) for n in one.flow.columns),
        # Without keys "the first partner" would be the same event for all.
        most=most if keys else None,
    )
    whole.become(made, one.flow)
