"""A world: an organisation as a document says it, with its sites, hosts by role, software and attacks."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from harness.diagnostics import HarnessError, Source, SourceError, Span, did_you_mean
from harness.scenario.document import Document, convert_document, load
from harness.scenario.pack import BUNDLED, DEFAULT
from harness.scenario.world_program import During, Program, find_program_faults

LARGEST_WORLD = 1 << 20
# Against slips of a digit; chosen, like the ten years and the size of the document.
MOST_HOSTS = 1_000_000
MOST_DAYS = 3650
LONGEST_RUN = 31
"""Days between two boots at most: a boot is simulated as a whole, so this bounds what is held at once."""

WORLDS_FOLDER = "worlds"


class Runs(StrEnum):
    """When the hosts of a role are awake: day and night, only while their user works, or put to sleep in between."""

    ALWAYS = "always"
    WORKDAYS = "workdays"
    SLEEPS = "sleeps"


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An office: its time zone, its share of the hosts, and how often a day its way out fails, for how many minutes."""

    name: str
    time_zone: str
    share: float = 1.0
    outages_a_day: float = 0.0
    outage_minutes: float = 5.0


class Hours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When people work, in the time of their site, and how much they differ from one another."""

    begin: str = "09:00"
    end: str = "17:30"
    days: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri")
    lunch_minutes: float = 40
    spread_minutes: float = 30
    # Habits of an office, chosen; no source.
    absent: float = 0.05


class HostRole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hosts of one kind: their share of all, the beginning of their names, when they run, and who sits there."""

    prefix: str
    share: float
    runs: Runs = Runs.ALWAYS
    user: bool = True
    # Once in two patch weeks or so; chosen.
    reboot_every_days: int = 14
    hours: Hours = Hours()


class Software(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that many hosts run: a behaviour and its parameters; `failures` is the share of calls that fail."""

    behaviour: str
    on: tuple[str, ...]
    share: float = 1.0
    during: During = During.ON
    given: dict[str, Any] = {}
    failures: float = 0.0
    source: str = ""


class WorldAttack(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something malicious on `hosts` hosts of these roles, from `after_days` on until it ends or the world does."""

    behaviour: str
    on: tuple[str, ...]
    hosts: int = 1
    after_days: float = 0.0
    during: During = During.ON
    given: dict[str, Any] = {}
    source: str = ""


class WorldBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A world's document as it is written."""

    title: str
    sites: tuple[Site, ...]
    roles: dict[str, HostRole]
    software: dict[str, Software]
    attacks: dict[str, WorldAttack] = {}
    programs: dict[str, Program] = {}
    description: str = ""
    domain: str = "corp.example"
    start: str = "2026-03-23T00:00:00Z"
    hosts: int = 100
    days: int = 7
    seed: int = 1
    # Standard deviation over hosts; Windows' time service keeps members of a
    # domain within a fraction of a second. Chosen.
    clock_skew_ms: float = 150.0
    conditions: dict[str, str] = {}
    # Conditions that differ from host to host, each value with its share: versions of a sensor.
    fleet: dict[str, dict[str, float]] = {}


class World(msgspec.Struct, frozen=True, kw_only=True):
    """A world and the document that it was read from, for the places of its parts."""

    path: Path
    body: WorldBody
    document: Document

    def place(self, *keys: str | int) -> Span:
        """Where a part is written: `place("software", "mail", "given")`."""
        return self.document.span(keys)


def resolve_world(name: str) -> Path:
    """The file of a world: a path, or the name of one in `scenarios/worlds/` here or in the bundled pack."""
    if Path(name).suffix in (".yaml", ".yml") or "/" in name:
        return Path(name)
    folders = [DEFAULT / WORLDS_FOLDER, BUNDLED / "scenarios" / WORLDS_FOLDER]
    for folder in folders:
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    known = sorted({p.stem for f in folders if f.is_dir() for p in f.glob("*.yaml")})
    hint = did_you_mean(name, known) or f"there are {', '.join(known) or 'none'}"
    raise HarnessError("no-such-world", f"no world is called `{name}`", help=hint)


def read_world(path: Path) -> World:
    """The world in a file. Raises SourceError at the place of what is wrong."""
    try:
        if path.stat().st_size > LARGEST_WORLD:
            raise HarnessError("world-too-large", f"{path} is larger than {LARGEST_WORLD >> 20} MiB")
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise HarnessError("not-utf8", f"{path} is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HarnessError("unreadable", f"{path}: {(error.strerror or str(error)).lower()}") from error
    document = load(Source(str(path), text))
    world = World(path=path, body=convert_document(document, WorldBody), document=document)
    for keys, message in find_world_faults(world.body):
        raise SourceError("wrong-world", message, world.place(*keys))
    return world


def find_world_faults(body: WorldBody) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Faults beyond types: place and sentence of each."""
    if not body.sites or not body.roles:
        yield ("title",), "a world has at least one site and one role"
    if not 1 <= body.hosts <= MOST_HOSTS:
        yield ("hosts",), f"a world has from 1 to {MOST_HOSTS} hosts"
    if not 1 <= body.days <= MOST_DAYS:
        yield ("days",), f"a world lasts from 1 to {MOST_DAYS} days"
    if not 0 <= body.clock_skew_ms <= 3_600_000:
        yield ("clock_skew_ms",), "clocks are off by from 0 to 3600000 milliseconds"
    for name, shares in body.fleet.items():
        if name in body.conditions or not shares or min(shares.values()) < 0 or not sum(shares.values()):
            yield ("fleet", name), "a condition differs from host to host by shares above zero, or is the same for all"
    for number, site in enumerate(body.sites):
        if site.share < 0 or not 0 <= site.outages_a_day <= 100 or not 0 <= site.outage_minutes <= 1440:
            yield (
                ("sites", number),
                "shares and outages are not negative, at most 100 outages a day of at most 1440 min",
            )
    for name, role in body.roles.items():
        yield from of_role(name, role)
    for group, parts in (("software", body.software), ("attacks", body.attacks)):
        for name, part in parts.items():
            for number, role_name in enumerate(part.on):
                if role_name not in body.roles:
                    yield (group, name, "on", number), f"no role is called `{role_name}`"
    for name, software in body.software.items():
        for key, share in (("share", software.share), ("failures", software.failures)):
            if not 0 <= share <= 1:
                yield ("software", name, key), f"`{key}` is from 0 to 1"
    for name, key, message in find_program_faults(body.programs, body.roles):
        yield ("programs", name, key), message
    for name in (n for n in body.programs if n in body.software or n in body.attacks):
        yield ("programs", name), f"a program is called as a piece of software or an attack: `{name}`"
    for name, attack in body.attacks.items():
        if attack.hosts < 1 or not 0 <= attack.after_days <= MOST_DAYS:
            yield ("attacks", name), f"an attack is on at least one host and begins after 0 to {MOST_DAYS} days"


def of_role(name: str, role: HostRole) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Faults of a role: place and sentence."""
    if role.share < 0:
        yield ("roles", name, "share"), "a share is not negative"
    if not 1 <= role.reboot_every_days <= LONGEST_RUN:
        yield ("roles", name, "reboot_every_days"), f"hosts are rebooted every 1 to {LONGEST_RUN} days"
    if role.runs is not Runs.ALWAYS and not role.user:
        yield ("roles", name, "runs"), "a host without a user runs always"
    for key, clock in (("begin", role.hours.begin), ("end", role.hours.end)):
        if minutes(clock) is None:
            yield ("roles", name, "hours", key), f"`{key}` is a time of day such as 09:00"
    # Day shifts only: a Day of calendar.py has one date.
    if (minutes(role.hours.begin) or 0) >= (minutes(role.hours.end) or 1440):
        yield ("roles", name, "hours"), "work ends after it begins, before midnight"
    if not set(role.hours.days) <= set(WEEKDAYS):
        yield ("roles", name, "hours", "days"), f"days are {', '.join(WEEKDAYS)}"
    if not 0 <= role.hours.absent <= 1 or not 0 <= role.hours.spread_minutes <= 240:
        yield ("roles", name, "hours"), "`absent` is from 0 to 1 and `spread_minutes` from 0 to 240"
    if not 0 <= role.hours.lunch_minutes <= 240:
        yield ("roles", name, "hours", "lunch_minutes"), "lunch lasts from 0 to 240 minutes"


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def minutes(clock: str) -> int | None:
    """A time of day as minutes since midnight; None for what is none."""
    hour, colon, minute = clock.partition(":")
    good = colon and hour.isdecimal() and minute.isdecimal() and int(hour) < 24 and int(minute) < 60
    return int(hour) * 60 + int(minute) if good else None
