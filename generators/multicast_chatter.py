"""Name and device discovery on the local link."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, NetworkConnection
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.schedule import poisson

BROWSER = r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe"


def multicast_chatter(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    lasts: timedelta = timedelta(hours=8),
    per_hour: float = 12.0,
) -> Iterator[Activity]:
    """LLMNR and mDNS by the DNS client, SSDP by its service and by a browser, WS-Discovery, a link-local neighbour.

    LLMNR, mDNS and SSDP are as in 7,183 recorded events; WS-Discovery and the neighbour are not among them. None
    of the addresses is in a private range.
    """
    resolver, ssdp = host.service("Dnscache"), host.service("SSDPSRV")
    for process, address, port, source_port in (
        # Among those events: LLMNR 43 and 44, SSDP of msedge.exe 29, of svchost.exe 7, mDNS 9 and 9 from its own port.
        (resolver, "224.0.0.252", 5355, None),
        (resolver, "ff02::1:3", 5355, None),
        (resolver, "224.0.0.251", 5353, 5353),
        (resolver, "ff02::fb", 5353, 5353),
        (ssdp, "239.255.255.250", 1900, None),
        (host.application(BROWSER), "239.255.255.250", 1900, None),
        (host.service("FDResPub"), "239.255.255.250", 3702, 3702),
        (ssdp, "169.254.13.37", 2869, None),
    ):
        at = poisson(start, lasts, per_hour, random)
        yield NetworkConnection(
            at=at,
            host=host,
            process=process,
            destination_ip=address,
            destination_port=port,
            protocol="tcp" if port == 2869 else "udp",
            source_port=source_port,
        )
