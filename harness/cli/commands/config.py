"""Print each setting that holds here, and where it came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import msgspec
from click.core import ParameterSource

from harness.cli.project_settings import current_project, find_project_file
from harness.cli.rule_options import add_choice
from harness.cli.screen import out, paper
from harness.diagnostics import Span
from harness.record import record
from harness.report.console import Paper, one_line
from harness.report.json_document import VERSION, dumps
from harness.run_options import RunOptions
from harness.scenario.pack import shorten_to_relative
from harness.scenario.settings import Project, ProjectSettings

FILE_METADATA = ("index", "source", "sourcetype")
"""Conditions that settings also have as keys of their own."""
PAIRS = {"condition": "conditions", "switch": "switches", "param": "parameters"}
"""Options of a name and a value, and the key that their names stand below."""
LIST_SETTINGS = ("macros", "lookups", "props", "saved")
DEFAULTS = {"engine": "duckdb", "dialect": "as each scenario says", "zone": "UTC"}


@record(kw_only=True)
class SettingLine:
    """A key, its value, and where it was said: an option, a place in a file, or nowhere."""

    key: str
    value: Any
    option: str = ""
    place: Span | None = None

    @property
    def origin(self) -> str:
        """Where the value came from, for people."""
        if self.place is None:
            return self.option or "default"
        line, _ = self.place.position
        return f"{self.place.source.name}:{line}"


@click.command("config")
@add_choice
def command(chosen: RunOptions, as_json: bool) -> int:
    r"""Prints each setting that holds in this folder and where it came from: an option, a line of detlab.yaml, or none.

    The settings are those of the nearest detlab.yaml in this folder or above it, up to the root of the repository, that
    nobody else may write. Options of the command line count before them, as with every command.

    \b
    detlab config
    detlab config --condition falcon=ngsiem --json
    """
    project = current_project() or Project()
    lines = {each.key: each for each in (*list_defaults(), *list_written_settings(project), *list_given_settings())}
    place = find_project_file()
    counts = place is not None and not place.refused
    if as_json:
        found = str(place.path) if place is not None and counts else None
        refused = {"file": str(place.path), "why": place.refused} if place is not None and not counts else None
        settings = [encode_line(each) for each in lines.values()]
        out(dumps({"document": "config", "version": VERSION, "file": found, "refused": refused, "settings": settings}))
    else:
        file = str(shorten_to_relative(place.path)) if place is not None and counts else ""
        out(format_lines(list(lines.values()), paper(), file=file))
    return 0


def list_defaults() -> Iterator[SettingLine]:
    """What holds where nobody says anything."""
    yield from (SettingLine(key=key, value=value) for key, value in DEFAULTS.items())
    for name, value in msgspec.structs.asdict(ProjectSettings().gates).items():
        yield SettingLine(key=f"gates.{name}", value=value)


def list_written_settings(project: Project) -> Iterator[SettingLine]:
    """What the settings file says, with the place of each."""
    for name in ProjectSettings.__struct_fields__:
        if project.find_key(name) is not None:
            yield from flatten_setting(project, (name,), msgspec.to_builtins(getattr(project.settings, name)))


def flatten_setting(project: Project, keys: tuple[str, ...], value: Any) -> Iterator[SettingLine]:
    """A value as lines: one for each member of a mapping, whatever it holds."""
    if isinstance(value, dict):
        for name, below in value.items():
            if project.find_key(*keys, name) is not None:
                yield from flatten_setting(project, (*keys, name), below)
        return
    yield SettingLine(key=".".join(keys), value=value, place=project.find_key(*keys))


def list_given_settings() -> Iterator[SettingLine]:
    """What the command line says."""
    context = click.get_current_context()

    def is_given(name: str) -> bool:
        return context.get_parameter_source(name) is ParameterSource.COMMANDLINE

    for name in filter(is_given, DEFAULTS):
        yield SettingLine(key=name, value=context.params[name], option=f"--{name}")
    for name in filter(is_given, LIST_SETTINGS):
        yield SettingLine(key=name, value=[str(p) for p in context.params[name]], option=f"--{name}")
    for option, key in PAIRS.items():
        for name, value in (context.params[option] if is_given(option) else {}).items():
            own = name if option == "condition" and name in FILE_METADATA else f"{key}.{name}"
            yield SettingLine(key=own, value=value, option=f"--{option}")


def encode_line(line: SettingLine) -> dict[str, Any]:
    """A setting for machines; `from` is a file with its line, an option, or null for a default."""
    origin: Any = line.option or None
    if line.place is not None:
        origin = {"file": line.place.source.name, "line": line.place.position[0]}
    return {"key": line.key, "value": line.value, "from": origin}


def format_lines(lines: list[SettingLine], sheet: Paper, *, file: str) -> list[str]:
    """All settings as a table, below the file that they came from."""
    rows = [[one_line(each.key), one_line(format_setting(each.value)), one_line(each.origin)] for each in lines]
    said = one_line(f"settings of {file}") if file else "no detlab.yaml in this folder or above it counts"
    return [*sheet.paragraph(said), "", *sheet.table(["setting", "value", "from"], rows)]


def format_setting(value: Any) -> str:
    """A value for people."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
