"""One process."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.process_lifecycle import remote_shell, sample_process_lifetime
from harness.telemetry.simulation.schedule import wait


def process(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\Windows\System32\cmd.exe",
    command_line: str | None = None,
    lasts: timedelta = timedelta(seconds=5),
    script: str | None = None,
    through: Literal["desktop", "winrm"] = "desktop",
) -> Iterator[Activity]:
    """A program that ends after a while, started at the desktop or by somebody far away through WinRM.

    `script` is what PowerShell runs in it.
    """
    until = start + wait(lasts)
    parent = None
    if through == "winrm":
        # The shell's cmd.exe runs the same line as the program below it, as WinRS has it.
        parent, chain = remote_shell(host, start, command_line or image, until)
        yield from chain
    started = host.process(image, command_line=command_line, parent=parent)
    yield from sample_process_lifetime(started, until, script=script)
