"""Values of eval by kind, read as another kind, compared, several at once.

Reference: reference/spl.md 5.1

Reference: reference/spl.md 6.2, min and max
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Call, Kind, Lambda, LambdaParameter, Literal, merge_kinds
from harness.detection.plan.operation import TYPED_NULL, Operation, Typed, apply
from harness.detection.plan.values.numbers import print_shortest_number
from harness.diagnostics import Span
from harness.late_pattern import late_pattern

# reference/spl.md 2.2: sign, digits, fraction, exponent. DuckDB's TRY_CAST takes `inf`, `1_000` and blanks too.
SPL_NUMBER_TEXT = late_pattern(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
YES = Typed(Literal(True), Kind.BOOLEAN)
NO = Typed(Literal(False), Kind.BOOLEAN)


def literal(value: str | float | bool | None, span: Span | None = None) -> Typed:
    """A value that is the same in every row."""
    if span is None or value is None:
        return placeless(value)
    return Typed(Literal(value, span), placeless(value).kind)


@lru_cache(4096, typed=True)
def placeless(value: str | float | bool | None) -> Typed:
    """The same without a place in the text, made once."""
    if value is None:
        return TYPED_NULL
    kind = Kind.BOOLEAN if isinstance(value, bool) else Kind.TEXT if isinstance(value, str) else Kind.NUMBER
    return Typed(Literal(value), kind)


def is_numeric_text(text: str) -> bool:
    """Whether text looks like a number to eval."""
    return SPL_NUMBER_TEXT.fullmatch(text) is not None


def as_text(value: Typed) -> Typed:
    """The value as text; a list of several values is null."""
    if value.kind in (Kind.TEXT, Kind.NULL):
        return value
    constant = value.constant
    if value.kind is Kind.NUMBER:
        if isinstance(constant, int | float):
            return literal(print_shortest_number(constant))
        return ops.to_text(value)
    if value.kind is Kind.LIST:
        # A list of one equals the value (reference/spl.md 2.3).
        single = ops.equal(ops.list_length(value), literal(1.0))
        return ops.if_(single, ops.list_get(value, literal(1.0)), Typed(NULL, Kind.TEXT))
    # tostring() of a boolean (reference/spl.md 5.2).
    return ops.boolean_text(value, literal("True"), literal("False"))


def as_number(value: Typed) -> Typed:
    """The value as a number; null of text that looks like none."""
    if value.kind in (Kind.NUMBER, Kind.NULL):
        return value
    if value.kind is Kind.BOOLEAN:
        return ops.if_(value, literal(1.0), literal(0.0))
    constant = value.constant
    if isinstance(constant, str):
        return literal(float(constant)) if is_numeric_text(constant) else TYPED_NULL
    if value.kind is Kind.TEXT and isinstance(value.expression, Call) and value.expression.operation == ops.to_text:
        # A number that was only printed is still at hand.
        return Typed(value.expression.arguments[0], Kind.NUMBER)
    return ops.to_number(as_text(value))


def as_multivalue(value: Typed) -> Typed:
    """The value as a list; a single value is a list of one."""
    if value.kind in (Kind.LIST, Kind.NULL):
        return value
    return ops.list_(as_text(value))


def same_kind(values: list[Typed]) -> list[Typed]:
    """The values as one kind: their own if they agree, lists if one is, else text."""
    kind = Kind.NULL
    for value in values:
        kind = merge_kinds(kind, value.kind)
    change = {Kind.TEXT: as_text, Kind.LIST: as_multivalue}.get(kind)
    return [change(v) if change else v for v in values]


def build_element_parameter(values: Typed, name: str = "element") -> tuple[LambdaParameter, Typed]:
    """A parameter for the elements of a list, and the same as a value."""
    parameter = LambdaParameter(name)
    return parameter, Typed(parameter, Kind.TEXT)


def apply_to_elements(
    operation: Operation, values: Typed, parameter: LambdaParameter, body: Typed, span: Span | None = None
) -> Typed:
    """A list operation whose last argument is a function of the element."""
    if values.kind is Kind.NULL:
        return TYPED_NULL
    return apply(operation, values, Typed(Lambda(parameter, body.expression), body.kind), span=span)


def change_each(value: Typed, change: Callable[[Typed], Typed]) -> Typed:
    """A change of text made to the value, or to each of several."""
    if value.kind is not Kind.LIST:
        return change(as_text(value))
    parameter, element = build_element_parameter(value)
    return apply_to_elements(ops.list_map, value, parameter, change(element))


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
    # A comparison with a word is one of texts whatever the field holds, which spares a test in each row.
    if never_numeric(left) or never_numeric(right):
        return apply(operation, as_text(left), as_text(right), span=span)
    checks = [ops.is_number(as_text(v)) for v in (left, right) if v.kind is not Kind.NUMBER and v.constant is None]
    as_numbers = apply(operation, as_number(left), as_number(right), span=span)
    if not checks:
        return as_numbers
    # Number and text cannot both be equal, so null of one leaves the other; `<` has two orders that must not mix.
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
    # In eval any value that differs is enough, in search none may be equal, unless Q2 of the reference says otherwise.
    if operator == "!=" and not any_differs:
        return ops.not_(of_lists("=", left, right, None, True), span=span)
    if right.kind is not Kind.LIST:
        return any_element(left, lambda e: lower_comparison(operator, e, right), right, span=span)

    def compare_with_each(element: Typed) -> Typed:
        inner, other = build_element_parameter(right, "other")
        return apply_to_elements(ops.list_any, right, inner, lower_comparison(operator, element, other))

    return any_element(left, compare_with_each, right, span=span)


def any_element(value: Typed, test: Callable[[Typed], Typed], *others: Typed, span: Span | None = None) -> Typed:
    """Whether a test holds for the value, or for one of several; null where one of `others` that it reads is null."""
    if value.kind is not Kind.LIST:
        return test(as_text(value))
    if any(o.kind is Kind.NULL for o in others):
        return Typed(NULL, Kind.BOOLEAN)
    parameter, element = build_element_parameter(value)
    found = apply_to_elements(ops.list_any, value, parameter, test(element), span)
    # A missing side is unknown for each element, which `list_any` takes for false.
    missing = [ops.is_null(o) for o in others if o.constant is None]
    if not missing:
        return found
    unknown = missing[0] if len(missing) == 1 else apply(ops.or_, *missing)
    return ops.if_(unknown, Typed(NULL, Kind.BOOLEAN), found, span=span)


def smallest(several: Typed) -> Typed:
    """The smallest value: any number before any text."""
    # Numbers sort before strings (reference/spl.md 1.7).
    return ops.coalesce(number_among(several, "minimum"), word_among(several, 1.0))


def find_largest_value(several: Typed) -> Typed:
    """The largest value: any text before any number."""
    return ops.coalesce(word_among(several, -1.0), number_among(several, "maximum"))


def number_among(several: Typed, statistic: str) -> Typed:
    """A statistic of the values that are numbers, as text."""
    return as_text(ops.list_statistic(several, literal(statistic)))


def word_among(several: Typed, place: float) -> Typed:
    """The first or the last by bytes of the values that are no numbers."""
    parameter, element = build_element_parameter(several)
    words = apply_to_elements(ops.list_filter, several, parameter, ops.not_(ops.is_number(element)))
    return ops.list_get(ops.list_sort(words), literal(place))
