"""A project's settings as the choice that a run is made with: checked, with the content that they name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.detection.engine import is_remote, list_engines
from harness.detection.language import check_switches
from harness.detection.project_content import read_named_content
from harness.diagnostics import HarnessError, SourceError, did_you_mean, raise_together
from harness.run_options import RunOptions
from harness.scenario.pack import shorten_to_relative
from harness.scenario.settings import Project, read_project
from harness.telemetry.platform import list_condition_names, sensor_names


def read_checked_project(path: Path) -> Project:
    """The settings in a file. Raises SourceError with all of them that mean nothing here."""
    project = read_project(path, name=str(shorten_to_relative(path.resolve()) if path.exists() else path))
    assert project.document is not None
    source = project.document.source
    raise_together(
        SourceError(error.code, error.message, project.find_key(*keys) or source.span(0, 1), help=error.help)
        for keys, error in list_wrong_settings(project)
    )
    return project


def list_wrong_settings(project: Project) -> Iterator[tuple[tuple[str | int, ...], HarnessError]]:
    """What types cannot say: engines, sensors and switches that there are not; each with its place."""
    settings = project.settings
    if settings.engine:
        error = check_engine(settings.engine)
        if error is not None:
            yield ("engine",), error
    for number, name in enumerate(settings.sensors):
        if name not in sensor_names():
            hint = did_you_mean(name, sensor_names()) or f"there are {', '.join(sensor_names())}"
            yield ("sensors", number), HarnessError("unknown-sensor", f"no sensor is called `{name}`", help=hint)
    for name in settings.conditions:
        # Names are read from the text of files; values are checked where events are made or shown.
        if name.partition(":")[0] not in list_condition_names():
            hint = did_you_mean(name, list_condition_names()) or "`detlab list conditions` shows them"
            yield ("conditions", name), HarnessError("unknown-condition", f"no condition is called `{name}`", help=hint)
    for name, value in settings.switches.items():
        try:
            check_switches({name: value})
        except HarnessError as error:
            yield ("switches", name), error


def check_engine(name: str) -> HarnessError | None:
    """What is wrong with an engine that a project names."""
    if name not in list_engines():
        hint = did_you_mean(name, list_engines()) or f"engines are {', '.join(list_engines())}"
        return HarnessError("unknown-engine", f"no engine is called `{name}`", help=hint)
    # A file that came with a repository must not send a person's queries, with their token, to a server.
    if is_remote(name):
        return HarnessError(
            "remote-engine", f"{name} is a server, which no settings file may choose", help=f"say --engine {name}"
        )
    return None


def apply_project(options: RunOptions, project: Project) -> RunOptions:
    """The choice of a person over what a project says."""
    settings = project.settings
    return replace(
        options,
        dialect=options.dialect or (str(settings.dialect) if settings.dialect else None),
        switches={**settings.switches, **options.switches},
        settings=read_named_content(project).settings(options.settings),
        usual=settings.named_conditions,
        sensors=tuple(settings.sensors),
    )
