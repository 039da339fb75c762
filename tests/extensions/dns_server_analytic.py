"""The Analytical channel of Windows' DNS server: the queries that reach it."""

from __future__ import annotations

from collections.abc import Iterator

from harness.telemetry.events.event import Events
from harness.telemetry.sensor import ActivityRows, Sensor, Setup
from harness.telemetry.simulation.activity import DnsQuery
from harness.telemetry.windows_log import Channel, computer, late, thread_of

CHANNEL = Channel(
    sensor="dns_server_analytic",
    provider="Microsoft-Windows-DNSServer",
    guid="{EB79061A-A566-4698-9119-3ED2807060E7}",
    name="Microsoft-Windows-DNSServer/Analytical",
)


def record_event_256(rows: ActivityRows[DnsQuery], setup: Setup) -> Iterator[Events]:
    """Event 256: a query was received."""
    columns = {
        "Computer": rows.each(computer),
        "Execution_ProcessID": "2100",
        "Execution_ThreadID": rows.each(thread_of("dns.exe")),
        "Security_UserID": "S-1-5-18",
        "QNAME": rows.text(lambda a: a.query_name),
    }
    yield CHANNEL.written("256", columns, at=late(rows.at, setup, least=0.001), cause=rows.cause)


SENSOR = Sensor(
    name="dns_server_analytic",
    meaning="the Analytical channel of the DNS server",
    origin=CHANNEL,
    records={DnsQuery: record_event_256},
)
