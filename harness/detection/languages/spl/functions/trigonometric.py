"""Trigonometric and hyperbolic functions."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import as_number, literal
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation, Typed, apply


@FUNCTIONS.define
def sinh(context: EvalContext, value: Typed) -> Typed:
    """The hyperbolic sine.

        sinh(0) -> 0
        round(sinh("1"), 4) -> 1.1752
        sinh(null()) -> null

    Reference: reference/spl.md 5.2
    """
    return half(value, ops.subtract)


@FUNCTIONS.define
def cosh(context: EvalContext, value: Typed) -> Typed:
    """The hyperbolic cosine.

        cosh(0) -> 1
        round(cosh("1"), 4) -> 1.5431
        cosh("x") -> null

    Reference: reference/spl.md 5.2
    """
    return half(value, ops.add)


def half(value: Typed, operation: Operation) -> Typed:
    """Half the sum or difference of e to the number and e to its opposite."""
    amount = as_number(value)
    both = apply(operation, ops.exp(amount), ops.exp(ops.negate(amount)))
    return ops.divide(both, literal(2.0))


@FUNCTIONS.define
def tanh(context: EvalContext, value: Typed) -> Typed:
    """The hyperbolic tangent.

        tanh(0) -> 0
        round(tanh("1"), 4) -> 0.7616
        tanh(null()) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.divide(half(value, ops.subtract), half(value, ops.add))


@FUNCTIONS.define
def asinh(context: EvalContext, value: Typed) -> Typed:
    """The inverse hyperbolic sine.

        asinh(0) -> 0
        round(asinh("1"), 4) -> 0.8814
        asinh(null()) -> null

    Reference: reference/spl.md 5.2
    """
    return inverse(as_number(value), 1.0)


@FUNCTIONS.define
def acosh(context: EvalContext, value: Typed) -> Typed:
    """The inverse hyperbolic cosine; null below 1.

        acosh(1) -> 0
        acosh(0) -> null
        acosh("x") -> null

    Reference: reference/spl.md 5.2
    """
    return inverse(as_number(value), -1.0)


def inverse(amount: Typed, offset: float) -> Typed:
    """The logarithm of a number and the root of its square and an offset."""
    root = ops.sqrt(ops.add(ops.multiply(amount, amount), literal(offset)))
    return ops.ln(ops.add(amount, root))


@FUNCTIONS.define
def atanh(context: EvalContext, value: Typed) -> Typed:
    """The inverse hyperbolic tangent; null outside -1 to 1.

        atanh(0) -> 0
        atanh(2) -> null
        atanh(null()) -> null

    Reference: reference/spl.md 5.2
    """
    amount = as_number(value)
    one = literal(1.0)
    ratio = ops.divide(ops.add(one, amount), ops.subtract(one, amount))
    return ops.divide(ops.ln(ratio), literal(2.0))


@FUNCTIONS.define
def sin(context: EvalContext, value: Typed) -> Typed:
    """The sine.

        sin(0) -> 0
        round(sin("1"), 4) -> 0.8415
        sin(null()) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.sin(as_number(value))


@FUNCTIONS.define
def cos(context: EvalContext, value: Typed) -> Typed:
    """The cosine.

        cos(0) -> 1
        round(cos("1"), 4) -> 0.5403
        cos(null()) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.cos(as_number(value))


@FUNCTIONS.define
def tan(context: EvalContext, value: Typed) -> Typed:
    """The tangent.

        tan(0) -> 0
        round(tan("1"), 4) -> 1.5574
        tan(null()) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.tan(as_number(value))


@FUNCTIONS.define
def asin(context: EvalContext, value: Typed) -> Typed:
    """The arc sine; null outside -1 to 1.

        asin(0) -> 0
        asin(2) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.asin(as_number(value))


@FUNCTIONS.define
def acos(context: EvalContext, value: Typed) -> Typed:
    """The arc cosine; null outside -1 to 1.

        acos(1) -> 0
        acos("2") -> null

    Reference: reference/spl.md 5.2
    """
    return ops.acos(as_number(value))


@FUNCTIONS.define
def atan(context: EvalContext, value: Typed) -> Typed:
    """The arc tangent.

        atan(0) -> 0
        round(atan("1") * 4, 5) -> 3.14159
        atan(null()) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.atan(as_number(value))


@FUNCTIONS.define
def atan2(context: EvalContext, y: Typed, x: Typed) -> Typed:
    """The angle of the point (x, y).

        atan2(0, 1) -> 0
        round(atan2("1", 1) * 4, 5) -> 3.14159
        atan2(null(), 1) -> null

    Reference: reference/spl.md 5.2
    """
    return ops.atan2(as_number(y), as_number(x))


@FUNCTIONS.define
def hypot(context: EvalContext, x: Typed, y: Typed) -> Typed:
    """The length of the hypotenuse.

        hypot(3, 4) -> 5
        hypot("6", 8) -> 10
        hypot(null(), 4) -> null

    Reference: reference/spl.md 5.2
    """
    a, b = as_number(x), as_number(y)
    return ops.sqrt(ops.add(ops.multiply(a, a), ops.multiply(b, b)))
