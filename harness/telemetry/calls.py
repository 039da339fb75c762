"""Calls to a server: whether anybody answers, and the lookup of its name before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from harness.telemetry.activity import Activity, DnsQuery, Integers, NetworkConnection, Text
from harness.telemetry.host import Host, Process
from harness.telemetry.spelling import Times

# The pack's own listener (lab/listener) is a Python script.
LISTENER = r"C:\Program Files\Python312\python.exe"


def connect_to_server(
    host: Host,
    process: Process,
    at: np.datetime64 | Times,
    *,
    server: Text,
    port: int | Integers,
    listener: bool | None = None,
    ptr: Text = None,
    name: str | None = None,
    bytes_sent: int | Integers = 900,
    bytes_received: int | Integers = 4200,
    user_agent: str = "-",
) -> NetworkConnection:
    """Connections of a process to a server; `ptr` is the name that a reverse lookup of its address gives.

    `listener` says whether somebody answers: by default a server elsewhere does, this host itself does not.
    """
    # The published tests call 127.0.0.1 and start no server: refused, unless a scenario says that one listens.
    here = isinstance(server, str) and (server.startswith("127.") or server in host.own_addresses)
    answered = not here if listener is None else listener
    listening = host.application(LISTENER, command_line="python.exe -m http.server") if here and answered else None
    return NetworkConnection(
        at=at,
        host=host,
        process=process,
        destination_ip=server,
        destination_port=port,
        established=answered,
        listener=listening,
        destination_hostname=ptr,
        requested_hostname=name,
        bytes_sent=bytes_sent,
        bytes_received=bytes_received,
        user_agent=user_agent,
    )


def look_up_name(
    host: Host,
    process: Process,
    at: np.datetime64 | Times,
    *,
    name: Text,
    answers: Sequence[str] = (),
    canonical_names: Sequence[str] = (),
    status: int = 0,
    query_type: str = "A+AAAA",
    cached: bool = False,
) -> Iterator[Activity]:
    """A process asks for a name; unless it is cached the resolver's service asks the first DNS server for each type."""
    # The query is the program's; its packets below are of svchost.exe: 2,541 of 3,084 recorded calls to port 53 are.
    yield DnsQuery(
        at=at,
        host=host,
        process=process,
        query_name=name,
        query_type=query_type,
        status=status,
        answers=tuple(answers),
        canonical_names=tuple(canonical_names),
        resolver=host.resolvers[0],
        cached=cached,
    )
    if not cached:
        for number in range(query_type.count("A+") + 1):
            yield NetworkConnection(
                # A packet leaves under a millisecond after the call, the one for AAAA 0.4 ms behind that for A: chosen.
                at=at + np.timedelta64(700 + 400 * number, "us"),
                host=host,
                process=host.service("Dnscache"),
                destination_ip=host.resolvers[0],
                destination_port=53,
                protocol="udp",
                bytes_sent=74,
                bytes_received=140,
                duration_ms=18,
            )
