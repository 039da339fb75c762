"""`correlate`: events of several sub-queries that belong together."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.detection.languages.cql.binding import Duration, Names
from harness.detection.languages.cql.flow import Flow, Row
from harness.detection.languages.cql.intervals import searched
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.languages.cql.syntax import Argument, Junction, Link, Pipeline, Syntax
from harness.detection.languages.cql.values import texts_of
from harness.detection.plan.expressions import Column, Expression, Literal, call, every
from harness.detection.plan.nodes import Join, JoinKind, Select
from harness.diagnostics import SourceError

ALWAYS = ("@timestamp", "@id", "@ingesttimestamp")


@dataclass(slots=True)
class Member:
    """One sub-query: its name, its events under that name, and the fields that tie it to others."""

    name: str
    flow: Flow
    links: list[tuple[str, str, str]]


@FUNCTIONS.step("correlate", gathers=True)
def correlate(
    flow: Flow,
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

    Reference: library.humio.com, correlate()
    """
    members = [member(flow, n, a) for n, a in queries.items() if isinstance(a, Argument)]
    if len(members) < 2:
        raise SourceError(
            "argument", "`correlate` needs two named sub-queries", flow.span or flow.meaning.source.whole()
        )
    for one in members[1:]:
        one.links += [(f, members[0].name, f) for f in globalConstraints]
    whole = members[0].flow
    there = [members[0].name]
    pending = [(m.name, *link) for m in members for link in m.links]
    tolerance = jitterTolerance or 0.0
    for one in members[1:]:
        joined(whole, one, there, pending, within, tolerance if sequence else None, int(maxPerRoot))
        there.append(one.name)
    flow.node, flow.columns, flow.present = whole.node, whole.columns, whole.present
    flow.events = flow.timed = False


def member(flow: Flow, name: str, argument: Argument) -> Member:
    """The events of one sub-query, their fields named `name.field`."""
    if not isinstance(argument.value, Pipeline):
        raise SourceError("argument", "expected a sub-query in braces", argument.span)
    links: list[tuple[str, str, str]] = []
    steps = tuple(s for s in (unlinked(part, links) for part in argument.value.steps) if s is not None)
    inside = searched(flow)
    inside.meaning.run(inside, Pipeline(steps=steps, span=argument.span))
    wanted = next((texts_of(flow.meaning, a.value) for a in argument.attributes if a.name == "include"), ("*",))
    fields = inside.visible() if "*" in wanted else (*wanted, *(link[0] for link in links), *ALWAYS)
    row = Row(inside)
    chosen = {f"{name}.{f}": row.read(f, quiet=True) for f in (*fields, *mentioned(flow, name))}
    inside.become(Select(source=inside.node, columns=tuple(chosen.items()), span=argument.span))
    return Member(name, inside, links)


def mentioned(flow: Flow, name: str) -> list[str]:
    """Fields of a sub-query that the rest of the query names."""
    return sorted(m.removeprefix(f"{name}.") for m in flow.meaning.mentioned if m.startswith(f"{name}."))


def unlinked(part: Syntax, links: list[tuple[str, str, str]]) -> Syntax | None:
    """A step without its links, which are noted as own field, other sub-query, other field."""
    if isinstance(part, Link):
        left, right = sides(part)
        links.append((left, *right))
        return None
    if isinstance(part, Junction) and part.operator == "and":
        kept = tuple(p for p in (unlinked(p, links) for p in part.parts) if p is not None)
        return kept[0] if len(kept) == 1 else replace(part, parts=kept) if kept else None
    return part


def sides(link: Link) -> tuple[str, tuple[str, str]]:
    """A link's own field, and the other sub-query with its field."""
    own, other = link.left, link.right
    if "." not in other.text:
        own, other = other, own
    name, _, field = other.text.partition(".")
    return own.text, (name, field)


def joined(
    whole: Flow,
    one: Member,
    there: list[str],
    pending: list[tuple[str, str, str, str]],
    within: float | None,
    tolerance: float | None,
    most: int,
) -> None:
    """One sub-query more beside those that are there."""
    keys: list[tuple[Expression, Expression]] = []
    here, right = Row(whole), Row(one.flow)
    for owner, field, other, theirs in pending:
        if owner == one.name and other in there:
            keys.append((here.text(f"{other}.{theirs}"), right.text(f"{owner}.{field}")))
        elif other == one.name and owner in there:
            keys.append((here.text(f"{owner}.{field}"), right.text(f"{other}.{theirs}")))
    tests: list[Expression] = []
    time = Column(f"{one.name}.@timestamp")
    for name in there:
        earlier = Column(f"{name}.@timestamp")
        if within is not None:
            tests.append(call("less_equal", call("abs", call("subtract", time, earlier)), Literal(within)))
        if tolerance is not None:
            tests.append(call("greater_equal", call("add", time, Literal(tolerance)), earlier))
    taken = tuple((n, Column(n)) for n in one.flow.columns)
    made = Join(
        left=whole.node,
        right=one.flow.node,
        kind=JoinKind.INNER,
        keys=tuple(keys),
        condition=every(tuple(tests)) if tests else None,
        columns=taken,
        most=most if keys else None,
    )
    whole.become(made, one.flow)
