"""What the subcommands of the real lab share: where its parts are, how a plan is chosen, shown and confirmed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

import click

from harness.cli.options import PATH, Decorated, parse_pairs
from harness.cli.screen import out
from harness.diagnostics import HarnessError, did_you_mean
from harness.report.console import escape_controls, format_count
from harness.scenario.atomic import Atomic
from harness.scenario.atomic_command import Rendered, render_atomic
from harness.scenario.atomic_library import Library
from harness.scenario.pack import BUNDLED, DEFAULT
from harness.telemetry.lab.guard import Allowances
from harness.telemetry.lab.inventory import Inventory, read_inventory
from harness.telemetry.lab.journal import HostOutcome
from harness.telemetry.lab.secret import HIDDEN, hide_secrets, redact_secrets

inventory = click.option(
    "--inventory", type=PATH, default=Path("lab/hosts.yaml"), show_default=True, help="The lab's hosts and sinks."
)
atomics = click.option(
    "--atomics", multiple=True, type=PATH, metavar="FOLDER", help="Atomic Red Team's atomics (default: the pack's)."
)


def open_library(given: Sequence[Path]) -> Library:
    """The library of atomics: the given folders, or the pack's own tests."""
    return Library(tuple(given) or (DEFAULT if DEFAULT.is_dir() else BUNDLED / "scenarios",))


def tests_at(library: Library, addresses: Sequence[str]) -> tuple[Atomic, ...]:
    """The tests at several addresses, each once, in the order in which they were named."""
    found = {(a.technique, a.number): a for address in addresses for a in library.find(address)}
    return tuple(found.values())


def render_tests(
    tests: Sequence[Atomic], given: Mapping[str, str], run: str, *, folder: str, raw: Sequence[str] = ()
) -> tuple[Rendered, ...]:
    """The tests with given values where they have such an argument; one that none of them has is an error."""
    # A misspelt argument must not be dropped: the test would run with its default.
    known = {name for test in tests for name in test.test.input_arguments}
    for name in (*given, *raw):
        if name not in known:
            hint = did_you_mean(name, known) or f"they have {', '.join(sorted(known)) or 'no arguments'}"
            raise HarnessError("unknown-argument", f"none of the tests has an argument `{name}`", help=hint)
    return tuple(render_test(test, given, run, folder, raw) for test in tests)


def render_test(test: Atomic, given: Mapping[str, str], run: str, folder: str, raw: Sequence[str]) -> Rendered:
    """One test with its own part of the given values; `run` goes where a test takes the run's name."""
    own = {"run": run, **given}
    # Several tests share the options, each takes what it has.
    values = {name: value for name, value in own.items() if name in test.test.input_arguments}
    return render_atomic(test, values, folder=folder, raw=frozenset(raw) & set(test.test.input_arguments))


def guard_rails(command: Decorated) -> Decorated:
    """The options that allow what is refused otherwise, each by name."""
    options = (
        click.option("--allow-target", "targets", multiple=True, metavar="NAME", help="A server outside the lab."),
        click.option("--allow-elevation", "elevation", is_flag=True, help="Tests that need elevated rights."),
        click.option("--allow-unmarked", "unmarked", is_flag=True, help="Hosts without the lab's marker."),
        click.option("--allow-domain-controller", "domain_controller", is_flag=True, help="Domain controllers."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def allowances(given: Mapping[str, Any]) -> Allowances:
    """The options of `guard_rails` as what the guard is told to allow."""
    flags = {name: bool(given[name]) for name in ("elevation", "unmarked", "domain_controller")}
    return Allowances(targets=frozenset(given["targets"]), **flags)


def arguments(command: Decorated) -> Decorated:
    """The options that give values to tests."""
    given = click.option(
        "--set", "given", multiple=True, callback=parse_pairs, metavar="NAME=VALUE", help="An input argument."
    )
    raw = click.option("--raw", multiple=True, metavar="NAME", help="Take this argument's value as it is.")
    return given(raw(command))


def secret_arguments(command: Decorated) -> Decorated:
    """The option that gives tests values that are shown and written by their names only."""
    return click.option(
        "--secret",
        "secret",
        multiple=True,
        callback=parse_pairs,
        metavar="NAME=VARIABLE",
        help="An input argument whose value is in an environment variable.",
    )(command)


def open_inventory(path: Path) -> Inventory:
    """Reads the inventory; raises SourceError at a faulty entry."""
    return read_inventory(path)


def confirm(lines: Sequence[str], *, yes: bool) -> None:
    """Shows a plan and asks; without a person to ask it has to be said beforehand."""
    for line in lines:
        print_progress(line)
    if yes:
        return
    # In CI a question would be answered by nobody, or by whatever stands in the pipe.
    if not sys.stdin.isatty():
        hint = "look at it with --what-if, then add --yes"
        raise HarnessError("not-confirmed", "nobody is there to confirm the plan", help=hint)
    # On stderr: stdout is for data.
    click.confirm("Run this?", abort=True, err=True)


def print_progress(line: str) -> None:
    """A line for the person who watches, on stderr, without secrets and control characters.

    A terminal that is gone (SIGHUP) ends nothing: what runs is cleaned up without anybody watching.
    """
    with suppress(OSError, ValueError):
        sys.stderr.write(escape_controls(redact_secrets(line)) + "\n")
        sys.stderr.flush()


def show_lines(lines: Sequence[str]) -> None:
    """Lines for people on stdout without secrets and control characters; how many values are hidden goes to stderr."""
    hidden = [hide_secrets(line) for line in lines]
    out([escape_controls(line) for line, _ in hidden])
    tell_hidden(sum(count for _, count in hidden))


def tell_hidden(count: int) -> None:
    """Says how many values of secrets an output hides, if any."""
    if count:
        print_progress(f"{format_count(count, 'value')} of secrets hidden as {HIDDEN}")


def worst(outcomes: Sequence[HostOutcome]) -> int:
    """One exit code for several hosts: unreachable before refused before unclean."""
    # The codes are in that order: 3 is unreachable, 2 refused, 1 unclean.
    return max((o.exit_code for o in outcomes), default=0)


def outcome_lines(outcomes: Sequence[HostOutcome]) -> Iterator[str]:
    """What happened, test by test."""
    for host in outcomes:
        for test in host.tests:
            cleaning = "" if test.cleaning == "not needed" else f", {test.cleaning}"
            code = "" if test.exit_code is None else f", exit code {test.exit_code}"
            yield f"{test.host}  {test.test}  {test.status}{code}{cleaning}"
            for why in (test.why, test.why_owed):
                if why:
                    yield f"    {why}"
            if not test.complete and test.status == "finished":
                yield "    the connection dropped while it ran; some of its output is lost"
        if host.error:
            yield host.error.render()


class Interruption:
    """Requests to end (Ctrl-C, SIGTERM, SIGHUP): the first sets `stop`, each after that interrupts at once."""

    def __init__(self) -> None:
        """Nobody has asked yet."""
        self.stop = Event()
        self.repeated = False

    def __call__(self, number: int, frame: object) -> None:
        """Takes a signal."""
        if self.stop.is_set():
            self.repeated = True
            raise KeyboardInterrupt
        self.stop.set()


@contextmanager
def notice_signals(interruption: Callable[[int, object], None]) -> Iterator[None]:
    """Hands requests to end to `interruption`; one that is ignored from outside (nohup) stays ignored."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, interruption) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt_at_once(number: int, frame: object) -> None:
    """Takes every request to end as Ctrl-C."""
    raise KeyboardInterrupt
