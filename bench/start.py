"""What small things take from the start of the process to its end: one scenario, a hundred, the pack, lint, list.

Held against the bars is wall time, or CPU time where that is less: on a busy machine wall time measures the neighbours.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from bench.measure import PACK, Bench, Contender, Line, Measure, hold_against_bar
from bench.scenarios import write_pack

SCENARIO = PACK / "T1583.004" / "1-beacon-check-in.yaml"
RULE = PACK / "T1583.004" / "server.spl"
SCENARIOS = 100


def contenders(bench: Bench) -> list[tuple[Contender, float]]:
    """Command lines, each with the wall seconds that it may take on two quiet cores."""
    number = bench.size(SCENARIOS, quick=3)
    folder = write_pack(bench.folder, number)
    # The plug-in comes with detlab, so pytest is that of its environment.
    pytest: list[str | Path] = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder / "scenarios"]
    commands: tuple[tuple[str, list[str | Path], float], ...] = (
        ("--help", bench.detlab("--help"), 0.1),
        ("list scenarios", bench.detlab("list", "scenarios"), 0.25),
        ("lint RULE", bench.detlab("lint", RULE), 0.25),
        ("run SCENARIO, two rules", bench.detlab("run", SCENARIO), 0.5),
        ("run, the pack", bench.detlab("run", *([folder / "scenarios"] if bench.quick else [])), 2.5),
        (f"pytest, {number} scenarios", pytest, 4.0),
    )
    return [(Contender(name=name, commands=[command]), limit) for name, command, limit in commands]


def take(bench: Bench) -> Iterator[Line]:
    """Time as a share of the bar."""
    limits = contenders(bench)
    results = bench.race(*(each for each, _ in limits))
    for each, limit in limits:
        line = Line(
            measure="start", subject=each.name, yardstick=f"{limit:g} s on two quiet cores", judged=not bench.quick
        )
        yield hold_against_bar(line, results[each.name], limit, lambda cost: cost.quiet)


MEASURES = (Measure("start", "--help, list, lint, one scenario, the pack, pytest of 100 scenarios: seconds", take),)
