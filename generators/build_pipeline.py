"""A build agent whose jobs fetch artifacts with curl, or packages with msiexec."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Count, Fraction, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.process_lifecycle import sample_process_lifetime
from harness.telemetry.simulation.schedule import check_moment_count, convert_seconds, periodic, rounds


def build_pipeline(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Windows\System32\curl.exe",
    runner: str = r"C:\actions-runner\bin\Runner.Worker.exe",
    servers: tuple[Address, ...] = ("198.51.100.150",),
    port: Port = 443,
    every: timedelta = timedelta(minutes=10),
    jitter: Fraction = 0.02,
    artifacts: Count = 3,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "artifacts.build.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """A scheduled job every ten minutes; each fetches `artifacts` files, one process and one connection a file.

    A GitLab runner asks for jobs every 3 s (check_interval), a GitHub runner holds one long poll: both keep their
    connection, so that what is seen again and again are the downloads.
    """
    jobs = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    # Before arrays of that size are made.
    check_moment_count(len(jobs) * artifacts)
    pauses = convert_seconds(np.cumsum(random.uniform(1.5, 6.0, (len(jobs), artifacts)), axis=1))
    moments = (jobs[:, None] + pauses).ravel()
    # The account that GitHub's runner installs its service under on Windows.
    parent = host.daemon(runner, account="NETWORK SERVICE")
    source = f"https://{endpoint or servers[0]}"
    installs = image.lower().endswith("\\msiexec.exe")
    line = f"msiexec.exe /i {source}/package.msi /qn" if installs else f"curl.exe -fsSL -O {source}/artifact.zip"
    process = host.process(image, command_line=line, parent=parent, user=parent.user, started=moments)
    yield from sample_process_lifetime(process, moments + convert_seconds(random.uniform(0.8, 1.4, len(moments))))
    at = moments + convert_seconds(random.uniform(0.12, 0.4, len(moments)))
    yield from agent(
        host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr, bytes_received=4_000_000
    )
