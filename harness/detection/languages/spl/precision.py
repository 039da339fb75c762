"""Rounding of arithmetic to the precision of its operands, which Splunk documents and this engine can switch on.

Reference: reference/spl.md 2.2, question Q1
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import as_text, literal, print_number
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Typed, apply


def digits(value: Typed) -> Typed:
    """How many significant digits the text of a number has."""
    shown = as_text(value)
    bare = ops.regex_replace(shown, literal(r"^[-+]?0*\.?0*|[eE].*$|\."), literal(""), literal(""), literal(True))
    return ops.greatest(ops.length(bare), literal(1.0))


def decimals(value: Typed) -> Typed:
    """How many digits stand behind the point."""
    fraction = ops.regex_extract(as_text(value), literal(r"\.([0-9]+)"), literal(""), literal(1.0))
    return ops.coalesce(ops.length(fraction), literal(0.0))


def round_to_precision(operator: str, left: Typed, right: Typed, result: Typed) -> Typed:
    """The result with the decimals of a sum, or the significant digits of a product, of its least precise operand."""
    if all(isinstance(v.constant, float | int) and v.constant == int(v.constant) for v in (left, right)):
        return result
    if operator in ("+", "-"):
        return ops.round(result, ops.least(decimals(left), decimals(right)))
    whole = [isinstance(v.constant, float | int) and "." not in print_number(float(v.constant)) for v in (left, right)]
    counts = [digits(v) for v, exact in zip((left, right), whole, strict=True) if not exact]
    if not counts:
        return result
    fewest = counts[0] if len(counts) == 1 else apply(ops.least, *counts)
    size = ops.floor(ops.log(ops.abs(result), literal(10.0)))
    places = ops.subtract(ops.subtract(fewest, literal(1.0)), size)
    return ops.if_(ops.is_null(size), result, Typed(ops.round(result, places).expression, Kind.NUMBER))
