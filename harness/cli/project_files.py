"""The texts of the files that `detlab init` and `detlab new` write: settings, scenarios, checks of a repository."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from os.path import relpath
from pathlib import Path
from typing import Any

import yaml

from harness import __version__
from harness.diagnostics import HarnessError
from harness.output_file import write_file
from harness.record import record

SCHEMA_FOLDER = Path(".detlab")
LONGEST_NAME_OF_FILE = 60

GITHUB = """\
name: detections
on: [push, pull_request]
permissions:
  contents: read
jobs:
  detlab:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install "{requirement}"
      - run: detlab coverage rules
      - run: detlab run --junit detlab.xml
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: detlab
          path: detlab.xml
"""
GITLAB = """\
detections:
  image: python:3.12-slim
  script:
    - pip install "{requirement}"
    - detlab coverage rules
    - detlab run --junit detlab.xml
  artifacts:
    when: always
    reports:
      junit: detlab.xml
"""
CHECKS: Mapping[str, tuple[Path, str]] = {
    "github": (Path(".github/workflows/detlab.yml"), GITHUB),
    "gitlab": (Path(".gitlab-ci.yml"), GITLAB),
}
"""By the name of who runs them: the file and its text."""
README = (
    "Detections are proved by [detlab](https://pypi.org/project/detlab/): `pip install detlab`, then `detlab run`.\n"
)

SETTINGS_TEXT = """\
# What holds for every command of detlab in this repository. The command line counts before it; `detlab config` shows
# each value and where it came from, `detlab docs` and `detlab list conditions` what there is.
"""
MORE_SETTINGS = """
# index: main                                             the index of Windows events
# inputs: {sysmon: {sourcetype: XmlWinEventLog}}           names of one sensor's or channel's input
# fields: {process_path: Image}                            other names of fields that rules read
# macros: content/macros.conf
# lookups: content/lookups
# props: content/props.conf
# conditions: {falcon: ngsiem}
# sensors: [sysmon, windows_security]
# gates: {min_mutation_score: 80, true_positive: true, benign_twin: true}
"""


@record(kw_only=True)
class PlannedFile:
    """A file that is to be written: where, and what."""

    path: Path
    text: str


def write_project_files(files: Sequence[PlannedFile], *, force: bool) -> None:
    """Writes all files, or none: where one is there already that is an error, unless `force` is given."""
    there = [each.path for each in files if each.path.exists() or each.path.is_symlink()]
    if there and not force:
        named = ", ".join(map(str, there))
        raise HarnessError("exists", f"{named} is there already", help="add --force to write over it")
    for each in files:
        try:
            each.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HarnessError("unwritable", f"{each.path.parent}: {(error.strerror or str(error)).lower()}") from error
        write_file(each.path, each.text.encode("utf-8"))


def build_file_slug(name: str) -> str:
    """A name as a file is called."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_NAME_OF_FILE].strip("-") or "test"


def name_schema(document: Path, schema: str) -> str:
    """The line that tells an editor the schema of a document."""
    path = relpath(SCHEMA_FOLDER / f"{schema}.schema.json", document.parent)
    return f"# yaml-language-server: $schema={Path(path).as_posix()}\n"


def dump_yaml(document: Mapping[str, Any]) -> str:
    """A document as YAML in the order of its keys."""
    text: str = yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=120, default_flow_style=False)
    return text


def build_settings_file(settings: Mapping[str, Any]) -> PlannedFile:
    """`detlab.yaml` with what is known of a project, and in comments what else there is."""
    path = Path("detlab.yaml")
    known = dump_yaml(settings) if settings else ""
    return PlannedFile(path=path, text=name_schema(path, "settings") + SETTINGS_TEXT + known + MORE_SETTINGS)


def build_schema_files(schemas: Mapping[str, Mapping[str, Any]]) -> list[PlannedFile]:
    """The schemas beside the project, for editors."""
    return [
        PlannedFile(path=SCHEMA_FOLDER / f"{name}.schema.json", text=json.dumps(schema, indent=1) + "\n")
        for name, schema in schemas.items()
    ]


def build_check_file(name: str) -> PlannedFile:
    """What runs the scenarios at each push."""
    path, text = CHECKS[name]
    return PlannedFile(path=path, text=text.format(requirement=f"detlab>={__version__}"))


def build_readme_file() -> PlannedFile | None:
    """The README with a line on how detections are proved; None where it has one."""
    path = Path("README.md")
    there = path.read_text("utf-8", "replace") if path.is_file() else ""
    if "detlab" in there:
        return None
    return PlannedFile(path=path, text=there + ("\n" if there else "") + README)


def build_replay_scenario(
    path: Path, *, title: str, technique: str, activity: str, events: str, rule: str, outcome: str, comment: str
) -> PlannedFile:
    """A scenario that replays events of a file beside it."""
    document = {
        "title": title,
        **({"technique": technique} if technique else {}),
        "activity": activity,
        "replay": [{"path": events}],
        "expect": [{"rule": rule, "outcome": outcome}],
    }
    remark = "".join(f"# {line}\n" for line in comment.splitlines())
    return PlannedFile(path=path, text=name_schema(path, "scenario") + remark + dump_yaml(document))
