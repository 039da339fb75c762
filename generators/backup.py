"""A nightly backup to a store outside."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Count, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import bursts, convert_seconds


def backup(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Program Files\Contoso\Backup\bkagent.exe",
    servers: tuple[Address, ...] = ("192.0.2.90", "192.0.2.91", "192.0.2.92"),
    port: Port = 443,
    hour: Count = 1,
    parts: Count = 60,
    minutes: Count = 50,
    lasts: timedelta = timedelta(days=2),
    endpoint: str | None = "vault.backup.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """Every night at this hour of the host's own time, `parts` uploads within so many minutes."""
    first = datetime.fromisoformat(str(start.astype("datetime64[s]"))).date()
    nights = []
    for day in range(lasts.days + 2):
        # By the host's own clock: an hour of the night moves with the change of clocks.
        local = datetime(first.year, first.month, first.day, hour % 24, tzinfo=ZoneInfo(host.time_zone))
        begun = (local + timedelta(days=day)).astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
        # Starts spread over a quarter of an hour, as backup servers stagger their
        # clients; all numbers of this file are chosen.
        nights.append(np.datetime64(begun, "us") + convert_seconds(float(random.uniform(0, 900))))
    begun_at = np.array(
        [n for n in nights if start <= n < start + convert_seconds(lasts.total_seconds())], "datetime64[us]"
    )
    at = bursts(begun_at, np.full(len(begun_at), parts), 60.0 * minutes, random)
    process = host.daemon(image)
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr, bytes_received=2500)
