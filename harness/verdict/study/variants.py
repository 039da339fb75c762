"""Variants of a scenario: the same steps with other parameters, all simulated together, each a case of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from harness.diagnostics import HarnessError
from harness.scenario.pack import behaviour_folders
from harness.scenario.scenario import Scenario
from harness.telemetry.events.event import merge_telemetry
from harness.telemetry.scenario_telemetry import resolve_scenario_start, step
from harness.telemetry.simulation.behaviour import Behaviours, load_behaviours
from harness.telemetry.simulation.simulate import ScheduledAction, simulate
from harness.verdict.study.batch import Lot


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What differs from a scenario: parameters of one of its steps, how much later it all begins, and on which host.

    `again`, if given, is the same step done once more, with these parameters and, if named, on this other host.
    """

    scenario: Scenario
    given: Mapping[str, object] = field(default_factory=dict)
    step: int = 0
    later: timedelta = timedelta(0)
    host: str | None = None
    again: Mapping[str, object] | None = None
    other_host: str | None = None

    def steps(self, behaviours: Behaviours) -> list[ScheduledAction]:
        """The steps of this variant. Raises HarnessError for parameters that cannot be."""
        found = []
        for number in range(len(self.scenario.body.simulate)):
            made = step(self.scenario, number, behaviours)
            if number == self.step and self.given:
                made = replace(made, given={**made.given, **self.given})
                # Checked here, so that a variant that cannot be is told before anything is simulated.
                behaviours[made.behaviour].arguments(made.given)
            found.append(replace(made, at=made.at + self.later, host=self.host or made.host))
        if self.again is not None:
            first = found[self.step]
            once_more = replace(first, given={**first.given, **self.again}, host=self.other_host or first.host)
            behaviours[once_more.behaviour].arguments(once_more.given)
            found.append(once_more)
        return found


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
