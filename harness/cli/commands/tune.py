"""Find a rule's thresholds, what each setting of them costs and catches, and which to choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import click

from harness.cli import study_subjects
from harness.cli.options import PATH, parse_pairs
from harness.cli.screen import DIFFERS, paper
from harness.cli.sigma_options import Studied, show_studies
from harness.diagnostics import HarnessError
from harness.report.studies.plots import plot_study
from harness.report.studies.tune import encode_tuning, format_tuning
from harness.run import Bench
from harness.run_options import RunOptions
from harness.verdict.tune.tune import Tuning, Wishes, tune


@click.command("tune")
@click.argument("rule", type=PATH)
@click.argument("paths", nargs=-1, type=PATH, metavar="[SCENARIO]...")
@click.option(
    "--events", multiple=True, type=PATH, metavar="PATH", help="Recorded or simulated events in place of scenarios."
)
@click.option(
    "--malicious", multiple=True, callback=parse_pairs, metavar="FIELD=VALUE", help="Which of --events are an attack's."
)
@click.option(
    "--values", multiple=True, callback=parse_pairs, metavar="NAME=V,V,...", help="Values to try for a threshold."
)
@click.option("--steps", type=click.IntRange(2, 200), help="How many values to try for each threshold.")
# A rate by day and 1,000 hosts, so that a budget holds for estates of any size.
@click.option("--budget", type=click.FloatRange(min=0), help="False alerts a day and 1,000 hosts that are bearable.")
@click.option(
    # 95 % is the usual convention.
    "--confidence",
    type=click.FloatRange(0.5, 0.999),
    default=0.95,
    show_default=True,
    help="Of all intervals.",
)
@click.option("--fast", is_flag=True, help="Neither try exclusions nor ask for second opinions.")
@click.option("--write", is_flag=True, help="Print the rule with only its literals changed, as a patch.")
@study_subjects.plot
@study_subjects.add_study_options
def command(
    rule: Path,
    paths: tuple[Path, ...],
    events: tuple[Path, ...],
    malicious: Mapping[str, str],
    values: Mapping[str, str],
    steps: int | None,
    budget: float | None,
    confidence: float,
    fast: bool,
    write: bool,
    plot: Path | None,
    chosen: RunOptions,
    as_json: bool,
) -> int:
    r"""Finds every literal that an aggregated value of RULE is compared with and judges all combinations of them.

    The rule is run once, on scenarios (by default those beside it, each a world of its own) or on --events. Exit code 1
    says that no combination stays within the budget.

    \b
    detlab tune server.spl
    detlab tune server.spl --events world.parquet --budget 5 --write
    detlab tune server.spl --values TotalConnections=5,10,20,40 --plot tuning.svg
    """
    wishes = Wishes(
        values={name: parse_value_list(name, text) for name, text in values.items()},
        steps=steps,
        budget=budget,
        confidence=confidence,
        seed=chosen.seed or 0,  # fixed, so that the same study gives the same intervals
        exclusions=not fast,
        opinions=not fast,
    )
    study = partial(studied_rule, paths=paths, events=events, malicious=malicious, chosen=chosen, wishes=wishes)
    # With --write alone the patch goes to stdout, so that it can be applied.
    shown = partial(describe_study, study, plot=plot, write=write)
    return show_studies(rule, chosen, shown, as_json=as_json)


def describe_study(study: Callable[[Path], Tuning], rule: Path, *, plot: Path | None, write: bool) -> Studied:
    """What was found out of one rule, for machines and people; with `write` the patch alone."""
    found = study(rule)
    if plot:
        plot_study("tuning", found, plot)
    lacks = found.budget is not None and found.population.attacks and found.recommended is None
    return Studied(
        document=encode_tuning(found),
        lines=lambda: (found.diff or "") if write else format_tuning(found, paper()),
        code=DIFFERS if lacks else 0,
    )


def studied_rule(
    rule: Path,
    paths: Sequence[Path],
    events: Sequence[Path],
    malicious: Mapping[str, str],
    chosen: RunOptions,
    wishes: Wishes,
) -> Tuning:
    """The study itself."""
    with Bench(chosen) as bench:
        if not events:
            return tune(study_subjects.build_trials(bench, rule, paths), wishes)
        if paths:
            raise HarnessError("usage", "--events takes the place of scenarios", help="leave SCENARIO out")
        return tune([study_subjects.build_recorded_trials(bench, rule, events, malicious, chosen.conditions)], wishes)


def parse_value_list(name: str, text: str) -> tuple[float, ...]:
    """The values of `NAME=V,V,...`."""
    try:
        return tuple(float(v) for v in text.split(","))
    except ValueError:
        message = f"--values {name}={text} holds something that is no number"
        raise HarnessError("not-a-number", message, help="write --values NAME=5,10,20") from None
