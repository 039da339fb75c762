"""Whether another reading of a rule can give another outcome at all, told from the plans alone."""

from __future__ import annotations

from collections.abc import Sequence

from harness.detection.language import Plan
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Expression
from harness.detection.plan.nodes import Filter, Node, is_same_plan, list_own_parts, walk_nodes
from harness.detection.plan.passes.partitions import StoredPart, are_decided_alike


def no_effect(plan: Plan, changed: Plan, parts: Sequence[StoredPart], lost_at: int | None) -> bool:
    """Whether another reading of a rule surely gives the same outcome.

    It does if the plans are equal, if they first differ after the step that lost the attack, or if they differ only in
    conditions on fields that are constant in all events of a kind and hold alike there.
    """
    if is_same_plan(changed.node, plan.node):
        return True
    # Steps up to the loss are equal, so the attack is lost there in both readings.
    if lost_at is not None and lost_at < first_difference(plan, changed):
        return True
    # Each of a rule's other readings has to be run; most differ only on kinds of events that nobody recorded.
    ours, theirs = list(walk_nodes(plan.node)), list(walk_nodes(changed.node))
    return len(ours) == len(theirs) and all(is_same_subplan(a, b, parts) for a, b in zip(ours, theirs, strict=True))


def first_difference(plan: Plan, changed: Plan) -> int:
    """The number of the first step that is another."""
    pairs = zip(plan.steps, changed.steps, strict=False)
    return next(
        (i for i, (a, b) in enumerate(pairs) if not is_same_plan(a.node, b.node)),
        min(len(plan.steps), len(changed.steps)),
    )


def is_same_subplan(ours: Node, theirs: Node, parts: Sequence[StoredPart]) -> bool:
    """Whether two nodes do the same, whatever they read."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, Filter) and isinstance(theirs, Filter):
        return same_condition(ours.condition, theirs.condition, parts)
    return list_own_parts(ours) == list_own_parts(theirs)


def same_condition(ours: Expression, theirs: Expression, parts: Sequence[StoredPart]) -> bool:
    """Whether two conditions hold alike: equal ones, or such that each part's constants decide both alike."""
    if ours == theirs:
        return True
    match ours, theirs:
        case Call(ops.and_ | ops.or_ as a, left), Call(ops.and_ | ops.or_ as b, right) if a == b and len(left) == len(
            right
        ):
            return all(same_condition(x, y, parts) for x, y in zip(left, right, strict=True))
    return are_decided_alike(ours, theirs, parts)
