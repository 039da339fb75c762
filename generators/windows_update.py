"""Windows looks for updates and fetches them."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import bursts, convert_seconds, rounds


def windows_update(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    servers: tuple[Address, ...] = ("203.0.113.30", "203.0.113.31"),
    delivery: tuple[Address, ...] = ("192.0.2.30", "192.0.2.31", "192.0.2.32", "192.0.2.33", "192.0.2.34"),
    port: Port = 443,
    every: timedelta = timedelta(hours=22),
    lasts: timedelta = timedelta(days=3),
    endpoint: str | None = "update.windows.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """Its service searches after 80 to 100 % of the policy's hours (22); what it finds DoSvc fetches in bursts.

    The rule of 80 to 100 % is Microsoft's (windows-itpro-docs, detection frequency); 22 hours are the default.
    """
    # Waits are shorter than the period, so a quarter more of them reach its end.
    count = rounds(lasts, every) + rounds(lasts, every) // 4
    waits = every.total_seconds() * random.uniform(0.8, 1.0, count)
    searches = start + convert_seconds(np.concatenate([[0.0], waits.cumsum()]))
    searches = searches[searches < start + convert_seconds(lasts.total_seconds())]
    at = bursts(searches, random.integers(3, 9, len(searches)), 12.0, random)
    yield from agent(host, host.service("wuauserv"), at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
    # Every second search finds something, and DoSvc fetches it in pieces from servers that change each 20 s; chosen.
    found = searches[random.random(len(searches)) < 0.5] + convert_seconds(40.0)
    fetched = bursts(found, random.integers(10, 80, len(found)), 240.0, random)
    yield from agent(
        host,
        host.service("DoSvc"),
        fetched,
        random,
        servers=delivery,
        port=80,
        name=None,
        ptr=ptr,
        rotation=timedelta(seconds=20),
        bytes_received=1_000_000,
    )
