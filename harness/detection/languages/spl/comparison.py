"""How eval and where compare: as numbers where both sides look like numbers, else byte by byte.

Reference: reference/spl.md 5.1
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import NOTHING, Typed, apply, each, number, numeric, over, text
from harness.detection.plan.columns import Kind
from harness.diagnostics import Span

OPERATIONS = {
    "=": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}


def compare(operator: str, left: Typed, right: Typed, span: Span | None = None, *, any_differs: bool = True) -> Typed:
    """The comparison; null if a side is null, and of several values true if one of them satisfies it.

    With `any_differs` off, `!=` of several values is true only if none of them is equal.
    """
    if Kind.NULL in (left.kind, right.kind):
        return Typed(NOTHING.expression, Kind.BOOLEAN)
    if left.kind is Kind.LIST or right.kind is Kind.LIST:
        return of_lists(operator, left, right, span, any_differs)
    operation = OPERATIONS[operator]
    if Kind.BOOLEAN in (left.kind, right.kind) and left.kind is right.kind:
        return apply(operation, left, right, span=span)
    if left.kind is Kind.NUMBER and right.kind is Kind.NUMBER:
        return apply(operation, left, right, span=span)
    if never_numeric(left) or never_numeric(right):
        return apply(operation, text(left), text(right), span=span)
    checks = [apply("is_number", text(v)) for v in (left, right) if v.kind is not Kind.NUMBER and v.constant is None]
    as_numbers = apply(operation, number(left), number(right), span=span)
    if not checks:
        return as_numbers
    if len(checks) == 1 and operator in ("=", "!="):
        return apply("coalesce", as_numbers, apply(operation, text(left), text(right), span=span), span=span)
    both = checks[0] if len(checks) == 1 else apply("and", *checks)
    return apply("if", both, as_numbers, apply(operation, text(left), text(right), span=span), span=span)


def never_numeric(value: Typed) -> bool:
    """Whether a literal is text that looks like no number."""
    constant = value.constant
    return isinstance(constant, str) and not numeric(constant)


def of_lists(operator: str, left: Typed, right: Typed, span: Span | None, any_differs: bool) -> Typed:
    """A comparison in which a side holds several values."""
    if left.kind is not Kind.LIST:
        left, right, operator = right, left, MIRRORED[operator]
    if operator == "!=" and not any_differs:
        return apply("not", of_lists("=", left, right, None, True), span=span)
    parameter, element = each(left)
    if right.kind is Kind.LIST:
        inner, other = each(right, "other")
        body = over("list_any", right, inner, compare(operator, element, other))
    else:
        body = compare(operator, element, right)
    return over("list_any", left, parameter, body, span)
