"""An endpoint detection sensor that reports to its cloud."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Fraction, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import periodic, rounds


def edr_agent(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    # A real path, since allow-lists name it; the endpoint's name is made up.
    image: str = r"C:\Program Files\CrowdStrike\CSFalconService.exe",
    servers: tuple[Address, ...] = ("203.0.113.40", "203.0.113.41"),
    port: Port = 443,
    every: timedelta = timedelta(minutes=2),
    jitter: Fraction = 0.05,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "ts01-b.sensor.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """A service that calls its cloud every two minutes or so, day and night.

    Period: known from practice, in no published source; the connection itself is kept for hours, these are heartbeats.
    """
    process = host.daemon(image)
    at = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
