"""How cost grows with sizes: the slope of a line through logarithms of size and CPU time.

From each cost the CPU of the same command on next to nothing is taken off: the start would make everything look flat.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from bench.languages import wide_events, write_variants
from bench.measure import PACK, Bench, Contender, Line, Measure, break_line
from bench.process import CommandFailed
from bench.rules import BARS_AT, query
from bench.scenarios import write_pack
from bench.simulation import simulate

BAR = 1.1
# Seconds by which two runs of one command differ; what is less has no slope.
NOISE = 0.02


@dataclass(frozen=True, slots=True)
class Growth:
    """A size that grows, its values (the first is the least), and the command at each."""

    name: str
    sizes: Sequence[int]
    quick: Sequence[int]
    command: Callable[[Bench, int], list[str | Path]]
    scaled: bool = False
    """Sizes are for ten million events and grow with --events."""


def stored(bench: Bench, events: Path) -> Path:
    """The store of events where this detlab makes stores."""
    return bench.store(events) if "ingest" in bench.subcommands else events


def ask_events(bench: Bench, size: int) -> list[str | Path]:
    """The SPL rule on so many events."""
    return query(bench, "spl", stored(bench, bench.lake("sysmon", size)))


def ask_groups(bench: Bench, size: int) -> list[str | Path]:
    """A count over a million events by a number of keys."""
    rule = bench.folder / f"groups-{size}.spl"
    keyed = f"| eval key=floor(_time) % {size} | stats count as n by key | stats count as keys, max(n) as most"
    rule.write_text(f"index=wineventlog EventCode=3 {keyed}\n", "utf-8")
    events = stored(bench, bench.lake("sysmon", bench.size(1_000_000, quick=5_000)))
    return bench.detlab("query", rule, "--events", events, "--json")


def ask_columns(bench: Bench, size: int) -> list[str | Path]:
    """Many variants of the SPL rule over events of so many columns."""
    variants = write_variants(bench, "spl", bench.size(20, quick=2))
    return bench.detlab("coverage", variants, "--events", wide_events(bench, size), "--json")


def ask_rules(bench: Bench, size: int) -> list[str | Path]:
    """So many variants of the SPL rule."""
    return bench.detlab("coverage", write_variants(bench, "spl", size), "--events", wide_events(bench, 100), "--json")


def ask_scenarios(bench: Bench, size: int) -> list[str | Path]:
    """So many scenarios of one rule."""
    return bench.detlab("run", write_pack(bench.folder, size) / "scenarios", "--quiet")


def ask_hosts(bench: Bench, size: int) -> list[str | Path]:
    """A day of so many hosts."""
    return simulate(bench, size, 1, bench.folder / "grown-world")


def ask_world(bench: Bench, size: int) -> list[str | Path]:
    """The SPL rule on a day of so many hosts."""
    world = bench.make(f"world-{size}", *simulate(bench, size, 1, Path("{}")))
    return bench.detlab("query", PACK / "T1583.004" / "server.spl", "--events", world, "--json")


GROWTHS = (
    Growth("events", (1_000, 1_000_000, 3_000_000, 10_000_000), (500, 5_000, 10_000), ask_events, scaled=True),
    Growth("groups", (1, 1_000, 10_000, 100_000), (1, 10, 100), ask_groups),
    Growth("columns", (30, 120, 250, 500), (30, 60, 120), ask_columns),
    Growth("rules", (1, 20, 60, 180), (1, 2, 4), ask_rules),
    Growth("scenarios", (1, 30, 100, 300), (1, 2, 4), ask_scenarios),
    Growth("hosts simulated", (2, 50, 150, 500), (2, 4, 8), ask_hosts),
    Growth("hosts queried", (2, 50, 150, 500), (2, 4, 8), ask_world),
)


def fit_slope(points: Sequence[tuple[float, float]]) -> float:
    """The slope of least squares through the logarithms of both."""
    logarithms = [(math.log(x), math.log(y)) for x, y in points]
    x_mean, y_mean = fmean(x for x, _ in logarithms), fmean(y for _, y in logarithms)
    over = sum((x - x_mean) * (y - y_mean) for x, y in logarithms)
    return over / sum((x - x_mean) ** 2 for x, _ in logarithms)


def grow(bench: Bench, growth: Growth) -> Line:
    """The line of one growth."""
    sizes = growth.quick if bench.quick else growth.sizes
    if growth.scaled and not bench.quick:
        sizes = [max(1_000, size * bench.events // BARS_AT) for size in sizes]
    line = Line(measure="slopes", subject=f"{growth.name}: {sizes[1]:,} .. {sizes[-1]:,}", yardstick="slope", bar=BAR)
    contenders = [
        Contender(
            name=f"{growth.name} {size}",
            commands=[growth.command(bench, size)],
            codes=(0, 1),
            fresh=[bench.folder / "grown-world", bench.cache],
            rounds=3,
        )
        for size in sizes
    ]
    try:
        least, *costs = (each.cost for each in bench.race(*contenders).values())
    except CommandFailed as failure:
        return break_line(line, failure)
    points = [(size, max(cost.cpu - least.cpu, NOISE)) for size, cost in zip(sizes[1:], costs, strict=True)]
    return replace(line, value=fit_slope(points), points=points, cost=costs[-1], judged=not bench.quick)


def take(bench: Bench) -> Iterator[Line]:
    """All growths."""
    for growth in GROWTHS:
        yield grow(bench, growth)


MEASURES = (Measure("slopes", "log-log slopes in events, groups, columns, rules, scenarios and hosts", take),)
