"""DNS-Client/Operational: what the resolver was asked (3006), answered (3008) and heard from the network (3020)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import decimal
from harness.telemetry.platform import Condition
from harness.telemetry.sensor import ActivityRows, Sensor, Setup
from harness.telemetry.simulation.activity import DnsQuery
from harness.telemetry.windows_log import Channel, computer, format_dns_answers, late, service_of, thread_of, types_of

CHANNEL = Channel(
    sensor="dns_client",
    provider="Microsoft-Windows-DNS-Client",
    guid="{1C95126E-7EEA-49A9-A3FE-A378B03DDB4D}",
    name="Microsoft-Windows-DNS-Client/Operational",
)

# As recorded (IT001, 2019: 130 events 3008; telemetry.md 2.4); what the bits say is not documented. A probe of the
# cache that finds nothing ends at once with 87, ERROR_INVALID_PARAMETER.
PROBE_OPTIONS = {1: "1073766400", 28: "1073897472"}
BOTH_OPTIONS = "2251800887582720"
NOT_CACHED = 87
# A+AAAA is probed for each type but asked once, logged under its last type with the options of both.
LAST = 28


def record_cached_query(rows: ActivityRows[DnsQuery], setup: Setup) -> Iterator[Events]:
    """A look into the cache for each record type, then the query itself and what each server's answer was."""
    if not setup.on("dns_client_log"):
        return
    for kind in (1, 28):
        asked = rows.where(partial(asks, kind))
        if len(asked):
            yield from record_resolver_call(asked, setup, kind, options=PROBE_OPTIONS[kind], after=0.0, probe=True)
            yield from responses(asked.where(lambda a: not a.cached), setup, kind)
    for kind in (1, 28):
        asked = rows.where(partial(is_sent_query, kind))
        both = BOTH_OPTIONS if kind == LAST else PROBE_OPTIONS[kind]
        yield from record_resolver_call(asked, setup, kind, options=both, after=0.003, probe=False)


def asks(kind: int, query: DnsQuery) -> bool:
    """Whether records of a type are asked for."""
    return kind in types_of(query)


def is_sent_query(kind: int, query: DnsQuery) -> bool:
    """Whether a query goes to the network, and under this type."""
    return not query.cached and types_of(query)[-1] == kind


def record_resolver_call(
    rows: ActivityRows[DnsQuery], setup: Setup, kind: int, *, options: str, after: float, probe: bool
) -> Iterator[Events]:
    """One call of the resolver: 3006 when it begins, 3008 when it is done."""
    if not len(rows):
        return
    begun = rows.at + np.timedelta64(round(after * 1e6), "us")
    took = build_network_wait(rows, setup) if not probe else np.zeros(len(rows), "timedelta64[us]")
    status = rows.number(lambda a: a.status)
    if probe:
        status = np.where(rows.flag(lambda a: a.cached), status, NOT_CACHED)
    named: dict[str, Any] = {
        **caller(rows),
        "QueryName": rows.text(lambda a: a.query_name),
        "QueryType": rows.each(lambda a: str(kind)),
        "QueryOptions": rows.each(lambda a: options),
    }
    zero = rows.each(lambda a: "0")
    called = {
        **named,
        "ServerList": rows.each(lambda a: ""),
        # Fields in the order of the provider's manifest (OTRF/OSSEM-DD).
        "IsNetworkQuery": zero,
        "NetworkQueryIndex": zero,
        "InterfaceIndex": zero,
        "IsAsyncQuery": zero,
    }
    yield CHANNEL.written("3006", called, at=late(begun, setup, least=0.0, median=0.0004), cause=rows.cause)
    done = {**named, "QueryStatus": decimal(status), "QueryResults": format_dns_answers(rows, status)}
    yield CHANNEL.written("3008", done, at=late(begun + took, setup, least=0.002, median=0.0004), cause=rows.cause)


def responses(rows: ActivityRows[DnsQuery], setup: Setup, kind: int) -> Iterator[Events]:
    """3020: what a server answered, written by the resolver's service."""
    if not len(rows):
        return
    status = rows.number(lambda a: a.status)
    zero = rows.each(lambda a: "0")
    columns: dict[str, Any] = {
        "Computer": rows.each(computer),
        "Execution_ProcessID": rows.each(lambda a: str(service_of(a).pid)),
        "Execution_ThreadID": rows.each(thread_of("Dnscache")),
        "Security_UserID": rows.each(lambda a: service_of(a).user.sid),
        "QueryName": rows.text(lambda a: a.query_name),
        "QueryType": rows.each(lambda a: str(kind)),
        "NetworkIndex": zero,
        "InterfaceIndex": zero,
        "Status": decimal(status),
        "QueryResults": format_dns_answers(rows, status),
    }
    at = late(rows.at + build_network_wait(rows, setup) * 0.9, setup, least=0.002, median=0.0004)
    yield CHANNEL.written("3020", columns, at=at, cause=rows.cause)


def build_network_wait(rows: ActivityRows[DnsQuery], setup: Setup) -> Any:
    """How long the network took: about 25 ms, or ten seconds until it is given up."""
    status = rows.number(lambda a: a.status)
    # 1460 is ERROR_TIMEOUT; all three times are chosen from practice, no source.
    micros = np.where(status == 1460, 10_000_000, 15_000 + setup.random.exponential(12_000, len(rows)))
    return micros.astype(np.int64).astype("timedelta64[us]")


def caller(rows: ActivityRows[DnsQuery]) -> dict[str, Any]:
    """System fields: the resolver runs inside the process that asks."""
    actors = rows.processes()
    return {
        "Computer": rows.each(computer),
        "Execution_ProcessID": actors.column(decimal(actors.numbers(lambda p: p.pids))),
        "Execution_ThreadID": rows.each(thread_of("resolver")),
        "Security_UserID": actors.each(lambda p: p.user.sid),
    }


SENSOR = Sensor(
    name="dns_client",
    meaning="the Operational channel of the DNS client",
    origin=CHANNEL,
    conditions=(
        Condition(
            name="dns_client_log",
            values=("on", "off"),
            meaning="whether the channel is enabled; Windows itself leaves it off",
        ),
    ),
    records={DnsQuery: record_cached_query},
)
