"""How many events a second `detlab simulate` writes of an organisation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.measure import Bench, Contender, Line, Measure, Unmeasured

# Sysmon events a second on two quiet cores; held against it as in start.py.
BAR = 1e6


def simulate(bench: Bench, hosts: int, days: int, out: Path) -> list[str | Path]:
    """The command that writes a world of Sysmon events."""
    size = ("--hosts", str(hosts), "--days", str(days))
    return bench.detlab("simulate", "--world", "office", *size, "--sensors", "sysmon", "--seed", "1", "--out", out)


def written_events(output: Path) -> int:
    """The number of events that the command says it wrote."""
    text = output.with_name(f"{output.name}.stderr").read_text("utf-8") + output.read_text("utf-8")
    told = re.search(r"([\d,]+) events", text)
    if told is None:
        raise Unmeasured(f"needs the number of events in what `detlab simulate` prints: {text}")
    return int(told[1].replace(",", ""))


def take(bench: Bench) -> Iterator[Line]:
    """Events a second of the whole process, as a share of the bar."""
    hosts, days, out = bench.size(500, quick=20), bench.size(3, quick=1), bench.folder / "simulated"
    name = f"simulate {hosts} hosts, {days} days"
    result = bench.race(Contender(name=name, commands=[simulate(bench, hosts, days, out)], fresh=[out]))[name]
    line = Line(measure="simulate", subject=name, yardstick="1 M events a second", bar=1.0, at_least=True)
    cost = result.cost
    assert result.output is not None
    rate = written_events(result.output) / cost.quiet
    yield replace(line, value=rate / BAR, cost=cost, judged=not bench.quick)


MEASURES = (Measure("simulate", "a world of Sysmon events to a store: events a second", take),)
