"""One rule against many scenarios or variants of one, each a case of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from functools import partial
from types import TracebackType
from typing import Self

from harness.detection.engine import Engine, open_engine
from harness.detection.language import Ask, Plan, Settings, language
from harness.detection.plan.nodes import is_same_plan
from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.pack import behaviour_folders
from harness.scenario.scenario import Expectation, Label, Outcome, Scenario
from harness.telemetry.events.event import merge_telemetry
from harness.telemetry.scenario_telemetry import resolve_scenario_start, step
from harness.telemetry.simulation.behaviour import Behaviours, load_behaviours
from harness.telemetry.simulation.simulate import ScheduledAction, simulate
from harness.verdict.alerts import Alert, describe_field_differences
from harness.verdict.judge import Trial
from harness.verdict.study.batch import Batch, Lot
from harness.verdict.study.population import WatchedPopulation, build_watched_population
from harness.verdict.study.world import WorldBatch
from harness.verdict.verdict import outcome
from harness.verdict.world_gaps import describe_world_gaps


@record(kw_only=True)
class LabelledTrial:
    """A rule set against telemetry, under a name to show, and what that telemetry is: an attack or not.

    Where a scenario with an expectation is behind it, both are given. Recorded events and worlds have neither: what is
    malicious in them is said by each event's cause. `same` are the names of others with the same telemetry,
    `malicious` says of a store by its fields which events are an attack's.
    """

    name: str
    label: Label
    trial: Trial
    scenario: Scenario | None = None
    expectation: Expectation | None = None
    same: tuple[str, ...] = ()
    malicious: Mapping[str, str] = field(default_factory=dict)

    @property
    def lot(self) -> Lot:
        """Its telemetry as one case of many."""
        trial = self.trial
        telemetry = trial.store.telemetry(trial.conditions)
        # What a scenario does is one attack, however many steps it has; in a world each cause is one.
        return Lot(telemetry=telemetry, conditions=trial.conditions, one_attack=self.scenario is not None)


class Ensemble:
    """Subjects of one rule in an engine of their own, and the plans that the rule means for them."""

    def __init__(self, subjects: Sequence[LabelledTrial], connected: Engine | None = None) -> None:
        """Loads all subjects. Raises HarnessError where there is none."""
        if not subjects:
            raise HarnessError("no-scenarios", "there is nothing to run the rule on", help="name scenarios or events")
        self.subjects = tuple(subjects)
        self.batch = load_batch(subjects, connected)
        self.engine = self.batch.engine
        self.plans = self.planned()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        # A world's engine is that of its store, which closes it.
        if not isinstance(self.batch, WorldBatch):
            self.engine.close()

    @property
    def watched(self) -> WatchedPopulation:
        """Which hosts were watched for how long, and which attacks there are."""
        batch = self.batch
        return batch.watched() if isinstance(batch, WorldBatch) else build_watched_population(batch)

    def planned(self) -> tuple[tuple[Plan, tuple[int, ...]], ...]:
        """What the rule means, and for which subjects it means that; settings and dialects may tell them apart."""
        found: list[tuple[Plan, list[int]]] = []
        for number, subject in enumerate(self.subjects):
            trial = subject.trial
            settings = trial.settings
            now = settings.now or trial.store.end(trial.conditions)
            given = replace(settings, now=now)
            ((plan, _),) = self.batch.meanings(partial(self.meaning, trial, given), [number])
            # Compared by the plan itself: different switches may still mean the same.
            for known, numbers in found:
                if is_same_plan(known.node, plan.node):
                    numbers.append(number)
                    break
            else:
                found.append((plan, [number]))
        return tuple((plan, tuple(numbers)) for plan, numbers in found)

    def meaning(self, trial: Trial, settings: Settings, ask: Ask | None) -> Plan:
        """What a rule means over these events."""
        return trial.query.plan(self.batch.columns, replace(settings, ask=ask))

    @property
    def plan(self) -> Plan:
        """The one meaning of the rule. Raises HarnessError where it has several."""
        if len(self.plans) > 1 and self.plans[0][0].asked:
            message = "the rule means different things for these scenarios: values in their events name its columns"
            raise HarnessError("several-meanings", message, help="study it on one scenario")
        if len(self.plans) > 1:
            message = "the rule means different things for these scenarios: their settings or times differ"
            raise HarnessError(
                "several-meanings", message, help="choose one with --dialect and --switch, or fewer paths"
            )
        return self.plans[0][0]

    @property
    def world_gaps(self) -> tuple[str, ...]:
        """What a world could not have produced of that which the rule looks for."""
        found = [gap for plan, _ in self.plans for gap in describe_world_gaps(self.subjects[0].trial.store, plan)]
        return tuple(dict.fromkeys(found))

    def alerts(self) -> tuple[tuple[Alert, ...], ...]:
        """The alerts of each subject."""
        found: list[tuple[Alert, ...]] = [()] * len(self.subjects)
        for plan, numbers in self.plans:
            alerts = self.batch.alerts(plan.node)
            for number in numbers:
                found[number] = alerts[number]
        return tuple(found)


def load_batch(subjects: Sequence[LabelledTrial], connected: Engine | None = None) -> Batch:
    """The subjects' events: of a world those that plans ask for, of all else everything in an engine of its own."""
    first = subjects[0].trial
    if first.store.streamed:
        return WorldBatch(first, subjects[0].malicious)
    raw = any(s.trial.query.raw for s in subjects)
    platform = language(first.rule.language).platform
    return Batch(connected or open_engine(first.engine.name), platform, [s.lot for s in subjects], raw=raw)


def classify_outcome(subject: LabelledTrial, alerts: tuple[Alert, ...]) -> Outcome:
    """The cell of the confusion matrix that a subject ends in."""
    return outcome(subject.label, alerts)


def is_noticed(subject: LabelledTrial, alerts: tuple[Alert, ...]) -> bool:
    """Whether a subject's expectation fails with these alerts: another outcome, too few, or none with its fields."""
    expectation = subject.expectation
    if expectation is None:
        return False
    if classify_outcome(subject, alerts) != expectation.outcome:
        return True
    if expectation.at_least is not None and len(alerts) < expectation.at_least:
        return True
    wanted = expectation.alert
    return bool(wanted) and all(any(True for _ in describe_field_differences(a, wanted)) for a in alerts)


HOST_KIND = late_pattern(r"[A-Za-z]+")


@record(kw_only=True)
class Variant:
    """What differs from a scenario: parameters of one of its steps, how much later it all begins, and on which host.

    `host` is a number for hosts of its own, as many as the scenario has and of the same kinds. `again`, if given,
    is the same step done once more, with these parameters and, if named, on this other host. `repeats` is how often the
    step is done in all, each `apart` from the last; `alone` leaves the other steps out. With `in_turn` it is how many
    of the scenario's steps are done, one after the other and from the first again, each `apart` from the last if given.
    """

    scenario: Scenario
    given: Mapping[str, object] = field(default_factory=dict)
    step: int = 0
    later: timedelta = timedelta(0)
    host: str | None = None
    again: Mapping[str, object] | None = None
    other_host: str | None = None
    repeats: int = 1
    apart: timedelta | None = None
    alone: bool = False
    in_turn: bool = False

    def steps(self, behaviours: Behaviours) -> list[ScheduledAction]:
        """The steps of this variant. Raises HarnessError for parameters that cannot be."""
        written = []
        for number in range(len(self.scenario.body.simulate)):
            if self.alone and number != self.step:
                continue
            made = step(self.scenario, number, behaviours)
            if number == self.step and self.given:
                made = replace(made, given={**made.given, **self.given})
                # Checked here, so that a variant that cannot be is told before anything is simulated.
                behaviours[made.behaviour].arguments(made.given)
            written.append((number == self.step, replace(made, at=made.at + self.later)))
        found = self.place(self.deal([s for _, s in written]) if self.in_turn else self.repeat(written))
        if self.again is not None:
            first = found[self.step]
            once_more = replace(first, given={**first.given, **self.again}, host=self.other_host or first.host)
            behaviours[once_more.behaviour].arguments(once_more.given)
            found.append(once_more)
        return found

    def repeat(self, written: Sequence[tuple[bool, ScheduledAction]]) -> list[ScheduledAction]:
        """The steps, the one that is varied as often as it is done."""
        apart = self.apart or timedelta(0)
        return [
            replace(made, at=made.at + n * apart) for own, made in written for n in range(self.repeats if own else 1)
        ]

    def deal(self, written: Sequence[ScheduledAction]) -> list[ScheduledAction]:
        """As many steps as are done, taken in turn."""
        found = []
        for n in range(self.repeats):
            made = written[n % len(written)]
            found.append(made if self.apart is None else replace(made, at=written[0].at + n * self.apart))
        return found

    def place(self, steps: list[ScheduledAction]) -> list[ScheduledAction]:
        """The steps on this variant's own hosts, as many of them as the scenario has."""
        if self.host is None:
            return steps
        # By the letters of a name it is a server's or a workstation's, and so is whoever sits there.
        known = dict.fromkeys((self.scenario.body.simulate[self.step].host, *(s.host for s in steps)))
        kinds = [(HOST_KIND.match(h) or ["WS"])[0] + self.host for h in known]
        own = {h: name if not n else f"{name}-{n + 1}" for n, (h, name) in enumerate(zip(known, kinds, strict=True))}
        return [replace(s, host=own[s.host]) for s in steps]


def keep_possible(variants: Sequence[Variant]) -> list[Variant]:
    """Those of the variants whose parameters can be."""
    found = []
    known: dict[str, Behaviours] = {}
    for variant in variants:
        behaviours = behaviours_of(variant.scenario, known)
        try:
            variant.steps(behaviours)
        except HarnessError:
            continue
        found.append(variant)
    return found


def behaviours_of(scenario: Scenario, known: dict[str, Behaviours]) -> Behaviours:
    """The behaviours that a scenario may name, read once a folder."""
    where = str(scenario.path.parent)
    if where not in known:
        known[where] = load_behaviours(*behaviour_folders(scenario.path))
    return known[where]


def lot(variants: Sequence[Variant], conditions: Mapping[str, str], *, seed: int | None = None) -> Lot:
    """The telemetry of all variants, the i-th of them being case i; variants of one scenario are simulated together."""
    known: dict[str, Behaviours] = {}
    parts, case_of = [], []
    groups: dict[tuple[str, datetime, int], list[int]] = {}
    for number, variant in enumerate(variants):
        body = variant.scenario.body
        key = (
            str(variant.scenario.path.parent),
            resolve_scenario_start(variant.scenario),
            body.seed if seed is None else seed,
        )
        # Together only where chance would be the same: start and seed are part of what a scenario records.
        groups.setdefault(key, []).append(number)
    for (_, begins, chosen), numbers in groups.items():
        steps: list[ScheduledAction] = []
        for number in numbers:
            own = variants[number].steps(behaviours_of(variants[number].scenario, known))
            steps += own
            case_of += [number] * len(own)
        behaviours = behaviours_of(variants[numbers[0]].scenario, known)
        parts.append(simulate(steps, behaviours=behaviours, start=begins, seed=chosen, conditions=conditions))
    return Lot(telemetry=merge_telemetry(parts), conditions=conditions, case_of=case_of, one_attack=True)
