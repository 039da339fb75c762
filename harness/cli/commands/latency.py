"""Replay a rule as its schedule would run it: how long until the first alert?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import click

from harness import study_trials
from harness.cli import study_options
from harness.cli.options import PATH
from harness.cli.screen import DIFFERS, paper
from harness.cli.sigma_options import Studied, show_studies
from harness.diagnostics import HarnessError
from harness.report.studies import latency as told
from harness.report.studies.plots import plot_study
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.scenario import Label
from harness.study_trials import RecordedEvents
from harness.telemetry.simulation.behaviour import parse_duration
from harness.verdict.latency import Latency, Schedule, measure_latency
from harness.verdict.recorded_latency import measure_recorded_latency


@click.command("latency")
@click.argument("rule", type=PATH)
@click.argument("paths", nargs=-1, type=PATH, metavar="[SCENARIO]...")
@click.option(
    "--every", default="1h", show_default=True, help="How often the rule runs; on whole multiples since midnight."
)
@click.option("--back", default="24h", show_default=True, help="How far back it looks; `all` for no window.")
@click.option("--delay", default="0s", show_default=True, help="How late events arrive.")
@click.option("--offset", default="0s", show_default=True, help="How much after the whole multiple it runs.")
@click.option(
    # Evenly and not at random, so that two runs agree; twelve over an hour is chosen, no source.
    "--starts",
    type=click.IntRange(1, 720),
    default=12,
    show_default=True,
    help="Moments to begin an attack at.",
)
@click.option("--within", default="1h", show_default=True, help="The stretch of time over which they are spread.")
@study_options.add_event_options
@study_options.plot
@study_options.add_study_options
def command(
    rule: Path,
    paths: tuple[Path, ...],
    every: str,
    back: str,
    delay: str,
    offset: str,
    starts: int,
    within: str,
    recorded: RecordedEvents,
    plot: Path | None,
    chosen: RunOptions,
    as_json: bool,
) -> int:
    r"""Runs RULE at every time its schedule has, each run on the events of its window that had arrived by then.

    Every attack of a scenario is begun at several moments, because clock hours and runs fall differently into it; those
    of --events happened when they did. Exit code 1 says that the window loses an attack that the rule sees over all of
    its events.

    \b
    detlab latency server.spl --every 15m --back 4h --delay 2m
    detlab latency server.spl --every 1h --back 1h         why it never fires
    detlab latency server.spl --events WORLD               each attack in a world, when it happened
    """
    schedule = Schedule(
        every=parse_option_duration(every, "--every"),
        back=None if back == "all" else parse_option_duration(back, "--back"),
        delay=parse_option_duration(delay, "--delay"),
        offset=parse_option_duration(offset, "--offset"),
    )
    if schedule.every <= timedelta(0):
        raise HarnessError("wrong-parameter", "--every is a duration above nothing", help="write --every 15m")
    stretch = parse_option_duration(within, "--within")
    moments = [stretch * n / starts for n in range(starts)]
    measure = partial(measure_recorded, paths=paths, recorded=recorded, schedule=schedule)
    if not recorded:
        measure = partial(measure_scenarios, paths=paths, schedule=schedule, moments=moments)
    study = partial(study_latency, measure=measure, plot=plot, chosen=chosen)
    return show_studies(rule, chosen, study, as_json=as_json)


def measure_scenarios(
    bench: Bench, rule: Path, *, paths: Sequence[Path], schedule: Schedule, moments: Sequence[timedelta]
) -> Latency:
    """How late one rule is on scenarios of attacks, each begun at several moments."""
    trials = study_trials.build_trials(bench, rule, paths, on_request=False)
    attacks = [s for s in trials if s.label is Label.MALICIOUS]
    if not attacks:
        raise HarnessError("no-attacks", "none of these scenarios is an attack", help="name some that are")
    return measure_latency(attacks, schedule, moments)


def measure_recorded(
    bench: Bench,
    rule: Path,
    *,
    paths: Sequence[Path],
    recorded: RecordedEvents,
    schedule: Schedule,
) -> Latency:
    """How late one rule is on each attack of a world or of recorded events."""
    subject = study_trials.build_recorded_trial(bench, rule, paths, recorded)
    return measure_recorded_latency(subject, schedule)


def study_latency(
    rule: Path, *, measure: Callable[[Bench, Path], Latency], plot: Path | None, chosen: RunOptions
) -> Studied:
    """How late one rule is."""
    with Bench(chosen) as bench:
        found = measure(bench, rule)
    if plot:
        plot_study("latency", found, plot)
    return Studied(
        document=told.encode_latency(found),
        lines=lambda: told.format_latency(found, paper()),
        code=DIFFERS if any(d.caught < d.unlimited for d in found.delays) else 0,
    )


def parse_option_duration(text: str, option: str) -> timedelta:
    """A duration of an option."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise HarnessError("wrong-parameter", f"{option} is {error}") from None
