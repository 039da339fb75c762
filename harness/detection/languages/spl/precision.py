"""Rounding of arithmetic to the precision of its operands, which Splunk documents and this engine can switch on.

Reference: reference/spl.md 2.2, question Q1
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import Typed, apply, as_text, literal, print_number
from harness.detection.plan.columns import Kind


def digits(value: Typed) -> Typed:
    """How many significant digits the text of a number has."""
    shown = as_text(value)
    bare = apply("regex_replace", shown, literal(r"^[-+]?0*\.?0*|[eE].*$|\."), literal(""), literal(""), literal(True))
    return apply("greatest", apply("length", bare), literal(1.0))


def decimals(value: Typed) -> Typed:
    """How many digits stand behind the point."""
    fraction = apply("regex_extract", as_text(value), literal(r"\.([0-9]+)"), literal(""), literal(1.0))
    return apply("coalesce", apply("length", fraction), literal(0.0))


def round_to_precision(operator: str, left: Typed, right: Typed, result: Typed) -> Typed:
    """The result with the decimals of a sum, or the significant digits of a product, of its least precise operand."""
    if all(isinstance(v.constant, float | int) and v.constant == int(v.constant) for v in (left, right)):
        return result
    if operator in ("+", "-"):
        return apply("round", result, apply("least", decimals(left), decimals(right)))
    whole = [isinstance(v.constant, float | int) and "." not in print_number(float(v.constant)) for v in (left, right)]
    counts = [digits(v) for v, exact in zip((left, right), whole, strict=True) if not exact]
    if not counts:
        return result
    fewest = counts[0] if len(counts) == 1 else apply("least", *counts)
    size = apply("floor", apply("log", apply("abs", result), literal(10.0)))
    places = apply("subtract", apply("subtract", fewest, literal(1.0)), size)
    return apply("if", apply("is_null", size), result, Typed(apply("round", result, places).expression, Kind.NUMBER))
