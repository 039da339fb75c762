"""Which parts of a stored table a plan can need: a store keeps events of one kind apart, with their constant fields.

A part whose constants alone make a filter above the scan untrue gives no row, so it need not be read or even planned.
A filter may ask for what the plan derives of constants, as the group of events that a data model takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.detection.plan.columns import Columns
from harness.detection.plan.expressions import Call, Column, Expression, Literal
from harness.detection.plan.nodes import Derive, Filter, Node, Scan, Select, Sort, sources, walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a stored table: its name in the store, its constant fields, its other columns, whether it is a file."""

    name: str
    constants: Mapping[str, str]
    columns: Columns
    file: bool = False

    def held(self, name: str) -> Known:
        """What a column holds in every row."""
        if name in self.constants:
            return self.constants[name]
        return UNKNOWN if name in self.columns else None


class Unknown:
    """What cannot be told from constants alone."""


UNKNOWN = Unknown()
Known = bool | str | float | Unknown | None
Chain = tuple[Node, ...]
ROW_BY_ROW = (Filter, Sort, Derive, Select)


def parts_needed(root: Node, tables: Mapping[str, Sequence[Part]]) -> dict[int, tuple[Part, ...]]:
    """For each scan of the plan, by its id, those parts of its table that can give a row to somebody who reads it."""
    readers: dict[int, list[Chain]] = {}
    scans: dict[int, Scan] = {}
    ends = [source for node in walk(root) if not isinstance(node, ROW_BY_ROW) for source in sources(node)]
    for end in (root, *ends):
        scan, chain = chain_over_scan(end)
        if scan is not None:
            scans[id(scan)] = scan
            readers.setdefault(id(scan), []).append(chain)
    return {
        key: tuple(p for p in tables.get(scans[key].table, ()) if any(possible(p, chain) for chain in chains))
        for key, chains in readers.items()
    }


def chain_over_scan(node: Node) -> tuple[Scan | None, Chain]:
    """The scan below nodes that treat each row by itself, and those nodes from it up; none if another is between."""
    chain: list[Node] = []
    while isinstance(node, ROW_BY_ROW):
        chain.append(node)
        node = node.source
    return (node if isinstance(node, Scan) else None), tuple(reversed(chain))


def possible(part: Part, chain: Chain) -> bool:
    """Whether a row of the part may come through all of the nodes."""
    known: Fields = part
    for node in chain:
        match node:
            case Filter():
                held = value(node.condition, known)
                if held is not True and held is not UNKNOWN:
                    return False
            case Derive():
                known = Derived(known, {name: value(e, known) for name, e in node.columns})
            case Select():
                known = Derived(None, {name: value(e, known) for name, e in node.columns})
    return True


@dataclass(frozen=True, slots=True)
class Derived:
    """Columns that the plan makes, over those that a row has without them."""

    under: Fields | None
    made: Mapping[str, Known]

    def held(self, name: str) -> Known:
        """What a column holds in every row."""
        if name in self.made:
            return self.made[name]
        return self.under.held(name) if self.under is not None else None


Fields = Part | Derived


def value(expression: Expression, known: Fields) -> Known:
    """What an expression holds in every row of a part, where its constants tell."""
    match expression:
        case Literal(bool() | str() | float() | None as held):
            return held
        case Column(name):
            return known.held(name)
        case Call("and", arguments):
            return both([value(a, known) for a in arguments], absorbing=False)
        case Call("or", arguments):
            return both([value(a, known) for a in arguments], absorbing=True)
        case Call("if", (condition, then, otherwise)):
            return chosen(value(condition, known), then, otherwise, known)
        case Call(operation, arguments) if operation in DECIDED:
            return DECIDED[operation]([value(a, known) for a in arguments])
        case _:
            return UNKNOWN


def chosen(condition: Known, then: Expression, otherwise: Expression, known: Fields) -> Known:
    """One of two values, or what they have in common where the condition cannot be told."""
    if condition is not UNKNOWN:
        return value(then if condition is True else otherwise, known)
    first, second = value(then, known), value(otherwise, known)
    return first if type(first) is type(second) and first == second else UNKNOWN


def both(values: Sequence[Known], *, absorbing: bool) -> Known:
    """Kleene's AND (absorbing False) or OR (absorbing True)."""
    if any(v is absorbing for v in values):
        return absorbing
    if UNKNOWN in values:
        return UNKNOWN
    return None if None in values else not absorbing


def strict(function: Callable[[Sequence[str]], bool]) -> Callable[[Sequence[Known]], Known]:
    """A test of texts: unknown of what is unknown, null of null."""

    def decided(values: Sequence[Known]) -> Known:
        if any(isinstance(v, Unknown | bool) for v in values):
            return UNKNOWN
        if None in values:
            return None if values[0] is None or None in values[:2] else UNKNOWN
        return function([str(v) for v in values])

    return decided


def opposite(values: Sequence[Known]) -> Known:
    """NOT."""
    held = values[0]
    return not held if isinstance(held, bool) else None if held is None else UNKNOWN


def certain(values: Sequence[Known]) -> Known:
    """Whether it is true, null counting as not."""
    return UNKNOWN if values[0] is UNKNOWN else values[0] is True


def missing(values: Sequence[Known]) -> Known:
    """Whether it is null."""
    return UNKNOWN if values[0] is UNKNOWN else values[0] is None


def same(values: Sequence[str]) -> bool:
    """Whether the first is one of the others."""
    return values[0] in values[1:]


def same_but_for_case(values: Sequence[str]) -> bool:
    """Whether the first is one of the others but for case."""
    return values[0].lower() in [v.lower() for v in values[1:]]


DECIDED: dict[str, Callable[[Sequence[Known]], Known]] = {
    "not": opposite,
    "is_true": certain,
    "is_null": missing,
    "equal": strict(same),
    "in": strict(same),
    "equal_ci": strict(same_but_for_case),
    "in_ci": strict(same_but_for_case),
}
