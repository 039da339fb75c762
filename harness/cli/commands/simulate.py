"""Write the telemetry of a scenario or of a whole organisation to files that other products read."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from io import BytesIO
from pathlib import Path

import click

from harness.cli import options
from harness.cli.project_settings import choose_by_project, settings_option
from harness.diagnostics import HarnessError, did_you_mean
from harness.output_file import write_file
from harness.report.console import format_count
from harness.run_options import RunOptions
from harness.scenario.scenario import read_scenario
from harness.telemetry.format import list_writers, write_telemetry, writer
from harness.telemetry.scenario_telemetry import check_conditions, check_scenario_conditions, record_scenario
from harness.telemetry.sensor import sensor


@click.command("simulate")
@click.argument("scenario", type=options.PATH, required=False)
@click.option(
    "--format", "name", default="ndjson", show_default=True, metavar="NAME", help=f"{', '.join(list_writers())}."
)
@click.option("--out", type=options.PATH, metavar="PATH", help="File, or folder to put it in (default: stdout).")
@click.option("--world", metavar="NAME", help="A world in place of a scenario: its name or file; --out is a folder.")
@click.option("--hosts", type=int, help="Hosts of the world (default: as it says).")
@click.option("--days", type=int, help="Days of the world (default: as it says).")
@click.option("--sensors", metavar="NAMES", help="Only these sensors, with commas between.")
@settings_option
@options.condition_option
@options.seed
def command(
    scenario: Path | None,
    name: str,
    out: Path | None,
    world: str | None,
    hosts: int | None,
    days: int | None,
    sensors: str | None,
    condition: Mapping[str, str],
    seed: int | None,
) -> int:
    r"""Writes everything that hosts record of SCENARIO; the same seed gives the same bytes.

    A world is written as it comes, a Parquet file a kind and group of hosts; `detlab query --events` reads it.

    \b
    detlab simulate --world office --hosts 500 --days 7 --seed 1 --out world
    detlab simulate scenarios/T1583.004/1-beacon-check-in.yaml --format hec --out beacon.ndjson
    """
    given = tuple(s.strip() for s in sensors.split(",")) if sensors else ()
    chosen = choose_by_project(RunOptions(conditions=condition, seed=seed))
    chosen = replace(chosen, sensors=given or chosen.sensors)
    # Names are checked before minutes of simulation, not after.
    for each in chosen.sensors:
        sensor(each)
    check_conditions({**chosen.usual, **condition})
    if (world is None) == (scenario is None):
        raise HarnessError("no-scenario", "either a scenario or a world is simulated", help="name one of both")
    if world is not None:
        # Imported by name: one scenario needs nothing of organisations.
        worlds = import_module("harness.cli.simulate_world")
        conditions = {**chosen.usual, **condition}
        worlds.write_world(world, out, hosts=hosts, days=days, seed=seed, conditions=conditions, sensors=chosen.sensors)
        return 0
    assert scenario is not None
    write_scenario(scenario, name, out, chosen)
    return 0


def write_scenario(scenario: Path, name: str, out: Path | None, given: RunOptions) -> None:
    """Writes what hosts record of a scenario in a format of one file."""
    read = read_scenario(scenario)
    check_scenario_conditions(read)
    conditions = {**given.usual, **read.body.conditions, **given.conditions}
    telemetry = record_scenario(read, conditions, seed=given.seed, sensors=given.sensors)
    chosen = format_called(name)
    made = BytesIO()
    written = write_telemetry(telemetry, chosen, made)
    if out is None:
        # A terminal would obey whatever control characters a binary file holds.
        if sys.stdout.isatty() and b"\0" in made.getvalue()[:4096]:
            raise HarnessError("binary", f"{chosen} is not text", help="add --out FILE")
        sys.stdout.buffer.write(made.getvalue())
    else:
        target = out / (read.name + writer(chosen).SUFFIX) if out.is_dir() else out
        write_file(target, made.getvalue())
        sys.stderr.write(f"{target}: {format_count(written, 'event')} as {chosen}\n")
    if written < len(telemetry):
        left = len(telemetry) - written
        sys.stderr.write(f"{format_count(left, 'event')} of other sensors left out: {chosen} cannot hold them\n")


def format_called(name: str) -> str:
    """The format of that name, or the only one of which it is a word: `xml` is `windows_xml`."""
    if name in list_writers():
        return name
    # Whole words only, or `j` would be JSON.
    like = [f for f in list_writers() if name in f.split("_")]
    if len(like) != 1:
        hint = did_you_mean(name, list_writers()) or f"formats are {', '.join(list_writers())}"
        raise HarnessError("unknown-format", f"no format is called `{name}`", help=hint)
    return like[0]
