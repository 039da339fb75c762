"""Which of all points to look at: the front that no other beats, its knee, and the best one for an objective."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from harness.record import record
from harness.telemetry.simulation.schedule import FloatArray
from harness.verdict.study.population import Unit
from harness.verdict.tune.grid import COMBINATIONS, LEAST_VALUES, Grid, build_axis_between
from harness.verdict.tune.groups import LiftedGroups
from harness.verdict.tune.observations import PER_HOSTS, Observations, Point, Surface
from harness.verdict.tune.reruns import Tried

Indices = npt.NDArray[np.int64]


def front(gain: npt.ArrayLike, cost: npt.ArrayLike) -> Indices:
    """Places of the points on the front, the cheapest first; of equal points the first."""
    gains, costs = np.ravel(np.asarray(gain)), np.ravel(np.asarray(cost))
    # lexsort's last key counts first: cost, then gain, then place.
    order = np.lexsort((np.arange(len(gains)), -gains, costs))
    best = np.maximum.accumulate(gains[order])
    better = np.concatenate([[True], best[1:] > best[:-1]]) if len(order) else np.zeros(0, bool)
    found: Indices = order[better]
    return found


def find_knee(gain: Sequence[float], cost: Sequence[float]) -> int | None:
    """The place on a front that lies farthest above the line between its ends; None where it has no bend."""
    if len(gain) < 3:
        return None
    gains, costs = np.asarray(gain, np.float64), np.asarray(cost, np.float64)
    # Costs go over powers of ten: the bend is looked for where a reader of the plot sees it.
    across = np.log1p(costs - costs[0]) / np.log1p(costs[-1] - costs[0])
    above = (gains - gains[0]) / (gains[-1] - gains[0]) - across
    return int(above.argmax()) if above.max() > 0 else None


@record(kw_only=True)
class Objective:
    """What a person wants: at most so many false alerts a day and 1,000 hosts, at least such a share of attacks, or as
    little as possible of both where a missed attack costs as much as so many false alerts. None of them by default.
    """

    budget: float | None = None
    recall: float | None = None
    cost_ratio: float | None = None

    @property
    def given(self) -> bool:
        """Whether there is one."""
        return (self.budget, self.recall, self.cost_ratio) != (None, None, None)

    def best(self, caught: FloatArray, false_alerts: FloatArray, attacks: int, host_days: float) -> Indices:
        """Places of the points that serve it best; none where no point keeps the budget or the recall."""
        allowed = np.ones(len(caught), bool)
        worth = caught * 1.0
        if self.budget is not None:
            # Where nothing was watched every rate is out of reach of any budget, instead of a division by zero.
            allowed &= false_alerts / max(host_days, 1e-12) * PER_HOSTS <= self.budget
        if self.recall is not None:
            # Ten digits: 14 of 15 is 0.9333 as a person writes it.
            allowed &= caught >= np.ceil(self.recall * attacks - 1e-9)
            worth = -false_alerts * 1.0
        if self.cost_ratio is not None:
            worth = -((attacks - caught) * self.cost_ratio + false_alerts)
        places = np.flatnonzero(allowed)
        if not len(places):
            return np.zeros(0, np.int64)
        most = places[worth[places] == worth[places].max()]
        # Of equally good ones those that catch more, then those that are quieter.
        most = most[caught[most] == caught[most].max()]
        cheapest: Indices = most[false_alerts[most] == false_alerts[most].min()]
        return cheapest

    def __str__(self) -> str:
        words = []
        if self.budget is not None:
            words.append(f"at most {self.budget:g} false alerts a day and 1,000 hosts")
        if self.recall is not None:
            words.append(f"at least {100 * self.recall:g} % of the attacks")
        if self.cost_ratio is not None:
            words.append(f"a missed attack costs as much as {self.cost_ratio:g} false alerts")
        return " and ".join(words)


@record(kw_only=True)
class GridSetting:
    """A point of the study: which text was run, and the literals of its thresholds."""

    tried: Tried
    literals: tuple[float, ...]

    @property
    def values(self) -> tuple[float, ...]:
        """All numbers: thresholds of the grid first, then those that took a run of their own."""
        return (*self.literals, *self.tried.numbers)


@record(kw_only=True)
class Choice:
    """The setting for an objective: how it does on the part that it was chosen on, and on the part held out.

    Without `held_out` there was too little to hold any out, and it was chosen on all.
    """

    setting: GridSetting
    on: Point
    held_out: Point | None
    attacks: tuple[int, int]
    hosts: tuple[int, int]


# Chosen, no source: with fewer a half would say nothing of the other.
LEAST_ATTACKS_TO_SPLIT = 4


def split_units(observed: Observations, seed: int) -> frozenset[Unit] | None:
    """A half of the hosts to choose on, with a half of those that were attacked; None where there are too few."""
    attacked = np.unique(observed.attack_units)
    if len(attacked) < LEAST_ATTACKS_TO_SPLIT:
        return None
    half: set[Unit] = set()
    rest = np.setdiff1d(np.arange(len(observed.units)), attacked)
    for places in (attacked, rest):
        # By a digest of the name: the same hosts whatever else is in the study.
        order = sorted(places.tolist(), key=lambda i: hashlib.sha256(f"{seed} {observed.units[i]}".encode()).digest())
        half |= {observed.units[i] for i in order[::2]}
    return frozenset(half)


@dataclass(slots=True, kw_only=True)
class Candidates:
    """All points of all texts that were run, on some part of the hosts."""

    tried: Sequence[Tried]
    grid: Grid
    published: tuple[float, ...]
    numbers: tuple[float, ...]
    part: frozenset[Unit] | None = None
    caught: FloatArray = field(init=False)
    false_alerts: FloatArray = field(init=False)
    distance: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        surfaces = [self.surface(t) for t in self.tried]
        self.caught = np.concatenate([s.caught.ravel() for s in surfaces]).astype(np.float64)
        self.false_alerts = np.concatenate([s.false_alerts.ravel() for s in surfaces]).astype(np.float64)
        own = measure_grid_distance(self.grid, self.published)
        self.distance = np.concatenate([own + measure_literal_distance(t.numbers, self.numbers) for t in self.tried])

    def surface(self, tried: Tried) -> Surface:
        """What a text gives at every point, on this part of the hosts."""
        if self.part is None and tried.surface.grid is self.grid:
            return tried.surface
        return tried.observed.surface(self.grid, None if self.part is None else tried.observed.mask(self.part))

    def setting(self, places: Indices) -> GridSetting:
        """Of these points the one that changes the published numbers least."""
        place = int(places[self.distance[places].argmin()])
        which, cell = divmod(place, self.grid.size)
        at = tuple(int(i) for i in np.unravel_index(cell, self.grid.shape)) if self.grid.shape else ()
        return GridSetting(tried=self.tried[which], literals=self.grid.point(at))

    def on_front(self, most: int) -> list[GridSetting]:
        """The points that no other beats, the cheapest first; of a long front an even choice."""
        places = front(self.caught, self.false_alerts)
        if len(places) > most:
            places = places[np.unique(np.linspace(0, len(places) - 1, most).round().astype(int))]
        return [
            self.setting(np.flatnonzero((self.caught == self.caught[p]) & (self.false_alerts == self.false_alerts[p])))
            for p in places.tolist()
        ]


def sharpen_front(candidates: Candidates, settings: Sequence[GridSetting]) -> list[GridSetting]:
    """A front whose points catch as much for fewer false alerts, where values between those of the grid do so."""
    found: list[tuple[float, float, GridSetting]] = []
    for setting in settings:
        finer = zoom(setting.tried.observed.groups, candidates.grid, setting.literals)
        own = replace(candidates, tried=[setting.tried], grid=finer)
        allowed = np.flatnonzero(own.caught >= own.caught[find_grid_place(finer, setting.literals)])
        least = allowed[own.false_alerts[allowed] == own.false_alerts[allowed].min()]
        sharp = own.setting(least[own.caught[least] == own.caught[least].max()])
        place = find_grid_place(finer, sharp.literals)
        found.append((float(own.caught[place]), float(own.false_alerts[place]), sharp))
    kept = front([c for c, _, _ in found], [f for _, f, _ in found]) if found else ()
    return [found[i][2] for i in kept]


def find_grid_place(grid: Grid, literals: Sequence[float]) -> int:
    """The place of a point in a grid that holds it."""
    at = tuple(values.index(v) for values, v in zip(grid.axes, literals, strict=True))
    return int(np.ravel_multi_index(at, grid.shape)) if at else 0


# A changed literal counts more than any change of another: a reviewer reads literals.
CHANGED = 1e6


def measure_grid_distance(grid: Grid, published: Sequence[float]) -> FloatArray:
    """For each combination how much it changes."""
    total = np.zeros(grid.shape)
    for axis, (values, own) in enumerate(zip(grid.axes, published, strict=True)):
        each = np.array([measure_literal_distance([v], [own]) for v in values])
        total = total + each.reshape([-1 if i == axis else 1 for i in range(len(grid.shape))])
    found: FloatArray = total.ravel()
    return found


def measure_literal_distance(values: Sequence[float], published: Sequence[float]) -> float:
    """How many numbers differ from the published ones, and by how much in parts of themselves."""
    parts = [abs(v - p) / max(abs(p), 1e-12) for v, p in zip(values, published, strict=True)]
    return sum(CHANGED * (p > 0) + min(p, CHANGED / 100) for p in parts)


# Chosen, no source: each time the steps around the chosen literals become so much finer.
ZOOMS = 3


def choose_for_objective(
    candidates: Candidates, objective: Objective, observed: Observations, seed: int, confidence: float
) -> Choice | None:
    """The best setting for an objective, chosen on one half of hosts and attacks and scored on the other.

    Around what is chosen on the grid the values of the groups themselves are tried, finer each time. Nothing is chosen
    without an objective.
    """
    if not objective.given:
        return None
    part = split_units(observed, seed)
    mask = np.ones(len(observed.units), bool) if part is None else observed.mask(part)
    attacks = int(mask[observed.attack_units].sum())
    days = float(observed.host_days[mask].sum())
    own = replace(candidates, part=part)
    setting: GridSetting | None = None
    for _ in range(1 + ZOOMS):
        places = objective.best(own.caught, own.false_alerts, attacks, days)
        if not len(places):
            return None
        setting = own.setting(places)
        finer = zoom(setting.tried.observed.groups, own.grid, setting.literals)
        if finer.shape == own.grid.shape and finer.axes == own.grid.axes:
            break
        own = replace(own, tried=[setting.tried], grid=finer)
    assert setting is not None
    scored = setting.tried.observed
    mine = None if part is None else scored.mask(part)
    held = None
    if mine is not None:
        held = scored.point(setting.literals, confidence=confidence, seed=seed, part=~mine)
    return Choice(
        setting=setting,
        on=scored.point(setting.literals, confidence=confidence, seed=seed, part=mine),
        held_out=held,
        attacks=(attacks, len(observed.members) - attacks),
        hosts=(int(mask.sum()), int((~mask).sum())),
    )


def zoom(groups: LiftedGroups, grid: Grid, literals: Sequence[float]) -> Grid:
    """Axes between the neighbours of these literals, of the values that groups have there."""
    wanted = max(LEAST_VALUES, round(COMBINATIONS ** (1 / max(len(literals), 1))))
    axes = []
    for j, (values, literal) in enumerate(zip(grid.axes, literals, strict=True)):
        place = values.index(literal)
        around = values[max(0, place - 1) : place + 2]
        axes.append(build_axis_between(groups, j, min(around), max(around), {literal, *around}, wanted))
    return Grid(axes=tuple(axes))


def name_values(names: Sequence[str], values: Sequence[float]) -> Mapping[str, float]:
    """Numbers by what they are called; of two that are called alike the second has its place behind it."""
    found: dict[str, float] = {}
    for place, (name, value) in enumerate(zip(names, values, strict=True), 1):
        found[name if name not in found else f"{name} ({place})"] = value
    return found
