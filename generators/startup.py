"""What starts with a host and with a logon."""

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, ProcessCreation
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.process_tree import TREE

# Sensors start with services.exe or later: both are never seen to start.
BEFORE_ANY_SENSOR = ("System", "smss.exe")
# Those that behaviours of the pack act through, so that each event has a recorded process.
SERVICES = ("Schedule", "DcomLaunch", "Dnscache", "CryptSvc", "W32Time", "Winmgmt", "gpsvc", "SSDPSRV")


def startup(host: Host, start: np.datetime64, random: Generator, *, fresh: bool = True) -> Iterator[Activity]:
    """Every process that lives as long as the host or the logon does, from wininit.exe to the user's programs.

    A host that was not booted within the time that is simulated (`fresh` false) has all of them already.
    """
    if not fresh:
        return
    for name in TREE:
        host.running(name)
    for name in SERVICES:
        host.service(name)
    lasting = [p for name, p in host.ledger.processes.items() if name not in BEFORE_ANY_SENSOR]
    for process in sorted(lasting, key=lambda p: (p.starts[0], str(p.image))):
        yield ProcessCreation(at=process.started, host=host, process=process)
