"""An implant that calls its server at regular intervals."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.activity import Activity, Address, NetworkConnection, ProcessCreation
from harness.telemetry.host import POWERSHELL, Host
from harness.telemetry.parameter import Count, Fraction, Port
from harness.telemetry.schedule import SECOND, periodic


def beacon(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = POWERSHELL,
    server: Address = "203.0.113.10",
    port: Port = 443,
    every: timedelta = timedelta(seconds=60),
    jitter: Fraction = 0.1,
    times: Count = 180,
) -> Iterator[Activity]:
    """One process that connects to `server` `times` times, each wait off by up to `jitter` of itself."""
    process = host.process(image)
    yield ProcessCreation(at=start, host=host, process=process)
    at = periodic(start + SECOND, every, times, random, jitter=jitter)
    yield NetworkConnection(at=at, host=host, process=process, destination_ip=server, destination_port=port)
