"""What a Sigma correlation finds: windows of time that slide over the hits of its rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

import numpy as np

from harness.record import record
from harness.scenario.sigma.collection import SigmaSubject
from harness.scenario.sigma.condition import Combination, ConditionTree, Negation, SelectionName, parse_condition
from harness.scenario.sigma.rule import CorrelationType, SigmaCorrelation, SigmaRule, fulfils


@record(kw_only=True)
class SigmaHit:
    """What a rule or a correlation found: when, the events behind it, and how the fields of the last of them read."""

    at: int
    events: tuple[int, ...]
    field: Callable[[str], str | None]
    group: tuple[tuple[str, str], ...] = ()


FindHits = Callable[[SigmaRule], list[SigmaHit]]


@record(kw_only=True)
class MemberHit:
    """A hit of one of a correlation's rules, by the rule's number and name."""

    hit: SigmaHit
    rule: int
    name: str


def evaluate_correlation(correlation: SigmaCorrelation, subject: SigmaSubject, find: FindHits) -> list[SigmaHit]:
    """The hits of a correlation, in the order of time."""
    members: list[MemberHit] = []
    for number, name in enumerate(correlation.rules):
        member = subject.members[name]
        hits = evaluate_correlation(member, subject, find) if isinstance(member, SigmaCorrelation) else find(member)
        members += (MemberHit(hit=hit, rule=number, name=member.name or name) for hit in hits)
    groups: dict[tuple[tuple[str, str], ...], list[MemberHit]] = {}
    for each in sorted(members, key=lambda m: (m.hit.at, m.hit.events)):
        key = find_group(correlation, each)
        if key is not None:
            groups.setdefault(key, []).append(each)
    found = [hit for key, hits in groups.items() for hit in find_windows(correlation, key, hits)]
    return sorted(found, key=lambda hit: hit.at)


def find_group(correlation: SigmaCorrelation, member: MemberHit) -> tuple[tuple[str, str], ...] | None:
    """The values that a hit is grouped by; None where it lacks one, since nothing can have the same value then."""
    found = []
    for name in correlation.group_by:
        value = read_field(correlation, member, name)
        if value is None:
            return None
        found.append((name, value))
    return tuple(found)


def read_field(correlation: SigmaCorrelation, member: MemberHit, name: str) -> str | None:
    """A field of a hit, by its alias where the correlation gives it one."""
    own = correlation.aliases.get(name, {}).get(member.name, name)
    return member.hit.field(own)


def find_windows(
    correlation: SigmaCorrelation, group: tuple[tuple[str, str], ...], hits: Sequence[MemberHit]
) -> Iterator[SigmaHit]:
    """One hit for each stretch of windows that fulfil the condition; windows that overlap are one stretch."""
    span = round(correlation.timespan.total_seconds() * 1e6)
    stretch: list[MemberHit] = []
    end = before = 0
    for first, member in enumerate(hits):
        # A window is open at its end: two events that are exactly the timespan apart are in two, as in bins of it.
        while end < len(hits) and hits[end].hit.at - member.hit.at < span:
            end += 1
        # A window within the one before says nothing new, and `lt` would be true of every last event.
        if end == before:
            continue
        before = end
        if not is_fulfilled(correlation, hits[first:end]):
            continue
        if stretch and member.hit.at > stretch[-1].hit.at:
            yield merge_hits(stretch, group)
            stretch = []
        stretch += [m for m in hits[first:end] if m not in stretch]
    if stretch:
        yield merge_hits(stretch, group)


def merge_hits(stretch: Sequence[MemberHit], group: tuple[tuple[str, str], ...]) -> SigmaHit:
    """A stretch as one hit; it is there when its last event is."""
    events = tuple(dict.fromkeys(e for m in stretch for e in m.hit.events))
    known = dict(group)
    last = stretch[-1].hit
    return SigmaHit(at=last.at, events=events, field=lambda n: known.get(n) or last.field(n), group=group)


def is_fulfilled(correlation: SigmaCorrelation, hits: Sequence[MemberHit]) -> bool:
    """Whether the hits of one window are what the correlation looks for."""
    kind = correlation.type
    if kind is CorrelationType.EVENT_COUNT:
        return fulfils(len(hits), correlation.condition)
    if kind is CorrelationType.VALUE_COUNT:
        return fulfils(len({v for m in hits if (v := read_values(correlation, m))}), correlation.condition)
    if kind in (CorrelationType.TEMPORAL, CorrelationType.TEMPORAL_ORDERED):
        return is_temporal(correlation, hits)
    numbers = [n for m in hits if (n := read_number(correlation, m)) is not None]
    if not numbers:
        return False
    measures: Mapping[CorrelationType, Callable[[list[float]], float]] = {
        CorrelationType.VALUE_SUM: sum,
        CorrelationType.VALUE_AVG: lambda found: sum(found) / len(found),
        CorrelationType.VALUE_MEDIAN: median,
        CorrelationType.VALUE_PERCENTILE: lambda found: float(np.percentile(found, correlation.percentile)),
    }
    return fulfils(measures[kind](numbers), correlation.condition)


def read_values(correlation: SigmaCorrelation, member: MemberHit) -> tuple[str | None, ...] | None:
    """The values of the fields that are counted; None where the hit has none of them."""
    found = tuple(read_field(correlation, member, name) for name in correlation.field)
    return found if any(v is not None for v in found) else None


def read_number(correlation: SigmaCorrelation, member: MemberHit) -> float | None:
    """The number in the field that is added up."""
    try:
        return float(read_field(correlation, member, correlation.field[0]) or "")
    except ValueError:
        return None


def is_temporal(correlation: SigmaCorrelation, hits: Sequence[MemberHit]) -> bool:
    """Whether the wanted rules are among the hits of a window, in their order where that is asked for."""
    wanted = len(correlation.rules)
    there = {m.rule for m in hits}
    if correlation.expression:
        span = correlation.document.span(["correlation", "condition"])
        tree = parse_condition(correlation.expression, span, list(correlation.rules))
        return holds_rules(tree, {correlation.rules[number] for number in there})
    if correlation.type is CorrelationType.TEMPORAL_ORDERED:
        reached = 0
        for member in hits:
            reached += member.rule == reached
        return fulfils(reached, correlation.condition or {"gte": wanted})
    return fulfils(len(there), correlation.condition or {"gte": wanted})


def holds_rules(tree: ConditionTree, there: set[str]) -> bool:
    """Whether an expression over rules is true where these have hits."""
    match tree:
        case SelectionName(name):
            return name in there
        case Negation(member):
            return not holds_rules(member, there)
        case Combination(members, every):
            return (all if every else any)(holds_rules(m, there) for m in members)
