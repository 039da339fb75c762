"""A second opinion: what statistics of the waits between connections would see in the same events.

The rule counts connections in clock hours. These look at each pair of ends by itself: how regular the waits between its
connections are, and a score in the manner of RITA (activecm/rita), from our own reading of what it publishes: the mean
of the symmetry and the narrowness of the waits, how much of half a day the pair was seen, and how alike its hours are.
The sizes that RITA weighs too are not in these events. Both are ranked against the rule at its own false alerts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from harness.detection.engine import ResultRows
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Column, Expression, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Derive, Filter, Frame, Node, Sort, Window, walk_nodes
from harness.detection.plan.schema import columns_of
from harness.record import record
from harness.telemetry.platform import UNITS_PER_SECOND
from harness.telemetry.simulation.schedule import FloatArray
from harness.verdict.study.batch import ATTACK, Batch
from harness.verdict.study.isolation import CASE_COLUMN
from harness.verdict.study.population import WatchedPopulation
from harness.verdict.tune.groups import as_numbers
from harness.verdict.tune.observations import attack_numbers
from harness.verdict.tune.thresholds import split_at_last_grouping

# RITA's unique_connection_threshold and the hours that it takes for ideal, as in activecm/rita's default configuration
# (reference/telemetry.md).
LEAST_CONNECTIONS = 4.0
HALF_A_DAY = 12.0
AT, WAIT, MIDDLE, OFF, HOUR = "@at", "@wait", "@middle", "@off", "@hour"


@record(kw_only=True)
class Opinion:
    """A statistic: how many attacks it ranks above all but so many benign pairs, and how well it ranks at all.

    `area` is the chance that it ranks an attack above a benign pair, NaN without either.
    """

    name: str
    caught: int
    attacks: int
    false_alerts: int
    area: float


@record(kw_only=True)
class ScoredPairs:
    """Pairs of ends, scored; `members` are for each attack the places of its pairs."""

    scores: Mapping[str, FloatArray]
    malicious: npt.NDArray[np.bool_]
    members: tuple[npt.NDArray[np.int64], ...]


def opinions(batch: Batch, root: Node, watched: WatchedPopulation, false_alerts: int) -> tuple[Opinion, ...]:
    """Each statistic at as many false alerts as the rule has; nothing where the plan has no pairs or no times."""
    found = score_pairs(batch, root, watched)
    if found is None or not len(found.malicious):
        return ()
    return tuple(opinion(name, scores, found, false_alerts) for name, scores in found.scores.items())


def opinion(name: str, scores: FloatArray, found: ScoredPairs, false_alerts: int) -> Opinion:
    """One statistic, cut where it has that many benign pairs above it."""
    benign = np.sort(scores[~found.malicious])[::-1]
    # The first benign pair that is one too many.
    cut = benign[false_alerts] if false_alerts < len(benign) else -np.inf
    caught = sum(bool((scores[m] > cut).any()) for m in found.members if len(m))
    bad = scores[found.malicious]
    area = float("nan")
    if len(bad) and len(benign):
        rising = benign[::-1]
        below, ties = np.searchsorted(rising, bad, "left"), np.searchsorted(rising, bad, "right")
        # The area under the ROC curve as Mann and Whitney's statistic; ties count half.
        area = float((below + (ties - below) / 2).mean() / len(benign))
    return Opinion(name=name, caught=caught, attacks=len(found.members), false_alerts=false_alerts, area=area)


def score_pairs(batch: Batch, root: Node, watched: WatchedPopulation) -> ScoredPairs | None:
    """The pairs of ends among the events that the rule lets into its first grouping, scored."""
    keyed = find_first_grouping(root)
    if keyed is None:
        return None
    source, keys, time, per_second = keyed
    isolate = batch.isolation({ATTACK: ops.gather})
    seconds = ops.divide(Column(time), Literal(per_second))
    base = Derive(source=isolate(source), columns=(*keys, (AT, seconds)))
    names = (*((CASE_COLUMN,) if batch.size > 1 else ()), *(n for n, _ in keys))
    waits = batch.rows(waits_of(base, names))
    hours = batch.rows(hours_of(base, names))
    return score_waits(waits, hours, names, watched)


def find_first_grouping(root: Node) -> tuple[Node, tuple[tuple[str, Expression], ...], str, float] | None:
    """The events under the first grouping, the keys that the last one still has, and the column of time."""
    first = next((n for n in walk_nodes(root) if isinstance(n, Aggregate)), None)
    _, last = split_at_last_grouping(root)
    if first is None or not isinstance(last, Aggregate):
        return None
    # The rule's hour is no part of a pair: only keys that the last grouping still has are.
    kept = {n for n, _ in last.keys}
    keys = tuple((f"@key{i}", e) for i, (n, e) in enumerate(first.keys) if n in kept)
    time = next((n for n in UNITS_PER_SECOND if n in columns_of(first.source)), None)
    return (first.source, keys, time, UNITS_PER_SECOND[time]) if keys and time else None


def waits_of(base: Node, names: Sequence[str]) -> Node:
    """For each pair the quartiles of its waits, their spread, and from when to when it was seen."""
    by = tuple(Column(n) for n in names)
    sort = Sort(source=base, keys=(SortKey(Column(AT)),))
    lag = Window(
        source=sort,
        partition=by,
        measures=(("@last", ops.lag(Column(AT), Literal(1.0))),),
        frame=Frame.RUNNING,
    )
    waited = Derive(source=lag, columns=((WAIT, ops.subtract(Column(AT), Column("@last"))),))
    middle = Window(source=waited, partition=by, measures=((MIDDLE, quantile(WAIT, 0.5)),))
    off = ops.abs(ops.subtract(Column(WAIT), Column(MIDDLE)))
    spread = Derive(source=middle, columns=((OFF, off),))
    measures = (
        ("count", ops.count()),
        ("low", quantile(WAIT, 0.25)),
        ("middle", quantile(WAIT, 0.5)),
        ("high", quantile(WAIT, 0.75)),
        ("off", quantile(OFF, 0.5)),
        ("mean", ops.mean(Column(WAIT))),
        ("deviation", ops.stdev_population(Column(WAIT))),
        ("first", ops.minimum(Column(AT))),
        ("last", ops.maximum(Column(AT))),
        (ATTACK, ops.gather(Column(ATTACK))),
    )
    grouped = Aggregate(source=spread, keys=tuple((n, Column(n)) for n in names), measures=measures)
    return Filter(source=grouped, condition=ops.greater_equal(Column("count"), Literal(LEAST_CONNECTIONS)))


def hours_of(base: Node, names: Sequence[str]) -> Node:
    """For each pair how its connections spread over the clock hours that have some."""
    hour = ops.floor(ops.divide(Column(AT), Literal(3600.0)))
    keys = tuple((n, Column(n)) for n in names)
    hourly = Aggregate(source=base, keys=(*keys, (HOUR, hour)), measures=(("n", ops.count()),))
    measures = (
        ("mean", ops.mean(Column("n"))),
        ("deviation", ops.stdev_population(Column("n"))),
        ("count", ops.sum(Column("n"))),
    )
    grouped = Aggregate(source=hourly, keys=keys, measures=measures)
    return Filter(source=grouped, condition=ops.greater_equal(Column("count"), Literal(LEAST_CONNECTIONS)))


def quantile(name: str, fraction: float) -> Aggregation:
    """A quantile of a column."""
    return Aggregation(ops.percentile, (Column(name), Literal(fraction)))


def score_waits(waits: ResultRows, hours: ResultRows, names: Sequence[str], watched: WatchedPopulation) -> ScoredPairs:
    """Both statistics of each pair, 0 where the waits say nothing and 1 where they could not be more regular."""
    by_hour = {row[: len(names)]: row for row in hours.rows}
    at = {n: i for i, n in enumerate(hours.columns)}
    alike = [by_hour[row[: len(names)]] for row in waits.rows]
    mean = as_numbers([r[at["mean"]] for r in alike])
    deviation = as_numbers([r[at["deviation"]] for r in alike])
    hourly = np.clip(1 - divide_or_one(deviation, mean), 0, 1)
    numbers = [attack_numbers(v) for v in waits.column(ATTACK)]
    members: dict[int, list[int]] = {}
    for place, several in enumerate(numbers):
        for number in several:
            members.setdefault(number, []).append(place)
    column = {
        n: as_numbers(waits.column(n)) for n in ("low", "middle", "high", "off", "mean", "deviation", "first", "last")
    }
    regular = np.clip(1 - divide_or_one(column["deviation"], column["mean"]), 0, 1)
    return ScoredPairs(
        scores={"regularity of waits": regular, "RITA-like score": rita_like(column, hourly)},
        malicious=np.array([bool(n) for n in numbers], bool),
        members=tuple(np.array(members.get(a.number, []), np.int64) for a in watched.attacks),
    )


def rita_like(column: Mapping[str, FloatArray], hourly: FloatArray) -> FloatArray:
    """The mean of three parts from 0 to 1: timing (symmetry and narrowness of waits), how long, how alike hours are."""
    low, middle, high = column["low"], column["middle"], column["high"]
    spread = high - low
    # Quartiles that coincide make the skewness 1 or -1 of what is all but constant; it is set to 0 there, as in RITA.
    lopsided = (middle == low) | (middle == high)
    skew = np.where((spread > 0) & ~lopsided, (low + high - 2 * middle) / np.where(spread > 0, spread, 1), 0.0)
    narrow = np.clip(1 - divide_or_one(column["off"], middle), 0, 1)
    timing = ((1 - np.abs(skew)) + narrow) / 2
    lasting = np.clip((column["last"] - column["first"]) / 3600 / HALF_A_DAY, 0, 1)
    # Equal weights, as RITA's four have.
    found: FloatArray = (timing + lasting + hourly) / 3
    return found


def divide_or_one(part: FloatArray, whole: FloatArray) -> FloatArray:
    """A ratio; 1 where the whole is nothing."""
    found: FloatArray = np.where(whole > 0, part / np.where(whole > 0, whole, 1), 1.0)
    return found
