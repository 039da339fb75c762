"""One option for each report format that is written to a file: `--junit FILE`, `--html FILE`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from harness.cli.options import Decorated
from harness.diagnostics import HarnessError
from harness.report.report import Report, format, list_report_formats

TO_STDOUT = ("terminal", "json")


def written_reports(command: Decorated) -> Decorated:
    """Adds the options; their values arrive as keyword arguments by the format's name."""
    for name in reversed([n for n in list_report_formats() if n not in TO_STDOUT]):
        kind = click.Path(dir_okay=False, path_type=Path)
        command = click.option(f"--{name}", type=kind, metavar="FILE", help=f"Also write the report as {name}.")(
            command
        )
    return command


def write_reports(report: Report, files: Mapping[str, Path | None]) -> None:
    """Writes each report that was asked for."""
    for name, path in files.items():
        if path is None:
            continue
        try:
            # Line feeds on every system: reports are compared and hashed.
            path.write_text(format(name).write(report), encoding="utf-8", newline="\n")
        except OSError as error:
            raise HarnessError("unwritable", f"{path}: {(error.strerror or str(error)).lower()}") from error
