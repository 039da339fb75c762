"""What a document's project says: content that its rules refer to, and how they are read."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path

from harness.detection.content import Content
from harness.detection.language import Settings, Strictness
from harness.detection.project_content import read_named_content
from harness.diagnostics import HarnessError
from harness.record import record
from harness.scenario.project import find_settings_file
from harness.scenario.settings import Dialect, read_project

NOWHERE = Path("untitled")
"""The path of a document that has not been saved anywhere."""


@record(kw_only=True)
class ProjectView:
    """The content and the strictness that hold for a document; `error` is why the project cannot be read."""

    content: Content = field(default_factory=Content)
    strictness: Strictness = Strictness.LENIENT
    error: HarnessError | None = None

    @property
    def settings(self) -> Settings:
        """What the document's rules are read with."""
        return self.content.settings(Settings())


class Projects:
    """The projects of documents by their folders, each read once until `forget` is told that files have changed."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.known: dict[Path, ProjectView] = {}

    def find(self, path: Path) -> ProjectView:
        """The project of a document; one that has no folder has none."""
        if not path.is_absolute():
            return ProjectView()
        folder = path.parent
        if folder not in self.known:
            try:
                self.known[folder] = read_project_view(path)
            except HarnessError as error:
                self.known[folder] = ProjectView(error=error)
        return self.known[folder]

    def forget(self) -> None:
        """Has every project read again."""
        self.known.clear()


def read_project_view(path: Path) -> ProjectView:
    """The project of a document. Raises HarnessError where its settings cannot be read."""
    settings = find_settings(path)
    if settings is None:
        return ProjectView()
    project = read_project(settings)
    strict = project.settings.dialect is Dialect.STRICT
    return ProjectView(
        content=read_named_content(project), strictness=Strictness.STRICT if strict else Strictness.LENIENT
    )


def find_settings(path: Path) -> Path | None:
    """The settings that hold for a document, if there are any that count."""
    place = find_settings_file(path.parent)
    return None if place is None or place.refused else place.path
