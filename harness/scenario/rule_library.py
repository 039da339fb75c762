"""Folders of rules, with an index that says more of each; told apart from packs, since it reads foreign formats."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from harness.diagnostics import HarnessError, explain_failure
from harness.record import record
from harness.scenario.foreign_rule import KNOWN, list_published
from harness.scenario.pack import find_files
from harness.scenario.sigma.choice import DEFAULT_CHOICE, SigmaChoice

INDEX_FILE = "index.tsv"


@record(kw_only=True)
class LibraryRule:
    """A rule's path, what an index says of it (status, kind, licence ...), and why it could not be looked into."""

    path: Path
    facts: Mapping[str, str] = field(default_factory=dict)
    error: HarnessError | None = None


def list_library_rules(
    paths: Sequence[Path], languages: Sequence[str], choice: SigmaChoice = DEFAULT_CHOICE
) -> list[LibraryRule]:
    """Every rule of these files and folders, in order; a file that cannot be read is one that does not run.

    A file with a language for its suffix is a rule, others may be foreign files that hold some.
    """
    found: list[LibraryRule] = []
    suffixes = tuple(f".{name}" for name in languages)
    for path in paths:
        if not path.exists() and path.suffix not in suffixes:
            raise HarnessError("no-such-path", f"there is no file or folder {path}", help="name a folder with rules")
        facts = index(path) if path.is_dir() else {}
        candidates = find_files(path, *suffixes, *KNOWN) if path.is_dir() else iter([path])
        for each in candidates:
            own = facts.get(each, {})
            found += looked_into(each, own, choice) or [LibraryRule(path=each, facts=own)] * (each.suffix in suffixes)
    return found


def looked_into(path: Path, facts: Mapping[str, str], choice: SigmaChoice) -> list[LibraryRule]:
    """The rules of a foreign file, those that could not be converted too, or the error of one that cannot be read."""
    try:
        published = list_published(path, choice)
    except Exception as error:
        # A file of Sigma filters is no rule, and may lie among them.
        if isinstance(error, HarnessError) and error.code == "no-rules":
            return []
        return [LibraryRule(path=path, facts=facts, error=explain_failure(error))]
    return [LibraryRule(path=own, facts=facts, error=rule.error) for own, rule in published]


def index(folder: Path) -> dict[Path, Mapping[str, str]]:
    """What `index.tsv` in the folder, or else above it, says, by the paths in its column `file`."""
    page = next((each / INDEX_FILE for each in (folder, folder.parent) if (each / INDEX_FILE).is_file()), None)
    if page is None:
        return {}
    with page.open(encoding="utf-8", newline="") as lines:
        # Without quoting: titles of rules hold single quotation marks.
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {page.parent / row["file"]: {k: v or "" for k, v in row.items() if k} for row in rows if row.get("file")}
