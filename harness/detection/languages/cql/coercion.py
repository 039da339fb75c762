"""How LogScale reads a value, and what can be said of missing ones before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Call, Column, Expression, Kind, Literal, Schema, walk_expressions
from harness.detection.plan.nodes import Derive
from harness.detection.plan.schema import kind_of
from harness.detection.plan.values.numbers import print_shortest_number
from harness.diagnostics import SourceError, Span
from harness.late_pattern import late_pattern

PASSES = Call(ops.is_true, (Literal(True),))
"""What is asked of an event where content is not at hand: it passes, and passes the opposite too."""

# What format()'s page says of numbers: sign, digits, fraction, exponent, no separators (reference/cql.md 5). DuckDB's
# TRY_CAST would take `nan`, `Infinity`, `1_000` and blanks as well.
CQL_NUMBER_TEXT = late_pattern(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def parse_number_text(text: str) -> float | None:
    """The number that a text stands for: sign, digits, fraction, exponent and nothing else; one too large is none."""
    found = float(text) if CQL_NUMBER_TEXT.fullmatch(text) else inf
    return found if isfinite(found) else None


def refuse_too_large(text: str, span: Span) -> None:
    """Raises SourceError for a text that is written as a number and is larger than any that a double holds."""
    if CQL_NUMBER_TEXT.fullmatch(text) and parse_number_text(text) is None:
        message = f"`{text[:40]}` is larger than any number, which end at 1.8e308"
        raise SourceError("number-too-large", message, span)


def as_text(value: Expression, columns: Schema) -> Expression:
    """The value as text."""
    if isinstance(value, Literal):
        return print_literal(value)
    match kind_of(value, columns):
        case Kind.NUMBER:
            return ops.to_text(value)
        case Kind.BOOLEAN:
            return ops.boolean_text(value, Literal("true"), Literal("false"))
        case Kind.LIST:
            # The separator of collect() unless another is given (reference/cql.md 7.3).
            return ops.list_join(value, Literal("\n"))
        case _:
            return value


def print_literal(value: Literal) -> Literal:
    """A literal as text."""
    match value.value:
        case bool() as truth:
            return Literal("true" if truth else "false", value.span)
        case int() | float() as n:
            return Literal(print_shortest_number(n), value.span)
        case tuple() as items:
            return Literal("\n".join(items), value.span)
        case _:
            return value


def as_number(value: Expression, columns: Schema) -> Expression:
    """The value as a number; null where it is none."""
    if isinstance(value, Literal) and isinstance(value.value, str):
        return Literal(parse_number_text(value.value), value.span)
    match kind_of(value, columns):
        case Kind.NUMBER | Kind.NULL:
            return value
        case Kind.BOOLEAN | Kind.LIST:
            return NULL
        case _:
            # A number that was only printed is still at hand.
            if isinstance(value, Call) and value.operation == ops.to_text:
                return value.arguments[0]
            return ops.to_number(value)


def as_truth(value: Expression, columns: Schema) -> Expression:
    """The value as a condition: `true` is true, other text is not, a missing value is null."""
    if isinstance(value, Literal):
        return (
            value if isinstance(value.value, bool) else Literal(None if value.value is None else value.value == "true")
        )
    match kind_of(value, columns):
        case Kind.BOOLEAN | Kind.NULL:
            return value
        # `"true"` is the truth of texts (reference/cql.md 5, conditions); nothing else is.
        case Kind.TEXT:
            return ops.equal(value, Literal("true"))
        case _:
            return ops.if_(ops.is_null(value), NULL, Literal(False))


def as_common_kind(values: Sequence[Expression], columns: Schema) -> tuple[Expression, ...]:
    """The values in one kind: their own if it is the same for all, else text."""
    kinds = {kind_of(v, columns) for v in values} - {Kind.NULL}
    if len(kinds) <= 1 and Kind.BOOLEAN not in kinds:
        return tuple(values)
    if kinds == {Kind.BOOLEAN}:
        return tuple(values)
    if Kind.LIST in kinds:
        return tuple(
            v if kind_of(v, columns) in (Kind.LIST, Kind.NULL) else ops.list_(as_text(v, columns)) for v in values
        )
    return tuple(as_text(v, columns) for v in values)


def coalesce_values(values: Sequence[Expression], columns: Schema) -> Expression:
    """The first value that is not null."""
    some = [v for v in values if kind_of(v, columns) is not Kind.NULL]
    if not some:
        return NULL
    if len(some) == 1 or isinstance(some[0], Literal):
        return some[0]
    return ops.coalesce(*as_common_kind(some, columns))


def negate_condition(condition: Expression) -> Expression:
    """The opposite of a condition that counts as false where it is null."""
    if isinstance(condition, Literal):
        return Literal(condition.value is not True, condition.span)
    # Content that is not at hand is neither so nor not so: `match()` and `!match()` of it both pass.
    if isinstance(condition, Call) and condition.operation == ops.is_true and condition.arguments == PASSES.arguments:
        return condition
    span = getattr(condition, "span", None)
    # A comparison of a missing field fails, so its opposite passes (reference/cql.md 4.2 and 15).
    return ops.not_(replace_null_by_false(condition), span=span)


def replace_null_by_false(condition: Expression) -> Expression:
    """A condition that is never null: false instead."""
    if isinstance(condition, Call) and condition.operation in (ops.is_null, ops.is_true, ops.is_number):
        return condition
    if (
        isinstance(condition, Call)
        and condition.operation == ops.not_
        and replace_null_by_false(condition.arguments[0]) is condition.arguments[0]
    ):
        return condition
    return ops.is_true(condition, span=getattr(condition, "span", None))


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
    # One Derive computes all its columns from the rows below it: none may read another of the same step.
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
        # One conversion deep (`to_number(f) > 3`): conversions give null of null.
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
        # Division by zero is null unless a switch says otherwise, so the divisor has to be known.
        case Call(ops.divide | ops.modulo, (a, Literal(held))):
            return bool(held) and never_null(a, present)
        case Call(ops.add | ops.subtract | ops.multiply | ops.floor | ops.is_null | ops.is_true, values):
            return all(never_null(v, present) for v in values)
        case _:
            return False
