"""Statistics of the numbers in one list, as a Python function of values."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from math import ceil, fsum
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.digits import parse_number
from harness.detection.plan.operation import Operation


def compute_list_statistic(elements: Sequence[str], statistic: str, fraction: float = 0.0) -> float | None:
    """The statistic of that name over the elements that are numbers; null of none."""
    numbers = sorted(n for n in map(parse_number, elements) if n is not None)
    least = 2 if statistic.endswith("_sample") else 1
    if len(numbers) < least:
        return None
    if statistic == "percentile":
        return interpolate_percentile(numbers, fraction)
    if statistic == "rank":
        # The nearest rank, as DuckDB's quantile_disc takes it.
        return numbers[max(0, ceil(fraction * len(numbers)) - 1)]
    return float(LIST_STATISTICS[statistic](numbers))


def interpolate_percentile(numbers: Sequence[float], fraction: float) -> float:
    """A percentile of sorted numbers, linear between the nearest ranks."""
    place = fraction * (len(numbers) - 1)
    low = int(place)
    high = min(low + 1, len(numbers) - 1)
    return numbers[low] + (numbers[high] - numbers[low]) * (place - low)


LIST_STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    # fsum is exact, so the order of a list's elements does not change its last digits.
    "sum": fsum,
    "mean": statistics.fmean,
    "minimum": min,
    "maximum": max,
    "stdev_sample": statistics.stdev,
    "stdev_population": statistics.pstdev,
    "variance_sample": statistics.variance,
    "variance_population": statistics.pvariance,
}

LIST_STATISTIC_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.list_statistic: compute_list_statistic}
