"""How eval and where compare: as numbers where both sides look like numbers, else byte by byte.

Reference: reference/spl.md 5.1
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import (
    apply_to_elements,
    as_number,
    as_text,
    build_element_parameter,
    is_numeric_text,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Typed, apply
from harness.diagnostics import Span

COMPARISON_OPERATIONS = {
    "=": ops.equal,
    "!=": ops.not_equal,
    "<": ops.less,
    "<=": ops.less_equal,
    ">": ops.greater,
    ">=": ops.greater_equal,
}
MIRRORED_SIGNS = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}


def lower_comparison(
    operator: str, left: Typed, right: Typed, span: Span | None = None, *, any_differs: bool = True
) -> Typed:
    """The comparison; null if a side is null, and of several values true if one of them satisfies it.

    With `any_differs` off, `!=` of several values is true only if none of them is equal.
    """
    if Kind.NULL in (left.kind, right.kind):
        return Typed(TYPED_NULL.expression, Kind.BOOLEAN)
    if left.kind is Kind.LIST or right.kind is Kind.LIST:
        return of_lists(operator, left, right, span, any_differs)
    operation = COMPARISON_OPERATIONS[operator]
    if Kind.BOOLEAN in (left.kind, right.kind) and left.kind is right.kind:
        return apply(operation, left, right, span=span)
    if left.kind is Kind.NUMBER and right.kind is Kind.NUMBER:
        return apply(operation, left, right, span=span)
    if never_numeric(left) or never_numeric(right):
        return apply(operation, as_text(left), as_text(right), span=span)
    checks = [ops.is_number(as_text(v)) for v in (left, right) if v.kind is not Kind.NUMBER and v.constant is None]
    as_numbers = apply(operation, as_number(left), as_number(right), span=span)
    if not checks:
        return as_numbers
    if len(checks) == 1 and operator in ("=", "!="):
        return ops.coalesce(as_numbers, apply(operation, as_text(left), as_text(right), span=span), span=span)
    both = checks[0] if len(checks) == 1 else apply(ops.and_, *checks)
    return ops.if_(both, as_numbers, apply(operation, as_text(left), as_text(right), span=span), span=span)


def never_numeric(value: Typed) -> bool:
    """Whether a literal is text that looks like no number."""
    constant = value.constant
    return isinstance(constant, str) and not is_numeric_text(constant)


def of_lists(operator: str, left: Typed, right: Typed, span: Span | None, any_differs: bool) -> Typed:
    """A comparison in which a side holds several values."""
    if left.kind is not Kind.LIST:
        left, right, operator = right, left, MIRRORED_SIGNS[operator]
    if operator == "!=" and not any_differs:
        return ops.not_(of_lists("=", left, right, None, True), span=span)
    parameter, element = build_element_parameter(left)
    if right.kind is Kind.LIST:
        inner, other = build_element_parameter(right, "other")
        body = apply_to_elements(ops.list_any, right, inner, lower_comparison(operator, element, other))
    else:
        body = lower_comparison(operator, element, right)
    return apply_to_elements(ops.list_any, left, parameter, body, span)
