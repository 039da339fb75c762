"""Find a rule's thresholds, what each setting of them costs and catches, and which to choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from harness import study_trials
from harness.cli import study_options
from harness.cli.options import PATH, Decorated, parse_pairs
from harness.cli.screen import DIFFERS, paper
from harness.cli.sigma_options import Studied, show_studies
from harness.detection.language import Strictness
from harness.diagnostics import HarnessError
from harness.report.studies.plots import plot_study
from harness.report.studies.tune import format_tuning
from harness.report.studies.tune_document import encode_tuning
from harness.run import Bench
from harness.run_options import RunOptions
from harness.study_trials import RecordedEvents
from harness.verdict.tune.choice import Objective
from harness.verdict.tune.result import DEFAULT_SECONDS, Tuning, Wishes
from harness.verdict.tune.tune import tune

WISH_OPTIONS = (
    click.option(
        "--values", multiple=True, callback=parse_pairs, metavar="NAME=V,V,...", help="Values to try for a number."
    ),
    click.option("--steps", type=click.IntRange(2, 200), help="How many values to try for each threshold."),
    # A rate by day and 1,000 hosts, so that a budget holds for estates of any size.
    click.option("--budget", type=click.FloatRange(min=0), help="Bearable false alerts a day and 1,000 hosts."),
    click.option("--recall", type=click.FloatRange(0, 100), help="Percentage of attacks that has to be caught."),
    click.option("--cost", type=click.FloatRange(min=0), help="As how many false alerts a missed attack costs."),
    click.option(
        "--seconds",
        type=click.FloatRange(min=0),
        default=DEFAULT_SECONDS,
        show_default=True,
        help="How long edited texts may be run, for numbers that the grid cannot answer for.",
    ),
    click.option(
        # 95 % is the usual convention.
        "--confidence",
        type=click.FloatRange(0.5, 0.999),
        default=0.95,
        show_default=True,
        help="Of all intervals.",
    ),
    click.option("--exclusions", is_flag=True, help="Also try exclusions, each by running the rule with it."),
    click.option("--opinions", is_flag=True, help="Also ask statistics of waits for a second opinion."),
    click.option("--fast", is_flag=True, help="One run of the rule and no edited texts."),
)


def add_wishes(command: Decorated) -> Decorated:
    """Adds the options that say what is tried and what matters; the command gets them as `wishes`."""

    @wraps(command)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        budget, recall, cost = (named.pop(n) for n in ("budget", "recall", "cost"))
        fast, seconds = named.pop("fast"), named.pop("seconds")
        wishes = Wishes(
            values={name: parse_value_list(name, text) for name, text in named.pop("values").items()},
            objective=Objective(budget=budget, recall=None if recall is None else recall / 100, cost_ratio=cost),
            seconds=0.0 if fast else seconds,
            **{name: named.pop(name) for name in ("steps", "confidence", "exclusions", "opinions")},
        )
        return command(*arguments, wishes=wishes, **named)

    for option in reversed(WISH_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


@click.command("tune")
@click.argument("rule", type=PATH)
@click.argument("paths", nargs=-1, type=PATH, metavar="[SCENARIO]...")
@study_options.add_event_options
@add_wishes
@click.option("--write", is_flag=True, help="Print the rule with only its numbers changed, as a patch.")
@study_options.plot
@study_options.add_study_options
def command(
    rule: Path,
    paths: tuple[Path, ...],
    recorded: RecordedEvents,
    wishes: Wishes,
    write: bool,
    plot: Path | None,
    chosen: RunOptions,
    as_json: bool,
) -> int:
    r"""Finds every number of RULE and judges the combinations of them: how many attacks each catches, what it costs.

    The rule is run once for all thresholds of its last grouping, on scenarios (by default those that `run` judges, each
    a world of its own) or on --events; other numbers take edited texts, run within --seconds. Nothing is chosen without
    --budget, --recall or --cost. Exit code 1 says that no combination keeps it.

    \b
    detlab tune server.spl
    detlab tune server.spl --events WORLD --budget 5 --write
    detlab tune server.spl --values TotalConnections=5,10,20,40 --plot tuning.svg
    """
    if write and not wishes.objective.given:
        message = "--write writes what was chosen, and nothing is chosen without an objective"
        raise HarnessError("usage", message, help="add --budget, --recall or --cost")
    # A fixed seed, so that the same study gives the same intervals.
    wishes = replace(wishes, seed=chosen.seed or 0, strictness=Strictness(chosen.dialect or "lenient"))
    study = partial(studied_rule, paths=paths, recorded=recorded, chosen=chosen, wishes=wishes)
    # With --write alone the patch goes to stdout, so that it can be applied.
    shown = partial(describe_study, study, plot=plot, write=write)
    return show_studies(rule, chosen, shown, as_json=as_json)


def describe_study(study: Callable[[Path], Tuning], rule: Path, *, plot: Path | None, write: bool) -> Studied:
    """What was found out of one rule, for machines and people; with `write` the patch alone."""
    found = study(rule)
    if plot:
        plot_study("tuning", found, plot)
    lacks = found.objective.given and found.choice is None
    return Studied(
        document=encode_tuning(found),
        lines=lambda: (found.diff or "") if write else format_tuning(found, paper()),
        code=DIFFERS if lacks else 0,
    )


def studied_rule(
    rule: Path,
    paths: Sequence[Path],
    recorded: RecordedEvents,
    chosen: RunOptions,
    wishes: Wishes,
) -> Tuning:
    """The study itself."""
    with Bench(chosen) as bench:
        if recorded:
            return tune([study_trials.build_recorded_trial(bench, rule, paths, recorded)], wishes)
        return tune(study_trials.build_population(bench, rule, paths), wishes)


def parse_value_list(name: str, text: str) -> tuple[float, ...]:
    """The values of `NAME=V,V,...`."""
    try:
        return tuple(float(v) for v in text.split(","))
    except ValueError:
        message = f"--values {name}={text} holds something that is no number"
        raise HarnessError("not-a-number", message, help="write --values NAME=5,10,20") from None
