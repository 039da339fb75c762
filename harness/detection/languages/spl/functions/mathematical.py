"""Mathematical functions and bitwise ones."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.detection.languages.spl.coercion import as_number, as_text, literal
from harness.detection.languages.spl.evaluate import EvalContext, decimals, digits, find_fewest, round_to_digits
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.languages.spl.syntax import EvalExpression, Number, OperandChain
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Operation, Typed, apply


@FUNCTIONS.define
def abs(context: EvalContext, value: Typed) -> Typed:
    """Without its sign.

        abs(-5) -> 5
        abs("-2.5") -> 2.5
        abs("x" . "") -> null
        abs(null()) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.abs(as_number(value))


@FUNCTIONS.define("ceil", "ceiling")
def ceiling(context: EvalContext, value: Typed) -> Typed:
    """The next whole number above.

        ceiling(1.2) -> 2
        ceil("-1.2") -> -1
        ceil(null()) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.ceil(as_number(value))


@FUNCTIONS.define
def floor(context: EvalContext, value: Typed) -> Typed:
    """The next whole number below.

        floor(1.9) -> 1
        floor("-1.2") -> -2
        floor(split("1.5,2", ",")) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.floor(as_number(value))


@FUNCTIONS.define
def sqrt(context: EvalContext, value: Typed) -> Typed:
    """The square root; null of a negative number.

        sqrt(9) -> 3
        sqrt(-1) -> null
        sqrt("abc") -> null

    Reference: reference/spl.md 5.2
    """
    return ops.sqrt(as_number(value))


@FUNCTIONS.define
def exp(context: EvalContext, value: Typed) -> Typed:
    """E to the power of the number.

        exp(0) -> 1
        exp(null()) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.exp(as_number(value))


@FUNCTIONS.define
def ln(context: EvalContext, value: Typed) -> Typed:
    """The natural logarithm; null unless the number is positive.

        ln(1) -> 0
        ln(0) -> null
        ln("1") -> 0

    Reference: reference/spl.md 5.2
    """
    return ops.ln(as_number(value))


@FUNCTIONS.define
def exact(context: EvalContext, value: Typed) -> Typed:
    """The number itself, without rounding.

        exact(2.5) -> 2.5
        exact(3.14 * 3) -> 9.42
        exact(null()) -> null

    Reference: reference/spl.md 5.2
    """
    # Numbers are doubles unless a switch rounds them, so there is nothing to undo.
    return as_number(value)


@FUNCTIONS.define("round")
def round_(context: EvalContext, value: Typed, digits: Typed | None = None) -> Typed:
    """Rounded to `digits` decimals, halves away from zero.

        round(3.5)      -> 4
        round(2.555, 2) -> 2.56
        round(-2.5)     -> -3
        round(1234.5, -2) -> 1200
        round("2.45", 1) -> 2.5
        round("x" . "") -> null
        round(null(), 2) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.round(as_number(value), as_number(digits) if digits is not None else literal(0.0))


@FUNCTIONS.define("pow")
def pow_(context: EvalContext, value: Typed, exponent: Typed) -> Typed:
    """One number to the power of another.

        pow(2, 10) -> 1024
        pow("4", 0.5) -> 2
        pow(2, null()) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.power(as_number(value), as_number(exponent))


@FUNCTIONS.define
def log(context: EvalContext, value: Typed, base: Typed | None = None) -> Typed:
    """The logarithm to a base, 10 unless given.

        log(1000)  -> 3
        log(8, 2)  -> 3
        log("100") -> 2
        log(0)     -> null
        log(null()) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.log(as_number(value), as_number(base) if base is not None else literal(10.0))


@FUNCTIONS.define
def pi(context: EvalContext) -> Typed:
    """The ratio of a circle's circumference to its diameter.

        round(pi(), 5) -> 3.14159
        typeof(pi())   -> "Number"

    Reference: reference/spl.md 5.2
    """
    return literal(math.pi)


@FUNCTIONS.define(shape="written")
def sigfig(context: EvalContext, value: EvalExpression) -> Typed:
    """The result of a calculation with no more digits than its least precise operand has.

    Of `*` and `/` these are significant digits, of `+` and `-` digits behind the point; what is no calculation stays.

        sigfig(1.00*1111)    -> 1110
        sigfig(1.50+2.125)   -> 3.63
        sigfig(7.50/0.707*2) -> 20
        sigfig(2.5)          -> 2.5
        sigfig(null())       -> null

    Reference: Splunk Search Reference, Mathematical functions
    """
    result = as_number(context.value(value))
    if result.kind is Kind.NULL or not isinstance(value, OperandChain) or value.operator not in CALCULATIONS:
        return result
    # A literal counts with the digits that are written, which its value has no more: `1.00` has three.
    operands = [
        literal(o.text) if isinstance(o, Number) else as_text(context.value(o))
        for o in list_calculation_operands(value, CALCULATIONS[value.operator])
    ]
    if value.operator in ("+", "-"):
        return ops.round(result, find_fewest([decimals(o) for o in operands]))
    return round_to_digits(result, find_fewest([digits(o) for o in operands]))


# Operators that pass on the same kind of precision.
CALCULATIONS = {"+": "+-", "-": "+-", "*": "*/", "/": "*/"}


def list_calculation_operands(chain: OperandChain, operators: str) -> Iterator[EvalExpression]:
    """The operands of a calculation, those of its parts with the same operators included."""
    for operand in chain.operands:
        if isinstance(operand, OperandChain) and operand.operator in operators:
            yield from list_calculation_operands(operand, operators)
        else:
            yield operand


def chain_bit_operation(operation: Operation, values: tuple[Typed, ...]) -> Typed:
    """An operation on the first two numbers, then on its result and the next."""
    found = natural(values[0])
    for value in values[1:]:
        found = apply(operation, found, natural(value))
    return found


def natural(value: Typed) -> Typed:
    """A number that is not negative, without its fraction; null of anything else."""
    amount = as_number(value)
    if amount.kind is Kind.NULL:
        return amount
    whole = ops.truncate(amount)
    return ops.if_(ops.greater_equal(amount, literal(0.0)), whole, Typed(TYPED_NULL.expression, Kind.NUMBER))


@FUNCTIONS.define
def bit_and(context: EvalContext, value: Typed, *more: Typed) -> Typed:
    """The bits set in all.

        bit_and(5, 6) -> 4
        bit_and(7, "6", 12) -> 4
        bit_and(-1, 5) -> null
        bit_and(5, "x") -> null

    Reference: Splunk Search Reference, Bitwise functions
    """
    return chain_bit_operation(ops.bit_and, (value, *more))


@FUNCTIONS.define
def bit_or(context: EvalContext, value: Typed, *more: Typed) -> Typed:
    """The bits set in one.

        bit_or(5, 6) -> 7
        bit_or("4", 1, 8) -> 13
        bit_or(null(), 1) -> null

    Reference: Splunk Search Reference, Bitwise functions
    """
    return chain_bit_operation(ops.bit_or, (value, *more))


@FUNCTIONS.define
def bit_xor(context: EvalContext, value: Typed, *more: Typed) -> Typed:
    """The bits set in an odd number of them.

        bit_xor(5, 6) -> 3
        bit_xor(1, 2, 3) -> 0
        bit_xor("x", 1) -> null

    Reference: Splunk Search Reference, Bitwise functions
    """
    return chain_bit_operation(ops.bit_xor, (value, *more))


@FUNCTIONS.define
def bit_shift_left(context: EvalContext, value: Typed, by: Typed) -> Typed:
    """The bits moved up.

        bit_shift_left(1, 4) -> 16
        bit_shift_left("3", 2) -> 12
        bit_shift_left(null(), 2) -> null

    Reference: Splunk Search Reference, Bitwise functions
    """
    return ops.shift_left(natural(value), natural(by))


@FUNCTIONS.define
def bit_shift_right(context: EvalContext, value: Typed, by: Typed) -> Typed:
    """The bits moved down.

        bit_shift_right(16, 4) -> 1
        bit_shift_right("17", 1) -> 8
        bit_shift_right(-16, 1) -> null

    Reference: Splunk Search Reference, Bitwise functions
    """
    return ops.shift_right(natural(value), natural(by))


@FUNCTIONS.define
def bit_not(context: EvalContext, value: Typed, mask: Typed | None = None) -> Typed:
    """The bits of a 53-bit number turned round, only those of a mask if there is one.

        bit_and(bit_not(1), 3) -> 2
        bit_not(5, 255)        -> 250
        bit_not(0)             -> 9007199254740991
        bit_not("x")           -> null

    Reference: Splunk Search Reference, Bitwise functions
    """
    if value.kind is Kind.NULL:
        return TYPED_NULL
    # 53 bits: all that a double holds exactly.
    turned = ops.subtract(literal(float(2**53 - 1)), natural(value))
    return turned if mask is None else ops.bit_and(turned, natural(mask))
