"""A person who browses a web of many names, most of which are hardly ever seen."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.events.text_columns import Times
from harness.telemetry.simulation.activity import Activity
from harness.telemetry.simulation.behaviour import Port
from harness.telemetry.simulation.host import ONE_SECOND, Host
from harness.telemetry.simulation.identity import hash_to_number
from harness.telemetry.simulation.internet import SITES, popular_sites
from harness.telemetry.simulation.network_calls import call_names, look_up_names
from harness.telemetry.simulation.schedule import check_moment_count, convert_seconds
from harness.telemetry.simulation.text_template import draw_ranks, personal_ranks

EDGE = r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe"
# Names that everybody meets: the head of the web. The tail is another on each host.
COMMON_SITES = 120


def web_browsing(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = EDGE,
    port: Port = 443,
    lasts: timedelta = timedelta(hours=8),
    pages_per_hour: float = 8.0,
    names_per_page: float = 6.0,
    calls_per_name: float = 2.0,
) -> Iterator[Activity]:
    """Pages with what they embed: each asks for several names, some of them popular, and calls each once or more.

    A name resolves through CNAME chains to one or several addresses. Thinking times are lognormal with a Pareto tail.
    """
    pages = sample_page_moments(start, lasts, pages_per_hour, random)
    if not len(pages):
        return
    counts = random.geometric(1 / max(1.0, names_per_page), len(pages))
    at = np.repeat(pages, counts) + convert_seconds(random.exponential(0.8, int(counts.sum())))
    at.sort()
    # Exponent chosen so that a day's share of pairs with ten calls in two hours is near RITA's (telemetry.md, addenda).
    ranks = draw_ranks(random, SITES, len(at), 1.0)
    names = popular_sites(personal_ranks(ranks, SITES, COMMON_SITES, hash_to_number("sites", host.name, size=4)))
    process = host.application(image)
    yield from look_up_names(host, process, at - convert_seconds(0.05), names, random)
    again = np.repeat(np.arange(len(at)), random.geometric(1 / max(1.0, calls_per_name), len(at)))
    moments = at[again] + convert_seconds(random.exponential(0.4, len(again)))
    order = np.argsort(moments, kind="stable")
    yield call_names(host, process, moments[order], names.take(again[order]), random, port=port)


def sample_page_moments(start: np.datetime64, lasts: timedelta, per_hour: float, random: Generator) -> Times:
    """Moments at which a page is opened."""
    expected = check_moment_count(max(0.0, per_hour) * lasts.total_seconds() / 3600)
    if not expected:
        return np.empty(0, "datetime64[us]")
    # As in `browsing`, after Barford and Crovella; the parameters are chosen, the shapes are the model's.
    waits = np.exp(3.4 + 1.1 * random.standard_normal(2 * expected + 20))
    away = random.random(len(waits)) < 0.08
    waits[away] = 60 * (1 + random.pareto(1.5, int(away.sum())))
    waits *= 3600 / per_hour / waits.mean()
    pages = start + ONE_SECOND + convert_seconds(np.minimum(waits, 86_400).cumsum())
    within: Times = pages[pages < start + convert_seconds(lasts.total_seconds())]
    return within
