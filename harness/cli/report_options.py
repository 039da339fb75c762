"""Options of `detlab run` that say where its report goes, which scenarios it takes, and what rules have to reach."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from harness.cli.options import PATH, Decorated
from harness.cli.project_settings import default_of_gate
from harness.cli.review_options import FILE, github_option, is_on_github, print_annotations
from harness.diagnostics import HarnessError
from harness.output_file import write_file
from harness.record import record
from harness.report.report import Report, format
from harness.report.report_formats import list_report_formats
from harness.run_options import RunOptions
from harness.verdict.gates import GateLimits, check_gates
from harness.verdict.verdict import Outcomes

TO_STDOUT = ("terminal", "json")
PICTURE_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


@record(kw_only=True)
class ReportChoice:
    """Files to write by format, plots for the page, whether GitHub reads along, gates, and which files are judged."""

    files: Mapping[str, Path]
    pictures: tuple[Path, ...]
    github: bool
    gates: GateLimits
    since: str | None
    shard: tuple[int, int] | None
    cache: bool
    began: str

    def report(self, outcomes: Outcomes, chosen: RunOptions) -> Report:
        """The report of a run, its gates checked."""
        unbound = (("limits", "not hard"),) if chosen.limits.unbound else ()
        return Report(
            outcomes=outcomes,
            engine=chosen.engine,
            chosen=(*chosen.conditions.items(), *chosen.switches.items(), *unbound),
            began=self.began,
            seed=chosen.seed,
            pictures=read_pictures(self.pictures),
            gates=check_gates(outcomes.verdicts, self.gates),
        )


def parse_shard(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """`2/5` as its two numbers. Raises HarnessError for anything else."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", value)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise HarnessError("usage", f"--shard {value} is no part of a whole", help="write 1/4, 2/4, 3/4 and 4/4")
    return int(found[1]), int(found[2])


OPTIONS = (
    click.option("--picture", "pictures", multiple=True, type=PATH, metavar="FILE", help="A study's plot for --html."),
    github_option,
    click.option("--since", metavar="REF", help="Only scenarios that are touched by what changed in git since REF."),
    click.option("--shard", callback=parse_shard, metavar="I/N", help="Only the I-th of N equal parts."),
    click.option(
        "--cache/--no-cache",
        default=False,
        help="Take verdicts of earlier runs where nothing they follow from has changed, and keep new ones.",
    ),
    click.option(
        "--max-alerts-per-day",
        type=click.FloatRange(min=0),
        default=default_of_gate("max_alerts_per_day", None),
        metavar="N",
        help="Gate: alerts of each rule a day of benign scenarios.",
    ),
    click.option(
        "--true-positive",
        is_flag=True,
        default=default_of_gate("true_positive", False),
        help="Gate: each rule sees an attack of some scenario.",
    ),
    click.option(
        "--benign-twin",
        is_flag=True,
        default=default_of_gate("benign_twin", False),
        help="Gate: each rule is quiet about some benign scenario.",
    ),
)


def add_report_options(command: Decorated) -> Decorated:
    """Adds the options, one for each format that is written to a file; the command gets them as `told`."""

    @wraps(command)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        given = {name: named.pop(name) for name in list_file_formats()}
        gates = {name: named.pop(name) for name in ("max_alerts_per_day", "true_positive", "benign_twin")}
        told = ReportChoice(
            files={name: path for name, path in given.items() if path is not None},
            pictures=named.pop("pictures"),
            github=is_on_github(named.pop("github")),
            gates=GateLimits(**gates),
            since=named.pop("since"),
            shard=named.pop("shard"),
            cache=named.pop("cache"),
            began=read_run_time(),
        )
        return command(*arguments, told=told, **named)

    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    for name in reversed(list_file_formats()):
        wrapped = click.option(f"--{name}", type=FILE, metavar="FILE", help=f"Also write the report as {name}.")(
            wrapped
        )
    return wrapped  # type: ignore[return-value]


def list_file_formats() -> list[str]:
    """The formats that are written to files."""
    return [n for n in list_report_formats() if n not in TO_STDOUT]


def read_run_time() -> str:
    """When the run begins, in UTC; SOURCE_DATE_EPOCH, as reproducible builds set it, stands for the clock."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    # A calendar of Python ends with the year 9999.
    epoch = int(given) if given.isdecimal() and len(given) < 12 else None
    moment = datetime.now(UTC) if epoch is None else datetime.fromtimestamp(epoch, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def read_pictures(paths: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    """Plots as a page embeds them: as images, in which no script runs."""
    found = []
    for path in paths:
        kind = PICTURE_TYPES.get(path.suffix.lower())
        if kind is None:
            raise HarnessError("unknown-format", f"{path} is neither SVG nor PNG", help="draw it with --plot FILE.svg")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise HarnessError("unreadable", f"{path}: {(error.strerror or str(error)).lower()}") from error
        found.append((path.stem, f"data:{kind};base64,{b64encode(content).decode('ascii')}"))
    return tuple(found)


def write_reports(report: Report, told: ReportChoice) -> None:
    """Writes each report that was asked for, and what GitHub reads."""
    for name, path in told.files.items():
        # As bytes, so line feeds on every system: reports are compared and hashed.
        write_file(path, format(name).write(report).encode("utf-8"))
    if told.github:
        # Imported by name: most runs are not on GitHub.
        print_annotations(import_module("harness.report.annotation").annotate_report(report))
        summary = os.environ.get(STEP_SUMMARY)
        if summary:
            append_summary(Path(summary), format("markdown").write(report))


def append_summary(path: Path, text: str) -> None:
    """Adds to the summary of a workflow's step, which other steps' tools may have begun."""
    try:
        with path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise HarnessError("unwritable", f"{path}: {(error.strerror or str(error)).lower()}") from error
