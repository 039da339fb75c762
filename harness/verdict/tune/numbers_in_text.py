"""Every number in a rule's text that changes what the rule means, and what part it plays there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from enum import StrEnum

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    Aggregation,
    Call,
    Column,
    Expression,
    Literal,
    span_of,
    walk_expressions,
)
from harness.detection.plan.nodes import Derive, Filter, Node, list_sources, walk_nodes
from harness.detection.plan.operation import Operation
from harness.diagnostics import Edit, HarnessError, Source, Span, mend
from harness.late_pattern import late_pattern
from harness.record import record
from harness.verdict.mutate.marks import is_mark
from harness.verdict.tune.thresholds import THRESHOLD_SIGNS, number_in_rule

# Longer units first, or `min` would be read as `m`.
UNIT_SECONDS = {
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s"), 1.0),
    **dict.fromkeys(("minutes", "minute", "mins", "min", "m"), 60.0),
    **dict.fromkeys(("hours", "hour", "hrs", "hr", "h"), 3600.0),
    **dict.fromkeys(("days", "day", "d"), 86400.0),
}
UNITS = "|".join(sorted(UNIT_SECONDS, key=len, reverse=True))
NUMBER_TOKEN = late_pattern(
    # Behind letters only where they are the name of a percentile: perc95(x).
    rf"(?:(?<![\w.$:#@\\%])|(?<=\bperc)|(?<=\bexactperc)|(?<=\bupperperc)|(?<=\bp))"
    rf"(?P<number>\d+(?:\.\d+)?)(?P<unit>{UNITS})?(?![\w.:%\\])"
)
QUOTED_OR_COMMENT = late_pattern(
    r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|/(?:[^/\\\n]|\\.)+/[a-z]*|```.*?```|//[^\n]*", re.DOTALL
)
RELATIVE_TIME = late_pattern(r"\b(?:earliest|latest|start|end)\s*=\s*\"?[-+]?$", re.IGNORECASE)
AROUND = late_pattern(r"[\w.\"]+(?:\s*(?:[<>!:]?=|[<>*/+,(-])\s*)?$")
BEHIND = late_pattern(r"\s*[*/+-]\s*\w+")
MADE = late_pattern(r"(\w+)\s*:?=(?!=)")
PERCENT = 100.0
# Chosen, no source: halves and doubles first, as people try them.
ROUNDS = ((0.5, 2.0), (0.25, 4.0, 0.75, 1.5), (0.125, 8.0, 0.625, 1.25, 3.0))
"""Parts of the published value that are tried, coarse to fine."""


class Role(StrEnum):
    """What a number does in a rule; IDENTITY names a value or column or converts a unit, which is nothing to tune."""

    THRESHOLD = "threshold"
    RANK = "percentile rank"
    SPAN = "span of time"
    FACTOR = "factor"
    LIMIT = "limit"
    WEIGHT = "weight"
    OTHER = "number"
    IDENTITY = "identity"


ARITHMETIC: frozenset[Operation] = frozenset({ops.add, ops.subtract, ops.multiply, ops.divide, ops.power, ops.modulo})
CHOICES: frozenset[Operation] = frozenset({ops.if_, ops.case, ops.coalesce})
RANKS: frozenset[Operation] = frozenset({ops.percentile, ops.percentile_below})
SPANS: frozenset[Operation] = frozenset({ops.time_floor, ops.calendar_floor})
NAMES: frozenset[Operation] = frozenset({ops.equal, ops.not_equal, ops.equal_ci, ops.in_, ops.in_ci})
# Seconds in minutes, hours and days, prefixes of SI and of bytes: with another number a value means nothing.
UNIT_RATIOS = frozenset({60.0, 3600.0, 86400.0, 1e3, 1e6, 1e9, 1024.0, 1024.0**2, 1024.0**3})


@record(kw_only=True)
class NumberInText:
    """A number of the text with its place, its unit of time if it has one, its role, and what stands around it."""

    place: Span
    published: float
    unit: str
    role: Role
    name: str

    def __str__(self) -> str:
        return self.name

    def edit(self, value: float) -> Edit:
        """The change of the text that gives it this value, a span in the largest unit of which it is whole."""
        if not self.unit:
            return Edit(self.place, number_in_rule(value))
        seconds = value * UNIT_SECONDS[self.unit]
        for unit in (self.unit, "d", "h", "m", "s"):
            if unit in UNIT_SECONDS and (seconds / UNIT_SECONDS[unit]).is_integer():
                return Edit(self.place, f"{int(seconds / UNIT_SECONDS[unit])}{unit}")
        return Edit(self.place, f"{max(1, round(seconds))}s")

    def written(self, value: float) -> str:
        """The number as the text would hold it."""
        return self.edit(value).replacement


@record
class Difference:
    """Two values at the same place of two plans, the expressions around the first, and the attribute that holds it."""

    attribute: str
    within: tuple[Expression, ...]
    ours: object
    theirs: object


def find_numbers(source: Source, root: Node, planned: Callable[[str], Node]) -> tuple[NumberInText, ...]:
    """The numbers of a text whose change changes its plan; `planned` gives the plan of an edited text."""
    found = []
    for place, value, unit in list_tokens(source):
        role = tell_role(source, root, planned, place, value, unit)
        if role is not None and role is not Role.IDENTITY:
            name = describe_surroundings(source.text, place, named=role in (Role.WEIGHT, Role.OTHER))
            found.append(NumberInText(place=place, published=value, unit=unit, role=role, name=name))
    return tuple(found)


def list_tokens(source: Source) -> Iterator[tuple[Span, float, str]]:
    """Numbers outside of quotes and comments, and quoted ones that are all there is between the quotes."""
    text = source.text
    quoted = [(m.start(), m.end()) for m in QUOTED_OR_COMMENT.finditer(text)]
    for match in NUMBER_TOKEN.finditer(text):
        inside = next(((a, b) for a, b in quoted if a <= match.start() < b), None)
        if inside is not None and (match.start() - 1, match.end() + 1) != inside:
            continue
        # The time range of a search says what it looks at; here it looks at all that there is.
        if RELATIVE_TIME.search(text[: match.start()]):
            continue
        yield source.span(match.start(), match.end()), float(match["number"]), match["unit"] or ""


def tell_role(
    source: Source, root: Node, planned: Callable[[str], Node], place: Span, value: float, unit: str
) -> Role | None:
    """The part that a number plays, told from what another one changes in the plan; None where that is nothing."""
    probe = NumberInText(place=place, published=value, unit=unit, role=Role.OTHER, name="")
    for other in (value + 1, value - 1, value / 2):
        if other <= 0 or other == value:
            continue
        try:
            changed = planned(mend(source, [probe.edit(other)]))
        except HarnessError:
            continue
        if value == 0:
            # `x > 0` and `if(..., 1, 0)` are guards and marks.
            return None
        roles = [role_of(d, unit) for d in plan_differences(root, changed)]
        role = min(roles, key=list(Role).index) if roles else None
        return None if role is Role.WEIGHT and is_in_mark(root, place) else role
    return None


def is_in_mark(root: Node, place: Span) -> bool:
    """Whether a number only marks rows for a filter: the 1 of `hit=if(n > 20, 1, 0)` where `hit=1` is asked."""
    nodes = list(walk_nodes(root))
    asked = {
        part.arguments[0]
        for node in nodes
        if isinstance(node, Filter)
        for part in walk_expressions(node.condition)
        if isinstance(part, Call) and part.operation in NAMES
    }
    names = {a.name for a in asked if isinstance(a, Column)}
    columns = [c for node in nodes if isinstance(node, Derive) for c in node.columns if c[0] in names]
    return any(is_mark(e) and any(span_of(part) == place for part in walk_expressions(e)) for _, e in columns)


def plan_differences(ours: Node, theirs: Node) -> Iterator[Difference]:
    """Where two plans differ in anything but places; plans of other shapes differ as a whole."""
    pairs = list(walk_nodes(ours)), list(walk_nodes(theirs))
    if [type(n) for n in pairs[0]] != [type(n) for n in pairs[1]]:
        yield Difference("shape", (), None, None)
        return
    for a, b in zip(*pairs, strict=True):
        yield from node_differences(a, b)


def node_differences(a: Node, b: Node) -> Iterator[Difference]:
    """Where two nodes of one kind differ, their sources left aside."""
    for field in fields(a):
        mine, other = getattr(a, field.name), getattr(b, field.name)
        nodes = isinstance(mine, Node) or (isinstance(mine, tuple) and mine and isinstance(mine[0], Node))
        if field.name != "span" and not nodes:
            yield from value_differences(field.name, mine, other, ())


def value_differences(attribute: str, a: object, b: object, within: tuple[Expression, ...]) -> Iterator[Difference]:
    """Where two values differ, expressions part by part."""
    if a is b:
        return
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        for x, y in zip(a, b, strict=True):
            yield from value_differences(attribute, x, y, within)
    elif is_dataclass(a) and type(a) is type(b) and not isinstance(a, Literal):
        inner = (*within, a) if isinstance(a, Expression) else within
        for field in fields(a):
            if field.name != "span":
                yield from value_differences(attribute, getattr(a, field.name), getattr(b, field.name), inner)
    elif isinstance(a, Literal) and isinstance(b, Literal):
        if a.value != b.value:
            yield Difference(attribute, within, a.value, b.value)
    elif a != b:
        yield Difference(attribute, within, a, b)


def role_of(difference: Difference, unit: str) -> Role:
    """The role that one difference speaks of."""
    if unit:
        return Role.SPAN
    nearest = difference.within[-1] if difference.within else None
    if nearest is None:
        # A column's name changes nothing: `p50(x) as p50`.
        named = isinstance(difference.theirs, str)
        return Role.IDENTITY if named else Role.SPAN if difference.attribute == "range" else Role.LIMIT
    # A number inside of a text is part of a name: 10.*, KB5031356.
    if not isinstance(difference.theirs, int | float):
        return Role.IDENTITY if isinstance(difference.theirs, str) else Role.OTHER
    operation = nearest.operation if isinstance(nearest, Call | Aggregation) else None
    if operation in (ops.multiply, ops.divide) and difference.ours in UNIT_RATIOS:
        return Role.IDENTITY
    for role, operations in (
        (Role.THRESHOLD, frozenset(THRESHOLD_SIGNS)),
        (Role.RANK, RANKS),
        (Role.SPAN, SPANS),
        (Role.FACTOR, ARITHMETIC),
        (Role.WEIGHT, CHOICES),
        (Role.IDENTITY, NAMES),
    ):
        if operation in operations:
            return role
    return Role.OTHER


def describe_surroundings(text: str, place: Span, *, named: bool) -> str:
    """A number with what stands before it, as `stdev*3`, `count > 30`, `span=1m`; if `named` with what it makes."""
    line = text[text.rfind("\n", 0, place.start) + 1 : place.start]
    if named and (made := MADE.findall(line)):
        return f"{made[-1]} of {place.text}"
    before = AROUND.search(line)
    behind = BEHIND.match(text, place.end)
    shown = (before[0] if before else "") + place.text + (behind[0] if behind else "")
    return " ".join(shown.split()).lstrip('"')


def list_coarse_values(number: NumberInText, round_number: int) -> tuple[float, ...]:
    """Values around the published one, farther apart and more of them in each round."""
    parts = ROUNDS[round_number]
    if number.role is Role.RANK and number.published < PERCENT:
        # Of what is left above it: from 95 to 90 is as far as to 97.5.
        values = [PERCENT - (PERCENT - number.published) * p for p in parts]
    else:
        values = [number.published * p for p in parts]
    whole = float(number.published).is_integer() and number.role is not Role.FACTOR and not number.unit
    found = [float(max(1, round(v))) if whole else float(f"{v:.6g}") for v in values]
    return tuple(v for v in dict.fromkeys(found) if v != number.published and v > 0)


def equal_below(ours: Sequence[Node], theirs: Sequence[Node]) -> frozenset[int]:
    """Ids of those of our nodes that stand for the same rows in the other plan; both plans have one shape."""
    same: set[int] = set()
    for a, b in zip(ours, theirs, strict=True):
        if all(id(s) in same for s in list_sources(a)) and not any(True for _ in node_differences(a, b)):
            same.add(id(a))
    return frozenset(same)
