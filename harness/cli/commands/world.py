"""Worlds: learn one from what was recorded."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import yaml

from harness.cli import options
from harness.diagnostics import HarnessError
from harness.output_file import write_file
from harness.report.console import format_count
from harness.scenario.world import read_world
from harness.telemetry.format import read_telemetry
from harness.telemetry.simulation.world.learn_world import learn_world


@click.group("world")
def command() -> None:
    r"""Worlds of benign activity: fitted to a recording here, simulated by `detlab simulate --world`.

    \b
    detlab world learn baseline.evtx --out mine.yaml
    detlab simulate --world mine.yaml --hosts 60 --days 7 --out mine
    """


@command.command("learn")
@click.argument("captures", type=options.PATH, nargs=-1, required=True)
@click.option("--out", type=options.PATH, required=True, metavar="FILE", help="The world's document.")
@click.option("--title", default="A learned world", show_default=True, help="Its title.")
def learn(captures: tuple[Path, ...], out: Path, title: str) -> int:
    r"""Fits rates, parents, command lines, files, registry, names and destinations of CAPTURES into a world document.

    Only Sysmon events count. The document holds templates and numbers: no name, address, user or path of the recording.

    \b
    detlab world learn captures/ --out mine.yaml
    """
    document = learn_world([read_telemetry(path) for path in captures], title)
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1_000_000)
    write_file(out, text.encode("utf-8"))
    try:
        read_world(out)
    except HarnessError:
        # A document that nobody can simulate is worse than none.
        out.unlink()
        raise
    programs = document["programs"]
    sys.stderr.write(f"{out}: {format_count(len(programs), 'program')} of {document['description'].lower()}\n")
    return 0
