"""Which values to try for each threshold, and the whole joint grid as cumulative counts.

A group alerts at a point of the grid where its comparisons turn out as some pattern says and that pattern passes. The
points where a comparison of a group is true are the first so many of its axis, for an axis runs from its loosest value
to its strictest; so the points of a pattern are a box, and boxes are counted by summing a histogram along each axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from harness.detection.plan import operations as ops
from harness.detection.plan.operation import Operation
from harness.record import record
from harness.telemetry.simulation.activity import BooleanArray
from harness.telemetry.simulation.schedule import FloatArray
from harness.verdict.tune.groups import LiftedGroups
from harness.verdict.tune.thresholds import Threshold

Counts = npt.NDArray[np.int64]


@record(kw_only=True)
class Grid:
    """Values to try for each threshold, the loosest first."""

    axes: tuple[tuple[float, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(a) for a in self.axes)

    @property
    def size(self) -> int:
        """How many combinations there are."""
        return int(np.prod(self.shape, dtype=np.int64))

    def point(self, cell: Sequence[int]) -> tuple[float, ...]:
        """The literals of one combination."""
        return tuple(axis[i] for axis, i in zip(self.axes, cell, strict=True))


class Cells:
    """Where in a grid each group alerts, ready to be counted for any part of the groups."""

    def __init__(self, groups: LiftedGroups, grid: Grid) -> None:
        """Finds for each pattern and group how many values of each axis its comparison is true for."""
        self.groups, self.grid = groups, grid
        self.reach = np.zeros(groups.values.shape, np.int64)
        self.live = groups.passes.copy()
        for p, pattern in enumerate(groups.patterns):
            for j, threshold in enumerate(groups.thresholds):
                values = groups.values[p, j]
                reach = count_true_from_loosest(threshold.operation, np.asarray(grid.axes[j]), values)
                self.reach[p, j] = reach
                # A box without a point: the comparison never turns out as the pattern says.
                self.live[p] &= reach > 0 if pattern[j] else reach < len(grid.axes[j])

    def counts(self, mask: BooleanArray) -> Counts:
        """For each combination how many of these groups alert."""
        shape = self.grid.shape
        total = np.zeros(shape, np.int64)
        for p, pattern in enumerate(self.groups.patterns):
            chosen = mask & self.live[p]
            if chosen.any():
                total += self.box_counts(self.reach[p][:, chosen], pattern)
        return total

    def box_counts(self, reach: Counts, pattern: BooleanArray) -> Counts:
        """How many boxes hold each combination; `reach` has a row an axis and a column a group."""
        shape = self.grid.shape
        places = [r - 1 if true else r for r, true in zip(reach, pattern, strict=True)]
        flat = np.ravel_multi_index(tuple(places), shape) if places else np.zeros(reach.shape[1], np.int64)
        found: Counts = np.bincount(flat, minlength=self.grid.size).astype(np.int64).reshape(shape)
        for axis, true in enumerate(pattern):
            # Cumulative sums count 10,000 combinations in milliseconds, where running the rule for each took
            # hours (reference/engine.md 3).
            found = np.flip(np.flip(found, axis).cumsum(axis), axis) if true else found.cumsum(axis)
        return found

    def anywhere(self, sets: Sequence[npt.NDArray[np.int64]]) -> Counts:
        """For each combination how many of these sets of groups have one that alerts."""
        alone = np.zeros(len(self.groups), bool)
        single = [s[0] for s in sets if len(s) == 1]
        total = np.zeros(self.grid.shape, np.int64)
        # Attacks of one group each can be counted like groups, as long as no two share one.
        if len(single) == len(set(single)):
            alone[single] = True
            total += self.counts(alone)
        else:
            sets = [*sets, *(np.array([s, s]) for s in single)]
        for several in sets:
            if len(several) > 1:
                mask = np.zeros(len(self.groups), bool)
                mask[several] = True
                total += self.counts(mask) > 0
        return total


def count_true_from_loosest(
    operation: Operation, axis: npt.NDArray[np.float64], values: npt.NDArray[np.float64]
) -> Counts:
    """For how many values of an axis, from its loosest on, a comparison of each value is true; 0 for NaN."""
    match operation:
        case ops.greater_equal:
            found = np.searchsorted(axis, values, side="right")
        case ops.greater:
            found = np.searchsorted(axis, values, side="left")
        case ops.less_equal:
            found = np.searchsorted(-axis, -values, side="right")
        case _:
            found = np.searchsorted(-axis, -values, side="left")
    # searchsorted takes NaN for the largest number; a comparison with null is never true.
    return np.where(np.isnan(values), 0, found).astype(np.int64)


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


def build_axis_between(
    groups: LiftedGroups, j: int, low: float, high: float, kept: set[float], wanted: int
) -> tuple[float, ...]:
    """Values of one threshold between two literals, of those that groups have there, and some literals besides."""
    threshold = groups.thresholds[j]
    values = groups.values[:, j]
    held = values[~np.isnan(values)]
    whole = bool(len(held)) and bool(np.all(held == np.round(held)))
    between = np.unique(held[(held >= low) & (held <= high)])
    found = {round_literal(v, threshold, whole) for v in choose_by_rank(between, max(1, wanted - len(kept)))}
    return sort_by_strictness({v for v in found if low <= v <= high} | kept, threshold)


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
