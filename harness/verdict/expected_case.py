"""An expectation of a scenario set against what its rule said."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from harness.detection.language import language
from harness.diagnostics import HarnessError
from harness.record import record
from harness.scenario.scenario import Expectation, Outcome, Scenario
from harness.telemetry.platform import platform
from harness.verdict.judge import Trial, TrialResult
from harness.verdict.sigma.opinion import SigmaOpinion
from harness.verdict.verdict import Broken, Verdict, list_expectation_faults, measure_days


@record(kw_only=True)
class ExpectedCase:
    """An expectation of a scenario, and the rule set against its telemetry."""

    scenario: Scenario
    expectation: Expectation
    number: int
    trial: Trial


def broken_at(scenario: Scenario, number: int, error: HarnessError) -> Broken:
    """An expectation that could not be judged."""
    return Broken(path=str(scenario.path), error=error, place=scenario.place("expect", number, "rule"))


def verdict(case: ExpectedCase, finding: TrialResult, engine_name: str) -> Verdict:
    """A trial's result held against its expectation."""
    trial = case.trial
    telemetry = trial.store.telemetry(trial.conditions)
    found = Verdict(
        scenario=case.scenario,
        rule=trial.rule,
        expectation=case.expectation,
        observed=finding.observed,
        alerts=finding.alerts,
        origin=telemetry.origin,
        engine=engine_name,
        conditions=trial.conditions,
        switches=finding.plan.switches,
        deviations=trial.query.deviations,
        findings=(*trial.rule.findings, *finding.plan.findings),
        explanation=finding.explanation,
        absent=finding.absent,
        flips=finding.flips,
        damages=telemetry.damages,
        detail=finding.detail,
        days=measure_days(telemetry),
    )
    complaints = tuple(list_expectation_faults(found))
    missed = finding.observed is Outcome.FALSE_NEGATIVE
    opinion = ask_sigma(trial, missed=missed) if missed or complaints else None
    return replace(found, complaints=complaints, opinion=opinion)


def ask_sigma(trial: Trial, *, missed: bool) -> SigmaOpinion | None:
    """What the Sigma rule behind a rule finds by its own text, and where it is lost if it was `missed` altogether."""
    if trial.rule.subject is None:
        return None
    telemetry = trial.store.telemetry(trial.conditions)
    views = platform(language(trial.rule.language).platform).present(telemetry, trial.conditions) if missed else ()
    # Imported by name: most rules were not converted from Sigma.
    form_opinion = import_module("harness.verdict.sigma.evaluation").form_opinion
    opinion: SigmaOpinion | None = form_opinion(
        trial.rule.subject, telemetry, views, () if missed else None, trial.rule.fields
    )
    return opinion
