"""Values of eval as JSON text.

Reference: Splunk Search Reference, JSON functions
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import apply_to_elements, build_element_parameter, literal
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Kind
from harness.detection.plan.operation import Typed, apply
from harness.detection.plan.values.json import encode_compact_json, json_value


def encode_as_json(value: Typed) -> Typed:
    """A value as JSON: text that is an object or an array is itself, several values are an array."""
    constant = value.constant
    if value.kind is Kind.NULL:
        return literal("null")
    if isinstance(constant, str):
        return literal(json_value(constant))
    if value.kind is Kind.TEXT:
        made = ops.json_value(value)
    elif value.kind is Kind.LIST:
        parameter, element = build_element_parameter(value)
        elements = apply_to_elements(ops.list_map, value, parameter, ops.json_value(element))
        array = ops.concat(literal("["), ops.list_join(elements, literal(",")), literal("]"))
        single = ops.equal(ops.list_length(value), literal(1.0))
        made = ops.if_(single, ops.list_get(elements, literal(1.0)), array)
    else:
        made = ops.to_json(value)
    return ops.coalesce(made, literal("null"))


def quote_json_string(value: Typed) -> Typed:
    """Text as a JSON string."""
    constant = value.constant
    return literal(encode_compact_json(constant)) if isinstance(constant, str) else ops.to_json(value)


def concat_json_parts(opening: str, parts: list[Typed], closing: str) -> Typed:
    """The parts with commas between and brackets around."""
    pieces = [literal(opening)]
    for i, part in enumerate(parts):
        pieces += [literal(","), part] if i else [part]
    return apply(ops.concat, *pieces, literal(closing)) if parts else literal(opening + closing)
