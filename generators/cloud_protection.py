"""An antivirus that asks its cloud about files and fetches signatures."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Fraction, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import periodic, poisson, rounds


def cloud_protection(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\ProgramData\Microsoft\Windows Defender\Platform\4.18.24100.10-0\MsMpEng.exe",
    servers: tuple[Address, ...] = ("203.0.113.20", "203.0.113.21", "203.0.113.22", "203.0.113.23"),
    port: Port = 443,
    per_hour: float = 2.0,
    every: timedelta = timedelta(hours=4),
    jitter: Fraction = 0.1,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "cloud.protection.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """Lookups without memory, a few an hour, and new signatures every few hours.

    Rates: from practice; the interval of signature updates is a policy that differs from site to site.
    """
    process = host.daemon(image)
    signatures = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    at = np.sort(np.concatenate([signatures, poisson(start, lasts, per_hour, random)]))
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
