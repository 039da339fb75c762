"""Write a scenario to begin with: for an atomic, with what its command leaves on a host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from shutil import copyfile
from typing import Any

import click
import yaml

from harness.cli import lab_plan, options
from harness.cli.screen import out
from harness.diagnostics import HarnessError
from harness.report.json_document import VERSION, dumps
from harness.scenario.atomic import Atomic, Shell
from harness.scenario.atomic_command import render_atomic
from harness.scenario.scenario import Launch, read_scenario
from harness.telemetry.proposed_signals import propose_signals
from harness.telemetry.scenario_telemetry import record_scenario

LONGEST_SLUG = 60
STARTERS = {Launch.RUNNER: "Invoke-AtomicRedTeam", Launch.WINRM: "a lab over WinRM", Launch.PSRP: "a lab over PSRP"}
HEADER = """\
# The test runs its own command (`atomic`), as {launched} starts it; `detlab atomics show {name}` shows it. What follows
# under `telemetry` is what a simulation leaves: look at it, and detonate the test once to know.
"""


@click.group("new")
def command() -> None:
    r"""Writes files to begin with.

    \b
    detlab new scenario --atomic T1053.005-2 --atomics ~/atomic-red-team/atomics
    """


@command.command("scenario")
@click.option("--atomic", "address", required=True, metavar="ADDRESS", help="A test: T1053.005-2, a GUID or a name.")
@lab_plan.atomics
@click.option(
    "--set", "given", multiple=True, callback=options.parse_pairs, metavar="NAME=VALUE", help="An input argument."
)
@click.option(
    "--launched",
    type=click.Choice([str(each) for each in Launch]),
    default=str(Launch.RUNNER),
    show_default=True,
    help="What starts the command.",
)
@click.option(
    "--out", "folder", type=options.PATH, default=Path("scenarios"), show_default=True, help="The scenarios' folder."
)
@options.json_option
def scenario_command(
    address: str, atomics: tuple[Path, ...], given: Mapping[str, str], launched: str, folder: Path, as_json: bool
) -> int:
    """Writes a scenario that simulates one of Atomic Red Team's tests, with a first expectation of its telemetry."""
    atomic = choose_atomic(atomics, address)
    if atomic.test.executor.name not in (Shell.POWERSHELL, Shell.COMMAND_PROMPT):
        message = f"{atomic.name} is run by {atomic.test.executor.name}, and only hosts of Windows are simulated"
        raise HarnessError("no-such-shell", message)
    # Before anything is written: an argument that the test does not have is an error.
    render_atomic(atomic, given)
    home = folder / atomic.technique
    path = home / f"{atomic.number}-{build_slug(atomic.test.name)}.yaml"
    if path.exists():
        raise HarnessError("exists", f"{path} is there already", help="remove it, or write elsewhere with --out")
    home.mkdir(parents=True, exist_ok=True)
    copied = copy_atomics(atomic, home)
    document = describe_scenario(atomic, given, launched)
    write_scenario(path, document, atomic, launched)
    signals = propose_for(path)
    write_scenario(path, {**document, "telemetry": signals}, atomic, launched)
    written = [str(p) for p in (path, copied) if p is not None]
    if as_json:
        out(dumps({"document": "new", "version": VERSION, "written": written, "signals": len(signals)}))
    else:
        out([*(f"wrote {name}" for name in written), f"{len(signals)} signals; judge it: detlab run {path}"])
    return 0


def choose_atomic(atomics: tuple[Path, ...], address: str) -> Atomic:
    """The one test at an address. Raises HarnessError where several are."""
    found = lab_plan.open_library(atomics).find(address)
    if len(found) != 1:
        hint = f"name one: {found[0].name}" if found else None
        raise HarnessError("several-atomics", f"`{address}` names {len(found)} tests", help=hint)
    return found[0]


def build_slug(name: str) -> str:
    """A test's name as a file is called."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_SLUG].strip("-") or "test"


def copy_atomics(atomic: Atomic, home: Path) -> Path | None:
    """Copies the file of the test beside the scenario, unless one is there; the copy, if it was made."""
    source = Path(atomic.document.source.name)
    if (home / "atomic_tests.yaml").is_file() or (home / f"{atomic.technique}.yaml").is_file():
        return None
    target = home / f"{atomic.technique}.yaml"
    copyfile(source, target)
    return target


def describe_scenario(atomic: Atomic, given: Mapping[str, str], launched: str) -> dict[str, Any]:
    """The scenario's document without expectations."""
    arguments = {"arguments": [f"{name}={value}" for name, value in given.items()]} if given else {}
    action = {"behaviour": "atomic_command", "atomic": atomic.number, "host": "WS01", "given": arguments}
    if launched != Launch.RUNNER:
        action["launched"] = launched
    return {
        "title": atomic.test.name,
        "technique": atomic.technique,
        "atomic_test": atomic.number,
        "activity": "malicious",
        "simulate": [action],
    }


def propose_for(path: Path) -> list[dict[str, Any]]:
    """Signals that hold for the scenario in a file as it is simulated now."""
    scenario = read_scenario(path)
    return list(propose_signals(record_scenario(scenario, scenario.body.conditions)))


def write_scenario(path: Path, document: Mapping[str, Any], atomic: Atomic, launched: str) -> None:
    """Writes a scenario's document with the words at its head."""
    text = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
    path.write_text(HEADER.format(launched=STARTERS[Launch(launched)], name=atomic.name) + text, "utf-8")
