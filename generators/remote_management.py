"""A remote management agent with a standing management connection."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Fraction, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import periodic, rounds


def remote_management(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Program Files (x86)\NinjaRMMAgent\NinjaRMMAgent.exe",
    servers: tuple[Address, ...] = ("203.0.113.90", "203.0.113.91", "203.0.113.92"),
    port: Port = 443,
    every: timedelta = timedelta(seconds=90),
    jitter: Fraction = 0.2,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "agent.rmm.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """A service that asks for work every 90 seconds and reconnects when its connection is dropped.

    Period: a guess from practice; vendors publish none.
    """
    process = host.daemon(image)
    at = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
