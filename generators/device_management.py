"""A client of device management that asks for policy."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Fraction, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import periodic, rounds


def device_management(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Windows\CCM\CcmExec.exe",
    servers: tuple[Address, ...] = ("10.20.0.40",),
    port: Port = 443,
    every: timedelta = timedelta(minutes=60),
    jitter: Fraction = 0.02,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "manage.corp.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """A service that asks its management point for policy once an hour.

    The client's default interval is 60 minutes as is widely known; no stored source confirms it.
    """
    process = host.daemon(image, command_line=image)
    at = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
