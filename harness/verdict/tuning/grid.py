"""Which values to try for each threshold: those between which the groups of the telemetry differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from harness.detection.plan import operations as ops
from harness.telemetry.simulation.schedule import FloatArray
from harness.verdict.tuning.cells import Grid
from harness.verdict.tuning.lifting import LiftedGroups
from harness.verdict.tuning.thresholds import Threshold

# All three chosen, no source: some milliseconds of counting; with six thresholds an axis has five values.
COMBINATIONS = 20_000
MOST_GRID_VALUES = 40
LEAST_VALUES = 3


def grid(
    groups: LiftedGroups, malicious: npt.NDArray[np.bool_], given: Mapping[str, Sequence[float]], steps: int | None
) -> Grid:
    """Axes around the published values, at the edges of attacks and among the values of other groups.

    `given` are values for thresholds by name or by their whole text. `steps` is the number of values an axis; without
    it the grid has about `COMBINATIONS` points.
    """
    count = len(groups.thresholds)
    # The same number for each axis, so that their product is near COMBINATIONS.
    wanted = steps or max(LEAST_VALUES, min(MOST_GRID_VALUES, round(COMBINATIONS ** (1 / max(count, 1)))))
    return Grid(axes=tuple(build_threshold_axis(groups, j, malicious, given, wanted) for j in range(count)))


def build_threshold_axis(
    groups: LiftedGroups, j: int, malicious: npt.NDArray[np.bool_], given: Mapping[str, Sequence[float]], wanted: int
) -> tuple[float, ...]:
    """The values of one threshold, the loosest first, the published one among them."""
    threshold = groups.thresholds[j]
    chosen = given.get(str(threshold), given.get(threshold.name))
    if chosen is not None:
        return sort_by_strictness({*map(float, chosen), threshold.published}, threshold)
    values = groups.values[:, j]
    held = values[~np.isnan(values)]
    attack = values[:, malicious]
    attack = attack[~np.isnan(attack)]
    whole = bool(len(held)) and bool(np.all(held == np.round(held)))
    # Attacks have values of their own, which are few and would be lost among the others' ranks.
    candidates = choose_by_rank(np.unique(attack), wanted) + choose_by_rank(np.unique(held), wanted)
    nice = {round_literal(v, threshold, whole) for v in candidates} | {threshold.published}
    return sort_by_strictness(pick_values(sorted(nice), threshold.published, wanted), threshold)


def choose_by_rank(values: FloatArray, count: int) -> list[float]:
    """About `count` of the distinct values, evenly by rank."""
    if not len(values):
        return []
    return [float(v) for v in np.quantile(values, np.linspace(0, 1, min(count, len(values))), method="nearest")]


def round_literal(value: float, threshold: Threshold, whole: bool) -> float:
    """A literal that a person would write and for which the comparison still holds of the value."""
    loose = threshold.operation in (ops.greater, ops.less)
    if whole:
        return float(value) - (1 if threshold.operation == ops.greater else -1 if loose else 0)
    if value == 0 or not np.isfinite(value):
        return (0.01 if threshold.operation == ops.less else 0.0) if value == 0 else threshold.published
    # Two digits: 0.47 and not 0.46713.
    step = 10.0 ** (np.floor(np.log10(abs(value))) - 1)
    down = np.floor(value / step) if threshold.rising else np.ceil(value / step)
    if loose and down * step == value:
        down += -1 if threshold.rising else 1
    return float(f"{down * step:.12g}")


def pick_values(values: Sequence[float], published: float, wanted: int) -> set[float]:
    """As many of the values as wanted, evenly by rank, the published one always."""
    if len(values) <= wanted:
        return set(values)
    places = np.unique(np.linspace(0, len(values) - 1, wanted).round().astype(int))
    found = [values[i] for i in places]
    if published not in found:
        # In place of the nearest, so that the axis stays as long as it was asked to be.
        found[int(np.argmin([abs(v - published) for v in found]))] = published
    return set(found)


def sort_by_strictness(values: set[float], threshold: Threshold) -> tuple[float, ...]:
    """The values from the loosest to the strictest."""
    return tuple(sorted(values, reverse=not threshold.rising))
