"""Statistics of the numbers in one list, as a Python function of values."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from math import ceil, fsum
from typing import Any

from harness.detection.plan.digits import to_number


def list_statistic(elements: Sequence[str], statistic: str, fraction: float = 0.0) -> float | None:
    """The statistic of that name over the elements that are numbers; null of none."""
    numbers = sorted(n for n in map(to_number, elements) if n is not None)
    least = 2 if statistic.endswith("_sample") else 1
    if len(numbers) < least:
        return None
    if statistic == "percentile":
        return interpolated(numbers, fraction)
    if statistic == "rank":
        return numbers[max(0, ceil(fraction * len(numbers)) - 1)]
    return float(STATISTICS[statistic](numbers))


def interpolated(numbers: Sequence[float], fraction: float) -> float:
    """A percentile of sorted numbers, linear between the nearest ranks."""
    place = fraction * (len(numbers) - 1)
    low = int(place)
    high = min(low + 1, len(numbers) - 1)
    return numbers[low] + (numbers[high] - numbers[low]) * (place - low)


STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": fsum,
    "mean": statistics.fmean,
    "minimum": min,
    "maximum": max,
    "stdev_sample": statistics.stdev,
    "stdev_population": statistics.pstdev,
    "variance_sample": statistics.variance,
    "variance_population": statistics.pvariance,
}

FUNCTIONS: dict[str, Callable[..., Any]] = {"list_statistic": list_statistic}
