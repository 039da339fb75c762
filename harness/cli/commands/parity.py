"""Compare two renderings of one detection on one truth: which clause separates them?"""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import PATH
from harness.cli.screen import DIFFERS, out, paper
from harness.cli.sigma_options import expand_rules
from harness.cli.study_options import add_event_options, add_study_options
from harness.diagnostics import HarnessError
from harness.report.console import format_count
from harness.report.json_document import dumps
from harness.report.studies import parity as told
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.sigma.choice import SigmaChoice
from harness.study_trials import RecordedEvents, build_recorded_trial, build_trials, require_rule
from harness.verdict.parity import Parity, compare_recorded, parity


@click.command("parity")
@click.argument("first", type=PATH)
@click.argument("second", type=PATH, required=False)
@click.argument("paths", nargs=-1, type=PATH, metavar="[SCENARIO]...")
@click.option("--fast", is_flag=True, help="Only the scenarios, no probes made from the texts of the rules.")
@add_event_options
@add_study_options
def command(
    first: Path,
    second: Path | None,
    paths: tuple[Path, ...],
    fast: bool,
    recorded: RecordedEvents,
    chosen: RunOptions,
    as_json: bool,
) -> int:
    r"""Runs FIRST and SECOND on the same scenarios and says where they differ, and which single change would settle it.

    Besides the scenarios it makes probes of them with values that the texts of both rules speak of. Exit code 1 says
    that they differ. A Sigma file alone is compared in both languages.

    \b
    detlab parity server.spl server.cql
    detlab parity server.spl server.cql --events WORLD
    detlab parity sigma.yml
    """
    pair = choose_pair(first, second, chosen.sigma)
    if recorded:
        # An engine for each, since each rule's platform shows the events its own way.
        with Bench(chosen) as left, Bench(chosen) as right:
            sides = [
                build_recorded_trial(bench, rule, paths, recorded)
                for bench, rule in zip((left, right), pair, strict=True)
            ]
            return show_parity(compare_recorded(*sides, search=not fast), as_json=as_json)
    with Bench(chosen) as bench:
        where = list(paths) or [require_rule(first)]
        # One bench, so that both rules see the same telemetry of a scenario.
        one, two = (build_trials(bench, rule, where) for rule in pair)
        found = parity(one, two, search=not fast)
    return show_parity(found, as_json=as_json)


def show_parity(found: Parity, *, as_json: bool) -> int:
    """Prints what was found; the exit code says whether both agree."""
    out(dumps(told.encode_parity(found)) if as_json else told.format_parity(found, paper()))
    return 0 if found.agree else DIFFERS


def choose_pair(first: Path, second: Path | None, choice: SigmaChoice) -> tuple[Path, Path]:
    """The two rules: of a Sigma file the one whose language the other has not."""
    forms = expand_rules([first], choice)
    if second is None:
        if len(forms) != 2:
            message = f"{first} is {format_count(len(forms), 'rule')}, not two"
            raise HarnessError("usage", message, help="name a second rule")
        return forms[0], forms[1]
    others = expand_rules([second], choice)
    both = [(one, two) for one in forms for two in others]
    return next((pair for pair in both if pair[0].suffix != pair[1].suffix), both[0])
