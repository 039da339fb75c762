"""Variants of an attack along two axes, judged in one run: the edge between caught and missed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from itertools import product
from time import perf_counter

import numpy as np
import numpy.typing as npt

from harness.detection.engine import open_engine
from harness.detection.language import language
from harness.diagnostics import HarnessError, Source
from harness.record import record
from harness.scenario.scenario import Scenario
from harness.telemetry.events.event import Telemetry
from harness.telemetry.simulation.activity import BooleanArray
from harness.verdict.alerts import Alert
from harness.verdict.envelope_axis import Axis, AxisType
from harness.verdict.explain import Explanation
from harness.verdict.judge import Trial
from harness.verdict.store import TelemetryStore, compute_search_now
from harness.verdict.study.batch import Batch
from harness.verdict.study.ensemble import LabelledTrial, Variant, behaviours_of, lot

# All three chosen, no source; 2,500 variants with 1.39 million events took 9.7 s of CPU and 1 GB.
MOST_VARIANTS = 100_000
MOST_ENVELOPE_EVENTS = 20_000_000
MOST_REASONS = 6

AXIS_END_WORDS = {
    "every": ("slowest", "fastest"),
    "jitter": ("noisiest", "steadiest"),
    "lasting": ("longest", "shortest"),
    "start": ("latest start", "earliest start"),
    "times": ("most frequent", "rarest"),
    "repeats": ("most often", "rarest"),
    "apart": ("slowest", "fastest"),
}
"""What the largest and the smallest value of an axis are called."""


@record(kw_only=True)
class Reason:
    """A variant beside the edge, whether it is caught, and the explanation of its events."""

    cell: tuple[int, int]
    caught: bool
    explanation: Explanation
    alerts: tuple[Alert, ...] = ()


@record(kw_only=True)
class Envelope:
    """A map of variants: `caught[i, j]` is the one with the i-th value of `x` and the j-th of `y`.

    `rates` is the share caught of as many tries, each with chance of its own; `caught` is more than half of them.
    """

    rule: Source
    behaviour: str
    x: Axis
    y: Axis
    caught: BooleanArray
    rates: npt.NDArray[np.float64]
    events: int
    tries: int
    reasons: tuple[Reason, ...]
    seconds: float
    fixed: Mapping[str, object]
    conditions: Mapping[str, str] = field(default_factory=dict)

    @property
    def variants(self) -> int:
        """How many variants there are."""
        return int(self.caught.size) * self.tries

    def extremes(self) -> tuple[tuple[str, tuple[int, int]], ...]:
        """The caught variants that go farthest along each axis: the largest and the smallest value still caught."""
        found: list[tuple[str, tuple[int, int]]] = []
        for place, axis in enumerate((self.x, self.y)):
            hits = np.argwhere(self.caught)
            if len(hits) and axis.sort is not AxisType.CONDITION:
                most, least = AXIS_END_WORDS.get(axis.name, (f"largest {axis.name}", f"smallest {axis.name}"))
                numbers = np.asarray(axis.numbers)[hits[:, place]]
                for word, cell in ((most, hits[numbers.argmax()]), (least, hits[numbers.argmin()])):
                    found.append((f"{word} still caught", (int(cell[0]), int(cell[1]))))
        return tuple(found)


def judge_envelope(
    subject: LabelledTrial,
    x: Axis,
    y: Axis,
    *,
    lasting: timedelta | None = None,
    tries: int = 1,
    reasons: int = 4,
    seed: int | None = None,
) -> Envelope:
    """Judges every combination of two axes; the subject's scenario is what is varied, in its first step.

    Raises HarnessError for too many variants or events.
    """
    began = perf_counter()
    scenario = require_varied_scenario(subject)
    check_size(len(x) * len(y) * tries)
    cells = list(product(range(len(x)), range(len(y)))) * tries
    # A host of its own for each variant, or rules would group their events together.
    variants = [build_cell_variant(scenario, x, y, cell, f"{n:05d}", lasting) for n, cell in enumerate(cells)]
    caught, events = judge_variants(subject, variants, [merge_cell_conditions(subject, x, y, c) for c in cells], seed)
    rates = np.zeros((len(x), len(y)))
    # add.at and not +=, which counts a cell once that stands there often.
    np.add.at(rates, tuple(np.array(cells).T), np.array(caught) / tries)
    seen = rates > 0.5
    told = tuple(explain_variant(subject, x, y, c, lasting, seed) for c in beside_the_edge(seen)[:reasons])
    return Envelope(
        rule=subject.trial.rule.query,
        behaviour=scenario.body.simulate[0].behaviour,
        x=x,
        y=y,
        caught=seen,
        rates=rates,
        events=events,
        tries=tries,
        reasons=told,
        seconds=perf_counter() - began,
        fixed=dict(scenario.body.simulate[0].given),
        conditions=dict(subject.trial.conditions),
    )


def check_size(variants: int) -> None:
    """Raises HarnessError for more variants than can be held."""
    if variants > MOST_VARIANTS:
        raise HarnessError("too-many-variants", f"{variants} variants are more than {MOST_VARIANTS}")


def require_varied_scenario(subject: LabelledTrial) -> Scenario:
    """The scenario that is varied."""
    if subject.scenario is None or not subject.scenario.body.simulate:
        raise HarnessError("nothing-to-vary", "an envelope varies a scenario that simulates something")
    return subject.scenario


def build_cell_variant(
    scenario: Scenario, x: Axis, y: Axis, cell: tuple[int, int], host: str | None, going_on: timedelta | None
) -> Variant:
    """The variant of one cell; `start` is a delay after the scenario's start, `lasting` makes the number of times.

    Where it is varied how often something happens, the scenario's steps take turns: so many processes of a list.
    """
    given: dict[str, object] = {}
    later = timedelta(0)
    lasting = going_on
    in_turn = any(axis.sort in (AxisType.REPEATS, AxisType.APART) for axis in (x, y))
    repeats, apart = len(scenario.body.simulate) if in_turn else 1, None
    for axis, place in zip((x, y), cell, strict=True):
        value = axis.values[place]
        if axis.sort is AxisType.PARAMETER:
            given[axis.name] = value
        elif axis.sort is AxisType.START and isinstance(value, timedelta):
            later += value
        elif axis.sort is AxisType.LASTING and isinstance(value, timedelta):
            lasting = value
        elif axis.sort is AxisType.APART and isinstance(value, timedelta):
            apart = value
        elif axis.sort is AxisType.REPEATS and isinstance(value, int):
            repeats = value
    if lasting is not None:
        given["times"] = count_repetitions(scenario, given, lasting)
    return Variant(
        scenario=scenario, given=given, later=later, host=host, repeats=repeats, apart=apart, in_turn=in_turn
    )


def count_repetitions(scenario: Scenario, given: Mapping[str, object], lasting: timedelta) -> int:
    """`times` for a behaviour that lasts so long. Raises HarnessError where it has no `every` and `times`."""
    written = scenario.body.simulate[0]
    parameters = behaviours_of(scenario, {})[written.behaviour].parameters
    if "every" not in parameters or "times" not in parameters:
        message = f"behaviour `{written.behaviour}` has no `every` and `times` to go on for so long"
        raise HarnessError("nothing-to-vary", message, help="leave `lasting` out")
    default = parameters["every"].default
    every = parameters["every"].typed(given.get("every", written.given.get("every", default)))
    # The first one happens at once, so eight hours of one an hour are nine.
    return max(1, int(lasting / every) + 1)


def merge_cell_conditions(
    subject: LabelledTrial, x: Axis, y: Axis, cell: tuple[int, int]
) -> tuple[tuple[str, str], ...]:
    """The conditions of one cell."""
    found = dict(subject.trial.conditions)
    for axis, place in zip((x, y), cell, strict=True):
        if axis.sort is AxisType.CONDITION:
            found[axis.name] = str(axis.values[place])
    return tuple(sorted(found.items()))


def judge_variants(
    subject: LabelledTrial, variants: Sequence[Variant], under: Sequence[tuple[tuple[str, str], ...]], seed: int | None
) -> tuple[list[bool], int]:
    """Which variants are caught, in one run of the rule over all of them, and how many events they left."""
    groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for number, chosen in enumerate(under):
        groups.setdefault(chosen, []).append(number)
    order = [n for numbers in groups.values() for n in numbers]
    trial = subject.trial
    lots = [lot([variants[n] for n in numbers], dict(chosen), seed=seed) for chosen, numbers in groups.items()]
    connected = open_engine(trial.engine.name)
    try:
        batch = Batch(connected, language(trial.rule.language).platform, lots, raw=trial.query.raw)
        if batch.events > MOST_ENVELOPE_EVENTS:
            raise HarnessError("too-many-events", f"{batch.events} events are more than {MOST_ENVELOPE_EVENTS}")
        # One time for all variants, after the last event of any.
        now = trial.settings.now or max(compute_search_now(each.telemetry) for each in lots)
        settings = replace(trial.settings, now=now)
        alerts = batch.judged(lambda ask: trial.query.plan(batch.columns, replace(settings, ask=ask)))
    finally:
        connected.close()
    found = [False] * len(variants)
    for case, number in enumerate(order):
        found[number] = any(a.malicious for a in alerts[case])
    return found, batch.events


def beside_the_edge(caught: BooleanArray) -> list[tuple[int, int]]:
    """Cells on both sides of the edge, spread along it: a caught one, the missed one beside it, and so on."""
    pairs: list[tuple[tuple[int, int], tuple[int, int]]] = []
    for axis in (0, 1):
        moved = np.diff(caught.astype(np.int8), axis=axis) != 0
        for i, j in np.argwhere(moved).tolist():
            one, two = (i, j), (i + 1, j) if axis == 0 else (i, j + 1)
            pairs.append((one, two) if caught[one] else (two, one))
    if not pairs:
        # Without an edge one variant stands for all.
        middle = (caught.shape[0] // 2, caught.shape[1] // 2)
        return [middle] if caught.size else []
    # Spread along the edge: reasons of neighbours are alike.
    places = np.unique(np.linspace(0, len(pairs) - 1, MOST_REASONS).round().astype(int))
    return list(dict.fromkeys(cell for i in places for cell in pairs[i]))


def explain_variant(
    subject: LabelledTrial,
    x: Axis,
    y: Axis,
    cell: tuple[int, int],
    lasting: timedelta | None,
    seed: int | None,
) -> Reason:
    """What becomes of the events of one variant, simulated alone."""
    trial = subject.trial
    chosen = dict(merge_cell_conditions(subject, x, y, cell))
    assert subject.scenario is not None
    variant = build_cell_variant(subject.scenario, x, y, cell, None, lasting)

    def telemetry(under: Mapping[str, str]) -> Telemetry:
        return lot([variant], under, seed=seed).telemetry

    connected = open_engine(trial.engine.name)
    try:
        store = TelemetryStore(connected, telemetry)
        alone = Trial(rule=trial.rule, query=trial.query, store=store, conditions=chosen, settings=trial.settings)
        plan = alone.plan()
        alerts = alone.alerts(plan)
        return Reason(
            cell=cell, caught=any(a.malicious for a in alerts), explanation=alone.explanation(plan), alerts=alerts
        )
    finally:
        connected.close()
