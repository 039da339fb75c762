"""Eval functions of numbers."""

from __future__ import annotations

import math

from harness.detection.languages.spl.coercion import NOTHING, Typed, apply, literal, number, text
from harness.detection.languages.spl.comparison import compare
from harness.detection.languages.spl.evaluation import Context
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan.columns import Kind


@FUNCTIONS.define
def abs(context: Context, value: Typed) -> Typed:
    """Without its sign.

        abs(-5) -> 5

    Reference: reference/spl.md 5.2
    """
    return apply("abs", number(value))


@FUNCTIONS.define("ceil", "ceiling")
def ceiling(context: Context, value: Typed) -> Typed:
    """The next whole number above.

        ceiling(1.2) -> 2

    Reference: reference/spl.md 5.2
    """
    return apply("ceil", number(value))


@FUNCTIONS.define
def floor(context: Context, value: Typed) -> Typed:
    """The next whole number below.

        floor(1.9) -> 1

    Reference: reference/spl.md 5.2
    """
    return apply("floor", number(value))


@FUNCTIONS.define
def sqrt(context: Context, value: Typed) -> Typed:
    """The square root; null of a negative number.

        sqrt(9) -> 3

    Reference: reference/spl.md 5.2
    """
    return apply("sqrt", number(value))


@FUNCTIONS.define
def exp(context: Context, value: Typed) -> Typed:
    """E to the power of the number.

        exp(0) -> 1

    Reference: reference/spl.md 5.2
    """
    return apply("exp", number(value))


@FUNCTIONS.define
def ln(context: Context, value: Typed) -> Typed:
    """The natural logarithm; null unless the number is positive.

        ln(1) -> 0

    Reference: reference/spl.md 5.2
    """
    return apply("ln", number(value))


@FUNCTIONS.define
def sin(context: Context, value: Typed) -> Typed:
    """The sine.

        sin(0) -> 0

    Reference: reference/spl.md 5.2
    """
    return apply("sin", number(value))


@FUNCTIONS.define
def cos(context: Context, value: Typed) -> Typed:
    """The cosine.

        cos(0) -> 1

    Reference: reference/spl.md 5.2
    """
    return apply("cos", number(value))


@FUNCTIONS.define
def tan(context: Context, value: Typed) -> Typed:
    """The tangent.

        tan(0) -> 0

    Reference: reference/spl.md 5.2
    """
    return apply("tan", number(value))


@FUNCTIONS.define
def asin(context: Context, value: Typed) -> Typed:
    """The arc sine; null outside -1 to 1.

        asin(0) -> 0

    Reference: reference/spl.md 5.2
    """
    return apply("asin", number(value))


@FUNCTIONS.define
def acos(context: Context, value: Typed) -> Typed:
    """The arc cosine; null outside -1 to 1.

        acos(1) -> 0

    Reference: reference/spl.md 5.2
    """
    return apply("acos", number(value))


@FUNCTIONS.define
def atan(context: Context, value: Typed) -> Typed:
    """The arc tangent.

        atan(0) -> 0

    Reference: reference/spl.md 5.2
    """
    return apply("atan", number(value))


@FUNCTIONS.define
def exact(context: Context, value: Typed) -> Typed:
    """The number itself, without rounding.

        exact(2.5) -> 2.5

    Reference: reference/spl.md 5.2
    """
    return number(value)


@FUNCTIONS.define("round")
def round_(context: Context, value: Typed, digits: Typed | None = None) -> Typed:
    """Rounded to `digits` decimals, halves away from zero.

        round(3.5)      -> 4
        round(2.555, 2) -> 2.56

    Reference: reference/spl.md 5.2
    """
    return apply("round", number(value), number(digits) if digits is not None else literal(0.0))


@FUNCTIONS.define("pow")
def pow_(context: Context, value: Typed, exponent: Typed) -> Typed:
    """One number to the power of another.

        pow(2, 10) -> 1024

    Reference: reference/spl.md 5.2
    """
    return apply("power", number(value), number(exponent))


@FUNCTIONS.define
def log(context: Context, value: Typed, base: Typed | None = None) -> Typed:
    """The logarithm to a base, 10 unless given.

        log(1000)  -> 3
        log(8, 2)  -> 3

    Reference: reference/spl.md 5.2
    """
    return apply("log", number(value), number(base) if base is not None else literal(10.0))


@FUNCTIONS.define
def pi(context: Context) -> Typed:
    """The ratio of a circle's circumference to its diameter.

        round(pi(), 5) -> 3.14159

    Reference: reference/spl.md 5.2
    """
    return literal(math.pi)


@FUNCTIONS.define
def random(context: Context) -> Typed:
    """A number that no one can foresee, here always the same one: a run is to give the same rows again.

        if(random() = random(), 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    return literal(1073741824.0)


@FUNCTIONS.define
def atan2(context: Context, y: Typed, x: Typed) -> Typed:
    """The angle of the point (x, y).

        atan2(0, 1) -> 0

    Reference: reference/spl.md 5.2
    """
    return apply("atan2", number(y), number(x))


@FUNCTIONS.define
def hypot(context: Context, x: Typed, y: Typed) -> Typed:
    """The length of the hypotenuse.

        hypot(3, 4) -> 5

    Reference: reference/spl.md 5.2
    """
    a, b = number(x), number(y)
    return apply("sqrt", apply("add", apply("multiply", a, a), apply("multiply", b, b)))


def extreme(operator: str, operation: str, values: tuple[Typed, ...]) -> Typed:
    """The smallest or largest of several values; text is greater than numbers."""
    if all(v.kind in (Kind.NUMBER, Kind.NULL) for v in values):
        present = [v for v in values if v.kind is Kind.NUMBER]
        return apply(operation, *present) if present else NOTHING
    found = text(values[0])
    for value in values[1:]:
        other = text(value)
        better = apply("or", apply("is_null", found), mixed(operator, other, found))
        found = apply("if", apply("and", apply("not", apply("is_null", other)), better), other, found)
    return found


def mixed(operator: str, left: Typed, right: Typed) -> Typed:
    """A comparison in which every number is smaller than every text that is none."""
    a, b = apply("is_number", left), apply("is_number", right)
    same = apply("equal", a, b)
    return apply("if", same, compare(operator, left, right), a if operator == "<" else b)


@FUNCTIONS.define("max")
def max_(context: Context, value: Typed, *more: Typed) -> Typed:
    """The largest value; text is larger than numbers.

        max(1, 3, 2)  -> 3
        max(1, "abc") -> "abc"

    Reference: reference/spl.md 5.2
    """
    return extreme(">", "greatest", (value, *more))


@FUNCTIONS.define("min")
def min_(context: Context, value: Typed, *more: Typed) -> Typed:
    """The smallest value; numbers are smaller than text.

        min(1, 3, 2)  -> 1
        min(1, "abc") -> 1

    Reference: reference/spl.md 5.2
    """
    return extreme("<", "least", (value, *more))


@FUNCTIONS.define("sum")
def sum_(context: Context, value: Typed, *more: Typed) -> Typed:
    """The sum of the numbers; values that are none are left out.

        sum(1, 2, 3) -> 6

    Reference: reference/spl.md 5.2
    """
    total = literal(0.0)
    for each_value in (value, *more):
        amount = number(each_value)
        if amount.kind is not Kind.NULL:
            total = apply("add", total, apply("coalesce", amount, literal(0.0)))
    return total


@FUNCTIONS.define
def avg(context: Context, value: Typed, *more: Typed) -> Typed:
    """The mean of the numbers; values that are none are left out.

        avg(1, 2, 3) -> 2

    Reference: reference/spl.md 5.2
    """
    count = literal(0.0)
    for each_value in (value, *more):
        amount = number(each_value)
        if amount.kind is not Kind.NULL:
            count = apply("add", count, apply("if", apply("is_null", amount), literal(0.0), literal(1.0)))
    return apply("divide", sum_(context, value, *more), count)


@FUNCTIONS.define
def sigfig(context: Context, value: Typed) -> Typed:
    """The number itself; rounding to significant digits is a switch of the arithmetic.

        sigfig(2.5) -> 2.5

    Reference: reference/spl.md 2.2, question Q1
    """
    return number(value)
