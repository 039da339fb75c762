"""Expressions and calls over a row: what stands right of `:=`, in `test()`, `if()` and arguments."""

from __future__ import annotations

from typing import Any

from harness.detection.languages.cql.binding import CONVERTERS, bind
from harness.detection.languages.cql.coercion import closed, number
from harness.detection.languages.cql.flow import Row
from harness.detection.languages.cql.registry import FUNCTIONS, Function, Role
from harness.detection.languages.cql.syntax import Array, Binary, Call, Logic, Parameter, Syntax, Unary, Word
from harness.detection.languages.cql.values import parameter_text
from harness.detection.plan.columns import Kind
from harness.detection.plan.expressions import NULL, Expression, Literal, call
from harness.diagnostics import SourceError

ARITHMETIC = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide", "%": "modulo"}
GROWING = frozenset({"format", "concat", "concatArray", "replace", "urlEncode"})
UNCUT = 16
LONGEST_TEXT = 1 << 16
LARGEST = 1.7976931348623157e308
ORDERED = {"<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal"}


def evaluated(row: Row, part: Syntax) -> Expression:
    """The value of an expression."""
    match part:
        case Word(text=text, quoted=True):
            return Literal(text, part.span)
        case Word(text=text):
            return constant(part) or row.read(text, part.span)
        case Parameter():
            return Literal(parameter_text(row.meaning, part), part.span)
        case Binary():
            return operated(row, part)
        case Unary(operator="-", operand=operand):
            return call("negate", row.number(evaluated(row, operand)), span=part.span)
        case Unary(operand=operand):
            return opposite(row, evaluated(row, operand), part)
        case Logic(operator=operator, parts=parts):
            return call(operator, *(row.truth(evaluated(row, p)) for p in parts), span=part.span)
        case Call():
            return called(row, part)
        case _:
            raise SourceError("argument", "expected a value here", part.span)


def constant(word: Word) -> Literal | None:
    """A number or a truth value that a word stands for."""
    value = number(word.text)
    if value is not None:
        return Literal(int(value) if value == int(value) and "." not in word.text else value, word.span)
    lowered = word.text.lower()
    return Literal(lowered == "true", word.span) if lowered in ("true", "false") else None


def operated(row: Row, part: Binary) -> Expression:
    """Arithmetic and comparisons: numbers only, but for `==` and `!=`."""
    left, right = evaluated(row, part.left), evaluated(row, part.right)
    if part.operator in ("==", "!="):
        same = equal(row, left, right, part)
        return same if part.operator == "==" else call("not", same, span=part.span)
    a, b = row.number(left), row.number(right)
    if part.operator in ORDERED:
        return call(ORDERED[part.operator], a, b, span=part.span)
    value = call(ARITHMETIC[part.operator], a, b, span=part.span)
    if part.operator == "/" and not (isinstance(b, Literal) and b.value):
        return divided(row, value, a, b)
    return value


def divided(row: Row, quotient: Expression, a: Expression, b: Expression) -> Expression:
    """A quotient, and what stands for it where the divisor is zero."""
    if row.meaning.switch("division-by-zero") == "null":
        return quotient
    endless = call("if", call("greater", a, Literal(0)), Literal(LARGEST), Literal(-LARGEST))
    found = call("if", call("equal", a, Literal(0)), NULL, endless)
    return call("if", call("equal", b, Literal(0)), found, quotient)


def equal(row: Row, left: Expression, right: Expression, part: Syntax) -> Expression:
    """Equality: of numbers where both sides are, else of texts."""
    kinds = {row.kind(left), row.kind(right)}
    span = part.span
    if kinds == {Kind.NUMBER}:
        return call("equal", left, right, span=span)
    texts = call("equal", row.text(left), row.text(right), span=span)
    numbers = row.number(left), row.number(right)
    hopeless = any(isinstance(n, Literal) and n.value is None for n in numbers)
    if hopeless or row.meaning.switch("numeric-equality") == "text":
        return texts
    return call("coalesce", call("equal", *numbers), texts, span=span)


def opposite(row: Row, value: Expression, part: Unary) -> Expression:
    """`!x`: of a truth value, or whether a number is 0."""
    match row.kind(value):
        case Kind.BOOLEAN:
            return call("not", value, span=part.span)
        case Kind.NUMBER:
            return call("equal", value, Literal(0), span=part.span)
        case _:
            text = row.text(value)
            false = call("if", call("equal", text, Literal("false")), Literal(True), NULL)
            truth = call("if", call("equal", text, Literal("true")), Literal(False), false)
            zero = call("equal", row.number(text), Literal(0))
            return call("coalesce", zero, truth, span=part.span)


def called(row: Row, part: Call) -> Expression:
    """The value of a call inside an expression: the field it computes, or whether it would let the event pass."""
    function = function_of(part)
    if function.role is Role.VALUE:
        values, _ = bind(function, part, row, assigned=True)
        return computed(row, function, values)
    if function.role is Role.FILTER:
        with row.refusing():
            return closed(condition_of(row, function, part))
    help = "an aggregate is a step; its output is compared after it: `_count > 5`" if function.aggregates else None
    raise SourceError("not-a-value", f"`{part.name}` has no value in an expression", part.span, help=help)


def computed(row: Row, function: Function, values: dict[str, Any]) -> Expression:
    """The value of a function; texts that grow again and again are cut, so that no query fills the memory."""
    result: Expression = function.run(row, **values)
    if function.name not in GROWING:
        return result
    row.meaning.grown += 1
    if row.meaning.grown <= UNCUT:
        return result
    return call("substring", row.text(result), Literal(1), Literal(LONGEST_TEXT))


def condition_of(row: Row, function: Function, part: Call) -> Expression:
    """What a filter function asks of the row, with its place."""
    values, _ = bind(function, part, row)
    condition: Expression = function.run(row, **values)
    if getattr(condition, "span", None) is None and not isinstance(condition, Literal):
        condition = with_span(condition, part)
    return condition


def with_span(condition: Expression, part: Syntax) -> Expression:
    """The condition, from this place."""
    operation, arguments = getattr(condition, "operation", None), getattr(condition, "arguments", None)
    return call(operation, *arguments, span=part.span) if operation and arguments is not None else condition


def function_of(part: Call) -> Function:
    """The function that is called."""
    function = FUNCTIONS.get(part.name)
    if function is None:
        raise SourceError("unsupported", f"the function `{part.name}` is not supported", part.span)
    return function


def expressions_of(row: Row, value: Syntax) -> tuple[Expression, ...]:
    """The values of a list of expressions, or of the only one."""
    items: tuple[Any, ...] = value.items if isinstance(value, Array) else (value,)
    return tuple(evaluated(row, item) for item in items)


CONVERTERS[Expression] = evaluated
CONVERTERS[tuple[Expression, ...]] = expressions_of
