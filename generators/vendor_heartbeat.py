"""A business application that keeps in touch with its vendor."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Fraction, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import periodic, rounds


def vendor_heartbeat(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Program Files\Contoso\Ledger\LedgerSync.exe",
    servers: tuple[Address, ...] = ("198.51.100.80",),
    port: Port = 443,
    # Chosen: the software is nobody's, and stands for all that is on no allow-list.
    every: timedelta = timedelta(minutes=5),
    jitter: Fraction = 0.1,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "heartbeat.ledger.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """A service that calls its vendor's cloud every five minutes, off by up to a tenth."""
    process = host.daemon(image)
    at = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
