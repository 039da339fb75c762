"""Desired State Configuration: a host checks itself and asks for its configuration."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import periodic, rounds


def desired_state(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    servers: tuple[Address, ...] = ("198.51.100.40",),
    port: Port = 8080,
    every: timedelta = timedelta(minutes=30),
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "pull.configuration.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """The local configuration manager in WmiPrvSE.exe asks its pull server every 30 minutes and reports after a check.

    RefreshFrequencyMins is 30 and ConfigurationModeFrequencyMins 15 (PowerShell-Docs-DSC, metaConfig).
    """
    process = host.daemon(
        r"C:\Windows\System32\wbem\WmiPrvSE.exe", command_line=r"C:\Windows\system32\wbem\wmiprvse.exe"
    )
    pulls = periodic(start, every, rounds(lasts, every), random, jitter=0.001)
    # After every second pull, 4 s behind it; chosen.
    reports = pulls[random.random(len(pulls)) < 0.5] + np.timedelta64(4_000_000, "us")
    at = np.sort(np.concatenate([pulls, reports]))
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
