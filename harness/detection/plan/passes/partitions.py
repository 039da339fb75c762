"""Which parts of a stored table a plan can need: a store keeps events of one kind apart, with their constant fields.

A part whose constants alone make a filter above the scan untrue gives no row, so it need not be read or even planned.
A filter may ask for what the plan derives of constants, as the group of events that a data model takes. A condition is
walked once for all parts: parts are looked up by the values of the constants that it names (`PartIndex`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import reduce
from operator import or_
from typing import cast

from harness.detection.plan import operations as ops
from harness.detection.plan.dimension import Dimension, TimeSpan
from harness.detection.plan.expressions import Call, Column, Expression, Literal, Schema
from harness.detection.plan.nodes import Derive, Filter, Node, Scan, Select, Sort, list_sources, walk_nodes
from harness.detection.plan.operation import Operation
from harness.detection.plan.passes.known_values import (
    CASELESS,
    DECIDED,
    EQUALITIES,
    UNKNOWN_TRUTH,
    Cases,
    KnownValue,
    combine_truths,
    decide_cases,
    fold_cases,
    select_cases,
    without_empty,
)
from harness.detection.plan.values.text import lower_characters
from harness.record import record


@record(kw_only=True)
class StoredPart:
    """A part of a stored table: its name in the store, its constant fields, its other columns, whether it is a file.

    Columns in `dimensions` hold codes, whose values these have. `count` gives its number of rows, `spans` the stretch
    of time of the columns of times of which it is known, `fixed` the text of those columns of codes that hold only one.
    """

    name: str
    constants: Mapping[str, str]
    columns: Schema
    file: bool = False
    dimensions: Mapping[str, Dimension] = field(default_factory=dict)
    count: Callable[[], int] = lambda: 0
    spans: Callable[[], Mapping[str, TimeSpan]] = dict
    fixed: Callable[[], Mapping[str, str]] = dict

    def held(self, name: str) -> KnownValue:
        """What a column holds in every row."""
        if name in self.constants:
            return self.constants[name]
        return UNKNOWN_TRUTH if name in self.columns else None


Chain = tuple[Node, ...]
# What these give of one row depends on no other row, so a part can be left out below them.
ROW_BY_ROW = (Filter, Sort, Derive, Select)
# Chosen, no source: a run has a store or two, and a question about parts that nobody keeps must not fill memory.
MOST_INDEXES = 4
MOST_FOUND = 10_000
INDEXES: dict[int, PartIndex] = {}
"""The last indexes by the identity of their parts, which they hold themselves."""


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
    found: dict[int, tuple[StoredPart, ...]] = {}
    for key, chains in readers.items():
        index = index_parts(tables.get(scans[key].table, ()))
        found[key] = index.select(reduce(or_, (parts_passing(index, chain) for chain in chains)))
    return found


def chain_over_scan(node: Node) -> tuple[Scan | None, Chain]:
    """The scan below nodes that treat each row by itself, and those nodes from it up; none if another is between."""
    chain: list[Node] = []
    while isinstance(node, ROW_BY_ROW):
        chain.append(node)
        node = node.source
    return (node if isinstance(node, Scan) else None), tuple(reversed(chain))


def parts_passing(index: PartIndex, chain: Chain) -> int:
    """The parts of which a row may come through all of the nodes."""
    # What is resolved is remembered for this chain, since rules share parts of their conditions.
    known: PartColumns = DerivedColumns(index, index, {})
    passing = index.all
    for node in chain:
        match node:
            case Filter():
                # One by one: null with something unknown is unknown, and yet never true. Null is not true either.
                for each in list_conjuncts(node.condition):
                    cases = known.resolve(each)
                    passing &= cases.get(True, 0) | cases.get(UNKNOWN_TRUTH, 0)
                    if not passing:
                        return 0
            case Derive():
                known = DerivedColumns(index, known, dict(node.columns))
            case Select():
                known = DerivedColumns(index, None, dict(node.columns), known)
    return passing


def list_conjuncts(condition: Expression) -> Iterator[Expression]:
    """The conditions that all have to be true for this one to be so."""
    match condition:
        case Call(ops.and_, arguments):
            for each in arguments:
                yield from list_conjuncts(each)
        case _:
            yield condition


def are_decided_alike(ours: Expression, theirs: Expression, parts: Sequence[StoredPart]) -> bool:
    """Whether the constants of each part decide both expressions, and give them the same value."""
    index = index_parts(parts)
    first, second = index.resolve(ours), index.resolve(theirs)
    return UNKNOWN_TRUTH not in first and first == second


def index_parts(parts: Sequence[StoredPart]) -> PartIndex:
    """The index of these parts, made once as long as they are the ones that plans ask about."""
    known = INDEXES.get(id(parts))
    if known is None:
        if len(INDEXES) >= MOST_INDEXES:
            INDEXES.pop(next(iter(INDEXES)))
        known = INDEXES[id(parts)] = PartIndex(parts)
    return known


class PartColumns:
    """What columns and expressions hold in each part at once, so that a condition is walked once and not for each."""

    def __init__(self, index: PartIndex | None) -> None:
        self.index = index or cast(PartIndex, self)
        # An expression is kept with what it holds, so that its id cannot be given to another one meanwhile.
        self.resolved: dict[int, tuple[Expression, Cases]] = {}

    def held(self, name: str) -> Cases:
        """What a column holds."""
        raise NotImplementedError

    def folded(self, name: str) -> Cases:
        """What a column holds, texts in lower case."""
        raise NotImplementedError

    def find_nulls(self, name: str) -> Cases:
        """What an operation on a column gives that is null of a null and else unknown."""
        raise NotImplementedError

    def resolve(self, expression: Expression) -> Cases:
        """What an expression holds in the parts, where their constants tell."""
        known = self.resolved.get(id(expression))
        if known is None:
            known = self.resolved[id(expression)] = (expression, self.compute(expression))
        return known[1]

    def compute(self, expression: Expression) -> Cases:
        """The same, not remembered."""
        everywhere = self.index.all
        match expression:
            case Literal(bool() | str() | None as value):
                return {value: everywhere}
            case Literal(float() as value):
                return {("number", value): everywhere}
            case Column(name):
                return self.held(name)
            case Call(ops.and_, arguments):
                return combine_truths(map(self.resolve, arguments), everywhere, absorbing=False)
            case Call(ops.or_, arguments):
                return combine_truths(map(self.resolve, arguments), everywhere, absorbing=True)
            case Call(ops.if_, (condition, then, otherwise)):
                return self.choose(self.resolve(condition), then, otherwise)
            case Call(operation, (Column(name), *wanted)) if operation in EQUALITIES and all(
                isinstance(w, Literal) and isinstance(w.value, str) for w in wanted
            ):
                # By the index: a list of hundreds of values is looked up, and not compared with each constant.
                return self.find_texts(name, [str(w.value) for w in wanted if isinstance(w, Literal)], operation)
            case Call(operation, arguments) if operation in DECIDED:
                return decide_cases(DECIDED[operation], [self.resolve(a) for a in arguments], everywhere)
            case Call(operation, (Column(name), Literal(str()))) if not operation.takes_null:
                return self.find_nulls(name)
            case Call(operation, arguments) if not operation.takes_null:
                nulls = reduce(or_, (self.resolve(a).get(None, 0) for a in arguments), 0)
                return without_empty({None: nulls, UNKNOWN_TRUTH: everywhere & ~nulls})
            case _:
                return {UNKNOWN_TRUTH: everywhere}

    def find_texts(self, name: str, texts: Sequence[str], operation: Operation) -> Cases:
        """Whether a column is one of some texts, with or without case."""
        if operation in CASELESS:
            return select_cases(self.folded(name), {lower_characters(t) for t in texts})
        return select_cases(self.held(name), set(texts))

    def choose(self, condition: Cases, then: Expression, otherwise: Expression) -> Cases:
        """One of two values; where the condition is unknown their common value."""
        true, unknown = condition.get(True, 0), condition.get(UNKNOWN_TRUTH, 0)
        first, second = self.resolve(then), self.resolve(otherwise)
        found: dict[KnownValue, int] = {}
        open_parts = unknown
        for value in {**first, **second}:
            mine, other = first.get(value, 0), second.get(value, 0)
            found[value] = mine & true | other & ~true & ~unknown | mine & other & unknown
            open_parts &= ~found[value]
        found[UNKNOWN_TRUTH] = found.get(UNKNOWN_TRUTH, 0) | open_parts
        return without_empty(found)


class PartIndex(PartColumns):
    """The parts of a table by the values of their constants."""

    def __init__(self, parts: Sequence[StoredPart]) -> None:
        """All columns are looked up when a condition first names them."""
        super().__init__(None)
        self.parts = parts
        self.all = (1 << len(parts)) - 1
        self.columns: dict[str, Cases] = {}
        self.lower: dict[str, Cases] = {}
        # What rules of one source ask: which events have this code, that channel.
        self.found: dict[tuple[str, str, bool], Cases] = {}
        self.absent: dict[str, Cases] = {}

    def resolve(self, expression: Expression) -> Cases:
        """What an expression holds in the parts; not remembered, as the index outlives the rules that ask it."""
        return self.compute(expression)

    def held(self, name: str) -> Cases:
        """What a column holds in which parts."""
        if name not in self.columns:
            found: dict[KnownValue, int] = {}
            for number, part in enumerate(self.parts):
                value = part.held(name)
                found[value] = found.get(value, 0) | 1 << number
            self.columns[name] = found
        return self.columns[name]

    def find_texts(self, name: str, texts: Sequence[str], operation: Operation) -> Cases:
        """Whether a column is one of some texts, with or without case."""
        if len(texts) > 1:
            return super().find_texts(name, texts, operation)
        key = (name, texts[0], operation in CASELESS)
        if key not in self.found:
            if len(self.found) >= MOST_FOUND:
                self.found.clear()
            self.found[key] = super().find_texts(name, texts, operation)
        return self.found[key]

    def find_nulls(self, name: str) -> Cases:
        """What an operation gives that is null of a null and else unknown."""
        if name not in self.absent:
            nulls = self.held(name).get(None, 0)
            self.absent[name] = without_empty({None: nulls, UNKNOWN_TRUTH: self.all & ~nulls})
        return self.absent[name]

    def folded(self, name: str) -> Cases:
        """The same, texts in lower case."""
        if name not in self.lower:
            self.lower[name] = fold_cases(self.held(name))
        return self.lower[name]

    def select(self, chosen: int) -> tuple[StoredPart, ...]:
        """The parts whose bits are set."""
        return tuple(part for number, part in enumerate(self.parts) if chosen >> number & 1)


class DerivedColumns(PartColumns):
    """Columns that the plan makes, over those that a row has without them."""

    def __init__(
        self,
        index: PartIndex,
        under: PartColumns | None,
        made: Mapping[str, Expression],
        source: PartColumns | None = None,
    ) -> None:
        """`made` reads the columns of `source`, which are those `under` it unless only what is made remains."""
        super().__init__(index)
        self.under, self.made, self.source = under, made, source or under

    def held(self, name: str) -> Cases:
        """What a column holds in which parts."""
        if name in self.made and self.source is not None:
            return self.source.resolve(self.made[name])
        return self.under.held(name) if self.under is not None else {None: self.index.all}

    def find_texts(self, name: str, texts: Sequence[str], operation: Operation) -> Cases:
        """Whether a column is one of some texts; what is so of stored columns is known to the index."""
        if name in self.made or self.under is None:
            return super().find_texts(name, texts, operation)
        return self.under.find_texts(name, texts, operation)

    def find_nulls(self, name: str) -> Cases:
        """What an operation gives that is null of a null and else unknown."""
        if name in self.made or self.under is None:
            nulls = self.held(name).get(None, 0)
            return without_empty({None: nulls, UNKNOWN_TRUTH: self.index.all & ~nulls})
        return self.under.find_nulls(name)

    def folded(self, name: str) -> Cases:
        """The same, texts in lower case; a stored column's are known to the index."""
        if name in self.made or self.under is None:
            return fold_cases(self.held(name))
        return self.under.folded(name)
