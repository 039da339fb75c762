"""Which parts of a stored table a plan can need: a store keeps events of one kind apart, with their constant fields.

A part whose constants alone make a filter above the scan untrue gives no row, so it need not be read or even planned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.detection.plan.columns import Columns
from harness.detection.plan.expressions import Call, Column, Expression, Literal
from harness.detection.plan.nodes import Filter, Node, Scan, Sort, sources, walk


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a stored table: its name in the store, its constant fields, its other columns."""

    name: str
    constants: Mapping[str, str]
    columns: Columns


class Unknown:
    """What cannot be told from constants alone."""


UNKNOWN = Unknown()
Known = bool | str | None | Unknown


def parts_needed(root: Node, tables: Mapping[str, Sequence[Part]]) -> dict[int, tuple[Part, ...]]:
    """For each scan of the plan, by its id, those parts of its table that can give a row to somebody who reads it."""
    conditions: dict[int, list[tuple[Expression, ...]]] = {}
    scans: dict[int, Scan] = {}
    for node in walk(root):
        for source in sources(node):
            scan, found = filtered_scan(source)
            if scan is not None and not isinstance(node, Filter | Sort):
                scans[id(scan)] = scan
                conditions.setdefault(id(scan), []).append(found)
    scan, found = filtered_scan(root)
    if scan is not None:
        scans[id(scan)] = scan
        conditions.setdefault(id(scan), []).append(found)
    return {
        key: tuple(p for p in tables.get(scans[key].table, ()) if any(possible(p, reader) for reader in readers))
        for key, readers in conditions.items()
    }


def filtered_scan(node: Node) -> tuple[Scan | None, tuple[Expression, ...]]:
    """The scan below a chain of filters, and their conditions; nothing if there is another node between."""
    conditions: list[Expression] = []
    while isinstance(node, Filter | Sort):
        if isinstance(node, Filter):
            conditions.append(node.condition)
        node = node.source
    return (node, tuple(conditions)) if isinstance(node, Scan) else (None, ())


def possible(part: Part, conditions: Sequence[Expression]) -> bool:
    """Whether a row of the part may satisfy all conditions."""
    return all(value(c, part) in (True, UNKNOWN) for c in conditions)


def value(expression: Expression, part: Part) -> Known:
    """What an expression holds in every row of a part, where its constants tell."""
    match expression:
        case Literal(bool() | str() | None as held):
            return held
        case Column(name):
            if name in part.constants:
                return part.constants[name]
            return UNKNOWN if name in part.columns else None
        case Call("and", arguments):
            return both([value(a, part) for a in arguments], absorbing=False)
        case Call("or", arguments):
            return both([value(a, part) for a in arguments], absorbing=True)
        case Call(operation, arguments) if operation in DECIDED:
            return DECIDED[operation]([value(a, part) for a in arguments])
        case _:
            return UNKNOWN


def both(values: Sequence[Known], *, absorbing: bool) -> Known:
    """Kleene's AND (absorbing False) or OR (absorbing True)."""
    if absorbing in values:
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
