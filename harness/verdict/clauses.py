"""A condition's clauses, in the order of the text: what can lose a row."""

from __future__ import annotations

from collections.abc import Iterator

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Expression, span_of
from harness.detection.plan.operation import Operation
from harness.diagnostics import Span
from harness.record import record

MIRRORED_OPERATIONS: dict[Operation, Operation] = {
    ops.less: ops.greater,
    ops.less_equal: ops.greater_equal,
    ops.greater: ops.less,
    ops.greater_equal: ops.less_equal,
}


def split_conjunction(condition: Expression) -> Iterator[Expression]:
    """The parts that must all hold, in the order of the text."""
    match condition:
        case Call(ops.and_, parts):
            for part in parts:
                yield from split_conjunction(part)
        case Call(ops.is_true, (inner,)):
            yield from split_conjunction(inner)
        case _:
            yield condition


def split_disjunction(condition: Expression) -> Iterator[Expression]:
    """The parts of which one suffices."""
    match condition:
        case Call(ops.or_, parts):
            for part in parts:
                yield from split_disjunction(part)
        case Call(ops.is_true, (inner,)):
            yield from split_disjunction(inner)
        case _:
            yield condition


def strip_negation(condition: Expression) -> Expression | None:
    """What a `not` denies, or nothing if it is no `not`."""
    match condition:
        case Call(ops.not_, (inner,)):
            return inner
        case Call(ops.is_true, (inner,)):
            return strip_negation(inner)
        case _:
            return None


@record(kw_only=True)
class Test:
    """What loses a row: a clause that does not hold, or a member of an exclusion list that does."""

    clause: Expression
    loses: Expression
    excluded: bool


def tests_of(condition: Expression) -> Iterator[Test]:
    """Everything in a condition that can lose a row, in the order of the text."""
    for conjunct in split_conjunction(condition):
        denied = strip_negation(conjunct)
        members = [m for m in split_disjunction(denied) if find_span(m)] if denied else []
        # `NOT (a OR b)` is an exclusion list: what loses a row is the member that holds, not the whole condition.
        if denied is None or not members:
            yield Test(clause=conjunct, loses=ops.not_(ops.is_true(conjunct)), excluded=False)
        else:
            yield from (Test(clause=m, loses=ops.is_true(m), excluded=True) for m in members)


def find_span(expression: Expression) -> Span | None:
    """The span of an expression, or of its innermost first argument that has one."""
    while span_of(expression) is None and isinstance(expression, Call) and expression.arguments:
        expression = expression.arguments[0]
    return span_of(expression)
