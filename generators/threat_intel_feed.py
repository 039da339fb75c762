"""A security tool that fetches indicators with curl or PowerShell."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Fraction, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.process_lifecycle import sample_process_lifetime
from harness.telemetry.simulation.schedule import convert_seconds, periodic, rounds


def threat_intel_feed(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Windows\System32\curl.exe",
    servers: tuple[Address, ...] = ("203.0.113.150",),
    port: Port = 443,
    # A usual refresh of such feeds, from practice; no source.
    every: timedelta = timedelta(minutes=15),
    jitter: Fraction = 0.01,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "feed.intel.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """Every quarter of an hour a task starts curl.exe or PowerShell, which fetches a list of indicators."""
    moments = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    parent, system = host.service("Schedule"), host.account("SYSTEM")
    address = f"https://{endpoint or servers[0]}/indicators.csv"
    kept = "C:\\ProgramData\\intel\\indicators.csv"
    script = f"Invoke-WebRequest -UseBasicParsing -Uri '{address}' -OutFile {kept}"
    scripted = image.lower().endswith(("\\powershell.exe", "\\pwsh.exe"))
    line = f'"{image}" -NoProfile -Command "{script}"' if scripted else f"curl.exe -sS --fail -o {kept} {address}"
    process = host.process(image, command_line=line, parent=parent, user=system, started=moments)
    ended = moments + convert_seconds(random.uniform(0.9, 2.5, len(moments)))
    yield from sample_process_lifetime(process, ended, script=script if scripted else None)
    at = moments + convert_seconds(random.uniform(0.15, 0.5, len(moments)))
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
