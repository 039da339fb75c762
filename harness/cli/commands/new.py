"""Write files to begin with: a scenario of an atomic or a behaviour, a rule, a behaviour, an atomic test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from shutil import copyfile
from typing import Any

import click
import yaml

from harness.cli import lab_plan, options
from harness.cli.completion_words import complete_behaviours
from harness.cli.project_files import build_file_slug, name_schema, write_project_files
from harness.cli.screen import out
from harness.cli.starter_files import (
    build_atomic_file,
    build_behaviour_file,
    build_behaviour_scenario,
    build_rule_files,
)
from harness.diagnostics import HarnessError
from harness.report.json_document import VERSION, dumps
from harness.scenario.atomic import Atomic, Shell
from harness.scenario.atomic_command import render_atomic
from harness.scenario.pack import behaviour_folders
from harness.scenario.scenario import Label, Launch, read_scenario
from harness.telemetry.proposed_signals import propose_signals
from harness.telemetry.scenario_telemetry import record_scenario
from harness.telemetry.simulation.behaviour import load_behaviours

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
    detlab new scenario --behaviour beacon --rule rules/mine.spl
    detlab new rule "Encoded PowerShell" --language cql
    detlab new behaviour print_spooler
    detlab new atomic T1059.001 "Our own dropper"
    """


@command.command("scenario")
@click.option("--atomic", "address", metavar="ADDRESS", help="A test: T1053.005-2, a GUID or a name.")
@click.option("--behaviour", metavar="NAME", shell_complete=complete_behaviours,
              help="A behaviour in place of a test: `detlab list behaviours`.")  # fmt: skip
@click.option("--activity", type=click.Choice([str(each) for each in Label]), default=str(Label.MALICIOUS),
              show_default=True, help="With --behaviour: whether it is an attack.")  # fmt: skip
@click.option("--rule", metavar="FILE", default="", help="With --behaviour: the rule that should judge it.")
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
    address: str | None,
    behaviour: str | None,
    activity: str,
    rule: str,
    atomics: tuple[Path, ...],
    given: Mapping[str, str],
    launched: str,
    folder: Path,
    as_json: bool,
) -> int:
    """Writes a scenario that simulates a test or a behaviour, with a first expectation of its telemetry."""
    if (address is None) == (behaviour is None):
        raise HarnessError("usage", "a scenario is of one test or of one behaviour", help="--atomic or --behaviour")
    if behaviour is not None:
        path = folder / f"{build_file_slug(behaviour)}.yaml"
        # Before anything is written: a behaviour that there is not is an error.
        load_behaviours(*behaviour_folders(path))[behaviour]
        build = partial(
            build_behaviour_scenario, path, title=behaviour, activity=Label(activity), behaviour=behaviour, rule=rule
        )
        write_project_files([build(signals=[])], force=False)
        # Written once to be simulated, and once more with what that left.
        signals = propose_for(path)
        write_project_files([build(signals=signals)], force=True)
        return tell_written([path], as_json=as_json, hint=f"{len(signals)} signals; judge it: detlab run {path}")
    assert address is not None
    return write_atomic_scenario(address, atomics, given, launched, folder, as_json=as_json)


def write_atomic_scenario(
    address: str,
    atomics: tuple[Path, ...],
    given: Mapping[str, str],
    launched: str,
    folder: Path,
    *,
    as_json: bool,
) -> int:
    """Writes a scenario that simulates one of Atomic Red Team's tests; the exit code."""
    atomic = choose_atomic(atomics, address)
    if atomic.test.executor.name not in (Shell.POWERSHELL, Shell.COMMAND_PROMPT):
        message = f"{atomic.name} is run by {atomic.test.executor.name}, and only hosts of Windows are simulated"
        raise HarnessError("no-such-shell", message)
    # Before anything is written: an argument that the test does not have is an error.
    render_atomic(atomic, given)
    home = folder / atomic.technique
    path = home / f"{atomic.number}-{build_file_slug(atomic.test.name)}.yaml"
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


def tell_written(paths: Sequence[Path], *, as_json: bool, hint: str = "") -> int:
    """Says what was written; the exit code."""
    if as_json:
        out(dumps({"document": "new", "version": VERSION, "written": [str(p) for p in paths]}))
    else:
        out([*(f"wrote {p}" for p in paths), *([hint] if hint else [])])
    return 0


@command.command("rule")
@click.argument("name")
@click.option("--language", default="spl", show_default=True, metavar="NAME", help="What it is written in.")
@click.option("--technique", default="", metavar="ID", help="Of ATT&CK.")
@click.option("--out", "folder", type=options.PATH, default=Path("rules"), show_default=True, help="Its folder.")
@options.json_option
def rule_command(name: str, language: str, technique: str, folder: Path, as_json: bool) -> int:
    """Writes a rule and its page."""
    files = build_rule_files(name, language, technique, folder)
    write_project_files(files, force=False)
    return tell_written([each.path for each in files], as_json=as_json, hint=f"begin: detlab init {files[0].path}")


@command.command("behaviour")
@click.argument("name")
@click.option("--out", "folder", type=options.PATH, default=Path("generators"), show_default=True, help="Its folder.")
@options.json_option
def behaviour_command(name: str, folder: Path, as_json: bool) -> int:
    """Writes a behaviour: one file, one function of the same name."""
    made = build_behaviour_file(name, folder)
    write_project_files([made], force=False)
    return tell_written([made.path], as_json=as_json, hint=f"use it: detlab new scenario --behaviour {name}")


@command.command("atomic")
@click.argument("technique")
@click.argument("name")
@click.option("--out", "folder", type=options.PATH, default=Path("atomics"), show_default=True, help="Their folder.")
@options.json_option
def atomic_command(technique: str, name: str, folder: Path, as_json: bool) -> int:
    """Writes a test in Atomic Red Team's format."""
    made = build_atomic_file(technique, name, folder)
    write_project_files([made], force=False)
    hint = f"simulate it: detlab new scenario --atomic {technique}-1 --atomics {folder}"
    return tell_written([made.path], as_json=as_json, hint=hint)


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
    path.write_text(
        name_schema(path, "scenario") + HEADER.format(launched=STARTERS[Launch(launched)], name=atomic.name) + text,
        "utf-8",
    )
