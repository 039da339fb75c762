"""Eval functions of the bits of whole numbers."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import as_number, literal
from harness.detection.languages.spl.evaluation import EvalContext
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Operation, Typed, apply


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
    turned = ops.subtract(literal(float(2**53 - 1)), natural(value))
    return turned if mask is None else ops.bit_and(turned, natural(mask))
