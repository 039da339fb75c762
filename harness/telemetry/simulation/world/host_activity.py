"""What happens on one host of a world, from boot to shutdown: its software and its attacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np

from harness.diagnostics import HarnessError, SourceError
from harness.record import record
from harness.scenario.world import Runs, Software, World, WorldAttack
from harness.scenario.world_program import During
from harness.telemetry.simulation.activity import Activity, NetworkConnection
from harness.telemetry.simulation.behaviour import Behaviour, ParameterError
from harness.telemetry.simulation.host import ONE_SECOND, Host, User, host_named
from harness.telemetry.simulation.identity import hash_to_number, sid
from harness.telemetry.simulation.simulate import complete_connection
from harness.telemetry.simulation.text_pool import TextPool
from harness.telemetry.simulation.world.interruptions import Shift, apply_line_failures
from harness.telemetry.simulation.world.population import (
    MINUTE,
    ONE_DAY,
    Day,
    Stretch,
    WorldClock,
    WorldHost,
    WorldPopulation,
    build_clock,
    clip_stretches,
    workdays,
)
from harness.telemetry.simulation.world.program_activity import HostRun, run_program
from harness.telemetry.simulation.world.program_traces import ProgramRuns

# Shares of days, chosen; no source.
LID_CLOSED_AT_LUNCH = 0.4
LID_OPEN_IN_THE_EVENING = 0.15


@record(kw_only=True)
class Boot:
    """One run of a host: `fresh` if it was booted within the world's time, not before it began."""

    number: int
    host: Host
    clocks: dict[During, WorldClock]
    fresh: bool
    end: np.datetime64


def boots(member: WorldHost, people: WorldPopulation) -> Iterator[Boot]:
    """All runs of a host within the world's time, in order."""
    days = (
        workdays(member.role.hours, people.nights[member.site.name], member.name, people.seed)
        if member.role.user
        else []
    )
    begin, end = people.begin, people.end
    for number, (booted, down) in enumerate(runs(member, days, people)):
        since = max(begin, booted)
        until = min(end, down)
        awake = clip_stretches(awakenings(member, days, booted, down, people.seed), since, until)
        on = build_clock(awake)
        if on is None:
            continue
        logon = next((d.arrival for d in days if d.leave > booted), None)
        # Nobody logs on before a boot is over; 95 s is chosen, and more than the last service waits (host.daemon).
        logged_on = booted + 95 * ONE_SECOND if logon is None else max(logon, booted + 95 * ONE_SECOND)
        host = host_of(member, people, number, booted, min(logged_on, until))
        clocks = {During.ON: on}
        if member.role.user:
            work = [s for d in days for s in list_desk_stretches(d)]
            for during, stretches in ((During.SESSION, awake), (During.WORKING, work)):
                if found := build_clock(clip_stretches(stretches, max(since, logged_on + 5 * ONE_SECOND), until)):
                    clocks[during] = found
        yield Boot(number=number, host=host, clocks=clocks, fresh=bool(booted >= begin), end=until)


def runs(member: WorldHost, days: list[Day], people: WorldPopulation) -> Iterator[Stretch]:
    """Boot and shutdown of each run, also of those before the world begins."""
    role, begin, end = member.role, people.begin, people.end
    pick = hash_to_number("boots", people.seed, member.name)
    if role.runs is Runs.WORKDAYS:
        for day in days:
            # Switched on by whoever arrives, off some minutes after the work is done.
            yield day.arrival - 3 * MINUTE, day.leave + 5 * MINUTE
        return
    nights = [midnight for _, midnight in people.nights[member.site.name]]
    # A world begins in the middle of a host's life: between half a day and one whole period since its boot.
    age = np.timedelta64(int(86_400e6 * (0.5 + (role.reboot_every_days - 0.5) * (pick % 1000) / 1000)), "us")
    booted = begin - age
    while booted < end:
        due = booted + role.reboot_every_days * ONE_DAY
        if role.runs is Runs.SLEEPS:
            following = next((d.arrival - MINUTE for d in days if d.arrival >= due), end + ONE_DAY)
        else:
            night = next((m for m in nights if m + 3 * 60 * MINUTE >= due), end)
            # Servers are rebooted at night, from three o'clock on within 55 minutes: a usual window of patches, chosen.
            following = night + (180 + pick % 55) * MINUTE
        yield booted, following - 2 * MINUTE
        booted = following


def awakenings(
    member: WorldHost, days: list[Day], booted: np.datetime64, down: np.datetime64, seed: int
) -> list[Stretch]:
    """Stretches in which a host is awake; one that never sleeps has a single one."""
    if member.role.runs is not Runs.SLEEPS:
        return [(booted, down)]
    random = np.random.default_rng([seed, hash_to_number("lid", member.name, size=4)])
    found: list[Stretch] = []
    for day in days:
        closed, evening = random.random() < LID_CLOSED_AT_LUNCH, random.random() < LID_OPEN_IN_THE_EVENING
        # One and a half to three and a half hours after work, for 50 minutes; chosen.
        late = np.timedelta64(int(random.uniform(90, 210)), "m")
        begin, end = day.arrival - MINUTE, day.leave + 4 * MINUTE
        if day.lunch and closed:
            found += [(begin, day.lunch[0] + MINUTE), (day.lunch[1] - MINUTE, end)]
        else:
            found.append((begin, end))
        if evening:
            found.append((end + late, end + late + 50 * MINUTE))
    return clip_stretches(found, booted, down)


def list_desk_stretches(day: Day) -> list[Stretch]:
    """Stretches in which the user is at the desk: the day without lunch."""
    if day.lunch is None:
        return [(day.arrival, day.leave)]
    return [(day.arrival, day.lunch[0]), (day.lunch[1], day.leave)]


def host_of(
    member: WorldHost, people: WorldPopulation, number: int, booted: np.datetime64, logged_on: np.datetime64
) -> Host:
    """The host of one boot: session, boot number and clock error, addresses by site."""
    body = people.world.body
    pick = hash_to_number("host", people.seed, member.name)
    netbios = body.domain.partition(".")[0].upper()[:15]
    session = hash_to_number("session", people.seed, member.name, number)
    user = User(
        name=member.person,
        domain=netbios or member.name,
        sid=f"{sid(people.seed, body.domain)}-{1104 + member.number}",
        logon_id=0x30000 + session % 0x2000000,
        logged_on=logged_on,
        session=1 + session // 64 % 2,
        integrity="Medium" if member.role.user else "High",
    )
    # One error for all boots of a host: its clock is wrong in one way.
    random = np.random.default_rng([people.seed, hash_to_number("skew", member.name, size=4)])
    return replace(
        host_named(member.name, start=booted, seed=people.seed, domain=body.domain),
        build=member.build,
        address=member.address,
        address_v6=f"2001:db8:{20 + member.place:x}:{member.number >> 8:x}::{0x10 + (member.number & 255):x}",
        public_address=f"198.51.100.{240 + member.place % 15}",
        resolvers=tuple(f"10.{20 + 8 * member.place}.0.{last}" for last in (10, 11)),
        time_zone=member.site.time_zone,
        boot=booted,
        boot_number=20 + pick % 400 + number,
        user=user,
        neighbours=people.neighbours,
        now=booted,
        clock_skew=np.timedelta64(int(random.normal(0, body.clock_skew_ms) * 1000), "us"),
    )


# Names by which a behaviour asks for these; one that has neither goes its own way.
LASTS = "lasts"
FRESH = "fresh"
# Chosen; Windows itself starts delayed services 120 s after the automatic ones.
STARTS_AFTER_BOOT = (20.0, 120.0)
"""Seconds after boot or logon within which software begins its rounds."""
USUAL_PERIOD = timedelta(minutes=10)


@record(kw_only=True)
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
    member: WorldHost, people: WorldPopulation, known: Mapping[str, Doing], texts: TextPool
) -> Iterator[list[tuple[int, Activity]]]:
    """Everything that happens on a host with its cause, one list a run from boot to shutdown."""
    own = [known[name] for name in (*member.software, *member.attacks)]
    for boot in boots(member, people):
        found: list[tuple[int, Activity]] = []
        found += run_programs(member, boot, people, texts)
        for doing in own:
            cause = people.cause(member, doing.number)
            found += ((cause, activity) for activity in of_doing(doing, member, boot, people))
        yield found


def run_programs(
    member: WorldHost, boot: Boot, people: WorldPopulation, texts: TextPool
) -> Iterator[tuple[int, Activity]]:
    """What the host's programs do between boot and shutdown, with the cause of each."""
    body = people.world.body
    run = HostRun(
        host=boot.host,
        clocks=boot.clocks,
        fresh=boot.fresh,
        end=boot.end,
        fixed=build_fixed_words(member, boot, people),
        own=hash_to_number("own", member.name, size=4),
        texts=texts,
    )
    known: dict[str, list[ProgramRuns]] = {}
    down = people.outages[member.site.name]
    for number, (name, program) in enumerate(body.programs.items(), start=len(body.software) + len(body.attacks)):
        if name in member.programs and program.during in boot.clocks:
            random = np.random.default_rng([people.seed, member.number, boot.number, number])
            cause = people.cause(member, number)
            for activity in run_program(name, program, run, known, random):
                for each in apply_line_failures(activity, down, 0.0, random):
                    yield cause, complete_connection(each, random) if isinstance(each, NetworkConnection) else each


def build_fixed_words(member: WorldHost, boot: Boot, people: WorldPopulation) -> dict[str, str]:
    """What the placeholders stand for that are the same on one host."""
    user = boot.host.user
    profile = rf"C:\Users\{user.name}"
    return {
        "user": user.name,
        "account": user.account,
        "sid": user.sid,
        "profile": profile,
        "local": rf"{profile}\AppData\Local",
        "roaming": rf"{profile}\AppData\Roaming",
        "temp": rf"{profile}\AppData\Local\Temp",
        "windows": r"C:\Windows",
        "program_data": r"C:\ProgramData",
        "system32": r"C:\Windows\System32",
        "program_files": r"C:\Program Files",
        "program_files_x86": r"C:\Program Files (x86)",
        "host": member.name,
        "domain": people.world.body.domain or "local",
        "netbios": boot.host.netbios_domain or member.name,
        "site": member.site.name,
        "controller": people.name_host("domain controller", member),
        "file_server": people.name_host("file server", member),
    }


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
