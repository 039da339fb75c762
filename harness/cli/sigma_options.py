"""Options of Sigma rules, and every rule that a path on a command line means."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import click

from harness.cli.options import PATH, Decorated, parse_pairs
from harness.cli.screen import out, paper
from harness.diagnostics import HarnessError
from harness.record import record
from harness.report.console import escape_controls
from harness.report.json_document import VERSION, dumps
from harness.run_options import RunOptions
from harness.scenario.foreign_rule import list_refusals, rule_paths
from harness.scenario.sigma.choice import SigmaChoice
from harness.supervisor import unit_of_work

SIGMA_OPTIONS = (
    click.option(
        "--filter",
        "filters",
        multiple=True,
        type=PATH,
        metavar="FILE",
        help="Filters for Sigma rules, a file or a folder.",
    ),
    click.option(
        "--placeholders", type=PATH, metavar="FILE", help="Values for %NAME% in Sigma rules, as YAML (NAME: [values])."
    ),
    click.option(
        "--pipeline",
        "pipelines",
        multiple=True,
        metavar="NAME",
        help="How Sigma is converted: a pipeline of pySigma or its file (default: by log source).",
    ),
    click.option(
        "--backend-option",
        "backend",
        multiple=True,
        callback=parse_pairs,
        metavar="NAME=VALUE",
        help="An option of pySigma's back end.",
    ),
)


def add_sigma_options(command: Decorated) -> Decorated:
    """Adds the options; the command gets them as `sigma`."""

    @wraps(command)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        backend: Mapping[str, str] = named.pop("backend")
        sigma = SigmaChoice(
            filters=tuple(named.pop("filters")),
            placeholders=named.pop("placeholders"),
            pipelines=tuple(named.pop("pipelines")),
            options=tuple(backend.items()),
        )
        return command(*arguments, sigma=sigma, **named)

    for option in reversed(SIGMA_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def expand_rule(path: Path, choice: SigmaChoice) -> list[Path]:
    """Every rule that a path means: those of a file in a format of others, else the path itself."""
    return rule_paths(path, choice) or [path]


def expand_rules(paths: Sequence[Path], choice: SigmaChoice) -> tuple[Path, ...]:
    """The same of several paths; what could not be converted is told on stderr."""
    found: list[Path] = []
    for path in paths:
        found += expand_rule(path, choice)
        # Behind it, which raises the reason where nothing at all could be converted.
        sys.stderr.write("".join(f"note: {line}\n" for line in describe_refusals(path, choice)))
    return tuple(found)


def describe_refusals(path: Path, choice: SigmaChoice) -> list[str]:
    """A sentence for each rule of a path that no converter made anything of."""
    return [f"{each.path}: {each.error.message}" for each in list_refusals(path, choice)]


@record(kw_only=True)
class Studied:
    """What a study found out of one rule: for machines, for people, and its exit code."""

    document: Mapping[str, Any]
    lines: Callable[[], Any]
    code: int = 0


def show_studies(rule: Path, chosen: RunOptions, study: Callable[[Path], Studied], *, as_json: bool) -> int:
    """Studies each rule that a path means and prints what was found; the exit code is the highest.

    Of several rules those that cannot be studied are told beside the others, unless it is all of them.
    """
    with unit_of_work(chosen.limits.seconds):
        forms = expand_rule(rule, chosen.sigma)
    refused = [(each.path, each.error) for each in list_refusals(rule, chosen.sigma)]
    if len(forms) == 1 and not refused:
        found = study(forms[0])
        out(dumps(dict(found.document)) if as_json else found.lines())
        return found.code
    done: list[tuple[Path, Studied]] = []
    for own in forms:
        try:
            done.append((own, study(own)))
        except HarnessError as error:
            refused.append((own, error))
    if not done:
        raise refused[0][1]
    if as_json:
        studies = [{"rule": str(own), **found.document} for own, found in done]
        failed = [{"rule": str(own), **reason.as_json()} for own, reason in refused]
        out(dumps({"document": "studies", "version": VERSION, "studies": studies, "refused": failed}))
    else:
        sheet = paper()
        for own, found in done:
            out([sheet.paint(str(own), "strong")])
            out(found.lines())
            out("\n")
        for own, reason in refused:
            out([sheet.paint(f"{own}: cannot be run", "bad"), escape_controls(reason.render())])
    return max(found.code for _, found in done)
