"""What the values of a field with several come to when they are compared with one another.

Reference: reference/spl.md 6.2, min and max
"""

from __future__ import annotations

from harness.detection.languages.spl.coercion import apply_to_elements, as_text, build_element_parameter, literal
from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Typed


def smallest(several: Typed) -> Typed:
    """The smallest value: any number before any text."""
    return ops.coalesce(number_among(several, "minimum"), word_among(several, 1.0))


def find_largest_value(several: Typed) -> Typed:
    """The largest value: any text before any number."""
    return ops.coalesce(word_among(several, -1.0), number_among(several, "maximum"))


def number_among(several: Typed, statistic: str) -> Typed:
    """A statistic of the values that are numbers, as text."""
    return as_text(ops.list_statistic(several, literal(statistic)))


def word_among(several: Typed, place: float) -> Typed:
    """The first or the last by bytes of the values that are no numbers."""
    parameter, element = build_element_parameter(several)
    words = apply_to_elements(ops.list_filter, several, parameter, ops.not_(ops.is_number(element)))
    return ops.list_get(ops.list_sort(words), literal(place))
