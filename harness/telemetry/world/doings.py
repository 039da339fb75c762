"""What happens on one host of a world: its software and attacks, each a behaviour on the clock it follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from harness.diagnostics import HarnessError, SourceError
from harness.scenario.world import Software, World, WorldAttack
from harness.telemetry.activity import Activity, NetworkConnection
from harness.telemetry.behaviour import Behaviour, ParameterError
from harness.telemetry.simulate import complete_connection
from harness.telemetry.world.boots import Boot, boots
from harness.telemetry.world.clock import WorldClock
from harness.telemetry.world.population import WorldHost, WorldPopulation
from harness.telemetry.world.shifting import Shift, apply_line_failures

# Names by which a behaviour asks for these; one that has neither goes its own way.
LASTS = "lasts"
FRESH = "fresh"
# Chosen; Windows itself starts delayed services 120 s after the automatic ones.
STARTS_AFTER_BOOT = (20.0, 120.0)
"""Seconds after boot or logon within which software begins its rounds."""
USUAL_PERIOD = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    """A behaviour with its parameters as software or attack of a world."""

    number: int
    name: str
    part: Software | WorldAttack
    behaviour: Behaviour
    given: Mapping[str, object]

    def arguments(self, boot: Boot, lasts: timedelta) -> dict[str, Any]:
        """Parameters of one run: the given ones, `lasts` cut to the run, and `fresh` after a boot."""
        told: dict[str, Any] = dict(self.given)
        if LASTS in self.behaviour.parameters:
            own = self.given.get(LASTS)
            told[LASTS] = min(lasts, own) if isinstance(own, timedelta) else lasts
        if FRESH in self.behaviour.parameters:
            told[FRESH] = boot.fresh
        return told

    @property
    def every(self) -> timedelta:
        """Its `every`, given or by default; ten minutes without one."""
        default = self.behaviour.parameters["every"].default if "every" in self.behaviour.parameters else None
        period = self.given.get("every", default)
        return period if isinstance(period, timedelta) and period else USUAL_PERIOD


def doings(world: World, behaviours: Mapping[str, Behaviour]) -> dict[str, Doing]:
    """All software and attacks of a world. Raises SourceError at the parameter that cannot be."""
    found: dict[str, Doing] = {}
    groups: tuple[tuple[str, Mapping[str, Software | WorldAttack]], ...] = (
        ("software", world.body.software),
        ("attacks", world.body.attacks),
    )
    for group, parts in groups:
        for name, part in parts.items():
            if name in found:
                raise SourceError(
                    "wrong-world", f"software and attack are both called `{name}`", world.place(group, name)
                )
            try:
                behaviour = behaviours[part.behaviour]
                given = behaviour.arguments(part.given)
            except ParameterError as error:
                at = world.place(group, name, "given", error.parameter)
                raise SourceError(error.code, error.message, at, help=error.help) from error
            except HarnessError as error:
                raise SourceError(
                    error.code, error.message, world.place(group, name, "behaviour"), help=error.help
                ) from error
            found[name] = Doing(number=len(found), name=name, part=part, behaviour=behaviour, given=given)
    return found


def happenings(
    member: WorldHost, people: WorldPopulation, known: Mapping[str, Doing]
) -> Iterator[list[tuple[int, Activity]]]:
    """Everything that happens on a host with its cause, one list a run from boot to shutdown."""
    own = [known[name] for name in (*member.software, *member.attacks)]
    for boot in boots(member, people):
        found: list[tuple[int, Activity]] = []
        for doing in own:
            cause = people.cause(member, doing.number)
            found += ((cause, activity) for activity in of_doing(doing, member, boot, people))
        yield found


def of_doing(doing: Doing, member: WorldHost, boot: Boot, people: WorldPopulation) -> Iterator[Activity]:
    """What one doing makes happen between boot and shutdown, in real time, with what fails."""
    clock = boot.clocks.get(doing.part.during)
    if clock is None:
        return
    # By numbers of host, boot and doing: shards may run in any order and in any process.
    random = np.random.default_rng([people.seed, member.number, boot.number, doing.number])
    begin = choose_doing_start(doing, boot, clock, people, random)
    if begin is None:
        return
    left = (clock.start + clock.length - begin) / np.timedelta64(1, "s")
    arguments = doing.arguments(boot, timedelta(seconds=float(left)))
    down = people.outages[member.site.name]
    failures = doing.part.failures if isinstance(doing.part, Software) else 0.0
    shift = Shift(clock, boot.end)
    for activity in doing.behaviour.function(boot.host.starting(begin), begin, random, **arguments):
        real = shift(activity) if len(activity) else None
        if real is not None:
            for each in apply_line_failures(real, down, failures, random):
                yield complete_connection(each, random) if isinstance(each, NetworkConnection) else each


def choose_doing_start(
    doing: Doing, boot: Boot, clock: WorldClock, people: WorldPopulation, random: np.random.Generator
) -> np.datetime64 | None:
    """When a doing begins on its clock: soon after boot or logon, anywhere in its period where it ran before."""
    # What ran already when the world began is anywhere in its period; else all hosts would call at once.
    fresh = boot.fresh or clock.start > people.begin
    wait = random.uniform(*STARTS_AFTER_BOOT) if fresh else random.uniform(0, doing.every.total_seconds())
    if FRESH in doing.behaviour.parameters:
        wait = 0.0
    if isinstance(doing.part, WorldAttack):
        due = people.begin + np.timedelta64(int(doing.part.after_days * 86_400e6), "us")
        real = np.concatenate([clock.begins, clock.ends])
        # The host sleeps or is gone by then; a later boot may carry the attack.
        if real.max() <= due:
            return None
        wait = max(wait, measure_seconds_passed(clock, due))
    begin = clock.start + np.timedelta64(int(wait * 1e6), "us")
    return None if begin >= clock.start + clock.length else begin


def measure_seconds_passed(clock: WorldClock, moment: np.datetime64) -> float:
    """Seconds that have passed on a clock by a moment of real time."""
    until = np.clip(moment, clock.begins, clock.ends)
    return float((until - clock.begins).sum() / np.timedelta64(1, "s"))
