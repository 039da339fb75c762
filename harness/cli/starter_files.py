"""Files to begin with: a rule and its page, a behaviour, an atomic test, a scenario of a behaviour."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from harness.cli.project_files import PlannedFile, build_file_slug, dump_yaml, name_schema
from harness.diagnostics import HarnessError
from harness.scenario.scenario import Label

RULE_TEXTS: Mapping[str, str] = {
    "spl": 'index=wineventlog EventCode=1 Image="*\\\\example.exe"\n| stats count by host, User, Image, CommandLine\n',
    "cql": "#event_simpleName=ProcessRollup2 ImageFileName=/\\\\example\\.exe$/i\n"
    "| groupBy([aid, ImageFileName, CommandLine], limit=max)\n",
}
"""A rule to begin with in each language: who started a program, and how."""
BEHAVIOUR = '''\
"""What it does, in a line: `detlab list behaviours` shows it."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity
from harness.telemetry.simulation.host import Host
from harness.telemetry.simulation.process_lifecycle import sample_process_lifetime
from harness.telemetry.simulation.schedule import wait


def {name}(
    host: Host,
    start: np.datetime64,
    random: Generator,
    *,
    image: str = r"C:\\Windows\\System32\\cmd.exe",
    command_line: str | None = None,
    lasts: timedelta = timedelta(seconds=5),
) -> Iterator[Activity]:
    """A program that ends after a while. Parameters after the star are those that a scenario may give."""
    started = host.process(image, command_line=command_line)
    yield from sample_process_lifetime(started, start + wait(lasts))
'''
PROGRAM = "C:\\Windows\\System32\\whoami.exe"
ATOMIC_COMMAND = 'Start-Process -FilePath "#{program}" -Wait\n'


def build_rule_files(name: str, language: str, technique: str, folder: Path) -> list[PlannedFile]:
    """A rule and the page beside it."""
    if language not in RULE_TEXTS:
        hint = f"there are {', '.join(RULE_TEXTS)}"
        raise HarnessError("unknown-language", f"no rule to begin with is written in `{language}`", help=hint)
    path = folder / f"{build_file_slug(name)}.{language}"
    page = {"title": name, "description": "", **({"technique": technique} if technique else {}), "level": "medium"}
    beside = path.with_name(path.name + ".yaml")
    return [
        PlannedFile(path=path, text=RULE_TEXTS[language]),
        PlannedFile(path=beside, text=name_schema(beside, "rule") + dump_yaml(page)),
    ]


def build_behaviour_file(name: str, folder: Path) -> PlannedFile:
    """A behaviour that starts a program."""
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        message = f"`{name}` is no name of a behaviour"
        raise HarnessError("wrong-name", message, help="letters, digits and underscores, as Python names functions")
    return PlannedFile(path=folder / f"{name}.py", text=BEHAVIOUR.format(name=name))


def build_atomic_file(technique: str, name: str, folder: Path) -> PlannedFile:
    """A test of Atomic Red Team's kind, with an argument and a command."""
    if not re.fullmatch(r"T\d{4}(\.\d{3})?", technique):
        message = f"`{technique}` is no technique of ATT&CK"
        raise HarnessError("wrong-technique", message, help="write T1059 or T1059.001")
    test: dict[str, Any] = {
        "name": name,
        # Of the name, so that the same words give the same file.
        "auto_generated_guid": str(uuid5(NAMESPACE_URL, f"{technique}/{name}")),
        "description": name,
        "supported_platforms": ["windows"],
        "input_arguments": {
            "program": {
                "description": "What is started",
                "type": "path",
                "default": "C:\\Windows\\System32\\whoami.exe",
            }
        },
        "executor": {"command": ATOMIC_COMMAND, "name": "powershell"},
    }
    document = {"attack_technique": technique, "display_name": name, "atomic_tests": [test]}
    return PlannedFile(path=folder / technique / f"{technique}.yaml", text=dump_yaml(document))


def build_behaviour_scenario(
    path: Path, *, title: str, activity: Label, behaviour: str, rule: str, signals: list[dict[str, Any]]
) -> PlannedFile:
    """A scenario that simulates a behaviour, with what it leaves and what a rule should say."""
    outcome = "true positive" if activity is Label.MALICIOUS else "true negative"
    document: dict[str, Any] = {
        "title": title,
        "activity": str(activity),
        "simulate": [{"behaviour": behaviour, "host": "WS01"}],
        **({"telemetry": signals} if signals else {}),
        **({"expect": [{"rule": rule, "outcome": outcome}]} if rule else {}),
    }
    return PlannedFile(path=path, text=name_schema(path, "scenario") + dump_yaml(document))
