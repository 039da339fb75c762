"""Lists in an order that SQL lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.digits import NUMBER_TEXT
from harness.detection.plan.operation import Operation


def list_ordered(elements: Sequence[str], how: str, descending: bool) -> list[str]:
    """`text` but for case, or `number`: numbers by their size, then other text; equal elements stay in place."""
    if how == "text":
        return sorted(elements, key=str.casefold, reverse=descending)
    numbers = [e for e in elements if NUMBER_TEXT.fullmatch(e)]
    others = [e for e in elements if not NUMBER_TEXT.fullmatch(e)]
    ordered = sorted(numbers, key=float, reverse=descending)
    return [*ordered, *sorted(others, key=str.casefold, reverse=descending)]


LIST_ORDER_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.list_ordered: list_ordered}
