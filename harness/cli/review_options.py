"""Options of commands whose remarks code review shows at lines: SARIF, and annotations that GitHub reads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from harness.cli.options import Decorated
from harness.output_file import write_file
from harness.record import record

FILE = click.Path(dir_okay=False, path_type=Path)
ON_GITHUB = "GITHUB_ACTIONS"
# Chosen: GitHub shows ten of a kind for each step, and a log should end.
MOST_ANNOTATIONS = 50

github_option = click.option(
    "--github/--no-github",
    default=None,
    help="Annotations on stderr as GitHub reads them, a summary for its run (default: where GITHUB_ACTIONS is true).",
)
sarif_option = click.option("--sarif", type=FILE, metavar="FILE", help="Also write it as SARIF 2.1.0.")


@record(kw_only=True)
class ReviewChoice:
    """A file for SARIF, and whether GitHub reads what is printed; false where nobody wants remarks."""

    sarif: Path | None
    github: bool

    def __bool__(self) -> bool:
        return self.sarif is not None or self.github

    def write(self, annotations: Sequence[Any]) -> None:
        """Writes the annotations where they are wanted."""
        if self.sarif is not None:
            encode = import_module("harness.report.formats.sarif").encode_sarif
            write_file(self.sarif, encode(annotations).encode("utf-8"))
        if self.github:
            print_annotations(annotations)


def add_review_options(command: Decorated) -> Decorated:
    """Adds the options; the command gets them as `review`."""

    @wraps(command)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        chosen = ReviewChoice(sarif=named.pop("sarif"), github=is_on_github(named.pop("github")))
        return command(*arguments, review=chosen, **named)

    return sarif_option(github_option(wrapped))  # type: ignore[return-value]


def is_on_github(chosen: bool | None) -> bool:
    """Whether GitHub reads what is printed: as chosen, else as its runners say."""
    return os.environ.get(ON_GITHUB) == "true" if chosen is None else chosen


def print_annotations(annotations: Iterable[Any]) -> None:
    """Prints annotations as GitHub reads them; on stderr, since stdout may be one JSON document."""
    commands = import_module("harness.report.annotation").format_workflow_commands(annotations)
    for _, line in zip(range(MOST_ANNOTATIONS), commands, strict=False):
        sys.stderr.write(line + "\n")
