"""Say which rules of a folder run, and which construct keeps each of the others from it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from harness.cli import options
from harness.cli.project_settings import is_strict_project
from harness.cli.rule_options import complete, contents
from harness.cli.screen import DIFFERS, INTERRUPTED, ProgressLine, out, paper
from harness.cli.sigma_options import add_sigma_options
from harness.detection.content import Content
from harness.detection.content import read_content as content_of
from harness.detection.kept_plans import find_plan_folder
from harness.detection.language import Strictness, list_languages
from harness.diagnostics import HarnessError
from harness.report.json_document import dumps
from harness.report.studies.coverage import encode_coverage, format_coverage, format_failure
from harness.scenario.rule_library import LibraryRule, list_library_rules
from harness.scenario.sigma.choice import SigmaChoice
from harness.verdict.coverage import LONGEST_RULE, Covered, Trying, cover

OPTIONS = (
    click.option("--events", multiple=True, type=options.PATH, metavar="PATH", help="Run every rule on these events."),
    click.option(
        "--strict",
        is_flag=True,
        default=is_strict_project,
        help="Read rules as their product does; what it rejects does not run.",
    ),
    contents,
    add_sigma_options,
    options.condition_option,
    options.engine_option,
    options.jobs_option,
    options.cache_option,
    options.add_limits,
)


def add_trying_options(command: options.Decorated) -> options.Decorated:
    """Adds events, reading, content, conditions, Sigma, engine, jobs, cache and limits; all arrive as `tried`."""

    @wraps(command)
    def wrapped(paths: tuple[Path, ...], **named: Any) -> Any:
        given: Content = named.pop("content")
        tried = Trying(
            engine=named.pop("engine"),
            given=given.over(read_neighbouring_content(paths)),
            dialect=Strictness.STRICT if named.pop("strict") else Strictness.LENIENT,
            events=named.pop("events"),
            conditions=named.pop("condition"),
            jobs=named.pop("jobs"),
            cache=find_plan_folder() if named.pop("cache") else None,
            limits=complete(named.pop("limits"), LONGEST_RULE),
            sigma=named.pop("sigma"),
        )
        return command(paths, tried=tried, **named)

    decorated: Any = wrapped
    for option in reversed(OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


@click.command("coverage")
@click.argument("paths", nargs=-1, required=True, type=options.PATH, metavar="PATH...")
@add_trying_options
@options.json_option
@options.verbose
def command(paths: tuple[Path, ...], tried: Trying, as_json: bool, verbose: bool) -> int:
    r"""Tries every rule below PATH: does it parse, plan, compile, and run?

    Each is run on a store that has its fields and no events, or on --events: then the rules that find something are
    listed with hits, hosts, first and last time, and what rules mean over the fields of these events is kept in the
    user's cache folder for the next run. Rules are files with a language for their suffix (`detlab list languages`),
    Sigma, security_content's YAML, savedsearches.conf, LogScale's exports. Macros and lookup tables in PATH are used.
    The exit code is 1 where a rule does not run. Interrupted, it tells what it has found by then.

    \b
    detlab coverage rules/
    detlab coverage my_app/ --events capture.evtx -v
    """
    found = require_library_rules(paths, tried.sigma)
    progress = ProgressLine()
    covered, whole = cover_until_interrupted(found, tried, progress, verbose=verbose, quiet=as_json)
    untried = len(found) - len(covered)
    out(
        dumps(encode_coverage(covered, untried=untried))
        if as_json
        else format_coverage(covered, paper(), events=tried.events, verbose=verbose, untried=untried)
    )
    return INTERRUPTED if not whole else 0 if all(each.runs for each in covered) else DIFFERS


def cover_until_interrupted(
    found: Sequence[LibraryRule], tried: Trying, progress: ProgressLine, *, verbose: bool, quiet: bool
) -> tuple[list[Covered], bool]:
    """What was found of each rule that was tried, and whether nobody interrupted; failures are printed as they come."""
    covered: dict[int, Covered] = {}
    printed = 0
    try:
        with end_on_termination():
            for number, each in cover(found, tried, progress):
                covered[number] = each
                # In the order of the rules, so that two runs print the same.
                while printed in covered and not quiet:
                    print_failure(covered[printed], progress, verbose=verbose)
                    printed += 1
    except KeyboardInterrupt:
        for number in sorted(n for n in covered if n >= printed and not quiet):
            print_failure(covered[number], progress, verbose=verbose)
    finally:
        progress.done()
    return [covered[n] for n in sorted(covered)], len(covered) == len(found)


def print_failure(covered: Covered, progress: ProgressLine, *, verbose: bool) -> None:
    """Prints why a rule does not run, at once."""
    if not covered.runs:
        progress.done()
        out(format_failure(covered, paper(), verbose=verbose))
        sys.stdout.flush()


@contextmanager
def end_on_termination() -> Iterator[None]:
    """Has SIGTERM, which a job runner sends at its own limit, end the study as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def require_library_rules(paths: Sequence[Path], sigma: SigmaChoice) -> list[LibraryRule]:
    """All rules below the paths; none at all is an error."""
    found = list_library_rules(paths, list_languages(), sigma)
    if not found:
        where, suffixes = ", ".join(map(str, paths)), ", ".join(f".{name}" for name in list_languages())
        raise HarnessError("no-rules", f"there is no rule in {where}", help=f"rules are {suffixes}, YAML or conf files")
    return found


def read_neighbouring_content(paths: Sequence[Path]) -> Content:
    """The macros and lookup tables that lie with the rules; pages that are broken are left to the rules' own error."""
    found = Content()
    for path in paths:
        if path.is_dir():
            # Lenient: a folder of rules holds YAML of every kind, and a broken page is told
            # where its own rule is tried.
            found = content_of([path], lenient=True).over(found)
    return found
