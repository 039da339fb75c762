"""A member of a domain that talks to its own servers."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address, NetworkConnection
from harness.telemetry.simulation.host import POWERSHELL_IMAGE, Host
from harness.telemetry.simulation.network_calls import connect_to_server
from harness.telemetry.simulation.schedule import periodic, rounds


def internal_services(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    domain_controller: Address = "10.20.0.10",
    file_server: Address = "172.16.4.20",
    inventory: Address = "192.168.10.30",
    lasts: timedelta = timedelta(hours=8),
) -> Iterator[Activity]:
    """LDAP and Kerberos by lsass.exe, SMB by System, NTP, and an inventory script in PowerShell, all to RFC 1918.

    Group Policy is refreshed every 90 minutes plus up to 30; the others are as regular as such services are.
    """

    def moments(minutes: float, jitter: float) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
        every = timedelta(minutes=minutes)
        return periodic(start, every, rounds(lasts, every), random, jitter=jitter)

    lsass, system = host.running("lsass.exe"), host.running("System")
    yield connect_to_server(host, lsass, moments(15, 0.3), server=domain_controller, port=389)
    yield connect_to_server(host, lsass, moments(30, 0.4), server=domain_controller, port=88)
    # 105 minutes off by 14 % are the 90 to 120 minutes of Group Policy.
    yield connect_to_server(host, host.service("gpsvc"), moments(105, 0.14), server=domain_controller, port=389)
    yield connect_to_server(host, system, moments(6, 0.5), server=file_server, port=445)
    yield NetworkConnection(
        at=moments(17, 0.02),
        host=host,
        process=host.service("W32Time"),
        destination_ip=domain_controller,
        destination_port=123,
        protocol="udp",
        # NTP calls from its own port.
        source_port=123,
    )
    script = host.daemon(
        POWERSHELL_IMAGE, command_line=rf'"{POWERSHELL_IMAGE}" -NoProfile -File C:\ProgramData\inventory.ps1'
    )
    yield connect_to_server(host, script, moments(5, 0.02), server=inventory, port=8530)
