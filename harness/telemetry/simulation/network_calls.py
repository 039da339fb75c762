"""Calls to servers: the lookup before, whether anybody answers, software that calls again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np

from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.activity import Activity, DnsQuery, Integers, NetworkConnection, Text
from harness.telemetry.simulation.coded_column import AnswerColumn, DnsAnswer, TextColumn
from harness.telemetry.simulation.host import Host, Process
from harness.telemetry.simulation.identity import hash_to_number
from harness.telemetry.simulation.internet import resolve_domain_name
from harness.telemetry.simulation.schedule import convert_seconds, wait

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
            # The one that is used comes first, the others of the endpoint behind it, as resolvers rotate them.
            others = (*servers[number + 1 :], *servers[:number])
            chain = resolve_domain_name(name).canonical_names
            # Of recorded answers without a chain four in five have one address; half of the endpoints here is chosen.
            alone = bool(chain) or hash_to_number("alone", name) % 2 == 0
            yield from look_up_name(
                host,
                process.take(mine),
                asked,
                name=name,
                answers=(server,) if alone else (server, *others),
                canonical_names=chain,
            )


def sizes(random: np.random.Generator, count: int, median: float) -> Integers:
    """Sizes of requests or answers: lognormal around a median."""
    # Heavy-tailed as sizes on the web are; the spread of 0.35 is chosen.
    found: Integers = np.rint(median * np.exp(0.35 * random.standard_normal(count))).astype(np.int64)
    return found


def look_up_names(
    host: Host, process: Process, at: Times, names: TextColumn, random: np.random.Generator, *, missing: bool = False
) -> Iterator[Activity]:
    """A process asks for these names, most for both families at once; half of them are in the resolver's cache."""
    answers = AnswerColumn(
        values=[DnsAnswer() if missing else resolve_domain_name(n) for n in names.texts()], codes=names.codes
    )
    # Shares chosen: 324 of 452 recorded answers are of queries for both families; caches are not recorded.
    drawn = random.random(len(at))
    cached = (random.random(len(at)) < 0.5) & (not missing)
    for query_type, low, high in (("A+AAAA", 0.0, 0.72), ("A", 0.72, 0.9), ("AAAA", 0.9, 1.0)):
        for held in (False, True):
            rows = np.flatnonzero((drawn >= low) & (drawn < high) & (cached == held))
            if len(rows):
                yield DnsQuery(
                    at=at[rows],
                    host=host,
                    process=process.take(rows),
                    query_name=names.take(rows),
                    query_type=query_type,
                    status=9003 if missing else 0,
                    resolved=answers.take(rows),
                    resolver=host.resolvers[0],
                    cached=held,
                )
    sent = np.flatnonzero(~cached)
    if len(sent):
        yield NetworkConnection(
            at=at[sent] + np.timedelta64(700, "us"),
            host=host,
            process=host.service("Dnscache"),
            destination_ip=host.resolvers[0],
            destination_port=53,
            protocol="udp",
            bytes_sent=74,
            bytes_received=140,
            duration_ms=18,
        )


def call_names(
    host: Host, process: Process, at: Times, names: TextColumn, random: np.random.Generator, *, port: int = 443
) -> NetworkConnection:
    """Calls to one of the addresses of each name; which of them is the resolver's choice for a while."""
    pool: dict[str, int] = {}
    starts: list[int] = []
    counts: list[int] = []
    flat: list[int] = []
    for name in names.texts():
        own = [a for a in resolve_domain_name(name).addresses if ":" not in a]
        starts.append(len(flat))
        counts.append(len(own))
        flat += [pool.setdefault(a, len(pool)) for a in own]
    first, size = np.array(starts, np.int64)[names.codes], np.array(counts, np.int64)[names.codes]
    # Lifetimes of five minutes: within one, a name has the same first address (telemetry.md 6.3).
    lifetime = at.astype("datetime64[s]").astype(np.int64) // 300
    place = first + (lifetime * 40503 + names.codes * 7) % np.maximum(size, 1)
    return NetworkConnection(
        at=at + convert_seconds(0.02 + 0.03 * random.random(len(at))),
        host=host,
        process=process,
        destination_ip=TextColumn(values=tuple(pool), codes=np.array(flat, np.int64)[place]),
        destination_port=port,
        bytes_sent=sizes(random, len(at), 1800),
        bytes_received=sizes(random, len(at), 24_000),
    )
