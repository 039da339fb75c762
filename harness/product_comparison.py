"""What a real product says of a rule held against what an engine here says, step by step where they differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import partial

from harness.detection.engine import ResultRows
from harness.detection.language import Plan, Query, Settings, Step, Strictness, language
from harness.detection.plan.nodes import Scan
from harness.detection.plan.schema import columns_of
from harness.diagnostics import HarnessError, Source, SourceError
from harness.record import record
from harness.run import Bench
from harness.run_options import RunOptions
from harness.verdict.divergence import QueryPrefix, find_compared_names, find_explaining_switches, find_parting_step
from harness.verdict.engine_differences import EngineDifference
from harness.verdict.judge import Trial
from harness.verdict.row_keys import build_row_keys
from harness.verdict.verdict import Outcomes, Verdict

EMPTY_PLAN = Plan(node=Scan(columns={}), steps=())


@record(kw_only=True)
class SentQuery:
    """A rule as it is sent: its query over the text without macros, and what that means here, if anything."""

    query: Query
    settings: Settings
    plan: Plan | None


Local = dict[tuple[str, str], Verdict]
"""Verdicts of an engine that runs plans, by scenario and expectation."""


def index_verdicts(outcomes: Outcomes) -> Local:
    """The verdicts of a run, to be found again."""
    return {(str(v.scenario.path), str(v.expectation)): v for v in outcomes.verdicts}


def read_as_sent(trial: Trial) -> SentQuery:
    """A trial's rule over the text that a product gets, and what that means here."""
    settings = replace(trial.settings, macros={}, ask=trial.store.ask)
    source = Source(trial.rule.query.name, trial.query.sent_text())
    query = language(trial.rule.language).parse(source, trial_dialect(trial), settings)
    try:
        plan = replace(trial, query=query, settings=settings).plan()
    # A product may know more than is known here; then nothing can be compared step by step.
    except HarnessError:
        plan = None
    return SentQuery(query=query, settings=settings, plan=plan)


def compare_runs(outcomes: tuple[Outcomes, Outcomes], options: tuple[RunOptions, RunOptions]) -> list[EngineDifference]:
    """What two engines that run plans say differently: the outcomes of both, and what each was run with."""
    found = index_verdicts(outcomes[1])
    differences = []
    for own in outcomes[0].verdicts:
        other = found.get((str(own.scenario.path), str(own.expectation)))
        if other is None or is_same_verdict(own, other, None):
            continue
        with Bench(options[0]) as here, Bench(options[1]) as there:
            trial, twin = (b.trial_of(own.scenario, own.expectation, b.store(own.scenario)) for b in (here, there))
            difference = compare_verdicts(own, other, trial, read_as_sent(trial), partial(run_prefix, twin))
        if difference is not None:
            differences.append(difference)
    return differences


def run_prefix(trial: Trial, step: Step) -> ResultRows:
    """The rows of a trial's rule up to the end of a step, which may be that of another reading of the same text."""
    prefix = next(p for p in list_prefixes(read_as_sent(trial), trial) if p.step.span.end == step.span.end)
    return trial.engine.run(prefix.plan.node).select(tuple(columns_of(prefix.plan.node)))


def is_same_verdict(own: Verdict, other: Verdict, names: Collection[str] | None) -> bool:
    """Whether two engines say the same: the outcome, and rows that hold the same in these fields, in all without."""
    rows = [build_row_keys((alert.fields for alert in each.alerts), names) for each in (own, other)]
    return own.observed == other.observed and rows[0] == rows[1]


def compare_verdicts(
    own: Verdict, found: Verdict, trial: Trial, sent: SentQuery, ask: Callable[[Step], ResultRows]
) -> EngineDifference | None:
    """How what the product says differs from what an engine here says; None where outcomes and rows are the same.

    `ask` gives the product's rows of the text up to the end of a step.
    """
    names = find_compared_names(sent.plan) if sent.plan else None
    if is_same_verdict(own, found, names):
        return None
    difference = EngineDifference(
        engines=(own.engine, found.engine),
        scenario=str(own.scenario.path),
        rule=own.rule.path,
        outcomes=(own.observed, found.observed),
        rows=(len(own.alerts), len(found.alerts)),
    )
    return difference if sent.plan is None else explain_difference(difference, sent, trial, ask)


def explain_difference(
    difference: EngineDifference, sent: SentQuery, trial: Trial, there: Callable[[Step], ResultRows]
) -> EngineDifference:
    """The difference with the step at which rows part, and the switches whose other values explain it."""
    found = find_parting_step(list_prefixes(sent, trial), trial.engine.run, there)
    if found is None:
        return difference
    parting, prefix, expected = found
    switches = language(trial.rule.language).switches
    explained = find_explaining_switches(prefix, sent.settings, switches, trial.engine.run, expected)
    return replace(difference, parting=parting, switches=tuple(tuple(chosen.items()) for chosen in explained))


def list_prefixes(sent: SentQuery, trial: Trial) -> Iterator[QueryPrefix]:
    """The beginnings of a query, each up to the end of a step; one that is no query by itself is left out."""
    source = sent.query.source
    spoken = language(trial.rule.language)
    for step in (sent.plan or EMPTY_PLAN).steps:
        if step.span.source is not source:
            continue
        text = Source(source.name, source.text[: step.span.end])
        try:
            query = spoken.parse(text, trial_dialect(trial), sent.settings)
            own = replace(trial, query=query, settings=sent.settings)
            yield QueryPrefix(step=step, plan=own.plan(), replan=own.plan)
        except SourceError:
            continue


def trial_dialect(trial: Trial) -> Strictness:
    """How a trial's rule is read."""
    return getattr(trial.query, "dialect", Strictness.LENIENT)
