"""The hosts of a world, who sits there, and their working days on clocks that stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
from faker import Faker

from harness.diagnostics import HarnessError, SourceError
from harness.record import record
from harness.scenario.world import WEEKDAYS, HostRole, Hours, Site, World, minutes
from harness.telemetry.events.event import Cause
from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.host import Neighbour, User
from harness.telemetry.simulation.identity import hash_to_number, sid

Stretch = tuple[np.datetime64, np.datetime64]
"""From when until when, in UTC."""

SHORTEST = np.timedelta64(600, "s")
"""Shorter stretches are left out: nothing of what starts in them would come to an end."""


@record(kw_only=True, eq=False)
class WorldClock:
    """Stretches of real time laid end to end.

    What sleeps with its host goes on where it stopped: a timer of an hour that had ten minutes to go when the lid was
    closed rings ten minutes after it is opened. `passed` is how much time lies before each stretch, `length` their sum.
    """

    begins: Times
    ends: Times
    passed: npt.NDArray[np.timedelta64]
    length: np.timedelta64

    @property
    def start(self) -> np.datetime64:
        """The first moment, real and on this clock."""
        first: np.datetime64 = self.begins[0]
        return first

    @property
    def steady(self) -> bool:
        """Whether it never stops between its beginning and its end."""
        return len(self.begins) == 1

    def real(self, at: Any) -> Any:
        """The real time of moments on this clock: what is before its start or after its end is as far off as there."""
        if self.steady:
            return at
        since = np.asarray(at, "datetime64[us]") - self.start
        # The last stretch that has begun; times before the first count on from it, backwards.
        which = np.maximum(np.searchsorted(self.passed, since, side="right") - 1, 0)
        return (self.begins[which] + (since - self.passed[which]))[()]


def build_clock(stretches: Iterable[Stretch]) -> WorldClock | None:
    """The clock of these stretches; None where nothing is long enough."""
    long = [(b, e) for b, e in stretches if e - b >= SHORTEST]
    if not long:
        return None
    begins, ends = (np.array(side, "datetime64[us]") for side in zip(*long, strict=True))
    lengths = ends - begins
    return WorldClock(begins=begins, ends=ends, passed=np.cumsum(lengths) - lengths, length=lengths.sum())


def clip_stretches(stretches: Sequence[Stretch], begin: np.datetime64, end: np.datetime64) -> list[Stretch]:
    """The parts of these stretches that lie between two moments."""
    return [(max(b, begin), min(e, end)) for b, e in stretches if e > begin and b < end]


MINUTE = np.timedelta64(60_000_000, "us")
ONE_DAY = np.timedelta64(86_400_000_000, "us")


@record(kw_only=True)
class Day:
    """A person's working day in UTC: when they come and go, and when they are away for lunch, if they are."""

    arrival: np.datetime64
    leave: np.datetime64
    lunch: Stretch | None


def zone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises HarnessError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise HarnessError(
            "unknown-time-zone", f"no time zone is called `{name}`", help="write one as in Europe/Berlin"
        ) from error


def midnights(site: Site, begin: np.datetime64, days: int) -> list[tuple[date, np.datetime64]]:
    """Each local date from the day before `begin` on, and the UTC time at which its clocks would have shown 00:00.

    The offset is that of noon: clocks are changed at night, and nobody in these worlds works then.
    """
    place = zone(site.time_zone)
    first = date.fromisoformat(str(begin.astype("datetime64[D]"))) - timedelta(days=1)
    found: list[tuple[date, np.datetime64]] = []
    # A day before and two after: local dates at either edge lie partly within the world.
    for day in (first + timedelta(days=i) for i in range(days + 3)):
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=place).astimezone(UTC).replace(tzinfo=None)
        found.append((day, np.datetime64(noon - timedelta(hours=12), "us")))
    return found


def workdays(hours: Hours, nights: list[tuple[date, np.datetime64]], who: str, seed: int) -> list[Day]:
    """The days on which somebody works: their own habits, and a little chance each day."""
    random = np.random.default_rng([seed, hash_to_number("habits", who, size=4)])
    usual = random.normal(0, hours.spread_minutes, 2)
    begin, end = minutes(hours.begin) or 0, minutes(hours.end) or 1439
    found = []
    for day, midnight in nights:
        # Drawn before the day is left out, so that absence on one day does not move all later ones.
        chance = random.normal(0, 1, 4)
        absent = random.random() < hours.absent
        if absent or WEEKDAYS[day.weekday()] not in hours.days:
            continue
        # Habits differ by spread_minutes, days by 9 minutes at the arrival and 22 at the end; chosen. Nobody
        # works past midnight: a Day has one date.
        arrival = np.clip(begin + usual[0] + 9 * chance[0], 1, 1200)
        leave = np.clip(end + usual[1] + 22 * chance[1], arrival + 60, 1439)
        lunch = None
        # No lunch on a day of four hours or less.
        if hours.lunch_minutes and leave - arrival > 240:
            out = (arrival + leave) / 2 - 15 + 12 * chance[2]
            back = out + max(15.0, hours.lunch_minutes + 8 * chance[3])
            lunch = add_minutes(midnight, out), add_minutes(midnight, back)
        found.append(Day(arrival=add_minutes(midnight, arrival), leave=add_minutes(midnight, leave), lunch=lunch))
    return found


def add_minutes(midnight: np.datetime64, count: float) -> np.datetime64:
    """So many minutes after a moment."""
    moment: np.datetime64 = midnight + np.timedelta64(int(count * 60e6), "us")
    return moment


def outages(site: Site, begin: np.datetime64, days: int, seed: int) -> list[Stretch]:
    """When the site's way out is down: as often as the site says in the mean, each time about as long as it says."""
    random = np.random.default_rng([seed, hash_to_number("outages", site.name, size=4)])
    # Failures have no memory, and their lengths are exponential: the two numbers of a site are all that is known.
    count = int(random.poisson(site.outages_a_day * days))
    starts = np.sort(random.uniform(0, days * 1440, count))
    lengths = np.maximum(0.5, random.exponential(site.outage_minutes, count))
    return [(add_minutes(begin, s), add_minutes(begin, s + n)) for s, n in zip(starts, lengths, strict=True)]


SERVER_BUILD = "10.0.20348"
CLIENT_BUILDS = ("10.0.19045", "10.0.22631", "10.0.26100")


@record(kw_only=True)
class WorldHost:
    """A host of the world, as it is before anything happens on it."""

    number: int
    name: str
    role_name: str
    role: HostRole
    site: Site
    place: int
    person: str
    address: str
    build: str
    software: tuple[str, ...]
    attacks: tuple[str, ...]
    programs: tuple[str, ...] = ()


@record(kw_only=True)
class WorldPopulation:
    """Every host of a world over its time; `causes` has for each host each software and attack of the world."""

    world: World
    begin: np.datetime64
    days: int
    seed: int
    members: tuple[WorldHost, ...]
    nights: dict[str, list[tuple[date, np.datetime64]]] = field(repr=False)
    outages: dict[str, list[Stretch]] = field(repr=False)
    neighbours: tuple[Neighbour, ...] = field(default=(), repr=False)

    @property
    def end(self) -> np.datetime64:
        """When the world ends."""
        last: np.datetime64 = self.begin + np.timedelta64(self.days, "D")
        return last

    @property
    def doings(self) -> tuple[str, ...]:
        """Names of software, then of attacks, then of programs: what a cause can be."""
        return (*self.world.body.software, *self.world.body.attacks, *self.world.body.programs)

    def cause(self, member: WorldHost, doing: int) -> int:
        """The number of the cause that is one host's doing."""
        body = self.world.body
        return member.number * (len(body.software) + len(body.attacks) + len(body.programs)) + doing

    def causes(self) -> tuple[Cause, ...]:
        """All causes in the order of their numbers."""
        body = self.world.body
        benign = [(name, False, part.behaviour) for name, part in body.software.items()]
        malicious = [(name, True, part.behaviour) for name, part in body.attacks.items()]
        programs = [(name, False, "program") for name in body.programs]
        return tuple(
            Cause(name=name, malicious=bad, host=member.name, detail=behaviour)
            for member in self.members
            for name, bad, behaviour in benign + malicious + programs
        )

    def name_host(self, role: str, near: WorldHost) -> str:
        """The name of a host of a role, of the same site if there is one; of the host itself without any."""
        found = [m for m in self.members if m.role_name == role]
        here = [m for m in found if m.place == near.place] or found or [near]
        return here[near.number % len(here)].name


def build_world_population(world: World, *, hosts: int, days: int, seed: int) -> WorldPopulation:
    """The hosts of a world. Raises SourceError for a start or a time zone that cannot be."""
    body = world.body
    begin = resolve_world_start(world)
    for site in body.sites:
        zone(site.time_zone)
    roles = allot_shares({name: role.share for name, role in body.roles.items()}, hosts)
    # A stream of its own for each draw: another share of roles leaves the sites as they were.
    order = np.random.default_rng([seed, hosts, 1]).permutation(hosts)
    people = sample_account_names(hosts, seed)
    placed = allot_shares({str(i): site.share for i, site in enumerate(body.sites)}, hosts)
    at_sites = np.random.default_rng([seed, hosts, 2]).permutation(hosts)
    role_of = {int(at): roles[i] for i, at in enumerate(order)}
    attacked = choose_attack_hosts(world, role_of, seed)
    members = [
        build_world_host(world, n, role_of[n], int(placed[int(at_sites[n])]), people[n], attacked.get(n, ()), seed)
        for n in range(hosts)
    ]
    return WorldPopulation(
        world=world,
        begin=begin,
        days=days,
        seed=seed,
        members=tuple(members),
        nights={s.name: midnights(s, begin, days) for s in body.sites},
        outages={s.name: outages(s, begin, days, seed) for s in body.sites},
        neighbours=tuple(list_neighbours(members, body.domain, begin, seed)),
    )


MOST_NEIGHBOURS = 250
"""Hosts whose people every host of a world may meet: about as many as one person ever works with."""


def list_neighbours(members: Sequence[WorldHost], domain: str, begin: np.datetime64, seed: int) -> Iterator[Neighbour]:
    """The first hosts with a user of their own, as others see them."""
    netbios, authority = domain.partition(".")[0].upper()[:15], sid(seed, domain)
    for member in [m for m in members if m.role.user][:MOST_NEIGHBOURS]:
        user = User(
            name=member.person,
            domain=netbios or member.name,
            sid=f"{authority}-{1104 + member.number}",
            logon_id=0x40000,
            logged_on=begin,
        )
        yield Neighbour(name=member.name, address=member.address, user=user)


def resolve_world_start(world: World) -> np.datetime64:
    """When the world begins; a time without a zone is UTC."""
    try:
        found = datetime.fromisoformat(world.body.start)
    except ValueError as error:
        message = "`start` is a time such as 2026-03-23T00:00:00Z"
        raise SourceError("wrong-start", message, world.place("start")) from error
    utc = found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else found
    return np.datetime64(utc, "us")


def allot_shares(shares: dict[str, float], count: int) -> list[str]:
    """`count` names, each as often as its share says, rounded so that all are used up."""
    total = sum(shares.values()) or 1.0
    exact = {name: share / total * count for name, share in shares.items()}
    whole = {name: int(part) for name, part in exact.items()}
    # Largest remainder, so that the counts add up.
    rest = sorted(exact, key=lambda name: whole[name] - exact[name])
    for name in rest[: count - sum(whole.values())]:
        whole[name] += 1
    return [name for name, size in whole.items() for _ in range(size)]


def sample_account_names(count: int, seed: int) -> list[str]:
    """Account names of different people."""
    # Names that are nobody's, the same for a seed and a version of Faker.
    fake = Faker("en_US")
    fake.seed_instance(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        name = f"{fake.first_name()}.{fake.last_name()}".lower().replace(" ", "")
        found[name if name not in found else f"{name}{len(found)}"] = None
    return list(found)


def choose_attack_hosts(world: World, role_of: dict[int, str], seed: int) -> dict[int, tuple[str, ...]]:
    """Attacks by number of host; hosts without one come first."""
    found: dict[int, tuple[str, ...]] = {}
    for name, attack in world.body.attacks.items():
        possible = [n for n, role in role_of.items() if role in attack.on]
        # Hosts without an attack first: two attacks on one host could not be told apart in what a rule groups by host.
        possible.sort(key=lambda n: (len(found.get(n, ())), hash_to_number("target", seed, name, n)))
        for number in possible[: attack.hosts]:
            found[number] = (*found.get(number, ()), name)
    return found


def build_world_host(
    world: World, number: int, role_name: str, place: int, person: str, attacks: tuple[str, ...], seed: int
) -> WorldHost:
    """A host with site, address, build, installed software and attacks; all follow from seed and number."""
    role, site = world.body.roles[role_name], world.body.sites[place]
    pick = hash_to_number("member", seed, number)
    installed = tuple(
        name
        for name, software in world.body.software.items()
        # By a hash, not by a stream of chance: one more piece of software leaves all others where they were.
        if role_name in software.on and hash_to_number("installed", seed, name, number) < software.share * 2**64
    )
    return WorldHost(
        number=number,
        # At most 15 characters, as NetBIOS names have, with prefixes of up to six.
        name=f"{role.prefix}-{site.name[:3].upper()}-{number + 1:04}",
        role_name=role_name,
        role=role,
        site=site,
        place=place,
        person=person if role.user else "svc-admin",
        # Eight /16 networks a site and 240 hosts a /24, so that addresses of a site repeat after 480,000 hosts.
        address=f"10.{20 + 8 * place + number // 60_000 % 8}.{1 + number // 240 % 250}.{10 + number % 240}",
        build=CLIENT_BUILDS[pick % 3] if role.user else SERVER_BUILD,
        software=installed,
        attacks=attacks,
        programs=tuple(
            name
            for name, program in world.body.programs.items()
            if (not program.on or role_name in program.on)
            and hash_to_number("installed", seed, name, number) < program.share * 2**64
        ),
    )
