"""Windows asks whether certificates are still good."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import bursts, poisson


def certificate_checks(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    servers: tuple[Address, ...] = ("192.0.2.60", "192.0.2.61"),
    port: Port = 80,
    per_hour: float = 1.2,
    most_together: int = 6,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "ocsp.certificates.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """The CryptSvc service fetches OCSP answers and revocation lists over port 80, several together.

    A recorded burst: 30 connections in 7.3 s by one svchost.exe to one address.
    """
    moments = poisson(start, lasts, per_hour, random)
    # 7 s: the recorded burst lasted 7.3.
    at = bursts(moments, random.integers(1, max(2, most_together + 1), len(moments)), 7.0, random)
    process = host.service("CryptSvc")
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr, bytes_received=1800)
