"""The conditions of a plan, as tests of the fields of events: what is derived is written out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from itertools import islice

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import (
    Aggregation,
    Column,
    Expression,
    Literal,
    rebuild_expression,
    walk_expressions,
)
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Join,
    Limit,
    Named,
    Node,
    Reverse,
    Scan,
    Select,
    Sort,
    Union,
    Unnest,
    Window,
)
from harness.record import record

COUNT, GROUPS, DISTINCT, UNKNOWN = "@count", "@groups", "@distinct:", "@unknown"
"""Names that stand for how many events, groups or different values there are, and for what nobody knows."""
# Chosen: a derived value that reads another twice doubles each time.
LARGEST_EXPRESSION = 5_000


@record(kw_only=True)
class Asked:
    """What a relation asks of events: conditions, and what its columns are of fields."""

    columns: Mapping[str, Expression] = field(default_factory=dict)
    conditions: tuple[Expression, ...] = ()
    grouped: bool = False

    def write_out(self, expression: Expression) -> Expression:
        """An expression over the relation's columns as one over fields; a huge one is not looked into."""
        found = rebuild_expression(expression, lambda e: self.columns.get(e.name, e) if isinstance(e, Column) else e)
        huge = sum(1 for _ in islice(walk_expressions(found), LARGEST_EXPRESSION)) >= LARGEST_EXPRESSION
        return Column(UNKNOWN) if huge else found

    def derive(self, named: tuple[Named, ...]) -> Mapping[str, Expression]:
        """Columns that are made of this relation's."""
        return {name: self.write_out(value) for name, value in named}


def list_asked(node: Node) -> Iterator[Asked]:
    """What a plan asks of events; a union asks what any of its members does."""
    match node:
        case Scan():
            yield Asked()
        case Union(sources=sources):
            for each in sources:
                yield from list_asked(each)
        case Join(left=left, columns=named):
            # What the other side brings is left to the run of the rule.
            for below in list_asked(left):
                brought: dict[str, Expression] = {name: Column(UNKNOWN) for name, _ in named}
                yield Asked(columns={**brought, **below.columns}, conditions=below.conditions, grouped=below.grouped)
        case Filter(source=source) | Derive(source=source) | Select(source=source) | Unnest(source=source):
            yield from (ask_more(node, below) for below in list_asked(source))
        case Aggregate(source=source) | Window(source=source):
            yield from (ask_of_groups(node, below) for below in list_asked(source))
        case Sort(source=source) | Limit(source=source) | Reverse(source=source):
            yield from list_asked(source)


def ask_more(node: Node, below: Asked) -> Asked:
    """What a step that sees row after row asks besides."""
    match node:
        case Filter(condition=condition):
            more = (*below.conditions, below.write_out(condition))
            return Asked(columns=below.columns, conditions=more, grouped=below.grouped)
        case Derive(columns=named):
            columns = {**below.columns, **below.derive(named)}
            return Asked(columns=columns, conditions=below.conditions, grouped=below.grouped)
        case Select(columns=named):
            return Asked(columns=below.derive(named), conditions=below.conditions, grouped=below.grouped)
    return below


def ask_of_groups(node: Aggregate | Window, below: Asked) -> Asked:
    """What groups are of events that are all alike: a value is that of any of them, a count is how many there are."""
    conditions = list(below.conditions)

    def measure(e: Expression) -> Expression:
        if not isinstance(e, Aggregation):
            return e
        # Events that are all alike all count, or none.
        if e.where is not None:
            conditions.append(e.where)
        inner = e.arguments[0] if e.arguments else Literal(None)
        match e.operation:
            case ops.count:
                return Column(GROUPS if below.grouped else COUNT)
            case ops.count_distinct:
                return Column(DISTINCT + inner.name if isinstance(inner, Column) else UNKNOWN)
            case ops.sum:
                return inner if isinstance(inner, Column) and inner.name.startswith("@") else Column(UNKNOWN)
            case ops.stdev_sample | ops.stdev_population | ops.variance_sample | ops.variance_population:
                return Column(UNKNOWN)
        return inner

    measures = {name: rebuild_expression(below.write_out(value), measure) for name, value in node.measures}
    kept = below.columns if isinstance(node, Window) else below.derive(node.keys)
    grouped = below.grouped or isinstance(node, Aggregate)
    return Asked(columns={**kept, **measures}, conditions=tuple(conditions), grouped=grouped)
