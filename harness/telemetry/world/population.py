"""The hosts of a world: which site and role, who sits there, which software, which attack; all follow from the seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import numpy as np
from faker import Faker

from harness.diagnostics import SourceError
from harness.scenario.world import HostRole, Site, World
from harness.telemetry.event import Cause
from harness.telemetry.identity import hash_to_number
from harness.telemetry.world.calendar import midnights, outages, zone
from harness.telemetry.world.clock import Stretch

SERVER_BUILD = "10.0.20348"
CLIENT_BUILDS = ("10.0.19045", "10.0.22631", "10.0.26100")


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldPopulation:
    """Every host of a world over its time; `causes` has for each host each software and attack of the world."""

    world: World
    begin: np.datetime64
    days: int
    seed: int
    members: tuple[WorldHost, ...]
    nights: dict[str, list[tuple[date, np.datetime64]]] = field(repr=False)
    outages: dict[str, list[Stretch]] = field(repr=False)

    @property
    def end(self) -> np.datetime64:
        """When the world ends."""
        last: np.datetime64 = self.begin + np.timedelta64(self.days, "D")
        return last

    @property
    def doings(self) -> tuple[str, ...]:
        """Names of software, then of attacks: what a cause can be."""
        return (*self.world.body.software, *self.world.body.attacks)

    def cause(self, member: WorldHost, doing: int) -> int:
        """The number of the cause that is one host's doing."""
        return member.number * len(self.doings) + doing

    def causes(self) -> tuple[Cause, ...]:
        """All causes in the order of their numbers."""
        body = self.world.body
        benign = [(name, False, part.behaviour) for name, part in body.software.items()]
        malicious = [(name, True, part.behaviour) for name, part in body.attacks.items()]
        return tuple(
            Cause(name=name, malicious=bad, host=member.name, detail=behaviour)
            for member in self.members
            for name, bad, behaviour in benign + malicious
        )


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
    )


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
    )
