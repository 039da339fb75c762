"""An implant that calls its server at regular intervals."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.attack import start_attack
from harness.telemetry.simulation.behaviour import Count, Fraction, Port
from harness.telemetry.simulation.host import ONE_SECOND, POWERSHELL_IMAGE, Host
from harness.telemetry.simulation.network_calls import connect_to_server
from harness.telemetry.simulation.schedule import JitterShape, periodic


def beacon(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = POWERSHELL_IMAGE,
    server: Address = "203.0.113.10",
    port: Port = 443,
    every: timedelta = timedelta(seconds=60),
    jitter: Fraction = 0.1,
    shape: JitterShape = "around",
    times: Count = 180,
    ptr: str | None = None,
    listener: bool | None = None,
) -> Iterator[Activity]:
    """One process that connects to `server` `times` times, each wait off by up to `jitter` of itself.

    Published defaults of the field: Cobalt Strike 60 s, 0 %, shorter; Sliver 60 s, 50 %, longer; Empire 5 s, 0 %;
    Covenant 5 s, 10 %; Mythic http 10 s, 23 %; Havoc 2 s, 15 %; PoshC2 5 s, 20 %.
    """
    seconds = every.total_seconds()
    # -DisableKeepAlive: a kept connection would be one event 3 (telemetry.md 1.4). -UseBasicParsing: without it
    # the first call of a fresh account fails.
    request = f"Invoke-WebRequest -UseBasicParsing -DisableKeepAlive -Uri 'http://{server}:{port}/'"
    script = f"1..{times} | ForEach-Object {{ {request} | Out-Null; Start-Sleep -Seconds {seconds:g} }}"
    scripted = image.lower().endswith(("\\powershell.exe", "\\pwsh.exe"))
    line = f'"{image}" -NoProfile -Command "{script}"' if scripted else None
    given = {"server": server, "port": port, "count": times, "interval": f"{seconds:g}"}
    attack = start_attack(host, image, given, line=line, script=script if scripted else None)
    # PowerShell takes a second or two until its script runs (telemetry.md 1.6).
    at = periodic(start + 2 * ONE_SECOND, every, times, random, jitter=jitter, shape=shape)
    yield from attack.sample_lifetime(at[-1] + ONE_SECOND if len(at) else None)
    yield connect_to_server(host, attack.process, at, server=server, port=port, ptr=ptr, listener=listener)
