"""Software that calls a few endpoints again and again: which of their addresses, and the lookups before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np

from harness.telemetry.activity import Activity, Integers, TextColumn
from harness.telemetry.calls import connect_to_server, look_up_name
from harness.telemetry.host import Host, Process
from harness.telemetry.schedule import wait
from harness.telemetry.spelling import Times


def agent(
    host: Host,
    process: Process,
    at: Times,
    random: np.random.Generator,
    *,
    servers: Sequence[str],
    port: int = 443,
    name: str | None = None,
    ptr: str | None = None,
    rotation: timedelta = timedelta(minutes=5),
    bytes_received: int = 4200,
    user_agent: str = "-",
) -> Iterator[Activity]:
    """Calls at these moments to an endpoint with several addresses; its name is asked for once a DNS lifetime.

    Each lifetime (`rotation`) the resolver hands out another address, so that counts an address and hour have gaps.
    """
    if not len(at):
        return
    period = ((at - at.min()) // wait(rotation)).astype(np.int64)
    # One draw a lifetime, not one a call: an address that rotates has no call in half of its hours, as in 48 recorded
    # hours of one host (telemetry.md 6.1, 6.3).
    chosen = random.integers(0, len(servers), int(period.max()) + 1)[period]
    if name is not None:
        yield from look_up_before_calls(host, process, at, name, servers, period, chosen)
    yield connect_to_server(
        host,
        process,
        at,
        server=TextColumn(values=tuple(servers), codes=chosen),
        port=port,
        ptr=ptr,
        name=name,
        bytes_sent=sizes(random, len(at), 900),
        bytes_received=sizes(random, len(at), bytes_received),
        user_agent=user_agent,
    )


def look_up_before_calls(
    host: Host, process: Process, at: Times, name: str, servers: Sequence[str], period: Integers, chosen: Integers
) -> Iterator[Activity]:
    """The lookups of the name: before the first call of each DNS lifetime, answered with the address then in use."""
    # A negative number before the first makes the first call a change as well.
    first = np.flatnonzero(np.diff(period, prepend=-1))
    for number, server in enumerate(servers):
        mine = first[chosen[first] == number]
        if len(mine):
            # 45 ms: an answer from the network and a handshake before the call counts; chosen.
            asked = at[mine] - np.timedelta64(45_000, "us")
            yield from look_up_name(host, process.take(mine), asked, name=name, answers=(server,))


def sizes(random: np.random.Generator, count: int, median: float) -> Integers:
    """Sizes of requests or answers: lognormal around a median."""
    # Heavy-tailed as sizes on the web are; the spread of 0.35 is chosen.
    found: Integers = np.rint(median * np.exp(0.35 * random.standard_normal(count))).astype(np.int64)
    return found
