# mypy: disable-error-code="empty-body"
"""Arithmetic, and numbers read from text and written as text."""

from __future__ import annotations

from harness.detection.plan.operation import Boolean, Number, Text, V, null_operation, operation
from harness.diagnostics import Span


@operation
def add(left: Number[V], right: Number[V], *, span: Span | None = None) -> Number[V]:
    """The sum."""


@operation
def subtract(left: Number[V], right: Number[V], *, span: Span | None = None) -> Number[V]:
    """The difference."""


@operation
def multiply(left: Number[V], right: Number[V], *, span: Span | None = None) -> Number[V]:
    """The product."""


# Null rather than an error or infinity: no row may end a search.
@operation
def divide(dividend: Number[V], divisor: Number[V], *, span: Span | None = None) -> Number[V]:
    """The quotient; null if the divisor is 0."""


# As in SQL and C; LogScale's floor modulus is made of floor().
@operation
def modulo(dividend: Number[V], divisor: Number[V], *, span: Span | None = None) -> Number[V]:
    """The remainder with the sign of the dividend; null if the divisor is 0."""


@operation
def negate(number: Number[V], *, span: Span | None = None) -> Number[V]:
    """The number with the opposite sign."""


@operation
def abs(number: Number[V], *, span: Span | None = None) -> Number[V]:
    """The number without sign."""


@operation
def ceil(number: Number[V], *, span: Span | None = None) -> Number[V]:
    """The next integer above."""


@operation
def floor(number: Number[V], *, span: Span | None = None) -> Number[V]:
    """The next integer below."""


@operation
def truncate(number: Number[V], *, span: Span | None = None) -> Number[V]:
    """The integer part."""


# 2.555 is rounded to 2.56 although its double lies below (reference/spl.md 5.2).
@operation
def round(number: Number[V], digits: Number[V], *, span: Span | None = None) -> Number[V]:
    """Half away from zero, on the shortest decimal text of the number; `digits` may be negative."""


@operation
def sqrt(number: Number[V], *, span: Span | None = None) -> Number[V]:
    """The square root; null of a negative number."""


@operation
def power(number: Number[V], exponent: Number[V], *, span: Span | None = None) -> Number[V]:
    """`number` to the power of `exponent`."""


@operation
def exp(number: Number[V], *, span: Span | None = None) -> Number[V]:
    """The exponential of `number`."""


@operation
def ln(number: Number[V], *, span: Span | None = None) -> Number[V]:
    """The natural logarithm; null unless positive."""


@operation
def log(number: Number[V], base: Number[V], *, span: Span | None = None) -> Number[V]:
    """The logarithm to `base`; null unless both are positive."""


@operation
def sin(angle: Number[V], *, span: Span | None = None) -> Number[V]:
    """The sine."""


@operation
def cos(angle: Number[V], *, span: Span | None = None) -> Number[V]:
    """The cosine."""


@operation
def tan(angle: Number[V], *, span: Span | None = None) -> Number[V]:
    """The tangent."""


@operation
def asin(number: Number[V], *, span: Span | None = None) -> Number[V]:
    """The arc sine; null outside -1 .. 1."""


@operation
def acos(number: Number[V], *, span: Span | None = None) -> Number[V]:
    """The arc cosine; null outside -1 .. 1."""


@operation
def atan(number: Number[V], *, span: Span | None = None) -> Number[V]:
    """The arc tangent."""


@operation
def atan2(y: Number[V], x: Number[V], *, span: Span | None = None) -> Number[V]:
    """The angle of the point (`x`, `y`)."""


# As SPL's min() of several values; SQL's LEAST differs between engines.
@null_operation
def least(number: Number[V], *more: Number[V], span: Span | None = None) -> Number[V]:
    """The smallest, nulls left out."""


@null_operation
def greatest(number: Number[V], *more: Number[V], span: Span | None = None) -> Number[V]:
    """The largest, nulls left out."""


@operation
def bit_and(left: Number[V], right: Number[V], *, span: Span | None = None) -> Number[V]:
    """Bitwise and of the integers."""


@operation
def bit_or(left: Number[V], right: Number[V], *, span: Span | None = None) -> Number[V]:
    """Bitwise or of the integers."""


@operation
def bit_xor(left: Number[V], right: Number[V], *, span: Span | None = None) -> Number[V]:
    """Bitwise exclusive or of the integers."""


@operation
def shift_left(number: Number[V], bits: Number[V], *, span: Span | None = None) -> Number[V]:
    """The bits of the integer moved left."""


@operation
def shift_right(number: Number[V], bits: Number[V], *, span: Span | None = None) -> Number[V]:
    """The bits of the integer moved right."""


# Stricter than the casts of engines, which take blanks, `inf` and `1_000` too.
@operation
def to_number(text: Text[V], *, span: Span | None = None) -> Number[V]:
    """The number of a sign, digits, fraction, exponent and nothing else, no blanks; null of other text."""


# As both products print numbers (reference/spl.md 2.2, reference/cql.md 5).
@operation
def to_text(number: Number[V], *, span: Span | None = None) -> Text[V]:
    """An integer without fraction, else the shortest decimal that reads back the same; NaN is nan."""


@operation
def from_base(text: Text[V], base: Number[V], *, span: Span | None = None) -> Number[V]:
    """The number of digits of a base 2 .. 36, an optional 0x for 16; null of other text."""


@operation
def to_base(number: Number[V], base: Number[V], *, span: Span | None = None) -> Text[V]:
    """Digits of a base 2 .. 36 in lower case."""


@operation
def format_number(number: Number[V], printf: Text[V], *, span: Span | None = None) -> Text[V]:
    """One C conversion such as %05.2f or %x, text around it."""


@operation
def format_text(printf: Text[V], *values: Text[V], span: Span | None = None) -> Text[V]:
    """A C format with the values in its conversions; null where one does not fit."""


@operation
def group_digits(number: Number[V], digits: Number[V], *, span: Span | None = None) -> Text[V]:
    """The number with thousands commas and `digits` decimals."""


# A bucket is all numbers within `accuracy` of its answer; reference/cql.md, addenda.
@operation
def sketch_value(number: Number[V], accuracy: Number[V], *, span: Span | None = None) -> Number[V]:
    """What a DDSketch with quadratic mapping answers for its bucket of the number; `accuracy` is a literal."""


@operation
def boolean_text(condition: Boolean[V], true: Text[V], false: Text[V], *, span: Span | None = None) -> Text[V]:
    """One of two texts; null of null."""
