"""A process that asks for the addresses of several domains, as test 2 does."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, Address, DnsQuery
from harness.telemetry.simulation.attack import start_attack
from harness.telemetry.simulation.behaviour import Count
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.host import ONE_SECOND, POWERSHELL_IMAGE, Host
from harness.telemetry.simulation.network_calls import look_up_name
from harness.telemetry.simulation.schedule import periodic

# Names of the pack's own test: RFC 2606 reserves both zones, so that nobody is asked.
DOMAINS = (
    "update-check.example",
    "cdn-sync.example",
    "telemetry-relay.example",
    "vps-gateway.test",
    "c2-staging.test",
)


def dns_lookups(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = POWERSHELL_IMAGE,
    domains: tuple[str, ...] = DOMAINS,
    every: timedelta = timedelta(seconds=1),
    times: Count = 1,
    status: int = 9003,
    answers: tuple[Address, ...] = (),
    query_type: Literal["A", "AAAA", "A+AAAA"] = "A",
    packets: bool = False,
) -> Iterator[Activity]:
    """Each domain in turn, `times` rounds; `status` 9003 says that there is no such name, 0 gives `answers`.

    With `packets` the datagrams to the DNS server are there too: the resolver's service sends them, not the process.
    A host without a way out has 9502, 1460 or 9002 instead of 9003: the codes seen in 2,059 recorded queries.
    """
    names = ",".join(domains)
    script = f"'{names}'.Split(',') | ForEach-Object {{ Resolve-DnsName -Name $_ -Type A -DnsOnly }}"
    scripted = image.lower().endswith(("\\powershell.exe", "\\pwsh.exe"))
    line = f'"{image}" -NoProfile -Command "{script}"' if scripted else None
    given = {"domains": names, "interval": f"{every.total_seconds():g}"}
    attack = start_attack(host, image, given, line=line, script=script if scripted else None)
    at = periodic(start + 2 * ONE_SECOND, every, times * len(domains), random)
    yield from attack.sample_lifetime(at[-1] + 2 * ONE_SECOND if len(at) else None)
    asked = TextColumn(values=domains, codes=np.tile(np.arange(len(domains)), times))
    for activity in look_up_name(
        host, attack.process, at, name=asked, answers=answers, status=status, query_type=query_type
    ):
        if packets or isinstance(activity, DnsQuery):
            yield activity
