"""A process that tries several ports of one server, as test 3 does."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address
from harness.telemetry.simulation.attack import start_attack
from harness.telemetry.simulation.behaviour import Count, Port
from harness.telemetry.simulation.host import ONE_SECOND, POWERSHELL_IMAGE, Host
from harness.telemetry.simulation.network_calls import connect_to_server
from harness.telemetry.simulation.schedule import check_moment_count, convert_seconds, periodic


def port_probe(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = POWERSHELL_IMAGE,
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
    line = f'"{image}" -NoProfile -Command "{script}"' if scripted else None
    given = {"server": server, "ports": listed}
    attack = start_attack(host, image, given, line=line, script=script if scripted else None)
    check_moment_count(times * len(ports))
    rounds = periodic(start + 2 * ONE_SECOND, every, times, random)
    refused = listener is False or (listener is None and server.startswith("127."))
    pauses = (
        # 0.54 and 0.52 s between SYNs were recorded (telemetry.md 1.4), so a refused call takes above a second.
        random.uniform(1.0, 2.1, (times, len(ports))) if refused else random.uniform(0.02, 0.2, (times, len(ports)))
    )
    at = (rounds[:, None] + convert_seconds(np.cumsum(pauses, axis=1))).ravel()
    yield from attack.sample_lifetime(at[-1] + 2 * ONE_SECOND if len(at) else None)
    numbers = np.tile(np.array(ports, np.int64), times)
    yield connect_to_server(host, attack.process, at, server=server, port=numbers, ptr=ptr, listener=listener)
