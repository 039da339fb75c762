"""The settings of the project that a command runs in: `detlab.yaml`, or what --settings names in its place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.report.console import escape_controls
from harness.scenario.project import SettingsPlace, find_settings_file

if TYPE_CHECKING:
    from harness.detection.content import Content
    from harness.run_options import RunOptions
    from harness.scenario.settings import Project

GIVEN, READ = "detlab.settings.given", "detlab.settings.read"


def keep_given(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Keeps what --settings names for the options whose defaults come from it."""
    if value is not None:
        context.meta[GIVEN] = value
    return value


# Eager: the defaults of other options are read from what it names.
settings_option = click.option(
    "--settings",
    type=click.Path(path_type=Path),
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=keep_given,
    help="The project's settings, in place of the detlab.yaml of this folder or above it.",
)


def find_project_file() -> SettingsPlace | None:
    """The settings file of this command line, whether it counts or not."""
    given: Path | None = click.get_current_context().meta.get(GIVEN)
    if given is not None:
        # Named by a person, wherever it lies and whoever else may write it.
        return SettingsPlace(path=given)
    try:
        return find_settings_file(Path.cwd())
    # A working folder that somebody has removed.
    except OSError:
        return None


def current_project() -> Project | None:
    """The project of this command line, read once; None where there is no settings file that counts."""
    meta = click.get_current_context().meta
    if READ not in meta:
        place = find_project_file()
        if place is not None and place.refused:
            said = f"{place.path} does not count, since {place.refused}; --settings FILE names it all the same"
            sys.stderr.write(f"note: {escape_controls(said)}\n")
            place = None
        # Imported by name, and only where there is a file: most command lines need no YAML.
        meta[READ] = import_module("harness.project_choice").read_checked_project(place.path) if place else None
    found: Project | None = meta[READ]
    return found


def default_of(key: str, otherwise: Any = None) -> Callable[[], Any]:
    """The default of an option: what the project says under a key, else the given one."""

    def find_default() -> Any:
        project = current_project()
        return (getattr(project.settings, key) if project else None) or otherwise

    return find_default


def default_of_gate(name: str, otherwise: Any) -> Callable[[], Any]:
    """The default of an option that a gate of the project sets."""

    def find_default() -> Any:
        project = current_project()
        gate = getattr(project.settings.gates, name) if project else None
        return otherwise if gate is None else gate

    return find_default


def is_strict_project() -> bool:
    """The default of --strict: whether the project reads rules as their product does."""
    return str(default_of("dialect")() or "") == "strict"


def choose_by_project(options: RunOptions) -> RunOptions:
    """A choice over what the project says."""
    project = current_project()
    if project is None:
        return options
    return import_module("harness.project_choice").apply_project(options, project)  # type: ignore[no-any-return]


def read_project_content() -> Content:
    """What the project's rules refer to, its names of inputs included."""
    project = current_project()
    # Imported by name, as above.
    if project is None:
        return import_module("harness.detection.content").Content()  # type: ignore[no-any-return]
    return import_module("harness.detection.project_content").read_named_content(project)  # type: ignore[no-any-return]
