"""Calls to a server at given moments, or so many in each clock hour."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.behaviour import Count, Port
from harness.telemetry.simulation.host import ONE_SECOND, POWERSHELL_IMAGE, Host
from harness.telemetry.simulation.network_calls import connect_to_server
from harness.telemetry.simulation.process_lifecycle import sample_process_lifetime
from harness.telemetry.simulation.schedule import convert_seconds, hourly


def http_callbacks(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = POWERSHELL_IMAGE,
    server: Address = "203.0.113.10",
    port: Port = 443,
    counts: tuple[Count, ...] = (5, 6),
    after: tuple[timedelta, ...] = (),
    ptr: str | None = None,
    listener: bool | None = None,
) -> Iterator[Activity]:
    """One process that calls `counts[i]` times in the i-th clock hour from the start's on, and `after` each wait.

    Within its hour a call may come at any moment but for the first seconds and the last minute, so that a record that
    is written late stays in the hour. Calls of the first hour may come before the start: it is the hour that counts.
    """
    moments = np.sort(np.concatenate([hourly(start, counts, random), *(start + one(wait) for wait in after)]))
    # A process must not call before it starts.
    first = min(start, moments[0] - 2 * ONE_SECOND) if len(moments) else start
    process = host.process(image, started=first)
    yield from sample_process_lifetime(process, moments[-1] + ONE_SECOND if len(moments) else None)
    yield connect_to_server(host, process, moments, server=server, port=port, ptr=ptr, listener=listener)


def one(wait: timedelta) -> np.ndarray[tuple[int], np.dtype[np.timedelta64]]:
    """A wait as an array of one."""
    return convert_seconds(np.array([wait.total_seconds()]))
