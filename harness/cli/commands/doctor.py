"""Look at a lab host: what the tests need there, what is missing, and the command that puts it right."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from harness.cli import lab, options
from harness.cli.failure import DIFFERS
from harness.cli.screen import out
from harness.report.formats.json import dumps
from harness.report.paper import clean
from harness.telemetry.lab.doctor import examine, healthy, lines_of
from harness.telemetry.lab.remote import connect
from harness.telemetry.lab.secret import redacted


@click.command("doctor")
@click.argument("host")
@lab.inventory
@options.as_json
def command(host: str, inventory: Path, as_json: bool) -> int:
    r"""Checks Sysmon, channels, audit policy, clock, PowerShell logging and sinks of HOST; changes nothing.

    \b
    detlab doctor win10
    """
    found = lab.opened(inventory)
    named = found.host(host)
    remote = connect(named)
    try:
        checks = examine(found, named, remote)
    finally:
        remote.close()
    if as_json:
        out(dumps({"document": "doctor", "version": 1, "host": host, "checks": [asdict(c) for c in checks]}))
    else:
        out([clean(redacted(line)) for line in lines_of(checks)])
    return 0 if healthy(checks) else DIFFERS
