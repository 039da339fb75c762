"""Many worlds in one statement: a plan that treats the events of each case as if there were no others.

A case is whatever the columns `by` tell apart: a scenario, a variant of an attack, one run of a schedule. The rewritten
plan groups, numbers, joins and limits within each case, so that its rows are those that the plan itself would give on
the events of each case alone; each row says to which case it belongs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Column, Expression, Kind, Literal, Schema, columns_read
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Frame,
    Join,
    JoinKind,
    Limit,
    Named,
    Node,
    Reverse,
    Scan,
    Select,
    Sort,
    Union,
    Unnest,
    Values,
    Window,
    walk_nodes,
)
from harness.detection.plan.operation import Operation
from harness.detection.plan.operations import all_of
from harness.detection.plan.schema import columns_of
from harness.diagnostics import HarnessError

CASE_COLUMN = "@case"
"""Hidden column with the number of the case that an event belongs to."""

# Dropped again above: no rule sees it.
RANK = "@rank"


class InseparableError(HarnessError):
    """A plan whose cases cannot be told apart in one statement: they have to be run one by one."""


@dataclass(slots=True, kw_only=True)
class Isolation:
    """The rewriting of plans: by which columns cases are told apart, what else is carried up, and what a scan becomes.

    `carried` are columns that no rule has, and the aggregate that joins their values where rows are. `scan` makes the
    new relation of a scan; without one the stored table has the columns itself, or `derived` computes them from
    `hidden` columns of it; `floating` says that no rule writes those.
    """

    by: tuple[str, ...] = (CASE_COLUMN,)
    carried: Mapping[str, Operation] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    scan: Callable[[Scan], Node] | None = None
    hidden: Schema = field(default_factory=dict)
    derived: tuple[Named, ...] = ()
    floating: bool = True
    made: dict[int, Node] = field(default_factory=dict)
    shapes: dict[int, Schema] = field(default_factory=dict)
    kept: list[Node] = field(default_factory=list)

    def __call__(self, node: Node) -> Node:
        """The plan for all cases at once. Raises InseparableError where one row stands for a case without events."""
        for each in walk_nodes(node):
            if id(each) not in self.made:
                self.made[id(each)] = self.rewritten(each)
                # Plans made for one statement would be collected, and their ids given to other
                # nodes that `made` then knows.
                self.kept.append(each)
        return self.made[id(node)]

    def below(self, node: Node) -> Node:
        """The rewritten relation of a source."""
        return self.made[id(node)]

    def apart(self, node: Node) -> bool:
        """Whether a rewritten relation says to which case its rows belong."""
        marks = (*self.by, *self.carried)
        return not marks or marks[0] in columns_of(node, self.shapes)

    @property
    def extra(self) -> tuple[Named, ...]:
        """The columns that every relation gets."""
        return tuple((n, Column(n)) for n in (*self.by, *self.carried))

    def rewritten(self, node: Node) -> Node:
        """One node over its rewritten sources."""
        match node:
            case Scan() if self.derived:
                return Derive(source=replace(node, columns={**node.columns, **self.hidden}), columns=self.derived)
            case Scan():
                added = {n: self.kinds.get(n, Kind.NUMBER) for n in (*self.by, *self.carried)}
                return self.scan(node) if self.scan else replace(node, columns={**node.columns, **added})
            case Values():
                return node
            case Join():
                return self.joined(node)
            case Union(sources=sources):
                made = tuple(self.below(s) for s in sources)
                if len({self.apart(m) for m in made}) > 1:
                    raise inseparable("rows of its own stand beside events")
                return replace(node, sources=made)
            case Filter() | Derive() | Sort() | Reverse() | Unnest():
                below = self.below(node.source)
                # Labels above the rule's own conditions: an engine knows how to filter what it has stored.
                if self.floating and self.derived and isinstance(below, Derive) and below.columns is self.derived:
                    return replace(below, source=replace(node, source=below.source))
                return replace(node, source=below)
            case Select() | Aggregate() | Window() | Limit():
                source = self.below(node.source)
                if not self.apart(source):
                    return replace(node, source=source)
                return self.divided(node, source)
            case _:
                raise inseparable(f"{type(node).__name__} is not known")

    def divided(self, node: Node, source: Node) -> Node:
        """A node that looks at more than one row, or that names its columns, within each case."""
        match node:
            case Select(columns=columns):
                return replace(node, source=source, columns=(*columns, *self.extra))
            case Aggregate(keys=keys, measures=measures):
                # `stats count` gives a row with 0 also of no events; a case without events has no group to give it.
                if not keys and self.by:
                    raise inseparable("an aggregation without keys gives a row of no events too")
                cases = tuple((n, Column(n)) for n in self.by)
                joint = tuple((n, Aggregation(how, (Column(n),))) for n, how in self.carried.items())
                return replace(node, source=source, keys=(*cases, *keys), measures=(*measures, *joint))
            case Window(partition=partition):
                return replace(node, source=source, partition=(*(Column(n) for n in self.by), *partition))
            case Limit():
                return self.limited(node, source)
        raise TypeError(f"not divided: {node!r}")

    def limited(self, node: Limit, source: Node) -> Node:
        """The first rows of each case, by their place in it."""
        if not self.by:
            return replace(node, source=source)
        columns = tuple((n, Column(n)) for n in columns_of(source, self.shapes))
        # The last rows are the first of the opposite order.
        turned = Reverse(source=source) if node.last else source
        partition = tuple(Column(n) for n in self.by)
        number = ((RANK, ops.row_number()),)
        ranked = Window(source=turned, partition=partition, measures=number, frame=Frame.RUNNING)
        places = (
            ops.greater(Column(RANK), Literal(float(node.offset))),
            ops.less_equal(Column(RANK), Literal(float(node.offset + node.count))),
        )
        kept = Select(source=Filter(source=ranked, condition=all_of(places)), columns=columns)
        return Reverse(source=kept) if node.last else kept

    def joined(self, node: Join) -> Node:
        """Partners are of the same case; a table that belongs to no case goes with all."""
        left, right = self.below(node.left), self.below(node.right)
        # Such rows belong to every case at once, and would have to be repeated for each.
        if not self.apart(left):
            raise inseparable("rows of its own come first in a join")
        if not self.apart(right):
            return replace(node, left=left, right=right)
        # Keys say which case; a cross join has none.
        kind = JoinKind.INNER if node.kind is JoinKind.CROSS and self.by else node.kind
        same = tuple((Column(n), Column(n)) for n in self.by)
        return replace(node, left=left, right=right, kind=kind, keys=(*same, *node.keys))


def inseparable(why: str) -> InseparableError:
    """The error that says why cases cannot be told apart in one statement."""
    return InseparableError("inseparable", f"the rule cannot be run on many cases at once: {why}")


def filter_scans(node: Node, conditions: Sequence[Expression], known: dict[int, Node] | None = None) -> Node:
    """The plan on those events for which all conditions hold, its scans filtered and nothing else changed.

    `known` keeps what nodes became, by identity: parts that plans share stay shared.
    """
    made: dict[int, Node] = {} if known is None else known
    added = {name for e in conditions for name in columns_read(e)}
    for each in walk_nodes(node):
        if id(each) not in made:
            made[id(each)] = (
                filtered_scan(each, conditions, added) if isinstance(each, Scan) else rebuild_on_sources(each, made)
            )
    return made[id(node)]


def filtered_scan(node: Scan, conditions: Sequence[Expression], added: set[str]) -> Node:
    """A scan of the events for which the conditions hold, with the columns that it had."""
    if added <= node.columns.keys():
        return Filter(source=node, condition=all_of(tuple(conditions)))
    columns = {**node.columns, **{n: Kind.NUMBER for n in added if n not in node.columns}}
    kept = Filter(source=replace(node, columns=columns), condition=all_of(tuple(conditions)))
    # The scan's own columns only: rules over all fields must not see the hidden ones.
    return Select(source=kept, columns=tuple((n, Column(n)) for n in node.columns))


def rebuild_on_sources(node: Node, made: Mapping[int, Node]) -> Node:
    """A node over what its sources became."""
    match node:
        case Join(left=left, right=right):
            return replace(node, left=made[id(left)], right=made[id(right)])
        case Union(sources=sources):
            return replace(node, sources=tuple(made[id(s)] for s in sources))
        case Scan() | Values():
            return node
        case _:
            return replace(node, source=made[id(node.source)])  # type: ignore[attr-defined, call-arg]
