"""The rules of a project for the list at the left: their files, titles, and how many scenarios name them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.detection.language import list_languages
from harness.diagnostics import HarnessError
from harness.editor.rule_runs import LARGEST_SCENARIO_TEXT
from harness.record import record
from harness.scenario.pack import BUNDLED, DEFAULT, find_rules, find_scenarios
from harness.scenario.project import find_settings_file
from harness.scenario.rule import read_page

# Chosen, no source: a list of more is searched in an editor.
MOST_LISTED_RULES = 2000
RULE_NAME = re.compile(rb"""\brule:\s*["']?([^\s"',}\]#]+)""")


@record(kw_only=True)
class WorkFolder:
    """The folder that the workbench shows: the project's, else the working folder, else the pack that came along.

    `own` is whether its files are the person's; those of an installed pack are never written.
    """

    path: Path
    own: bool
    settings: Path | None = None


def find_work_folder(here: Path) -> WorkFolder:
    """The folder of the project that a folder is in. Raises HarnessError where it cannot be looked through."""
    place = find_settings_file(here)
    settings = place.path if place is not None and not place.refused else None
    root = settings.parent.resolve() if settings is not None else here.resolve()
    if settings is None and not list_project_rules(root):
        # In a checkout the bundled pack lies beside the package, and may be worked on as any other.
        return WorkFolder(path=(BUNDLED / DEFAULT).resolve(), own=BUNDLED.name != "bundled")
    return WorkFolder(path=root, own=True, settings=settings)


def list_project_rules(root: Path) -> list[Path]:
    """The files of rules in a folder and below, whole paths."""
    return find_rules([root], list_languages())[:MOST_LISTED_RULES]


def count_scenarios_by_rule(folders: Sequence[Path]) -> Counter[str]:
    """How many scenarios name each rule, by the name of its file, judged by their text."""
    found: Counter[str] = Counter()
    for path in find_scenarios(folders):
        with suppress(OSError):
            if path.stat().st_size <= LARGEST_SCENARIO_TEXT:
                named = {n.rpartition(b"/")[2] for n in RULE_NAME.findall(path.read_bytes())}
                found.update(n.decode("utf-8", "replace") for n in named)
    return found


def describe_rules(root: Path) -> Iterator[dict[str, Any]]:
    """Each rule of a folder: its path below the folder, its title, its language."""
    scenarios = count_scenarios_by_rule([root])
    for path in list_project_rules(root):
        try:
            title = read_page(path).title
        # What is wrong with a page is shown where it is edited.
        except (HarnessError, OSError, UnicodeDecodeError):
            title = path.stem
        yield {
            "path": path.relative_to(root).as_posix(),
            "title": title,
            "language": path.suffix.lstrip(".").lower(),
            "scenarios": scenarios[path.name],
        }
