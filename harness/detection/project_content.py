"""What a project's settings name for its rules: macros, tables, saved queries, values, names of inputs."""

from __future__ import annotations

from pathlib import Path

from harness.detection.content import Content, read_content
from harness.diagnostics import SourceError
from harness.scenario.pack import refuse_link_out
from harness.scenario.settings import Project

PATH_KEYS = ("macros", "lookups", "saved", "props")
"""Keys that name files and folders; each is also an option of the command line."""


def read_named_content(project: Project) -> Content:
    """What settings name: files and folders below their own, values of parameters, conditions such as names of inputs.

    Raises SourceError at a path that is not there or that leads out of the folder.
    """
    settings, document = project.settings, project.document
    if document is None or project.path is None:
        return Content()
    found = Content(
        parameters={name: document.written(["parameters", name]) or "" for name in settings.parameters},
        inputs=settings.named_conditions,
    )
    for key in PATH_KEYS:
        given = getattr(settings, key)
        for number, entry in enumerate([given] if isinstance(given, str) else given):
            place = document.span([key] if isinstance(given, str) else [key, number])
            path = project.path.parent / entry
            # A pack comes from somebody else; its page must not make detlab read the reader's own files.
            if Path(entry).is_absolute() or ".." in Path(entry).parts:
                raise SourceError("outside", f"`{entry}` leads out of the folder", place, help=f"name it with --{key}")
            if not path.exists():
                raise SourceError("no-such-path", f"there is no file or folder {entry}", place)
            named_there = read_content([refuse_link_out(path, project.path.parent)])
            # An app named for its macros must not change how fields are extracted.
            found = (named_there if key == "props" else named_there.without_extraction()).over(found)
    return found
