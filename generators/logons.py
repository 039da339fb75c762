"""Logons at a desktop, over the network and of services, some of them refused."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.activity import Activity, Integers, UserLogoff, UserLogon
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.host import Host, Neighbour, User
from harness.telemetry.simulation.identity import hash_to_number
from harness.telemetry.simulation.schedule import convert_seconds, poisson
from harness.telemetry.simulation.text_template import draw_ranks

# Of refusals most are slips of the hand; shares chosen.
REFUSALS = ((0xC000006A, 0.8), (0xC0000064, 0.12), (0xC0000234, 0.05), (0xC0000072, 0.03))


def logons(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    lasts: timedelta = timedelta(hours=8),
    desktop: bool = True,
    unlocks_per_hour: float = 0.6,
    network_per_hour: float = 0.5,
    services_per_hour: float = 1.5,
    refused_per_hour: float = 0.03,
    administrators: float = 0.04,
) -> Iterator[Activity]:
    """Who logs on to a host: its user, colleagues and machines over the network, services; and what is refused.

    Network logons end within seconds or minutes. `administrators` is the share of them with privileges (4672).
    """
    if desktop:
        yield from log_on_user(host, start, lasts, unlocks_per_hour, random)
    yield from log_on_services(host, poisson(start, lasts, services_per_hour, random))
    yield from log_on_neighbours(host, poisson(start, lasts, network_per_hour, random), administrators, random)
    wrong = poisson(start, lasts, refused_per_hour, random)
    shares = np.cumsum([share for _, share in REFUSALS])
    drawn = np.searchsorted(shares, random.random(len(wrong)))
    for number, (code, _) in enumerate(REFUSALS):
        # Wrong once, and mostly wrong again within some seconds.
        first: Times = wrong[drawn == number]
        again: Times = np.repeat(first, random.geometric(0.5, len(first)))
        moments = again + convert_seconds(random.uniform(0, 20, len(again)))
        moments.sort()
        yield from refuse(host, moments, code, desktop, random)


def log_on_services(host: Host, at: Times) -> Iterator[Activity]:
    """Services that start as SYSTEM."""
    if len(at):
        system = (host.account("SYSTEM"),)
        same = np.zeros(len(at), np.int64)
        yield UserLogon(
            at=at,
            host=host,
            process=host.running("services.exe"),
            accounts=system,
            who=same,
            logon_ids=same + system[0].logon_id,
            logon_type=5,
            privileged=True,
        )


def log_on_user(
    host: Host, start: np.datetime64, lasts: timedelta, unlocks: float, random: Generator
) -> Iterator[Activity]:
    """The user's own session at the console, and unlocks after breaks."""
    winlogon = host.running("winlogon.exe")
    privileged = host.user.integrity == "High"
    times = ((2, np.array([start])), (7, poisson(start, lasts, unlocks, random)))
    for kind, at in times:
        if len(at):
            sessions = host.user.logon_id + np.arange(len(at)) * (0 if kind == 2 else 0x1A3C5)
            yield UserLogon(
                at=at,
                host=host,
                process=winlogon,
                accounts=(host.user,),
                who=np.zeros(len(at), np.int64),
                logon_ids=sessions,
                logon_type=kind,
                source_ip="127.0.0.1",
                workstation=host.name,
                privileged=privileged,
            )


def log_on_neighbours(host: Host, at: Times, administrators: float, random: Generator) -> Iterator[Activity]:
    """Colleagues and their machines over the network, with the ends of their sessions."""
    known = host.neighbours
    if not len(at) or not known:
        return
    ranks = (draw_ranks(random, len(known), len(at), 0.7) + hash_to_number("near", host.name, size=4)) % len(known)
    special = random.random(len(at)) < administrators
    # A third of network logons are of machine accounts, which fetch policies; chosen.
    machine = (random.random(len(at)) < 0.33) & ~special
    for chosen, privileged, accounts in (
        (~special & ~machine, False, [n.user for n in known]),
        (machine, False, [machine_account(n) for n in known]),
        (special, True, [administrator(n) for n in known]),
    ):
        rows = np.flatnonzero(chosen)
        if len(rows):
            yield from log_on_and_off(host, at[rows], accounts, ranks[rows], random, privileged=privileged)


def log_on_and_off(
    host: Host, at: Times, accounts: Sequence[User], who: Integers, random: Generator, *, privileged: bool
) -> Iterator[Activity]:
    """Sessions of accounts over the network, from their hosts, and the end of each."""
    sessions = random.integers(0x40000, 0x7FFFFFF, len(at))
    lsass = host.running("lsass.exe")
    yield UserLogon(
        at=at,
        host=host,
        process=lsass,
        accounts=accounts,
        who=who,
        logon_ids=sessions,
        logon_type=3,
        source_ip=TextColumn(values=[n.address for n in host.neighbours], codes=who),
        source_port=random.integers(49152, 65536, len(at)),
        privileged=privileged,
    )
    # Twelve seconds in the median, some for hours: chosen.
    ends = at + convert_seconds(np.minimum(12 * np.exp(1.4 * random.standard_normal(len(at))), 36_000))
    order = np.argsort(ends, kind="stable")
    yield UserLogoff(
        at=ends[order],
        host=host,
        process=lsass,
        accounts=accounts,
        who=who[order],
        logon_ids=sessions[order],
        logon_type=3,
    )


def machine_account(neighbour: Neighbour) -> User:
    """The account of a neighbour's machine."""
    sid = neighbour.user.sid.rpartition("-")
    return replace(neighbour.user, name=f"{neighbour.name}$", sid=f"{sid[0]}-{int(sid[2]) + 20_000}")


def administrator(neighbour: Neighbour) -> User:
    """The second account that an administrator has for administration."""
    sid = neighbour.user.sid.rpartition("-")
    # Four people administer; whoever the neighbour is, one of them came from there.
    which = hash_to_number("administrator", neighbour.name) % 4
    return replace(neighbour.user, name=f"adm-{which + 1}", sid=f"{sid[0]}-{60_001 + which}", integrity="High")


def refuse(host: Host, at: Times, code: int, desktop: bool, random: Generator) -> Iterator[Activity]:
    """Logons that are refused: at the console of the user, over the network of a neighbour."""
    if not len(at) or not (desktop or host.neighbours):
        return
    if desktop:
        accounts, who = [host.user], np.zeros(len(at), np.int64)
    else:
        accounts = [n.user for n in host.neighbours]
        who = draw_ranks(random, len(accounts), len(at))
    addresses = [n.address for n in host.neighbours]
    yield UserLogon(
        at=at,
        host=host,
        process=host.running("winlogon.exe" if desktop else "lsass.exe"),
        accounts=accounts,
        who=who,
        logon_ids=np.zeros(len(at), np.int64),
        logon_type=2 if desktop else 3,
        source_ip="127.0.0.1" if desktop else TextColumn(values=addresses, codes=who),
        source_port=0 if desktop else random.integers(49152, 65536, len(at)),
        workstation=host.name if desktop else None,
        failure=code,
    )
