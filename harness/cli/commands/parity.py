"""Compare two renderings of one detection on one truth: which clause separates them?"""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.options import PATH
from harness.cli.screen import DIFFERS, out, paper
from harness.cli.study_subjects import add_study_options, build_trials
from harness.report.formats.json import dumps
from harness.report.studies import parity as told
from harness.run import Bench, RunOptions
from harness.verdict.parity import parity


@click.command("parity")
@click.argument("first", type=PATH)
@click.argument("second", type=PATH)
@click.argument("paths", nargs=-1, type=PATH, metavar="[SCENARIO]...")
@click.option("--fast", is_flag=True, help="Only the scenarios, no probes made from the texts of the rules.")
@add_study_options
def command(
    first: Path,
    second: Path,
    paths: tuple[Path, ...],
    fast: bool,
    chosen: RunOptions,
    as_json: bool,
) -> int:
    r"""Runs FIRST and SECOND on the same scenarios and says where they differ, and which single change would settle it.

    Besides the scenarios it makes probes of them with values that the texts of both rules speak of. Exit code 1 says
    that they differ.

    \b
    detlab parity server.spl server.cql
    """
    with Bench(chosen) as bench:
        where = list(paths) or [first.parent]
        # One bench, so that both rules see the same telemetry of a scenario.
        one, two = (build_trials(bench, rule, where) for rule in (first, second))
        found = parity(one, two, search=not fast)
    out(dumps(told.encode_parity(found)) if as_json else told.format_parity(found, paper()))
    return 0 if found.agree else DIFFERS
