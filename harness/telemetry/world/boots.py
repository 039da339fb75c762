"""Runs of a host from boot to shutdown, and the clocks of host, desktop and user in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from harness.scenario.world import During, Runs
from harness.telemetry.host import ONE_SECOND, Host, User, host_named
from harness.telemetry.identity import hash_to_number, sid
from harness.telemetry.world.calendar import MINUTE, ONE_DAY, Day, workdays
from harness.telemetry.world.clock import Stretch, WorldClock, build_clock, clip_stretches
from harness.telemetry.world.population import WorldHost, WorldPopulation

# Shares of days, chosen; no source.
LID_CLOSED_AT_LUNCH = 0.4
LID_OPEN_IN_THE_EVENING = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
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
        now=booted,
        clock_skew=np.timedelta64(int(random.normal(0, body.clock_skew_ms) * 1000), "us"),
    )
