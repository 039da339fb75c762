"""Write the telemetry of a scenario to a file, in a format that other products read."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import click

from harness.cli import options
from harness.diagnostics import HarnessError, did_you_mean
from harness.report.paper import count
from harness.scenario.scenario import read_scenario
from harness.telemetry.conditions import check, check_scenario
from harness.telemetry.record import record
from harness.telemetry.writer import formats, write, writer

FILE = click.Path(path_type=Path)


@click.command("simulate")
@click.argument("scenario", type=FILE)
@click.option("--format", "name", default="ndjson", show_default=True, metavar="NAME", help=f"{', '.join(formats())}.")
@click.option("--out", type=FILE, metavar="PATH", help="File, or folder to put it in (default: stdout).")
@options.condition
@options.seed
def command(scenario: Path, name: str, out: Path | None, condition: Mapping[str, str], seed: int | None) -> int:
    r"""Writes everything that hosts record of SCENARIO; the same seed gives the same bytes.

    \b
    detlab simulate scenarios/T1583.004/1-beacon.yaml --format hec --out beacon.ndjson
    """
    check(condition)
    read = read_scenario(scenario)
    check_scenario(read)
    telemetry = record(read, {**read.body.conditions, **condition}, seed=seed)
    chosen = format_called(name)
    made = BytesIO()
    written = write(telemetry, chosen, made)
    if out is None:
        if sys.stdout.isatty() and b"\0" in made.getvalue()[:4096]:
            raise HarnessError("binary", f"{chosen} is not text", help="add --out FILE")
        sys.stdout.buffer.write(made.getvalue())
    else:
        target = out / (read.name + writer(chosen).SUFFIX) if out.is_dir() else out
        try:
            target.write_bytes(made.getvalue())
        except OSError as error:
            raise HarnessError("unwritable", f"{target}: {(error.strerror or str(error)).lower()}") from error
        sys.stderr.write(f"{target}: {count(written, 'event')} as {chosen}\n")
    if written < len(telemetry):
        left = len(telemetry) - written
        sys.stderr.write(f"{count(left, 'event')} of other sensors left out: {chosen} cannot hold them\n")
    return 0


def format_called(name: str) -> str:
    """The format of that name, or the only one of which it is a word: `xml` is `windows_xml`."""
    if name in formats():
        return name
    like = [f for f in formats() if name in f.split("_")]
    if len(like) != 1:
        hint = did_you_mean(name, formats()) or f"formats are {', '.join(formats())}"
        raise HarnessError("unknown-format", f"no format is called `{name}`", help=hint)
    return like[0]
