"""Conditions moved down to the events: below steps that add columns they do not read, and into the condition there.

What is asked of one column in several steps of a rule is one condition then: `NOT x="a*"` keeps rows without the field,
and a `stats by x` behind it drops them, so that together they are true of some values and never without one.
"""

from __future__ import annotations

from collections import Counter

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Expression, columns_read
from harness.detection.plan.nodes import Derive, Filter, Node, list_sources, walk_nodes
from harness.detection.plan.passes.derived_columns import replace_sources
from harness.detection.plan.passes.partitions import list_conjuncts


def lower_filters(root: Node) -> Node:
    """The same plan with each condition as far down as it can be; a step that several nodes read stays as it was."""
    readers = Counter(id(s) for node in walk_nodes(root) for s in list_sources(node))
    known: dict[int, Node] = {}
    # What a node became is read as often as the node was.
    shared: set[int] = set()
    for node in walk_nodes(root):
        made = replace_sources(node, tuple(known[id(s)] for s in list_sources(node)))
        if isinstance(made, Filter):
            made = lower_conditions(list(list_conjuncts(made.condition)), made.source, made, shared)
        known[id(node)] = made
        if readers[id(node)] > 1:
            shared.add(id(made))
    return known[id(root)]


def lower_conditions(conditions: list[Expression], source: Node, whole: Filter, shared: set[int]) -> Node:
    """A relation filtered by all of the conditions."""
    if id(source) not in shared:
        match source:
            case Filter(source=below, condition=held):
                return lower_conditions([*list_conjuncts(held), *conditions], below, whole, shared)
            case Derive(source=below, columns=named):
                added = {name for name, _ in named}
                moved = [c for c in conditions if not columns_read(c) & added]
                if moved:
                    lower = lower_conditions(moved, below, whole, shared)
                    derived = replace_sources(source, (lower,))
                    left = [c for c in conditions if columns_read(c) & added]
                    return keep_rows(derived, left, whole) if left else derived
    return keep_rows(source, conditions, whole)


def keep_rows(source: Node, conditions: list[Expression], whole: Filter) -> Filter:
    """The filter of these conditions; the one that there was where nothing changed."""
    if source is whole.source and len(conditions) == len(list(list_conjuncts(whole.condition))):
        return whole
    condition = conditions[0] if len(conditions) == 1 else Call(ops.and_, tuple(conditions))
    return Filter(source=source, condition=condition, span=whole.span)
