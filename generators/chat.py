"""A chat client on the desktop."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Fraction, Port
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import agent
from harness.telemetry.simulation.schedule import periodic, rounds


def chat(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    # The version is in the path: a rule that knows it in full is right for one release.
    image: str = r"C:\Program Files\WindowsApps\MSTeams_24295.605.3225.8804_x64__8wekyb3d8bbwe\ms-teams.exe",
    servers: tuple[Address, ...] = ("198.51.100.120", "198.51.100.121"),
    port: Port = 443,
    every: timedelta = timedelta(minutes=3),
    jitter: Fraction = 0.33,
    lasts: timedelta = timedelta(hours=8),
    endpoint: str | None = "presence.chat.example",
    ptr: str | None = None,
) -> Iterator[Activity]:
    """A program of the user that polls for presence and messages every three minutes, off by up to a third.

    Classic Teams is `Teams.exe` in the user's folder, the new one `ms-teams.exe` under WindowsApps.
    """
    process = host.application(image)
    at = periodic(start, every, rounds(lasts, every), random, jitter=jitter)
    yield from agent(host, process, at, random, servers=servers, port=port, name=endpoint, ptr=ptr)
