"""A person who browses the web."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, NetworkConnection
from harness.telemetry.simulation.behaviour import Between, Count, Port
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.host import ONE_SECOND, Host
from harness.telemetry.simulation.network_calls import look_up_name, sizes
from harness.telemetry.simulation.schedule import bursts, check_moment_count, convert_seconds

EDGE = r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe"
USER_AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"
Addresses = Annotated[int, Between(1, 100)]
# RFC 5737: the internet of a simulation.
NETWORKS = ("192.0.2.", "198.51.100.", "203.0.113.")


# Visits follow Zipf's law, 5 to 30 connections a page (telemetry.md 6.3). 37 and 254 have no common divisor: addresses
# repeat after 762, all that the three networks have.
def browsing(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = EDGE,
    port: Port = 443,
    lasts: timedelta = timedelta(hours=8),
    pages_per_hour: float = 20.0,
    sites: Count = 30,
    addresses: Addresses = 4,
    ptr: str | None = None,
) -> Iterator[Activity]:
    """Pages of popular and unpopular sites, each a burst of 5 to 30 connections within a second.

    A site is delivered from several addresses that change with the DNS lifetime.
    """
    pages = visits(start, lasts, pages_per_hour, random)
    if not len(pages) or not sites:
        return
    popularity = 1 / np.arange(1, sites + 1)
    site = random.choice(sites, len(pages), p=popularity / popularity.sum())
    pool = tuple(NETWORKS[i % 3] + str(1 + i * 37 % 254) for i in range(min(sites * addresses, 700)))
    counts = random.integers(5, 31, len(pages))
    at = bursts(pages, counts, 1.0, random)
    which = np.repeat(site, counts) * addresses + random.integers(0, addresses, len(at))
    process = host.application(image)
    names = TextColumn(values=tuple(f"www.site{i}.example" for i in range(sites)), codes=site)
    yield from look_up_name(host, process, pages - convert_seconds(0.05), name=names, answers=pool[:1])
    yield NetworkConnection(
        at=at,
        host=host,
        process=process,
        destination_ip=TextColumn(values=pool, codes=which % len(pool)),
        destination_port=port,
        destination_hostname=ptr,
        bytes_sent=sizes(random, len(at), 1800),
        bytes_received=sizes(random, len(at), 24_000),
        user_agent=USER_AGENT,
    )


def visits(
    start: np.datetime64, lasts: timedelta, per_hour: float, random: Generator
) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    """Moments at which a page is opened.

    Thinking times are lognormal with a Pareto tail (shape 1.5), as in models of web users since Barford and Crovella.
    """
    expected = check_moment_count(max(0.0, per_hour) * lasts.total_seconds() / 3600)
    # Body of 30 s in the median, 8 % pauses of a minute and more; scaled to the asked rate afterwards. The
    # parameters are chosen, the shapes are the model's.
    body = np.exp(3.4 + 1.1 * random.standard_normal(2 * expected + 20))
    away = random.random(len(body)) < 0.08
    waits = np.where(away, 60 * (1 + random.pareto(1.5, len(body))), body)
    waits *= 3600 / max(per_hour, 1e-9) / waits.mean()
    moments = start + ONE_SECOND + convert_seconds(np.minimum(waits, 86_400).cumsum())
    return moments[moments < start + convert_seconds(lasts.total_seconds())]
