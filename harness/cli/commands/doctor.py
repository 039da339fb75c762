"""Look at a lab host: what the tests need there, what is missing, and the command that puts it right."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from harness.cli import lab_plan, options
from harness.cli.screen import DIFFERS, out
from harness.report.console import escape_controls
from harness.report.json_document import dumps
from harness.telemetry.lab.doctor import examine_host, format_checks, healthy
from harness.telemetry.lab.remote import connect
from harness.telemetry.lab.secret import redact_secrets


@click.command("doctor")
@click.argument("host")
@lab_plan.inventory
@options.json_option
def command(host: str, inventory: Path, as_json: bool) -> int:
    r"""Checks Sysmon, channels, audit policy, clock, PowerShell logging and sinks of HOST; changes nothing.

    \b
    detlab doctor win10
    """
    found = lab_plan.open_inventory(inventory)
    named = found.host(host)
    remote = connect(named)
    try:
        checks = examine_host(found, named, remote)
    finally:
        remote.close()
    if as_json:
        out(dumps({"document": "doctor", "version": 1, "host": host, "checks": [asdict(c) for c in checks]}))
    else:
        out([escape_controls(redact_secrets(line)) for line in format_checks(checks)])
    return 0 if healthy(checks) else DIFFERS
