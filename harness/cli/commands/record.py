"""Recordings of lab hosts: check one, show what is in it, or take the names of the real lab out of it."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from harness.cli import options
from harness.cli.screen import out
from harness.report.console import escape_controls
from harness.report.json_document import dumps
from harness.telemetry.lab.anonymise import anonymise
from harness.telemetry.recording import format_revealed, open_recording


@click.group("record")
def command() -> None:
    r"""Recordings, as `detlab detonate` writes them and `detlab run --replay` reads them.

    \b
    detlab record show recordings/20261122T013205-ab12cd
    detlab record anonymise recordings/20261122T013205-ab12cd recordings/beacon
    """


@command.command("show")
@click.argument("recording", type=options.PATH)
@options.json_option
def show_command(recording: Path, as_json: bool) -> int:
    """Checks every file against its hash and says what was recorded."""
    manifest = open_recording(recording).manifest
    if as_json:
        out(dumps(msgspec.to_builtins(manifest)))
        return 0
    lines = [f"run {manifest.run} in lab {manifest.lab}, {manifest.created}, by {manifest.tool}"]
    if not manifest.complete:
        lines.append("the run was cut off: tests that are not listed did not end, or were not recorded")
    for test in manifest.tests:
        lines.append(f"{test.host}  {test.name}  {test.status}  {test.recorded} events, {test.caused} the test's")
        lines += [f"    lost: {loss}" for loss in test.losses]
        lines += [f"    {line}" for line in format_revealed(test)]
    out([escape_controls(line) for line in [*lines, f"{len(manifest.files)} files are as they were recorded"]])
    return 0


@command.command("anonymise")
@click.argument("recording", type=options.PATH)
@click.argument("target", type=options.PATH)
@click.option("--also", multiple=True, metavar="WORD", help="Another word to replace wherever it stands.")
@options.json_option
def anonymise_command(recording: Path, target: Path, also: tuple[str, ...], as_json: bool) -> int:
    """Writes RECORDING anew to TARGET: hosts, users, SIDs and addresses become others, the same everywhere."""
    disguise = anonymise(recording, target, also=also)
    counts = {
        "hosts": len(disguise.hosts),
        "users": len(disguise.users),
        "domains": len(disguise.domains),
        "sids": len(disguise.sids),
        "addresses": len(disguise.addresses),
    }
    if as_json:
        out(dumps({"document": "anonymise", "version": 1, "target": str(target), "replaced": counts}))
    else:
        words = ", ".join(f"{number} {what}" for what, number in counts.items())
        out([f"{target}: replaced {words}; look at it before it goes out"])
    return 0
