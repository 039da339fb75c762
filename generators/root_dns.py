"""A DNS server that asks the root servers."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, NetworkConnection
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.schedule import poisson

# IANA's root hints; b.root-servers.net has had its address since November 2023.
ROOTS = {
    "a.root-servers.net": "198.41.0.4",
    "b.root-servers.net": "170.247.170.2",
    "c.root-servers.net": "192.33.4.12",
    "d.root-servers.net": "199.7.91.13",
    "e.root-servers.net": "192.203.230.10",
    "f.root-servers.net": "192.5.5.241",
    "g.root-servers.net": "192.112.36.4",
    "h.root-servers.net": "198.97.190.53",
    "i.root-servers.net": "192.36.148.17",
    "j.root-servers.net": "192.58.128.30",
    "k.root-servers.net": "193.0.14.129",
    "l.root-servers.net": "199.7.83.42",
    "m.root-servers.net": "202.12.27.33",
}


def root_dns(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    per_hour: float = 90.0,
    lasts: timedelta = timedelta(hours=8),
) -> Iterator[Activity]:
    """dns.exe on a domain controller sends queries to all thirteen root servers, each under its PTR name."""
    at = poisson(start, lasts, per_hour, random)
    codes = random.integers(0, len(ROOTS), len(at))
    yield NetworkConnection(
        at=at,
        host=host,
        process=host.daemon(r"C:\Windows\System32\dns.exe", command_line=r"C:\Windows\system32\dns.exe"),
        destination_ip=TextColumn(values=tuple(ROOTS.values()), codes=codes),
        destination_port=53,
        destination_hostname=TextColumn(values=tuple(ROOTS), codes=codes),
        protocol="udp",
    )
