"""Options that several subcommands share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.diagnostics import HarnessError

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
PATH = click.Path(path_type=Path)


def parse_pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Mapping[str, str]:
    """`name=value` options as a mapping; the last of a name counts."""
    found: dict[str, str] = {}
    for value in values:
        name, equals, chosen = value.partition("=")
        # Raised here, since click's own message would not say how a pair is written.
        if not equals or not name.strip():
            option = f"--{parameter.name}"
            raise HarnessError(
                "not-a-pair", f"{option} {value} has no name and value", help=f"write {option} name=value"
            )
        found[name.strip()] = chosen.strip()
    return found


engine_option = click.option(
    "--engine", default="duckdb", show_default=True, metavar="NAME", help="What runs the query."
)
dialect = click.option(
    "--dialect",
    type=click.Choice(["strict", "lenient"]),
    help="Read rules as their product does, or as their author meant them (default: as each scenario says).",
)
condition_option = click.option(
    "--condition", multiple=True, callback=parse_pairs, metavar="NAME=VALUE", help="How hosts and platform are set up."
)
switch = click.option(
    "--switch",
    multiple=True,
    callback=parse_pairs,
    metavar="NAME=VALUE",
    help="A meaning that the product leaves open.",
)
patience = click.option(
    "--time-limit", "patience", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Stop a rule that takes longer."
)
seed = click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of simulated telemetry (default: each scenario's own)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, errors too.")
verbose = click.option("-v", "--verbose", is_flag=True, help="Everything in full.")


def add_judging_options(command: Decorated) -> Decorated:
    """The options that say under what a rule is judged."""
    # The last decorator that is applied stands first in the help.
    for option in (verbose, json_option, patience, seed, switch, condition_option, dialect, engine_option):
        command = option(command)
    return command
