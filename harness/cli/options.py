"""Options that several subcommands share."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.cli.completion_words import complete_conditions, complete_engines, complete_switches
from harness.cli.project_settings import default_of
from harness.detection.engine import DEFAULT_ENGINE, import_engine, is_remote, most_processes
from harness.diagnostics import HarnessError
from harness.supervisor import LEAST_MEMORY, Limits, begin_unit, can_supervise, continue_in_child, default_memory

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


class Bytes(click.ParamType[int]):
    """A size of memory: `800MB`, `2GB`, `1.5GiB`, or a number of bytes."""

    name = "size"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """The number of bytes."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:([kmgt])(i?)b?|b)?", str(value).lower())
        if found is None:
            self.fail(f"{value} is no size, such as 2GB", parameter, context)
        number, prefix, binary = found.groups()
        size = float(number) * (1024 if binary else 1000) ** ("kmgt".index(prefix) + 1 if prefix else 0)
        if size < LEAST_MEMORY:
            self.fail(f"{value} is less than any rule needs, which is {LEAST_MEMORY >> 20} MiB", parameter, context)
        return int(size)


ENGINES = "detlab.engines"
# They know what to do with a product, and with several engines.
WITH_PRODUCTS = ("run", "query")


def choose_engine(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> str:
    """The engine that runs plans; all that were named are kept for a command that sends rules to products too."""
    chosen = tuple(dict.fromkeys(values))
    context.meta[ENGINES] = chosen
    if context.command.name not in WITH_PRODUCTS:
        if len(chosen) > 1:
            raise HarnessError("usage", "one engine at a time", help="`detlab run` compares several")
        return chosen[0]
    return next((name for name in chosen if not is_product(name)), DEFAULT_ENGINE)


def is_product(name: str) -> bool:
    """Whether an engine is somebody's product, which gets the text of rules."""
    # The default is known: asking would import it.
    return name != DEFAULT_ENGINE and is_remote(name)


def list_chosen_engines() -> tuple[str, ...]:
    """All engines that were named for the command that runs now, in their order."""
    found: tuple[str, ...] = click.get_current_context().meta[ENGINES]
    return found


engine_option = click.option(
    "--engine",
    multiple=True,
    default=default_of("engine", (DEFAULT_ENGINE,)),
    show_default=DEFAULT_ENGINE,
    callback=choose_engine,
    metavar="NAME",
    shell_complete=complete_engines,
    help="What runs the query; `run` compares several.",
)
PRODUCT_OPTIONS = (
    click.option("--ca", type=PATH, metavar="FILE", help="Certificates (PEM) that a product's own is signed by."),
    click.option("--repository", default="", metavar="NAME", help="Where LogScale gets a trial's events."),
)


def add_product_options(command: Decorated) -> Decorated:
    """Adds what is said about a product; the command gets a mapping `product` of `ca` and `repository`."""

    @wraps(command)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        product = {name: named.pop(name) for name in ("ca", "repository")}
        return command(*arguments, product=product, **named)

    for option in reversed(PRODUCT_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


dialect = click.option(
    "--dialect",
    type=click.Choice(["strict", "lenient"]),
    default=default_of("dialect"),
    help="Read rules as their product does, or as their author meant them (default: as each scenario says).",
)
condition_option = click.option(
    "--condition",
    multiple=True,
    callback=parse_pairs,
    metavar="NAME=VALUE",
    shell_complete=complete_conditions,
    help="How hosts and platform are set up.",
)
switch = click.option(
    "--switch",
    multiple=True,
    callback=parse_pairs,
    metavar="NAME=VALUE",
    shell_complete=complete_switches,
    help="A meaning that the product leaves open.",
)
LIMIT_OPTIONS = (
    click.option(
        "--time-limit", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Stop a rule that takes longer."
    ),
    click.option(
        "--memory-limit",
        type=Bytes(),
        metavar="SIZE",
        help="Stop a rule that needs more, such as 2GB (default: three quarters of what there is).",
    ),
    click.option("--in-process", is_flag=True, help="Without a child process: limits are then not hard."),
)


def add_limits(command: Decorated) -> Decorated:
    """Adds the options of limits; the command gets them as `limits`, without seconds where none were given."""

    @wraps(command)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        seconds, memory = named.pop("time_limit"), named.pop("memory_limit")
        by_name = named.pop("in_process")
        if by_name:
            sys.stderr.write("note: in one process, so limits of time and memory are not hard\n")
        # A process with arguments of its own may fork; one that calls this command with some has threads perhaps.
        own = bool(click.get_current_context().find_root().obj)
        isolated = own and not by_name and can_supervise()
        limits = Limits(seconds=seconds or 0, memory=memory or default_memory(), isolated=isolated, unbound=by_name)
        return command(*arguments, limits=limits, **named)

    for option in reversed(LIMIT_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def in_child(limits: Limits, *, whole: bool, engine: str = "") -> int | None:
    """Goes on in a child within the limits: None there and where no child is wanted, its exit code in the parent.

    `whole` is whether all the rest is one unit of work.
    """
    if not limits.isolated:
        return None
    sockets = bool(engine) and engine != DEFAULT_ENGINE and most_processes(engine) is not None
    code = continue_in_child(replace(limits, network=sockets))
    if code is None:
        # Before the clock runs: importing an engine takes longer than most rules. In the child, which would copy each
        # page of it that the parent had touched.
        import_engine(engine)
        if whole:
            begin_unit(limits.seconds)
    return code


seed = click.option(
    "--seed", type=click.IntRange(min=0), help="Seed of simulated telemetry (default: each scenario's own)."
)
jobs_option = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that share the work (default: one for each processor that may be used).",
)
cache_option = click.option(
    "--no-cache", "cache", is_flag=True, flag_value=False, default=True, help="Keep no plans, and use none kept before."
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, errors too.")
verbose = click.option("-v", "--verbose", is_flag=True, help="Everything in full.")


def add_judging_options(command: Decorated) -> Decorated:
    """The options that say under what a rule is judged."""
    # The last decorator that is applied stands first in the help.
    for option in (json_option, add_limits, seed, switch, condition_option, dialect, engine_option):
        command = option(command)
    return command
