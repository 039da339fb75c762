"""A service of a server that others call."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, NetworkConnection
from harness.telemetry.simulation.behaviour import Count, Port
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.schedule import poisson


def inbound_service(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = "lsass.exe",
    ports: tuple[Port, ...] = (389, 88, 135, 49669),
    clients: tuple[str, ...] = ("10.20.", "10.28.", "10.36."),
    neighbours: Count = 60,
    per_hour: float = 40.0,
    lasts: timedelta = timedelta(hours=8),
) -> Iterator[Activity]:
    """Calls that come in, without memory, from `neighbours` addresses of these networks.

    By default LDAP, Kerberos and RPC to lsass.exe, as a domain controller has them all day.
    """
    known = image in ("lsass.exe", "System")
    process = host.running(image) if known else host.daemon(image)
    at = poisson(start, lasts, per_hour, random)
    # 7 and 230 have no common divisor: up to 1,610 callers differ.
    callers = tuple(f"{clients[i % len(clients)]}{1 + i % 7}.{10 + i * 13 % 230}" for i in range(max(1, neighbours)))
    yield NetworkConnection(
        at=at,
        host=host,
        process=process,
        initiated=False,
        source_ip=TextColumn(values=callers, codes=random.integers(0, len(callers), len(at))),
        destination_ip=host.address,
        destination_port=random.choice(np.array(ports), len(at)),
    )
