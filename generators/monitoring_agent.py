"""A monitoring agent that sends its metrics to a hosted backend."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Fraction, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import periodic, rounds


def monitoring_agent(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Program Files\Datadog\Datadog Agent\bin\agent.exe",
    servers: tuple[Address, ...] = ("198.51.100.60",),
    port: Port = 443,
    every: timedelta = timedelta(seconds=60),
    jitter: Fraction = 0.03,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "intake.metrics.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """A service that sends metrics once a minute.

    Zabbix's active agent sends its buffer every 5 s and refreshes its checks every 120 s (zabbix_agentd.conf); hosted
    agents that collect every 15 s keep their connection, so that a new one comes about once a minute.
    """
    process = host.daemon(image)
    at = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
