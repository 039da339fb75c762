"""Expressions and calls over a row: what stands right of `:=`, in `test()`, `if()` and arguments."""

from __future__ import annotations

from typing import Any

from harness.detection.languages.cql.arguments import CONVERTERS, bind
from harness.detection.languages.cql.coercion import parse_number_text, refuse_too_large, replace_null_by_false
from harness.detection.languages.cql.parameters import parameter_text
from harness.detection.languages.cql.registry import FUNCTIONS, FunctionRole, RegistryEntry
from harness.detection.languages.cql.row import RowScope
from harness.detection.languages.cql.syntax import (
    Array,
    Binary,
    FunctionCall,
    Logic,
    QueryParameter,
    Syntax,
    Unary,
    Word,
)
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Expression, Kind, Literal, build_call
from harness.diagnostics import SourceError

CQL_ARITHMETIC = {"+": ops.add, "-": ops.subtract, "*": ops.multiply, "/": ops.divide, "%": ops.modulo}
# Chosen, no source: 16 doublings of a text are 65,536 times its length, the cut that follows.
UNCUT = 16
LONGEST_TEXT = 1 << 16
# The largest double: no text of a number stands for infinity (reference/cql.md 5), this one reads back.
LARGEST_FLOAT = 1.7976931348623157e308
ORDERED = {"<": ops.less, "<=": ops.less_equal, ">": ops.greater, ">=": ops.greater_equal}


def lower_expression(row: RowScope, part: Syntax) -> Expression:
    """The value of an expression."""
    match part:
        # In expressions quotes make a text, in other arguments they change nothing (reference/cql.md 5).
        case Word(text=text, quoted=True):
            return Literal(text, part.span)
        case Word(text=text):
            return constant(part) or row.read(text, part.span)
        case QueryParameter():
            return Literal(parameter_text(row.meaning, part), part.span)
        case Binary():
            return lower_binary(row, part)
        case Unary(operator="-", operand=operand):
            return ops.negate(row.number(lower_expression(row, operand)), span=part.span)
        case Unary(operand=operand):
            return lower_not(row, lower_expression(row, operand), part)
        case Logic(operator=operator, parts=parts):
            chain = ops.and_ if operator == "and" else ops.or_
            return build_call(chain, *(row.truth(lower_expression(row, p)) for p in parts), span=part.span)
        case FunctionCall():
            return lower_call(row, part)
        case _:
            raise SourceError("argument", "expected a value here", part.span)


def constant(word: Word) -> Literal | None:
    """A number or a truth value that a word stands for."""
    value = parse_number_text(word.text)
    if value is not None:
        return Literal(int(value) if value == int(value) and "." not in word.text else value, word.span)
    refuse_too_large(word.text, word.span)
    lowered = word.text.lower()
    # Keywords are case-insensitive (reference/cql.md 2.6).
    return Literal(lowered == "true", word.span) if lowered in ("true", "false") else None


def lower_binary(row: RowScope, part: Binary) -> Expression:
    """Arithmetic and comparisons: numbers only, but for `==` and `!=`."""
    left, right = lower_expression(row, part.left), lower_expression(row, part.right)
    if part.operator in ("==", "!="):
        same = equal(row, left, right, part)
        return same if part.operator == "==" else ops.not_(same, span=part.span)
    a, b = row.number(left), row.number(right)
    if part.operator in ORDERED:
        return build_call(ORDERED[part.operator], a, b, span=part.span)
    value = build_call(CQL_ARITHMETIC[part.operator], a, b, span=part.span)
    # A literal divisor that is not zero is the usual case, and needs no test in each row.
    if part.operator == "/" and not (isinstance(b, Literal) and b.value):
        return replace_zero_division(row, value, a, b)
    return value


def replace_zero_division(row: RowScope, quotient: Expression, a: Expression, b: Expression) -> Expression:
    """A quotient, and what stands for it where the divisor is zero."""
    if row.meaning.switch("division-by-zero") == "null":
        return quotient
    # The two candidates are nothing and infinity (reference/cql.md 5 and 19).
    endless = ops.if_(ops.greater(a, Literal(0)), Literal(LARGEST_FLOAT), Literal(-LARGEST_FLOAT))
    found = ops.if_(ops.equal(a, Literal(0)), NULL, endless)
    return ops.if_(ops.equal(b, Literal(0)), found, quotient)


def equal(row: RowScope, left: Expression, right: Expression, part: Syntax) -> Expression:
    """Equality: of numbers where both sides are, else of texts."""
    kinds = {row.kind(left), row.kind(right)}
    span = part.span
    if kinds == {Kind.NUMBER}:
        return ops.equal(left, right, span=span)
    texts = ops.equal(row.text(left), row.text(right), span=span)
    numbers = row.number(left), row.number(right)
    # A literal that is no number: the numbers of both sides can never be compared.
    hopeless = any(isinstance(n, Literal) and n.value is None for n in numbers)
    if hopeless or row.meaning.switch("numeric-equality") == "text":
        return texts
    return ops.coalesce(ops.equal(*numbers), texts, span=span)


def lower_not(row: RowScope, value: Expression, part: Unary) -> Expression:
    """`!x`: of a truth value, or whether a number is 0."""
    match row.kind(value):
        case Kind.BOOLEAN:
            return ops.not_(value, span=part.span)
        case Kind.NUMBER:
            return ops.equal(value, Literal(0), span=part.span)
        case _:
            # `!x` of a text is a boolean's where it says so, a number's where it is one, else null (reference/cql.md
            # 5).
            text = row.text(value)
            false = ops.if_(ops.equal(text, Literal("false")), Literal(True), NULL)
            truth = ops.if_(ops.equal(text, Literal("true")), Literal(False), false)
            zero = ops.equal(row.number(text), Literal(0))
            return ops.coalesce(zero, truth, span=part.span)


def lower_call(row: RowScope, part: FunctionCall) -> Expression:
    """The value of a call inside an expression: the field it computes, or whether it would let the event pass."""
    function = function_of(part)
    if function.role is FunctionRole.VALUE:
        values, _ = bind(function, part, row, assigned=True)
        return lower_function_value(row, function, values)
    if function.role is FunctionRole.FILTER:
        # Inside an expression a regular expression says only whether it matches; its groups make no fields.
        with row.refusing():
            return replace_null_by_false(lower_filter_function(row, function, part))
    help = "an aggregate is a step; its output is compared after it: `_count > 5`" if function.aggregates else None
    raise SourceError("not-a-value", f"`{part.name}` has no value in an expression", part.span, help=help)


def lower_function_value(row: RowScope, function: RegistryEntry, values: dict[str, Any]) -> Expression:
    """The value of a function; texts that grow again and again are cut, so that no query fills the memory."""
    result: Expression = function.run(row, **values)
    if not function.grows:
        return result
    # `a := concat([a, a])` forty times would be 10**12 characters.
    row.meaning.grown += 1
    if row.meaning.grown <= UNCUT:
        return result
    return ops.substring(row.text(result), Literal(1), Literal(LONGEST_TEXT))


def lower_filter_function(row: RowScope, function: RegistryEntry, part: FunctionCall) -> Expression:
    """What a filter function asks of the row, with its place."""
    values, _ = bind(function, part, row)
    condition: Expression = function.run(row, **values)
    if getattr(condition, "span", None) is None and not isinstance(condition, Literal):
        condition = with_span(condition, part)
    return condition


def with_span(condition: Expression, part: Syntax) -> Expression:
    """The condition, from this place."""
    operation, arguments = getattr(condition, "operation", None), getattr(condition, "arguments", None)
    return build_call(operation, *arguments, span=part.span) if operation and arguments is not None else condition


def function_of(part: FunctionCall) -> RegistryEntry:
    """The function that is called."""
    return FUNCTIONS[part.name]


def expressions_of(row: RowScope, value: Syntax) -> tuple[Expression, ...]:
    """The values of a list of expressions, or of the only one."""
    items: tuple[Any, ...] = value.items if isinstance(value, Array) else (value,)
    return tuple(lower_expression(row, item) for item in items)


# Here, since the arguments of calls are read before expressions are known.
CONVERTERS[Expression] = lower_expression
CONVERTERS[tuple[Expression, ...]] = expressions_of
