"""Names that nobody knows: search suffixes, proxies, hosts that are gone."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.network_calls import look_up_name
from harness.telemetry.simulation.schedule import poisson

NAMES = ("wpad", "isatap", "old-print01", "fileserver-legacy", "intranet", "sharepoint2013")


def failed_lookups(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    names: tuple[str, ...] = NAMES,
    per_hour: float = 4.0,
    lasts: timedelta = timedelta(hours=8),
) -> Iterator[Activity]:
    """svchost.exe and explorer.exe ask for names that are not there, with and without the domain behind them.

    Of 2,059 recorded queries most failed: codes 9502, 9002, 9701, 1460 and 9003, in that order.
    """
    suffixed = tuple(f"{n}.{host.domain}" if host.domain else n for n in names)
    for process, asked, status in (
        (host.service("Dnscache"), suffixed, 9003),
        (host.running("explorer.exe"), names, 9003),
        (host.service("gpsvc"), (f"_ldap._tcp.{host.domain}",), 9002),
    ):
        # Three askers share the rate.
        at = poisson(start, lasts, per_hour / 3, random)
        if len(at):
            which = TextColumn(values=asked, codes=random.integers(0, len(asked), len(at)))
            yield from look_up_name(host, process, at, name=which, status=status)
