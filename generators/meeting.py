"""Calls with voice and video."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address, NetworkConnection
from harness.telemetry.simulation.behaviour import Port
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent, sizes
from harness.telemetry.simulation.schedule import convert_seconds, poisson

MEDIA_PORTS = (3478, 3479, 3480, 3481)


def meeting(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Users\{user}\AppData\Roaming\Zoom\bin\Zoom.exe",
    servers: tuple[Address, ...] = ("203.0.113.120", "203.0.113.121", "203.0.113.122"),
    port: Port = 443,
    per_hour: float = 0.35,
    flows: int = 8,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "relay.meeting.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """A few calls a day: signalling over TCP, then flows of UDP to the relays' media ports 3478 to 3481.

    The ports are those of STUN (RFC 8489) and the three beside it that Teams documents for audio, video and sharing.
    """
    process = host.application(image)
    calls = poisson(start, lasts, per_hour, random)
    if not len(calls):
        return
    # A call is set up, joined two seconds later, and left after 10 to 40 minutes; all chosen.
    signalling = np.sort(
        np.concatenate([calls, calls + convert_seconds(2.0), calls + convert_seconds(random.uniform(600, 2400))])
    )
    yield from agent(host, process, signalling, random, servers=servers, port=port, name=endpoint, ptr=ptr)
    count = len(calls) * max(0, min(flows, 100))
    yield NetworkConnection(
        at=np.sort(np.repeat(calls, count // len(calls)) + convert_seconds(random.uniform(3, 1500, count))),
        host=host,
        process=process,
        destination_ip=TextColumn(values=servers, codes=random.integers(0, len(servers), count)),
        destination_port=random.choice(np.array(MEDIA_PORTS), count),
        protocol="udp",
        bytes_sent=sizes(random, count, 400_000),
        bytes_received=sizes(random, count, 900_000),
    )
