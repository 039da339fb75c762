"""Which parts of a stored table a plan can need: a store keeps events of one kind apart, with their constant fields.

A part whose constants alone make a filter above the scan untrue gives no row, so it need not be read or even planned.
A filter may ask for what the plan derives of constants, as the group of events that a data model takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.detection.plan import operations as ops
from harness.detection.plan.dimension import Dimension, TimeSpan
from harness.detection.plan.expressions import Call, Column, Expression, Literal, Schema
from harness.detection.plan.nodes import Derive, Filter, Node, Scan, Select, Sort, list_sources, walk_nodes
from harness.detection.plan.operation import Operation
from harness.detection.plan.values.text import lower_characters


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """A part of a stored table: its name in the store, its constant fields, its other columns, whether it is a file.

    Columns in `dimensions` hold codes, whose values these have. `count` gives its number of rows, `spans` the stretch
    of time of the columns of times of which it is known.
    """

    name: str
    constants: Mapping[str, str]
    columns: Schema
    file: bool = False
    dimensions: Mapping[str, Dimension] = field(default_factory=dict)
    count: Callable[[], int] = lambda: 0
    spans: Callable[[], Mapping[str, TimeSpan]] = dict

    def held(self, name: str) -> KnownValue:
        """What a column holds in every row."""
        if name in self.constants:
            return self.constants[name]
        return UNKNOWN_TRUTH if name in self.columns else None


class Unknown:
    """A value that the constants of a part do not determine."""


UNKNOWN_TRUTH = Unknown()
KnownValue = bool | str | float | Unknown | None
Chain = tuple[Node, ...]
# What these give of one row depends on no other row, so a part can be left out below them.
ROW_BY_ROW = (Filter, Sort, Derive, Select)


def parts_needed(root: Node, tables: Mapping[str, Sequence[StoredPart]]) -> dict[int, tuple[StoredPart, ...]]:
    """For each scan of the plan, by its id, the parts of its table that can give a row to one of its readers."""
    readers: dict[int, list[Chain]] = {}
    scans: dict[int, Scan] = {}
    ends = [source for node in walk_nodes(root) if not isinstance(node, ROW_BY_ROW) for source in list_sources(node)]
    # A scan may have several readers; a part is left out only if none of them can get a row of it.
    for end in (root, *ends):
        scan, chain = chain_over_scan(end)
        if scan is not None:
            scans[id(scan)] = scan
            readers.setdefault(id(scan), []).append(chain)
    return {
        key: tuple(p for p in tables.get(scans[key].table, ()) if any(may_pass(p, chain) for chain in chains))
        for key, chains in readers.items()
    }


def chain_over_scan(node: Node) -> tuple[Scan | None, Chain]:
    """The scan below nodes that treat each row by itself, and those nodes from it up; none if another is between."""
    chain: list[Node] = []
    while isinstance(node, ROW_BY_ROW):
        chain.append(node)
        node = node.source
    return (node if isinstance(node, Scan) else None), tuple(reversed(chain))


def may_pass(part: StoredPart, chain: Chain) -> bool:
    """Whether a row of the part may come through all of the nodes."""
    known: PartColumns = part
    for node in chain:
        match node:
            case Filter():
                # One by one: null with something unknown is unknown, and yet never true. Null is not true either.
                held = [resolve_constant(each, known) for each in list_conjuncts(node.condition)]
                if any(value is not True and value is not UNKNOWN_TRUTH for value in held):
                    return False
            case Derive():
                known = DerivedColumns(known, {name: resolve_constant(e, known) for name, e in node.columns})
            case Select():
                known = DerivedColumns(None, {name: resolve_constant(e, known) for name, e in node.columns})
    return True


def list_conjuncts(condition: Expression) -> Iterator[Expression]:
    """The conditions that all have to be true for this one to be so."""
    match condition:
        case Call(ops.and_, arguments):
            for each in arguments:
                yield from list_conjuncts(each)
        case _:
            yield condition


@dataclass(frozen=True, slots=True)
class DerivedColumns:
    """Columns that the plan makes, over those that a row has without them."""

    under: PartColumns | None
    made: Mapping[str, KnownValue]

    def held(self, name: str) -> KnownValue:
        """What a column holds in every row."""
        if name in self.made:
            return self.made[name]
        return self.under.held(name) if self.under is not None else None


PartColumns = StoredPart | DerivedColumns


def resolve_constant(expression: Expression, known: PartColumns) -> KnownValue:
    """What an expression holds in every row of a part, where its constants tell."""
    match expression:
        case Literal(bool() | str() | float() | None as held):
            return held
        case Column(name):
            return known.held(name)
        case Call(ops.and_, arguments):
            return combine_truths((resolve_constant(a, known) for a in arguments), absorbing=False)
        case Call(ops.or_, arguments):
            return combine_truths((resolve_constant(a, known) for a in arguments), absorbing=True)
        case Call(ops.if_, (condition, then, otherwise)):
            return merge_known_values(resolve_constant(condition, known), then, otherwise, known)
        case Call(operation, arguments) if operation in DECIDED:
            return DECIDED[operation]([resolve_constant(a, known) for a in arguments])
        case _:
            return UNKNOWN_TRUTH


def merge_known_values(
    condition: KnownValue, then: Expression, otherwise: Expression, known: PartColumns
) -> KnownValue:
    """One of two values; where the condition is unknown their common value."""
    if condition is not UNKNOWN_TRUTH:
        return resolve_constant(then if condition is True else otherwise, known)
    first, second = resolve_constant(then, known), resolve_constant(otherwise, known)
    # By type too: True == 1 in Python.
    return first if type(first) is type(second) and first == second else UNKNOWN_TRUTH


def combine_truths(values: Iterable[KnownValue], *, absorbing: bool) -> KnownValue:
    """Kleene's AND (absorbing False) or OR (absorbing True); values behind the one that decides are not computed."""
    unknown = null = False
    for value in values:
        if value is absorbing:
            return absorbing
        unknown = unknown or value is UNKNOWN_TRUTH
        null = null or value is None
    if unknown:
        return UNKNOWN_TRUTH
    return None if null else not absorbing


def strict(function: Callable[[Sequence[str]], bool]) -> Callable[[Sequence[KnownValue]], KnownValue]:
    """A test of texts: unknown of what is unknown, null of null."""

    def decided(values: Sequence[KnownValue]) -> KnownValue:
        # Booleans become text when compared with one, which is the printer's business.
        if any(isinstance(v, Unknown | bool) for v in values):
            return UNKNOWN_TRUTH
        if None in values:
            # `x IN (a, NULL)` is true or null, never false.
            return None if values[0] is None or None in values[:2] else UNKNOWN_TRUTH
        return function([str(v) for v in values])

    return decided


def negate_truth(values: Sequence[KnownValue]) -> KnownValue:
    """NOT; null of null, unknown of the unknown."""
    held = values[0]
    return not held if isinstance(held, bool) else None if held is None else UNKNOWN_TRUTH


def is_certainly_true(values: Sequence[KnownValue]) -> KnownValue:
    """Whether it is true, null counting as not."""
    return UNKNOWN_TRUTH if values[0] is UNKNOWN_TRUTH else values[0] is True


def is_certainly_null(values: Sequence[KnownValue]) -> KnownValue:
    """Whether it is null."""
    return UNKNOWN_TRUTH if values[0] is UNKNOWN_TRUTH else values[0] is None


def is_known_member(values: Sequence[str]) -> bool:
    """Whether the first is one of the others."""
    return values[0] in values[1:]


def same_but_for_case(values: Sequence[str]) -> bool:
    """Whether the first is one of the others but for case."""
    return lower_characters(values[0]) in [lower_characters(v) for v in values[1:]]


DECIDED: dict[Operation, Callable[[Sequence[KnownValue]], KnownValue]] = {
    ops.not_: negate_truth,
    ops.is_true: is_certainly_true,
    ops.is_null: is_certainly_null,
    ops.equal: strict(is_known_member),
    ops.in_: strict(is_known_member),
    ops.equal_ci: strict(same_but_for_case),
    ops.in_ci: strict(same_but_for_case),
}
