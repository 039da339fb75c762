"""One process."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.activity import Activity
from harness.telemetry.host import Host
from harness.telemetry.lifecycle import lived


def process(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Windows\System32\cmd.exe",
    command_line: str | None = None,
    lasts: timedelta = timedelta(seconds=5),
    script: str | None = None,
) -> Iterator[Activity]:
    """A program that the user starts and that ends after a while; `script` is what PowerShell runs in it."""
    started = host.process(image, command_line=command_line)
    yield from lived(started, start + np.timedelta64(round(lasts.total_seconds() * 1e6), "us"), script=script)
