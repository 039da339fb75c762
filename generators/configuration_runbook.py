"""A configuration runbook in PowerShell that polls a management interface."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Fraction, Port
from harness.telemetry.simulation.host import POWERSHELL_IMAGE, Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.process_lifecycle import sample_process_lifetime
from harness.telemetry.simulation.schedule import convert_seconds, periodic, rounds


def configuration_runbook(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = POWERSHELL_IMAGE,
    servers: tuple[Address, ...] = ("198.51.100.30",),
    port: Port = 443,
    every: timedelta = timedelta(minutes=15),
    jitter: Fraction = 0.01,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "management.runbook.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """Every quarter of an hour a task starts PowerShell, which asks an outside interface whether all is well.

    DSC checks consistency every 15 minutes and asks for a new configuration every 30: ConfigurationModeFrequencyMins,
    RefreshFrequencyMins (PowerShell-Docs-DSC, metaConfig).
    """
    moments = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    parent, system = host.service("Schedule"), host.account("SYSTEM")
    process = host.process(
        image,
        command_line=r'"powershell.exe" -NoProfile -NonInteractive -File C:\ProgramData\runbooks\Test-State.ps1',
        parent=parent,
        user=system,
        started=moments,
    )
    ended = moments + convert_seconds(random.uniform(4.5, 9.0, len(moments)))
    yield from sample_process_lifetime(
        process, ended, script="Invoke-RestMethod -Uri $ManagementUri -UseBasicParsing | Test-State"
    )
    # After PowerShell has started (telemetry.md 1.6); chosen.
    at = moments + convert_seconds(random.uniform(2.0, 4.0, len(moments)))
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
