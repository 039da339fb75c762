"""What is known of each group: its host, its attacks; how sure a rate can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from statistics import NormalDist
from typing import Protocol

import numpy as np
import numpy.typing as npt

from harness.detection.engine import CellValue, ResultRows
from harness.detection.plan import operations as ops
from harness.detection.plan.nodes import Node
from harness.detection.plan.operation import Operation
from harness.record import record
from harness.telemetry.simulation.activity import BooleanArray
from harness.telemetry.simulation.schedule import FloatArray
from harness.verdict.study.batch import ATTACK, HOST_NUMBER, LAST_ATTACK, STUDY_COLUMNS
from harness.verdict.study.isolation import CASE_COLUMN, Isolation
from harness.verdict.study.population import Unit, WatchedPopulation
from harness.verdict.tune.grid import Cells, Counts, Grid
from harness.verdict.tune.groups import LiftedGroups, collect_groups
from harness.verdict.tune.thresholds import Threshold, split_at_last_grouping

# Usual for BCa intervals, whose ends lie far out in the tails.
RESAMPLES = 2000
# Chosen, no source: all resamples at once would be a matrix of 2,000 times the hosts.
CHUNK = 250
# Chosen, no source: among more of them most are alike.
MANY_HOSTS = 500


@record(kw_only=True)
class Estimate:
    """A ratio and the interval that holds the truth with the stated confidence; NaN where nothing can be said."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"

    @property
    def known(self) -> bool:
        """Whether there is a value at all."""
        return not np.isnan(self.value)


UNKNOWN_ESTIMATE = Estimate(value=float("nan"), low=float("nan"), high=float("nan"))


def ratio(
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    proportion: bool = False,
) -> Estimate:
    """Sum of `numerator` by sum of `denominator`, each with one value a host.

    The interval is the bias-corrected accelerated bootstrap over hosts (Efron 1987). Where all hosts agree that sees no
    spread: then it is the exact one for no, or no missing, occurrence among so many hosts (Clopper and Pearson).
    `proportion` says that the ratio lies between 0 and 1.
    """
    upper, lower = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    part = lower > 0 if proportion else np.ones(len(lower), bool)
    upper, lower = upper[part], lower[part]
    if not len(lower) or lower.sum() == 0:
        return UNKNOWN_ESTIMATE
    value = float(upper.sum() / lower.sum())
    if upper.sum() == 0 or (proportion and np.array_equal(upper, lower)):
        return estimate_unanimous(value, len(lower), lower, confidence, proportion=proportion)
    # One host tells nothing about others.
    if len(lower) < 2:
        return Estimate(value=value, low=0.0, high=1.0 if proportion else float("inf"))
    low, high = estimate_bootstrap(upper, lower, value, confidence, seed)
    return Estimate(value=value, low=low, high=min(high, 1.0) if proportion else high)


def estimate_unanimous(value: float, hosts: int, lower: FloatArray, confidence: float, *, proportion: bool) -> Estimate:
    """The interval where no host, or every host, showed it."""
    # Clopper and Pearson's upper end for 0 of n, solved for p.
    missed = 1 - ((1 - confidence) / 2) ** (1 / hosts)
    if value == 0:
        return Estimate(value=0.0, low=0.0, high=missed if proportion else float(missed * hosts / lower.sum()))
    return Estimate(value=value, low=1 - missed, high=1.0)


def estimate_bootstrap(
    upper: FloatArray, lower: FloatArray, value: float, confidence: float, seed: int
) -> tuple[float, float]:
    """Both ends of the bootstrap's interval."""
    drawn = np.sort(resample_ratio(upper, lower, seed))
    normal = NormalDist()
    # Half of the ties, since ratios of few hosts repeat.
    below = (np.count_nonzero(drawn < value) + np.count_nonzero(drawn == value) / 2) / len(drawn)
    # Kept off 0 and 1, where the normal quantile is infinite.
    bias = normal.inv_cdf(min(max(below, 1 / len(drawn)), 1 - 1 / len(drawn)))
    # The jackknife: the ratio without each host in turn; its skewness is Efron's acceleration.
    left_out = (upper.sum() - upper) / np.maximum(lower.sum() - lower, 1e-300)
    off = left_out.mean() - left_out
    spread = float((off**2).sum())
    skew = float((off**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    ends = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        at = bias + normal.inv_cdf(tail)
        place = normal.cdf(bias + at / (1 - skew * at)) if abs(skew * at) < 1 else tail
        ends.append(float(np.quantile(drawn, place)))
    return ends[0], ends[1]


def resample_ratio(upper: FloatArray, lower: FloatArray, seed: int) -> FloatArray:
    """The ratio in samples of as many hosts, drawn with replacement; samples without any denominator are left out."""
    if len(upper) > MANY_HOSTS:
        return resample_classes(upper, lower, seed)
    found = []
    for weights in draw_samples(len(upper), seed):
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append((weights @ upper) / (weights @ lower))
    drawn: FloatArray = np.concatenate(found)
    return drawn[np.isfinite(drawn)]


def resample_classes(upper: FloatArray, lower: FloatArray, seed: int) -> FloatArray:
    """The same where there are many hosts: those that are alike are drawn as one class."""
    pairs, counts = np.unique(np.stack([upper, lower]), axis=1, return_counts=True)
    weights = np.random.default_rng(seed).multinomial(len(upper), counts / len(upper), RESAMPLES)
    with np.errstate(invalid="ignore", divide="ignore"):
        drawn: FloatArray = (weights @ pairs[0]) / (weights @ pairs[1])
    return drawn[np.isfinite(drawn)]


# Kept, since every point of a study draws the same hosts again; with a thousand of them they are 8 MB.
@lru_cache(maxsize=4)
def draw_samples(hosts: int, seed: int) -> tuple[npt.NDArray[np.float32], ...]:
    """How often each host is drawn in each sample."""
    # Seeded: the same study gives the same interval.
    random = np.random.default_rng(seed)
    even = np.full(hosts, 1 / hosts)
    return tuple(random.multinomial(hosts, even, CHUNK).astype(np.float32) for _ in range(RESAMPLES // CHUNK))


GroupPlaces = npt.NDArray[np.int64]
# The unit of the rates: readable numbers for estates from a hundred to a hundred thousand hosts.
PER_HOSTS = 1000


@record(kw_only=True)
class Point:
    """What the rule does at some literals: alerts, attacks caught, and rates with their intervals.

    `alerts_a_day` counts all alerts, `false_alerts_a_day` those with no attack behind them, each a day and 1,000 hosts.
    """

    values: tuple[float, ...]
    alerts: int
    false_alerts: int
    caught: int
    precision: Estimate
    recall: Estimate
    alerts_a_day: Estimate
    false_alerts_a_day: Estimate


@record(kw_only=True)
class Observations:
    """Groups, and for each whether an attack has a part in it and the host-in-its-case that it belongs to.

    `members` are for each attack of the population the places of its groups.
    """

    groups: LiftedGroups
    population: WatchedPopulation
    malicious: BooleanArray
    units: tuple[Unit, ...]
    unit_of: GroupPlaces
    members: tuple[GroupPlaces, ...]

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """The thresholds that are varied."""
        return self.groups.thresholds

    def caught(self, alerting: BooleanArray) -> BooleanArray:
        """Which attacks have a group among those that alert."""
        return np.array([bool(alerting[m].any()) for m in self.members], bool)

    def point(
        self, values: Sequence[float], *, confidence: float = 0.95, seed: int = 0, part: BooleanArray | None = None
    ) -> Point:
        """The rule at these literals; with `part` on those units alone for which it is true."""
        alerting = self.groups.judged(values)
        caught = self.caught(alerting)
        size = len(self.units)
        if part is not None:
            alerting = alerting & part[self.unit_of]
            caught = caught & part[self.attack_units]
        every = np.bincount(self.unit_of[alerting], minlength=size)
        true = np.bincount(self.unit_of[alerting & self.malicious], minlength=size)
        where, days = self.attack_units, self.host_days / PER_HOSTS
        seen, present = np.bincount(where[caught], minlength=size), np.bincount(where, minlength=size)
        if part is not None:
            every, true, seen, present = (v[part] for v in (every, true, seen, present))
            days = days[part]
        return Point(
            values=tuple(values),
            alerts=int(alerting.sum()),
            false_alerts=int((alerting & ~self.malicious).sum()),
            caught=int(caught.sum()),
            precision=ratio(true, every, confidence=confidence, seed=seed, proportion=True),
            recall=ratio(seen, present, confidence=confidence, seed=seed, proportion=True),
            alerts_a_day=ratio(every, days, confidence=confidence, seed=seed),
            false_alerts_a_day=ratio(every - true, days, confidence=confidence, seed=seed),
        )

    def mask(self, part: frozenset[Unit]) -> BooleanArray:
        """Which of the units are among these."""
        return np.array([u in part for u in self.units], bool)

    @property
    def attack_units(self) -> GroupPlaces:
        """For each attack the place of its unit."""
        place = {u: i for i, u in enumerate(self.units)}
        return np.array([place[a.unit] for a in self.population.attacks], np.int64)

    @property
    def host_days(self) -> FloatArray:
        """For how many days each unit was watched."""
        return np.array([self.population.days.get(u, 0.0) for u in self.units], np.float64)

    def surface(self, grid: Grid, part: BooleanArray | None = None) -> Surface:
        """False alerts and attacks caught at every point of a grid; with `part` of those units alone."""
        cells = Cells(self.groups, grid)
        false, members = ~self.malicious, self.members
        if part is not None:
            false = false & part[self.unit_of]
            members = tuple(m for m, own in zip(members, part[self.attack_units], strict=True) if own)
        return Surface(grid=grid, false_alerts=cells.counts(false), caught=cells.anywhere(members))


@record(kw_only=True)
class Surface:
    """Counts at every point of a grid."""

    grid: Grid
    false_alerts: Counts
    caught: Counts


# Least and greatest instead of a list: with two numbers a group tuning costs little more than one run of the rule.
CHEAP_LABELS: Mapping[str, Operation] = {ATTACK: ops.minimum, LAST_ATTACK: ops.maximum, HOST_NUMBER: ops.minimum}
EXACT_LABELS: Mapping[str, Operation] = {ATTACK: ops.gather, HOST_NUMBER: ops.minimum}


class GroupSource(Protocol):
    """What a plan is run on: a batch of cases, a world, or groups that were kept."""

    def rows(self, node: Node) -> ResultRows:
        """The rows of a rewritten plan."""

    def isolation(self, carried: Mapping[str, Operation]) -> Isolation:
        """The rewriting that carries the labels of events up."""

    def host_name(self, value: CellValue) -> str:
        """The host that a cell of `@host_number` means."""


def observe(
    source: GroupSource,
    root: Node,
    thresholds: Sequence[Threshold],
    watched: WatchedPopulation,
    *,
    shown: bool = True,
) -> Observations:
    """Runs a plan once up to its last grouping, and labels the groups; with `shown` their own columns come along.

    Only where a group rests on several attacks, which is rare, it is run again to list them.
    """
    _, last = split_at_last_grouping(root)
    found = collect_groups(source.rows, root, source.isolation(CHEAP_LABELS)(last), thresholds, shown=shown)
    if found.fields.column(ATTACK) != found.fields.column(LAST_ATTACK):
        found = collect_groups(source.rows, root, source.isolation(EXACT_LABELS)(last), thresholds, shown=shown)
    return label_groups(found, watched, source.host_name)


def label_groups(
    found: LiftedGroups, watched: WatchedPopulation, host_name: Callable[[CellValue], str]
) -> Observations:
    """Groups with their hosts and attacks, which their hidden columns say."""
    columns = found.fields.columns
    size = len(found)
    cases = [int(float(str(c))) for c in found.fields.column(CASE_COLUMN)] if CASE_COLUMN in columns else [0] * size
    named: dict[CellValue, str] = {}
    for cell in found.fields.column(HOST_NUMBER):
        if cell not in named:
            named[cell] = host_name(cell)
    hosts = [named[h] for h in found.fields.column(HOST_NUMBER)]
    numbers = [attack_numbers(v) for v in found.fields.column(ATTACK)]
    of_groups = list(zip(cases, hosts, strict=True))
    # Hosts without a group are drawn too: a rate without the silent hosts would be too high.
    units = tuple(dict.fromkeys([*watched.days, *(a.unit for a in watched.attacks), *of_groups]))
    place = {u: i for i, u in enumerate(units)}
    members: dict[int, list[int]] = {}
    for at, several in enumerate(numbers):
        for number in several:
            members.setdefault(number, []).append(at)
    shown = [n for n in columns if n not in STUDY_COLUMNS]
    at_shown = [columns.index(n) for n in shown]
    rows = tuple(tuple(row[i] for i in at_shown) for row in found.fields.rows)
    return Observations(
        groups=replace(found, fields=type(found.fields)(tuple(shown), rows)),
        population=watched,
        malicious=np.array([bool(n) for n in numbers], bool),
        units=units,
        unit_of=np.array([place[u] for u in of_groups], np.int64),
        members=tuple(np.array(members.get(a.number, []), np.int64) for a in watched.attacks),
    )


def attack_numbers(value: CellValue) -> list[int]:
    """The attacks behind a group."""
    if value is None:
        return []
    return [int(float(v)) for v in value] if isinstance(value, list) else [int(float(value))]
