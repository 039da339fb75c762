"""An implant of a known framework, with the framework's own default interval and formula of jitter."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.random import Generator

from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.activity import Activity, Address, BooleanArray
from harness.telemetry.simulation.behaviour import Count, Fraction, Port
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.host import ONE_SECOND, POWERSHELL_IMAGE, Host, Process
from harness.telemetry.simulation.network_calls import connect_to_server, look_up_name, sizes
from harness.telemetry.simulation.process_lifecycle import sample_process_lifetime
from harness.telemetry.simulation.schedule import (
    JitterShape,
    bursts,
    check_moment_count,
    convert_seconds,
    periodic,
    poisson,
    rounds,
    wait,
)

Framework = Literal["cobalt_strike", "sliver", "empire", "covenant", "mythic", "havoc", "poshc2", "merlin"]
Channel = Literal["poll", "long_poll", "kept_alive"]


@dataclass(frozen=True)
class Default:
    """A framework's interval in seconds, its jitter as a part of that, and where jitter moves a wait."""

    every: float
    jitter: float
    shape: JitterShape


DEFAULTS = {
    "cobalt_strike": Default(60, 0.0, "shorter"),
    "sliver": Default(60, 0.5, "longer"),
    "empire": Default(5, 0.0, "around"),
    "covenant": Default(5, 0.1, "around"),
    "mythic": Default(10, 0.23, "around"),
    "havoc": Default(2, 0.15, "around"),
    "poshc2": Default(5, 0.2, "around"),
    "merlin": Default(30, 0.1, "longer"),
}
"""Read in each project's source or profiles: Sliver adds up to 30 s to 60 s, Merlin up to 3000 ms of skew to 30 s,
Cobalt Strike takes up to its jitter away. That Mythic, Havoc and PoshC2 jitter either way is an assumption."""


def implant(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    framework: Framework = "cobalt_strike",
    every: timedelta | None = None,
    jitter: Fraction | None = None,
    image: str = POWERSHELL_IMAGE,
    servers: tuple[Address, ...] = ("203.0.113.66",),
    ports: tuple[Port, ...] = (443,),
    rotation: timedelta = timedelta(hours=1),
    channel: Channel = "poll",
    held: timedelta = timedelta(seconds=55),
    hours: tuple[Count, ...] = (),
    tasks_per_hour: float = 0.0,
    endpoint: str | None = None,
    ptr: str | None = None,
    lasts: timedelta = timedelta(hours=8),
) -> Iterator[Activity]:
    """A process that calls home as its framework does, from its start to its end.

    `channel` long_poll has the server hold each request for `held`, kept_alive one connection for `held` that all polls
    go through. `hours` (9, 17) keeps it silent outside these hours of the host's own time. Servers and ports take turns
    every `rotation`. Tasks make bursts of calls. `endpoint` is the name that is asked for and `ptr` the one a reverse
    lookup gives: a front behind a well-known network has a PTR of that network.
    """
    at = rhythm(start, lasts, random, framework, every, jitter, None if channel == "poll" else held)
    if tasks_per_hour:
        # Busy agents show bursts below a second and CV 0.2 to 0.9 (telemetry.md 5); 4 to 29 calls in 20 s are chosen.
        tasks = poisson(start, lasts, tasks_per_hour, random)
        at = np.sort(np.concatenate([at, bursts(tasks, random.integers(4, 30, len(tasks)), 20.0, random)]))
    if len(hours) == 2:
        at = at[at_work(at, host, hours[0], hours[1])]
    process = host.process(image)
    yield from sample_process_lifetime(process, start + wait(lasts) - ONE_SECOND)
    if len(at):
        yield from calls(host, process, at, random, servers, ports, rotation, endpoint, ptr)


def calls(
    host: Host,
    process: Process,
    at: Times,
    random: Generator,
    servers: tuple[str, ...],
    ports: tuple[int, ...],
    rotation: timedelta,
    endpoint: str | None,
    ptr: str | None,
) -> Iterator[Activity]:
    """The connections at these moments, servers and ports taking turns, and the lookup of the name before each."""
    turns = ((at - at[0]) // wait(rotation)).astype(np.int64)
    check_moment_count(len(at))
    if endpoint is not None:
        # Once a turn: the name is asked for again when the server changes.
        first = np.flatnonzero(np.diff(turns, prepend=-1))
        yield from look_up_name(host, process, at[first] - convert_seconds(0.05), name=endpoint, answers=servers[:1])
    yield connect_to_server(
        host,
        process,
        at,
        server=TextColumn(values=servers, codes=turns % len(servers)),
        port=np.array(ports, np.int64)[turns % len(ports)],
        ptr=ptr,
        name=endpoint,
        bytes_sent=sizes(random, len(at), 700),
        bytes_received=sizes(random, len(at), 1100),
    )


def rhythm(
    start: np.datetime64,
    lasts: timedelta,
    random: Generator,
    framework: Framework,
    every: timedelta | None,
    jitter: float | None,
    held: timedelta | None,
) -> Times:
    """When an idle implant opens a connection: at its interval, or when one that was held for so long has ended."""
    chosen = DEFAULTS[framework]
    period = held or every or timedelta(seconds=chosen.every)
    if held is not None:
        # Servers end held requests by their own timer, so little jitter; 2 % is chosen.
        at = periodic(start, period, rounds(lasts, period), random, jitter=0.02)
    else:
        off = chosen.jitter if jitter is None else jitter
        at = periodic(start, period, rounds(lasts, period), random, jitter=off, shape=chosen.shape)
    early: Times = at[at < start + wait(lasts)]
    return early


def at_work(at: Times, host: Host, begin: int, end: int) -> BooleanArray:
    """Which moments are in these hours of a working day where the host is."""
    place = ZoneInfo(host.time_zone)
    # One conversion an hour, not one a call; in zones off by half an hour the edges are half an hour off.
    hours, which = np.unique(at.astype("datetime64[h]"), return_inverse=True)
    utc = ZoneInfo("UTC")
    local = [hour.astype("datetime64[s]").item().replace(tzinfo=utc).astimezone(place) for hour in hours]
    good = np.array([begin <= moment.hour < end and moment.weekday() < 5 for moment in local], bool)
    found: BooleanArray = good[which]
    return found
