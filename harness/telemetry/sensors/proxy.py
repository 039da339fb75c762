"""A firewall and proxy at the edge: what leaves for public addresses, attempts included, in CIM's field names."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import numpy as np

from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import decimal, encode_times, encode_truth, parse_address
from harness.telemetry.platform import Condition
from harness.telemetry.sensor import ActivityRows, Sensor, Setup, SplunkInput, build_events, take_column_rows
from harness.telemetry.simulation.activity import NetworkConnection
from harness.telemetry.simulation.schedule import convert_seconds

# Without CGNAT (100.64.0.0/10), which does leave the network, and without the documentation
# networks, which are the internet of a simulation.
INSIDE = tuple(
    ip_network(n)
    for n in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4"),
        *("255.255.255.255/32", "0.0.0.0/8", "::1/128", "fe80::/10", "fc00::/7", "ff00::/8"),
    )
)


def record_proxy_line(rows: ActivityRows[NetworkConnection], setup: Setup) -> Iterator[Events]:
    """One line a connection when it ends; names of hosts where the program asked for one."""
    if not setup.on("proxy_log"):
        return
    calls = rows.where(lambda a: a.initiated)
    destinations = calls.text(lambda a: a.destination_ip)
    public = np.array([leaves_network(a) for a in destinations.dictionary.to_pylist()], bool)
    some = np.flatnonzero(public[destinations.indices.to_numpy()])
    if not len(some):
        return
    established = calls.flag(lambda a: a.established)
    # 3 s until an unanswered call is given up is chosen; 66 bytes below are one SYN with all its headers.
    length = np.where(established, calls.number(lambda a: a.duration_ms), 3000)
    skew = calls.number(lambda a: int(a.host.clock_skew.astype("timedelta64[us]").astype(int)))
    # The firewall has a clock of its own, so the host's error is taken out again.
    at = calls.at - skew.astype("timedelta64[us]") + convert_seconds(length / 1000)
    columns: dict[str, Any] = {
        "timestamp": encode_times(at, between="T", end="Z"),
        "action": "allowed",
        "src": calls.text(lambda a: a.source_ip),
        "src_port": decimal(calls.number(lambda a: a.ports)),
        "dest": destinations,
        "dest_port": decimal(calls.number(lambda a: a.destination_port)),
        "dest_host": calls.text(lambda a: a.requested_hostname),
        "transport": calls.each(lambda a: a.protocol),
        "session_end_reason": encode_truth(established, ("aged-out", "tcp-fin")),
        "bytes_out": decimal(np.where(established, calls.number(lambda a: a.bytes_sent), 66)),
        "bytes_in": decimal(np.where(established, calls.number(lambda a: a.bytes_received), 0)),
        "duration": decimal(length),
        "user": calls.each(lambda a: a.process.user.account),
        "url_path": calls.each(lambda a: a.url_path),
        "http_user_agent": calls.each(lambda a: a.user_agent),
    }
    yield build_events(
        "proxy", "traffic", at=at[some], cause=calls.cause[some], constants={}, columns=take_column_rows(columns, some)
    )


def leaves_network(address: str | None) -> bool:
    """Whether a connection there passes the edge of the network."""
    if address is None:
        return False
    found = parse_address(address)
    return not any(found.version == n.version and found in n for n in INSIDE)


SENSOR = Sensor(
    name="proxy",
    meaning="a firewall and proxy at the edge of the network",
    origin=SplunkInput(index="proxy", source="proxy", sourcetype="proxy"),
    conditions=(
        Condition(name="proxy_log", values=("on", "off"), meaning="whether there is a log of the edge at all"),
    ),
    records={NetworkConnection: record_proxy_line},
)
