"""What a real product says of a rule held against what an engine here says, step by step where they differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from harness.detection.engine import ResultRows
from harness.detection.language import Plan, Query, Settings, Step, Strictness, language
from harness.detection.plan.nodes import Scan
from harness.diagnostics import Source, SourceError
from harness.verdict.divergence import QueryPrefix, find_compared_names, find_explaining_switches, find_parting_step
from harness.verdict.engine_differences import EngineDifference
from harness.verdict.judge import Trial
from harness.verdict.row_keys import build_row_keys
from harness.verdict.verdict import Verdict

EMPTY_PLAN = Plan(node=Scan(columns={}), steps=())


@dataclass(frozen=True, slots=True, kw_only=True)
class SentQuery:
    """A rule as it is sent: its query over the text without macros, and what that means here, if anything."""

    query: Query
    settings: Settings
    plan: Plan | None


def compare_verdicts(
    own: Verdict, found: Verdict, trial: Trial, sent: SentQuery, ask: Callable[[Step], ResultRows]
) -> EngineDifference | None:
    """How what the product says differs from what an engine here says; None where outcomes and rows are the same.

    `ask` gives the product's rows of the text up to the end of a step.
    """
    names = find_compared_names(sent.plan) if sent.plan else None
    rows = [build_row_keys((a.fields for a in v.alerts), names) for v in (own, found)]
    if own.observed == found.observed and rows[0] == rows[1]:
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
