"""`simulate --world`: an organisation's week in a folder of Parquet files."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter

from harness.cli.screen import ProgressLine
from harness.diagnostics import HarnessError
from harness.report.console import format_count
from harness.scenario.world import MOST_DAYS, MOST_HOSTS, read_world, resolve_world
from harness.telemetry.simulation.world.simulate_world import simulate_world


def write_world(
    name: str,
    out: Path | None,
    *,
    hosts: int | None,
    days: int | None,
    seed: int | None,
    conditions: Mapping[str, str],
    sensors: Sequence[str],
) -> None:
    """Simulates a world into a folder and says how much that was."""
    if out is None:
        raise HarnessError("no-folder", "a world is written to a folder", help="add --out FOLDER")
    check_world_size(hosts, days)
    progress = ProgressLine()
    began = perf_counter()
    try:
        world = read_world(resolve_world(name))
        made = simulate_world(
            world,
            out,
            hosts=hosts,
            days=days,
            seed=seed,
            conditions=conditions,
            sensors=sensors or None,
            progress=progress,
        )
    finally:
        progress.done()
    took = perf_counter() - began
    size = sum(p.stat().st_size for p in out.rglob("*") if p.is_file())
    assert made.world is not None
    sys.stderr.write(
        f"{out}: {format_count(made.rows, 'event')} of {format_count(made.world.hosts, 'host')} "
        f"over {format_count(made.world.days, 'day')}, "
        # A clock may stand still over a tiny world.
        f"{size / 1e6:,.0f} MB, {made.rows / max(took, 1e-9):,.0f} events a second\n"
    )


def check_world_size(hosts: int | None, days: int | None) -> None:
    """Raises HarnessError for a number that no world can have."""
    for name, value, most in (("hosts", hosts, MOST_HOSTS), ("days", days, MOST_DAYS)):
        if value is not None and not 1 <= value <= most:
            raise HarnessError("out-of-range", f"--{name} is from 1 to {most}, not {value}")
