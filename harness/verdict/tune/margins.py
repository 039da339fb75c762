"""How far each attack is from being caught or lost: the value at which one threshold alone changes its fate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from harness.detection.plan import operations as ops
from harness.record import record
from harness.verdict.study.population import AttackInBatch
from harness.verdict.tune.groups import LiftedGroups
from harness.verdict.tune.observations import Observations
from harness.verdict.tune.thresholds import Threshold

# Chosen, no source: each value is judged over all groups of the attack.
MOST_CANDIDATES = 60


@record(kw_only=True)
class Edge:
    """A threshold and the value that an attack reaches in it: the literal at which its fate changes.

    `gain` says that changing this literal alone catches the attack, otherwise that it loses it.
    """

    threshold: Threshold
    reached: float
    gain: bool

    @property
    def room(self) -> float:
        """How far away the edge is, in parts of the published literal."""
        return abs(self.reached - self.threshold.published) / max(abs(self.threshold.published), 1e-12)


@record(kw_only=True)
class Margin:
    """An attack, whether the rule as published catches it, and its edges, the nearest first.

    Without an edge no single literal changes its fate; without groups it never reaches the thresholds at all.
    """

    attack: AttackInBatch
    caught: bool
    groups: int
    edges: tuple[Edge, ...]


def margins(observed: Observations) -> tuple[Margin, ...]:
    """The margin of every attack at the published literals."""
    published = observed.groups.published
    alerting = observed.groups.judged(published)
    found = []
    for attack, members in zip(observed.population.attacks, observed.members, strict=True):
        caught = bool(alerting[members].any())
        own = take_groups(observed.groups, members)
        edges = [e for j in range(len(published)) if (e := find_edge(own, j, published, caught)) is not None]
        edges.sort(key=lambda e: e.room)
        found.append(Margin(attack=attack, caught=caught, groups=len(members), edges=tuple(edges)))
    return tuple(found)


def take_groups(groups: LiftedGroups, places: npt.NDArray[np.int64]) -> LiftedGroups:
    """The groups at these places; `fields` stays whole."""
    return replace(groups, values=groups.values[:, :, places], passes=groups.passes[:, places])


def find_edge(groups: LiftedGroups, j: int, published: Sequence[float], caught: bool) -> Edge | None:
    """Where the attack's fate changes if only threshold `j` does."""
    threshold = groups.thresholds[j]
    values = np.unique(groups.values[:, j])
    values = values[~np.isnan(values)]
    if len(values) > MOST_CANDIDATES:
        values = np.quantile(values, np.linspace(0, 1, MOST_CANDIDATES), method="nearest")
    kept: list[float] = []
    for value in values:
        literal = literal_at(threshold, float(value))
        if groups.judged([*published[:j], literal, *published[j + 1 :]]).any():
            kept.append(float(value))
    if not caught:
        near = sorted(kept, key=lambda v: abs(v - threshold.published))
        return Edge(threshold=threshold, reached=near[0], gain=True) if near else None
    if not kept:
        return None
    last = max(kept) if threshold.rising else min(kept)
    beyond = literal_beyond(threshold, last)
    # Another group of the attack still alerts, so this literal alone does not lose it.
    if groups.judged([*published[:j], beyond, *published[j + 1 :]]).any():
        return None
    return Edge(threshold=threshold, reached=last, gain=False)


def literal_at(threshold: Threshold, value: float) -> float:
    """The strictest literal for which the comparison holds of a value."""
    if threshold.operation == ops.greater:
        # The next double: no literal between them could decide otherwise.
        return float(np.nextafter(value, -np.inf))
    return float(np.nextafter(value, np.inf)) if threshold.operation == ops.less else value


def literal_beyond(threshold: Threshold, value: float) -> float:
    """The loosest literal for which the comparison does not hold of a value."""
    if threshold.operation == ops.greater_equal:
        return float(np.nextafter(value, np.inf))
    return float(np.nextafter(value, -np.inf)) if threshold.operation == ops.less_equal else value


# Chosen, no source: beyond so many values that change nothing a range is wide enough to say so.
MOST_NEIGHBOURS = 40


def find_same_range(observed: Observations, values: Sequence[float], j: int) -> tuple[float, float]:
    """Between which literals of threshold `j` the same groups alert as at these values."""
    groups = observed.groups
    alerting = groups.judged(values)
    held = np.unique(groups.values[:, j])
    held = held[~np.isnan(held)]
    ends = []
    for side in (held[held < values[j]][::-1], held[held > values[j]]):
        last = values[j]
        for value in side[:MOST_NEIGHBOURS].tolist():
            if not np.array_equal(groups.judged([*values[:j], value, *values[j + 1 :]]), alerting):
                break
            last = value
        ends.append(last)
    return ends[0], ends[1]
