"""Statistical eval functions: max, min, sum, avg, random."""

from __future__ import annotations

from harness.detection.languages.spl.coercion import (
    as_multivalue,
    as_number,
    as_text,
    find_largest_value,
    literal,
    lower_comparison,
    smallest,
)
from harness.detection.languages.spl.evaluate import EvalContext
from harness.detection.languages.spl.registry import FUNCTIONS
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import TYPED_NULL, Typed, apply


def choose_extreme(operator: str, values: tuple[Typed, ...]) -> Typed:
    """The smallest or largest of several values; text is greater than numbers."""
    if any(v.kind is Kind.LIST for v in values):
        return (smallest if operator == "<" else find_largest_value)(gather_values(values))
    if all(v.kind in (Kind.NUMBER, Kind.NULL) for v in values):
        present = [v for v in values if v.kind is Kind.NUMBER]
        return apply(ops.greatest if operator == ">" else ops.least, *present) if present else TYPED_NULL
    found = as_text(values[0])
    for value in values[1:]:
        other = as_text(value)
        better = ops.or_(ops.is_null(found), compare_mixed_kinds(operator, other, found))
        found = ops.if_(ops.and_(ops.not_(ops.is_null(other)), better), other, found)
    # A number is one again, as it is out of several values.
    return ops.coalesce(as_text(as_number(found)), found)


def compare_mixed_kinds(operator: str, left: Typed, right: Typed) -> Typed:
    """A comparison in which every number is smaller than every text that is none."""
    # Numbers sort before strings (reference/spl.md 5.2).
    a, b = ops.is_number(left), ops.is_number(right)
    same = ops.equal(a, b)
    return ops.if_(same, lower_comparison(operator, left, right), a if operator == "<" else b)


def gather_values(values: tuple[Typed, ...]) -> Typed:
    """All values as one list."""
    return apply(ops.list_concat, *(as_multivalue(v) for v in values if v.kind is not Kind.NULL))


@FUNCTIONS.define("max")
def max_(context: EvalContext, value: Typed, *more: Typed) -> Typed:
    """The largest value; text is larger than numbers.

        max(1, 3, 2)               -> 3
        max("9", 10)               -> "10"
        max(1, "abc")              -> "abc"
        max(null(), 1)             -> 1
        max(split("5,30,7", ","))  -> "30"
        max(split("5,b", ","), 10) -> "b"

    Reference: reference/spl.md 5.2; Splunk Search Reference, Statistical eval functions
    """
    return choose_extreme(">", (value, *more))


@FUNCTIONS.define("min")
def min_(context: EvalContext, value: Typed, *more: Typed) -> Typed:
    """The smallest value; numbers are smaller than text.

        min(1, 3, 2)               -> 1
        min("9", 10)               -> "9"
        min(1, "abc")              -> 1
        min(null(), "b")           -> "b"
        min(split("5,30,7", ","), 6) -> "5"

    Reference: reference/spl.md 5.2; Splunk Search Reference, Statistical eval functions
    """
    return choose_extreme("<", (value, *more))


@FUNCTIONS.define("sum")
def sum_(context: EvalContext, value: Typed, *more: Typed) -> Typed:
    """The sum of the numbers; values that are none are left out.

        sum(1, 2, 3)               -> 6
        sum("1", "x", null())      -> 1
        sum(split("1,2", ","), 3)  -> 6

    Reference: reference/spl.md 5.2; Splunk Search Reference, Statistical eval functions
    """
    values = (value, *more)
    if any(v.kind is Kind.LIST for v in values):
        return ops.coalesce(ops.list_statistic(gather_values(values), literal("sum")), literal(0.0))
    total = literal(0.0)
    for each_value in values:
        amount = as_number(each_value)
        if amount.kind is not Kind.NULL:
            total = ops.add(total, ops.coalesce(amount, literal(0.0)))
    return total


@FUNCTIONS.define
def avg(context: EvalContext, value: Typed, *more: Typed) -> Typed:
    """The mean of the numbers; values that are none are left out.

        avg(1, 2, 3)              -> 2
        avg("1", "x", null())     -> 1
        avg("x", null())          -> null
        avg(split("1,2", ","), 6) -> 3

    Reference: reference/spl.md 5.2; Splunk Search Reference, Statistical eval functions
    """
    values = (value, *more)
    if any(v.kind is Kind.LIST for v in values):
        return ops.list_statistic(gather_values(values), literal("mean"))
    count = literal(0.0)
    for each_value in values:
        amount = as_number(each_value)
        if amount.kind is not Kind.NULL:
            count = ops.add(count, ops.if_(ops.is_null(amount), literal(0.0), literal(1.0)))
    return apply(ops.divide, sum_(context, value, *more), count)


@FUNCTIONS.define
def random(context: EvalContext) -> Typed:
    """A number that no one can foresee, here always the same one: a run is to give the same rows again.

        if(random() = random(), 1, 0) -> 1
        if(random() < 2147483648, 1, 0) -> 1

    Reference: reference/spl.md 5.2
    """
    # The middle of 0 to 2**31 - 1, the range of random().
    return literal(1073741824.0)
