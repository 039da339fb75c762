"""Eval functions of the bits of whole numbers."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import Typed, apply, literal, number
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.registry import FUNCTIONS


def folded(operation: str, values: tuple[Typed, ...]) -> Typed:
    """An operation on the first two numbers, then on its result and the next."""
    found = number(values[0])
    for value in values[1:]:
        found = apply(operation, found, number(value))
    return found


@FUNCTIONS.define
def bit_and(context: Context, value: Typed, *more: Typed) -> Typed:
    """The bits set in all.

        bit_and(5, 6) -> 4

    Reference: reference/spl.md 5.2
    """
    return folded("bit_and", (value, *more))


@FUNCTIONS.define
def bit_or(context: Context, value: Typed, *more: Typed) -> Typed:
    """The bits set in one.

        bit_or(5, 6) -> 7

    Reference: reference/spl.md 5.2
    """
    return folded("bit_or", (value, *more))


@FUNCTIONS.define
def bit_xor(context: Context, value: Typed, *more: Typed) -> Typed:
    """The bits set in an odd number of them.

        bit_xor(5, 6) -> 3

    Reference: reference/spl.md 5.2
    """
    return folded("bit_xor", (value, *more))


@FUNCTIONS.define
def bit_shift_left(context: Context, value: Typed, by: Typed) -> Typed:
    """The bits moved up.

        bit_shift_left(1, 4) -> 16

    Reference: reference/spl.md 5.2
    """
    return apply("shift_left", number(value), number(by))


@FUNCTIONS.define
def bit_shift_right(context: Context, value: Typed, by: Typed) -> Typed:
    """The bits moved down.

        bit_shift_right(16, 4) -> 1

    Reference: reference/spl.md 5.2
    """
    return apply("shift_right", number(value), number(by))


@FUNCTIONS.define
def bit_not(context: Context, value: Typed) -> Typed:
    """The bits of a 53-bit number turned round.

        bit_and(bit_not(1), 3) -> 2

    Reference: reference/spl.md 5.2
    """
    return apply("subtract", literal(float(2**53 - 1)), number(value))
