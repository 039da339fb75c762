"""What a study costs beside one run of its rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Bench, Contender, Line, Measure, hold_against, hold_against_bar
from bench.process import CommandFailed
from bench.rules import BARS_AT, query, rule_file
from bench.simulation import simulate

# Ten thousand combinations: TotalConnections is compared twice, RiskScore has four values of its own.
VALUES = (
    "TotalConnections=5,10,20,40,50",
    "HoursActive=1,2,3,4,5,6,7,8,9,10",
    "ConsistencyRatio=0.2,0.3,0.4,0.5,0.6",
    "AvgPerHour=0.5,1",
)
COMBINATIONS = 10_000
# Of the office: Sysmon events of a host in a day.
DAILY_EVENTS, DAYS = 15_000, 7
BAR, MEMORY = 1.2, 2e9


def tune(bench: Bench, events: Path) -> list[str | Path]:
    """The command that judges all combinations."""
    values = [part for value in VALUES for part in ("--values", value)]
    # A lake says of nothing that it is an attack's, and a study without one is refused.
    attack = ("--malicious", "Image=*powershell.exe", "--malicious", "DestinationIp=*.7")
    return bench.detlab("tune", rule_file(bench, "spl"), "--events", events, "--fast", *attack, *values, "--json")


def combinations(output: Path) -> str:
    """Makes sure that the study judged as many settings as it should. Raises CommandFailed where it did not."""
    found = json.loads(output.read_bytes())["combinations"]
    if found != COMBINATIONS:
        raise CommandFailed(f"{found:,} combinations were judged, not {COMBINATIONS:,}")
    return f"{found} combinations"


def take(bench: Bench) -> Iterator[Line]:
    """CPU against one query of the same events, and memory."""
    days = bench.size(DAYS, quick=1)
    hosts = max(8, bench.events // (DAILY_EVENTS * days))
    # A world and no lake: a study of thresholds needs to know which events are an attack's.
    events = bench.make(f"world-{hosts}-{days}", *simulate(bench, hosts, days, Path("{}")))
    tuned, asked = Contender(name="tune", commands=[tune(bench, events)], codes=(0, 1), digest=combinations), "query"
    results = bench.race(tuned, Contender(name=asked, commands=[query(bench, "spl", events)]))
    judged = bench.judges(bench.events, BARS_AT)
    line = Line(measure="tune", subject="tune, a grid of 10,000", yardstick="one query", bar=BAR, judged=judged)
    yield hold_against(line, results["tune"], results[asked])
    memory = Line(measure="tune", subject="tune, memory", yardstick="2 GB", judged=judged)
    yield hold_against_bar(memory, results["tune"], MEMORY, lambda cost: cost.memory)


MEASURES = (Measure("tune", "tune with a grid of 10,000 against one query of the same events", take),)
