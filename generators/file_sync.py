"""A client that keeps files the same on a host and in a cloud."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Fraction, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import bursts, periodic, poisson, rounds


def file_sync(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Program Files\Microsoft OneDrive\OneDrive.exe",
    servers: tuple[Address, ...] = ("198.51.100.20", "198.51.100.21", "198.51.100.22"),
    port: Port = 443,
    every: timedelta = timedelta(minutes=20),
    jitter: Fraction = 0.3,
    changes_per_hour: float = 1.5,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "sync.files.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """A push channel that is renewed every twenty minutes or so, and a burst of transfers when files change.

    Periods: from practice, in no published source.
    """
    process = host.application(image)
    channel = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    changes = poisson(start, lasts, changes_per_hour, random)
    transfers = bursts(changes, random.integers(1, 9, len(changes)), 6.0, random)
    at = np.sort(np.concatenate([channel, transfers]))
    yield from agent(
        host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr, bytes_received=120_000
    )
