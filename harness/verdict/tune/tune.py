"""Every combination of thresholds judged: the front, the recommendation, how far each attack is from the edge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from time import perf_counter

import numpy as np
import numpy.typing as npt

from harness.detection.plan import operations as ops
from harness.diagnostics import HarnessError, Source, did_you_mean, mend
from harness.verdict.study.ensemble import Ensemble, LabelledTrial
from harness.verdict.study.population import LEAST_SECONDS, AttackInBatch, WatchedPopulation
from harness.verdict.tune.allowlist import AllowlistEntry, entries
from harness.verdict.tune.grid import grid
from harness.verdict.tune.groups import LiftedGroups, select_varied_thresholds
from harness.verdict.tune.observations import PER_HOSTS, Observations, Point, Surface, observe
from harness.verdict.tune.regularity import Opinion, opinions
from harness.verdict.tune.thresholds import Threshold, find_thresholds

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


def select_within_budget(gain: npt.ArrayLike, cost: npt.ArrayLike, budget: float) -> Indices:
    """Places of the points with the most gain among those whose cost is within a budget, and of these the cheapest."""
    gains, costs = np.ravel(np.asarray(gain, np.float64)), np.ravel(np.asarray(cost, np.float64))
    affordable = np.flatnonzero(costs <= budget)
    if not len(affordable):
        return np.zeros(0, np.int64)
    most = affordable[gains[affordable] == gains[affordable].max()]
    cheapest: Indices = most[costs[most] == costs[most].min()]
    return cheapest


# Chosen, no source: each value is judged over all groups of the attack.
MOST_CANDIDATES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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


# Chosen, no source: a table that fits on a screen.
MOST_ON_FRONT = 25
# As many as a grid has points by default.
MOST_ALIKE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a person may choose: values for thresholds by name, values an axis, a budget, how sure, how much besides.

    `budget` is in false alerts a day and 1,000 hosts.
    """

    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    steps: int | None = None
    budget: float | None = None
    confidence: float = 0.95
    seed: int = 0
    exclusions: bool = True
    opinions: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """Everything that was found out about a rule's thresholds.

    `thresholds` are all of them, `varied` those of the grid. `front` are the points that no other beats, the cheapest
    first. `recommended` is the one for the budget, or without a budget the cheapest that catches as much as any.
    """

    rule: Source
    thresholds: tuple[Threshold, ...]
    varied: tuple[Threshold, ...]
    population: WatchedPopulation
    groups: int
    combinations: int
    published: Point
    front: tuple[Point, ...]
    recommended: Point | None
    budget: float | None
    confidence: float
    margins: tuple[Margin, ...]
    exclusions: tuple[AllowlistEntry, ...]
    opinions: tuple[Opinion, ...]
    surface: Surface
    seconds: float
    grid_seconds: float
    remarks: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[tuple[Threshold, float], ...]:
        """Literals that the recommended point changes."""
        if self.recommended is None:
            return ()
        pairs = zip(self.varied, self.recommended.values, strict=True)
        return tuple((t, v) for t, v in pairs if v != t.published)

    @property
    def mended(self) -> str:
        """The rule's text with only these literals changed."""
        return mend(self.rule, [t.edit(v) for t, v in self.changes])

    @property
    def diff(self) -> str:
        """The change of the text, as a patch."""
        old, new = (text.splitlines(keepends=True) for text in (self.rule.text, self.mended))
        lines = unified_diff(list(old), list(new), self.rule.name, self.rule.name)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def tune(subjects: Sequence[LabelledTrial], wishes: Wishes | None = None) -> Tuning:
    """Judges every combination of a rule's thresholds on telemetry that is loaded and grouped once."""
    wanted = wishes or Wishes()
    began = perf_counter()
    with Ensemble(subjects) as ensemble:
        root = ensemble.plan.node
        # Found in the plan and not in the text: a macro's or a sub-query's thresholds count as well.
        thresholds = find_thresholds(root)
        chosen = select_varied_thresholds(thresholds)
        rule = subjects[0].trial.rule.query
        check_wishes(chosen, thresholds, rule, wanted)
        observed = observe(ensemble.batch, root, chosen, ensemble.watched)
        grouped = perf_counter()
        surface = observed.surface(grid(observed.groups, observed.malicious, wanted.values, wanted.steps))
        grid_seconds = perf_counter() - grouped
        published = measure_point(observed, observed.groups.published, wanted)
        entries_found = entries(ensemble.batch, root, observed) if wanted.exclusions and published.false_alerts else ()
        found = opinions(ensemble.batch, root, observed.population, published.false_alerts) if wanted.opinions else ()
        return Tuning(
            rule=rule,
            thresholds=thresholds,
            varied=chosen,
            population=observed.population,
            groups=len(observed.groups),
            combinations=surface.grid.size,
            published=published,
            front=tuple(measure_point(observed, p, wanted) for p in front_points(surface, chosen)),
            recommended=choose_recommended_point(observed, surface, wanted),
            budget=wanted.budget,
            confidence=wanted.confidence,
            margins=margins(observed),
            exclusions=entries_found,
            opinions=found,
            surface=surface,
            seconds=perf_counter() - began,
            grid_seconds=grid_seconds,
            remarks=tuple(list_remarks(observed, published)),
        )


def check_wishes(chosen: Sequence[Threshold], thresholds: Sequence[Threshold], rule: Source, wishes: Wishes) -> None:
    """Raises HarnessError where the rule has no threshold to vary, or a value is for a threshold that it has not."""
    if not chosen:
        why = "; ".join(f"`{t}`: {t.fixed}" for t in thresholds)
        message = "the rule compares no aggregated value with a number that could be varied" + (
            f" ({why})" if why else ""
        )
        from_start = rule.whole()
        raise HarnessError("no-threshold", f"{from_start}: {message}", help="`detlab mutate` studies rules of any kind")
    names = {t.name for t in chosen} | {str(t) for t in chosen}
    for name in wishes.values:
        if name not in names:
            hint = did_you_mean(name, names) or f"there are {', '.join(f'`{t}`' for t in chosen)}"
            raise HarnessError("unknown-threshold", f"the rule has no threshold `{name}`", help=hint)


def measure_point(observed: Observations, values: Sequence[float], wishes: Wishes) -> Point:
    """The rule at some literals."""
    return observed.point(values, confidence=wishes.confidence, seed=wishes.seed)


def front_points(surface: Surface, thresholds: Sequence[Threshold]) -> list[tuple[float, ...]]:
    """The points on the Pareto front of attacks caught and false alerts; of a long front an even choice.

    Of combinations that come out alike the one stands there that changes the published literals least.
    """
    gains, costs = surface.caught.ravel(), surface.false_alerts.ravel()
    places = front(gains, costs)
    if len(places) > MOST_ON_FRONT:
        places = places[np.unique(np.linspace(0, len(places) - 1, MOST_ON_FRONT).round().astype(int))]
    found = []
    for place in places.tolist():
        alike = np.flatnonzero((gains == gains[place]) & (costs == costs[place]))[:MOST_ALIKE]
        found.append(least_changed(surface, alike.tolist(), thresholds))
    return found


def least_changed(surface: Surface, places: Sequence[int], thresholds: Sequence[Threshold]) -> tuple[float, ...]:
    """Of these combinations the one nearest to the published literals."""
    shape = surface.grid.shape
    points = [surface.grid.point(tuple(map(int, np.unravel_index(p, shape)))) for p in places]
    return min(points, key=lambda p: measure_literal_distance(p, thresholds))


def choose_recommended_point(observed: Observations, surface: Surface, wishes: Wishes) -> Point | None:
    """The point that catches most within the budget; of equally good ones the one that changes least.

    Without attacks there is nothing to catch and so nothing to recommend.
    """
    if not len(observed.members):
        return None
    # Where nothing was watched every rate is out of reach of any budget, instead of a division by zero.
    rate = surface.false_alerts / max(observed.population.host_days, 1e-12) * PER_HOSTS
    places = select_within_budget(surface.caught, rate, np.inf if wishes.budget is None else wishes.budget)
    if not len(places):
        return None
    return measure_point(observed, least_changed(surface, places.tolist(), observed.thresholds), wishes)


def measure_literal_distance(point: Sequence[float], thresholds: Sequence[Threshold]) -> tuple[int, float]:
    """How many literals differ from the published ones, and by how much in parts of themselves."""
    parts = [abs(v - t.published) / max(abs(t.published), 1e-12) for v, t in zip(point, thresholds, strict=True)]
    # Fewer changed literals before smaller changes: a reviewer reads literals.
    return sum(p > 0 for p in parts), sum(parts)


def list_remarks(observed: Observations, published: Point) -> list[str]:
    """What a reader has to know to believe the numbers."""
    found = [
        "an alert is a row of one search over the whole time; a rule that runs every hour alerts again as long as its "
        "window holds the events (`detlab latency`)"
    ]
    watched = observed.population
    if min(watched.days.values(), default=1.0) * 86400 <= LEAST_SECONDS:
        found.append(
            "some hosts were watched for less than an hour and count as watched for one: rates a day are rough"
        )
    hosts = len({u for u, b in zip(observed.unit_of.tolist(), observed.malicious.tolist(), strict=True) if not b})
    # The usual rule of thumb for resampling; no other source.
    if hosts < 30:
        found.append(f"hosts with groups that rest on no attack: {hosts}; intervals of false alerts are rough")
    if not watched.attacks:
        found.append("the telemetry has no attack: recall is unknown")
    limit = observed.groups.limit
    if limit is not None and published.alerts > limit:
        found.append(f"the rule cuts its result to {limit} rows of {published.alerts}: the grid does not cut")
    return found
