"""Eval functions of numbers."""

from __future__ import annotations

import math

from harness.detection.languages.spl.coercion import as_number, literal
from harness.detection.languages.spl.evaluation import EvalContext
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Typed


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
def exact(context: EvalContext, value: Typed) -> Typed:
    """The number itself, without rounding.

        exact(2.5) -> 2.5
        exact(3.14 * 3) -> 9.42
        exact(null()) -> null

    Reference: reference/spl.md 5.2
    """
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


@FUNCTIONS.define
def random(context: EvalContext) -> Typed:
    """A number that no one can foresee, here always the same one: a run is to give the same rows again.

        if(random() = random(), 1, 0) -> 1
        if(random() < 2147483648, 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    return literal(1073741824.0)


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


@FUNCTIONS.define
def sigfig(context: EvalContext, value: Typed) -> Typed:
    """The number itself; rounding to significant digits is a switch of the arithmetic.

        sigfig(2.5) -> 2.5
        sigfig(null()) -> null

    Reference: reference/spl.md 2.2, question Q1
    """
    return as_number(value)
