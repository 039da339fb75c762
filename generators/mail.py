"""A mail client on the desktop."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Fraction, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import periodic, poisson, rounds


def mail(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Program Files\Microsoft Office\root\Office16\OUTLOOK.EXE",
    servers: tuple[Address, ...] = ("198.51.100.10", "198.51.100.11", "198.51.100.12", "198.51.100.13"),
    port: Port = 443,
    every: timedelta = timedelta(minutes=10),
    jitter: Fraction = 0.2,
    messages_per_hour: float = 6.0,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "outlook.mail.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """A client that keeps its connections, opens new ones every ten minutes or so, and one for each message.

    The classic client is OUTLOOK.EXE, the new one olk.exe. Period: from practice, in no published source.
    """
    process = host.application(image)
    rhythm = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    at = np.sort(np.concatenate([rhythm, poisson(start, lasts, messages_per_hour, random)]))
    yield from agent(
        host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr, bytes_received=30_000
    )
