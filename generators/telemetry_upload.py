"""Windows sends diagnostic data."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import poisson


def telemetry_upload(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    servers: tuple[Address, ...] = ("203.0.113.50", "203.0.113.51"),
    port: Port = 443,
    per_hour: float = 5.5,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "events.telemetry.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """DiagTrack uploads about 5.5 times an hour and changes its address every few hours: each has half the hours.

    The rate and the alternation are those of two addresses in 48 recorded hours of one host (260 and 129 connections,
    47 and 21 hours; microsoft/msticpy, az_net_flows).
    """
    at = poisson(start, lasts, per_hour, random)
    process = host.service("DiagTrack")
    yield from agent(
        host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr, rotation=timedelta(hours=3)
    )
