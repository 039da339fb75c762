"""A process that tries several ports of one server, as test 3 does."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.activity import Activity, Address
from harness.telemetry.calls import call
from harness.telemetry.host import POWERSHELL, Host
from harness.telemetry.lifecycle import lived
from harness.telemetry.parameter import Count, Port
from harness.telemetry.schedule import SECOND, fits, periodic, seconds


def port_probe(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = POWERSHELL,
    server: Address = "127.0.0.1",
    ports: tuple[Port, ...] = (4444, 8080, 8443),
    every: timedelta = timedelta(minutes=30),
    times: Count = 1,
    ptr: str | None = None,
    listener: bool | None = None,
) -> Iterator[Activity]:
    """`times` rounds over all ports, one right after another; a refused call takes one to two seconds to fail.

    Windows sends a refused SYN again about half a second later, twice, before connect() gives up.
    """
    listed = ",".join(map(str, ports))
    script = (
        f"'{listed}'.Split(',') | ForEach-Object {{ (New-Object Net.Sockets.TcpClient).Connect('{server}', [int]$_) }}"
    )
    scripted = image.lower().endswith(("\\powershell.exe", "\\pwsh.exe"))
    process = host.process(image, command_line=f'"{image}" -NoProfile -Command "{script}"' if scripted else None)
    fits(times * len(ports))
    rounds = periodic(start + 2 * SECOND, every, times, random)
    refused = listener is False or (listener is None and server.startswith("127."))
    pauses = (
        random.uniform(1.0, 2.1, (times, len(ports))) if refused else random.uniform(0.02, 0.2, (times, len(ports)))
    )
    at = (rounds[:, None] + seconds(np.cumsum(pauses, axis=1))).ravel()
    yield from lived(process, at[-1] + 2 * SECOND if len(at) else None, script=script if scripted else None)
    numbers = np.tile(np.array(ports, np.int64), times)
    yield call(host, process, at, server=server, port=numbers, ptr=ptr, listener=listener)
