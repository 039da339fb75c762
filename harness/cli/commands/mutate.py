"""Break a rule in every way and see whether its scenarios notice."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from harness import study_trials
from harness.cli import study_options
from harness.cli.options import PATH
from harness.cli.options import verbose as verbose_option
from harness.cli.project_settings import default_of_gate
from harness.cli.review_options import ReviewChoice, add_review_options
from harness.cli.screen import DIFFERS, ProgressLine, paper
from harness.cli.sigma_options import Studied, show_studies
from harness.diagnostics import HarnessError
from harness.output_file import write_file
from harness.report.annotation import Annotation, annotate_mutation
from harness.report.studies.mutate import encode_mutation, format_mutation
from harness.report.studies.plots import plot_study
from harness.run import Bench
from harness.run_options import RunOptions
from harness.study_trials import RecordedEvents
from harness.verdict.mutate.mutate import DEFAULT_SECONDS, Mutation, mutate


@click.command("mutate")
@click.argument("rule", type=PATH)
@click.argument("paths", nargs=-1, type=PATH, metavar="[SCENARIO]...")
@click.option("--fast", is_flag=True, help="Do not look for scenarios that would kill survivors.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=DEFAULT_SECONDS,
    show_default=True,
    help="How long they are looked for.",
)
@study_options.add_event_options
@click.option("--write", type=PATH, metavar="FOLDER", help="Save the scenarios that would kill survivors there.")
@click.option(
    # Chosen, no source: the pack's own rule reaches 98.3 %.
    "--least",
    "--min-mutation-score",
    "least",
    type=click.FloatRange(0, 100),
    default=default_of_gate("min_mutation_score", 95.0),
    show_default="95",
    help="Percentage that is enough.",
)
@study_options.plot
@add_review_options
@verbose_option
@study_options.add_study_options
def command(
    rule: Path,
    paths: tuple[Path, ...],
    fast: bool,
    seconds: float,
    recorded: RecordedEvents,
    write: Path | None,
    least: float,
    plot: Path | None,
    review: ReviewChoice,
    chosen: RunOptions,
    as_json: bool,
    verbose: bool,
) -> int:
    r"""Changes each condition, member, comparison, number, key, aggregate and bucket of RULE and runs its scenarios.

    A mutant is killed where an expectation fails: another outcome, or no alert with the fields it wants. For survivors
    it looks for a scenario that would kill them. On --events one is noticed that alerts on other attacks, or more or
    less often. Exit code 1: the score is below --least.

    \b
    detlab mutate server.spl
    detlab mutate server.spl scenarios/T1583.004 --write scenarios/T1583.004/mutants
    """
    judged = partial(judge_mutants, paths=paths, recorded=recorded, seconds=0.0 if fast else seconds, chosen=chosen)
    remarks: list[Annotation] = []

    def study(own: Path) -> Studied:
        found = judged(own)
        remarks.extend(annotate_mutation(found, own))
        write_results(found, write, plot)
        return Studied(
            document=encode_mutation(found),
            lines=lambda: format_mutation(found, paper(), verbose=verbose),
            code=0 if 100 * found.score >= least else DIFFERS,
        )

    code = show_studies(rule, chosen, study, as_json=as_json)
    review.write(remarks)
    return code


def judge_mutants(
    rule: Path, *, paths: Sequence[Path], recorded: RecordedEvents, seconds: float, chosen: RunOptions
) -> Mutation:
    """The mutants of one rule on scenarios or on recorded events."""
    progress = ProgressLine()
    try:
        with Bench(chosen) as bench:
            if recorded:
                trials = [study_trials.build_recorded_trial(bench, rule, paths, recorded)]
            else:
                trials = study_trials.build_expecting_trials(bench, rule, paths)
            return mutate(trials, search=seconds, progress=progress)
    finally:
        progress.done()


def write_results(found: Mutation, folder: Path | None, plot: Path | None) -> None:
    """Writes killers and a plot where they are wanted."""
    if folder:
        write_killers(found, folder)
    if plot:
        plot_study("mutation", found, plot)


def write_killers(found: Mutation, folder: Path) -> None:
    """Writes the scenarios that kill survivors; files of the same name are left alone."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for survivor in found.survivors:
            # A person may have changed it since.
            if survivor.killer is not None and not (folder / survivor.killer.name).exists():
                write_file(folder / survivor.killer.name, survivor.killer.text.encode("utf-8"))
    except OSError as error:
        raise HarnessError("unwritable", f"{folder}: {(error.strerror or str(error)).lower()}") from error
