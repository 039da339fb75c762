"""Do the clean-ups that runs on lab hosts still owe, and list those that cannot be done."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import lab_plan, options
from harness.cli.screen import DIFFERS, out
from harness.diagnostics import HarnessError
from harness.report.formats.json import dumps
from harness.telemetry.lab.cleanup import CleanUp, accept, clean_up
from harness.telemetry.lab.journal import Owed, faults, list_owed_cleanups, state_folder
from harness.telemetry.lab.remote import connect
from harness.telemetry.lab.secret import redact_secrets


@click.command("cleanup")
@click.option("--host", default="", metavar="NAME", help="Only this host.")
@lab_plan.inventory
@click.option("--list", "only_list", is_flag=True, help="Only show what is owed.")
@click.option("--accept", "accepted", default="", metavar="RUN[/TEST]", help="The host was cleaned by hand.")
@options.json_option
def command(host: str, inventory: Path, only_list: bool, accepted: str, as_json: bool) -> int:
    r"""Does exactly what is owed: every test that was started and not cleaned, whatever ended its run.

    \b
    detlab cleanup
    detlab cleanup --list
    """
    state = state_folder()
    if accepted:
        accept_cleanup(state, accepted)
        return 0
    damages = faults(state)
    items = list_owed_cleanups(state, host)
    if only_list:
        results = tuple(CleanUp(owed=item, done=False, why=item.last or "not tried yet") for item in items)
    elif items:
        results = clean_up(state, lab_plan.open_inventory(inventory), connect, host=host, tell=lab_plan.print_progress)
    else:
        # Without anything owed not even an inventory is needed.
        results = ()
    if as_json:
        encoded = [encode_cleanup(r) for r in results]
        out(dumps({"document": "cleanup", "version": 1, "results": encoded, "damages": damages}))
    else:
        # Commands of tests may have a password as an argument.
        out([redact_secrets(line) for r in results for line in format_cleanup(r)] or ["nothing is owed"])
        for damage in damages:
            lab_plan.print_progress(damage)
    return DIFFERS if damages or any(not r.done for r in results) else 0


def accept_cleanup(state: Path, accepted: str) -> None:
    """Notes that hosts were cleaned by hand, of a run or of one of its tests: `RUN` or `RUN/TEST`."""
    run, _, test = accepted.partition("/")
    if not accept(state, run, test):
        raise HarnessError("nothing-owed", f"nothing is owed by {accepted}", help="`detlab cleanup --list`")


def format_cleanup(result: CleanUp) -> list[str]:
    """One clean-up for people."""
    item = result.owed
    name = f"{item.host}  {item.test}  (run {item.run})"
    if result.done:
        return [f"{name}  {'cleaned' if item.cleanup else 'nothing to clean'}"]
    return [f"{name}  owed: {result.why}", *([f"    by hand: {item.cleanup.strip()}"] if item.cleanup else [])]


def encode_cleanup(result: CleanUp) -> dict[str, object]:
    """One clean-up for machines."""
    item: Owed = result.owed
    return {
        "run": item.run,
        "host": item.host,
        "test": item.test,
        "done": result.done,
        "why": redact_secrets(result.why),
    }
