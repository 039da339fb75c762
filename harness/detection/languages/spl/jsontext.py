"""Values of eval as JSON text.

Reference: Splunk Search Reference, JSON functions
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import Typed, apply, apply_to_elements, build_element_parameter, literal
from harness.detection.plan.columns import Kind
from harness.detection.plan.json_editing import encode_compact_json, json_value


def encode_as_json(value: Typed) -> Typed:
    """A value as JSON: text that is an object or an array is itself, several values are an array."""
    constant = value.constant
    if value.kind is Kind.NULL:
        return literal("null")
    if isinstance(constant, str):
        return literal(json_value(constant))
    if value.kind is Kind.TEXT:
        made = apply("json_value", value)
    elif value.kind is Kind.LIST:
        parameter, element = build_element_parameter(value)
        elements = apply_to_elements("list_map", value, parameter, apply("json_value", element))
        array = apply("concat", literal("["), apply("list_join", elements, literal(",")), literal("]"))
        single = apply("equal", apply("list_length", value), literal(1.0))
        made = apply("if", single, apply("list_get", elements, literal(1.0)), array)
    else:
        made = apply("to_json", value)
    return apply("coalesce", made, literal("null"))


def quote_json_string(value: Typed) -> Typed:
    """Text as a JSON string."""
    constant = value.constant
    return literal(encode_compact_json(constant)) if isinstance(constant, str) else apply("to_json", value)


def concat_json_parts(opening: str, parts: list[Typed], closing: str) -> Typed:
    """The parts with commas between and brackets around."""
    pieces = [literal(opening)]
    for i, part in enumerate(parts):
        pieces += [literal(","), part] if i else [part]
    return apply("concat", *pieces, literal(closing)) if parts else literal(opening + closing)
