"""An agent that asks a build server for jobs."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import check_moment_count, convert_seconds, rounds


def build_agent(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\GitLab-Runner\gitlab-runner.exe",
    servers: tuple[Address, ...] = ("198.51.100.170",),
    port: Port = 443,
    every: timedelta = timedelta(seconds=3),
    requests_per_connection: int = 1000,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "gitlab.build.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """A runner that asks every 3 s over one kept connection, which the server closes after so many requests.

    `check_interval` is 3 s by default (gitlab-runner, advanced-configuration.md); 1000 requests are nginx's
    keepalive_requests. A Jenkins agent has one connection for days and pings over it (remoting, configuration.md).
    """
    polls = rounds(lasts, every)
    count = check_moment_count(max(1, polls // max(1, requests_per_connection)))
    # A few per cent longer in the mean, since polls take time; chosen.
    waits = every.total_seconds() * requests_per_connection * random.uniform(0.98, 1.08, count)
    at = start + convert_seconds(np.concatenate([[0.0], waits.cumsum()]))
    at = at[at < start + convert_seconds(lasts.total_seconds())]
    process = host.daemon(image, command_line=f'"{image}" run --service gitlab-runner')
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
