"""Options of every command that studies a rule: how it is run, on which recorded events, what is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from pathlib import Path
from typing import Any, cast

import click

from harness.cli import options
from harness.cli.options import PATH
from harness.cli.rule_options import add_choice
from harness.diagnostics import HarnessError
from harness.run_options import RunOptions
from harness.study_trials import RecordedEvents


def add_study_options(command: options.Decorated) -> options.Decorated:
    """The options of every command that runs a rule, handed on as one: `chosen`."""

    @wraps(command)
    def studied(*args: Any, chosen: RunOptions, **given: Any) -> Any:
        # A study judges thousands of cases: each plan that is made or run is a unit of work of its own.
        code = options.in_child(chosen.limits, whole=False)
        return command(*args, chosen=chosen, **given) if code is None else code

    return add_choice(cast(options.Decorated, studied))


EVENT_OPTIONS = (
    click.option(
        "--events", multiple=True, type=PATH, metavar="PATH", help="A world or recorded events in place of scenarios."
    ),
    click.option(
        "--malicious",
        multiple=True,
        callback=options.parse_pairs,
        metavar="FIELD=VALUE",
        help="Which of --events are an attack's.",
    ),
)


def add_event_options(command: options.Decorated) -> options.Decorated:
    """The options that put recorded events in place of scenarios, handed on as `recorded`."""

    @wraps(command)
    def wrapped(*arguments: Any, events: tuple[Path, ...], malicious: Mapping[str, str], **named: Any) -> Any:
        if malicious and not events:
            raise HarnessError("usage", "--malicious is said of --events", help="add --events PATH")
        return command(*arguments, recorded=RecordedEvents(paths=events, malicious=malicious), **named)

    for option in reversed(EVENT_OPTIONS):
        wrapped = option(wrapped)
    return cast(options.Decorated, wrapped)


def plot(command: options.Decorated) -> options.Decorated:
    """The option that draws."""
    return click.option(
        "--plot",
        type=options.PATH,
        metavar="FILE",
        help="Also draw it: FILE.svg, FILE.png, or FILE.html with its table; needs the extra `plots`.",
    )(command)
