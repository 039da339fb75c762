"""What can be said of missing values before anything runs."""

from __future__ import annotations

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Column, Expression, Literal, walk_expressions
from harness.detection.plan.nodes import Derive

NULL_IS_FALSE_OPERATIONS = frozenset(
    [
        ops.equal,
        ops.equal_ci,
        ops.in_,
        ops.in_ci,
        ops.glob,
        ops.glob_ci,
        ops.contains,
        ops.contains_ci,
        ops.starts_with,
        ops.starts_with_ci,
        ops.ends_with,
        ops.ends_with_ci,
        ops.regex_found,
        ops.less,
        ops.less_equal,
        ops.greater,
        ops.greater_equal,
        ops.cidr_contains,
    ]
)


def can_merge_derives(before: Derive, named: tuple[tuple[str, Expression], ...]) -> bool:
    """Whether columns can be computed in the same breath as those of the step before."""
    assigned = {n for n, _ in before.columns}
    return not any(isinstance(e, Column) and e.name in assigned for _, v in named for e in walk_expressions(v))


def found_in(condition: Expression) -> frozenset[str]:
    """Columns that are not null where the condition is true."""
    match condition:
        case Call(ops.and_, parts):
            return frozenset().union(*(found_in(p) for p in parts))
        case Call(ops.or_, parts) if parts:
            each = [found_in(p) for p in parts]
            return each[0].intersection(*each[1:])
        case Call(ops.not_, (Call(ops.is_null, (Column(name),)),)):
            return frozenset({name})
        case Call(operation, (Column(name), *_)) if operation in NULL_IS_FALSE_OPERATIONS:
            return frozenset({name})
        case Call(operation, (Call(_, (Column(name), *_)), *_)) if operation in NULL_IS_FALSE_OPERATIONS:
            return frozenset({name})
        case _:
            return frozenset()


def never_null(value: Expression, present: frozenset[str]) -> bool:
    """Whether the value is there in every row."""
    match value:
        case Literal(held):
            return held is not None
        case Column(name):
            return name in present
        case Call(ops.if_, (_, a, b)):
            return never_null(a, present) and never_null(b, present)
        case Call(ops.case, (otherwise, *branches)):
            return never_null(otherwise, present) and all(never_null(v, present) for v in branches[1::2])
        case Call(ops.coalesce, values):
            return any(never_null(v, present) for v in values)
        case Call(ops.format_time | ops.concat | ops.lower | ops.upper | ops.to_text | ops.boolean_text, values):
            return all(never_null(v, present) for v in values)
        case Call(ops.divide | ops.modulo, (a, Literal(held))):
            return bool(held) and never_null(a, present)
        case Call(ops.add | ops.subtract | ops.multiply | ops.floor | ops.is_null | ops.is_true, values):
            return all(never_null(v, present) for v in values)
        case _:
            return False
