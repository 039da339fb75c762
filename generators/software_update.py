"""An updater that looks for new versions."""

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


def software_update(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Program Files (x86)\Microsoft\EdgeUpdate\MicrosoftEdgeUpdate.exe",
    servers: tuple[Address, ...] = ("198.51.100.200",),
    port: Port = 443,
    every: timedelta = timedelta(hours=5),
    jitter: Fraction = 0.05,
    lasts: timedelta = timedelta(hours=24),
    endpoint: str | None = "update.software.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """Every five hours a task starts the updater, which asks its server whether there is something new.

    Browsers' updaters check every five to ten hours though their tasks run hourly (from practice, in no published
    source); Windows Update draws its wait between 80 and 100 % of 22 hours.
    """
    moments = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    parent, system = host.service("Schedule"), host.account("SYSTEM")
    # The arguments that the updater's own scheduled task has.
    process = host.process(
        image, command_line=f'"{image}" /ua /installsource scheduler', parent=parent, user=system, started=moments
    )
    ended = moments + convert_seconds(random.uniform(3.0, 20.0, len(moments)))
    yield from sample_process_lifetime(process, ended)
    at = moments + convert_seconds(random.uniform(0.5, 2.0, len(moments)))
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
