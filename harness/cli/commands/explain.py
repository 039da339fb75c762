"""Show each step of a query: what comes in, what goes out, where an attack is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from harness.cli.options import PATH, in_child
from harness.cli.rule_answers import inquire
from harness.cli.rule_argument import add_rule_argument
from harness.cli.rule_options import add_rule_options
from harness.cli.screen import out, paper
from harness.cli.sigma_options import expand_rules
from harness.detection.language import list_languages as languages
from harness.diagnostics import HarnessError
from harness.report.console import Paper, one_line
from harness.report.formats.json import evidence_object, verdict_object
from harness.report.json_document import VERSION, dumps
from harness.report.query_steps import verdict_lines
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.foreign_rule import list_published
from harness.scenario.foreign_tests import expand_expectations, scenarios_of
from harness.scenario.pack import find_scenarios
from harness.scenario.scenario import Scenario, judged_by, read_scenario
from harness.verdict.evidence import Evidence, collect_evidence
from harness.verdict.judge import Trial
from harness.verdict.verdict import Verdict

# Both chosen, no source.
MOST_EVIDENCE_EVENTS = 6
MOST_EVENTS_IN_FULL = 1000


@click.command("explain")
@add_rule_argument(name="path")
@click.option("--rule", "rules", multiple=True, type=PATH, metavar="FILE", help="Only this rule, or one of your own.")
@click.option("--events", multiple=True, type=PATH, metavar="PATH", help="Recorded events, where PATH is a rule.")
@add_rule_options
def command(
    path: Path, rules: tuple[Path, ...], events: tuple[Path, ...], chosen: RunOptions, as_json: bool, verbose: bool
) -> int:
    r"""Shows each step of a query with the rows, the attack's events and other events that go in and come out.

    PATH is a scenario, or a rule with --events. A line that starts with > is where the attack is lost; below it stand
    the clause that lost it, what its events held, and the nearest miss of each threshold.

    \b
    detlab explain scenarios/T1583.004/1-beacon-check-in.yaml
    detlab explain my.spl --events capture.evtx
    """
    is_rule = path.suffix.lstrip(".") in languages()
    code = in_child(chosen.limits, engine=chosen.engine, whole=is_rule or bool(events))
    if code is not None:
        return code
    # A Sigma rule may be a scenario too, by its regression data; with events it is meant as a rule.
    if is_rule or (events and list_published(path, chosen.sigma)):
        if not events:
            raise HarnessError("usage", f"{path} is a rule", help="add --events PATH, or name a scenario")
        # Verbose: who asks for an explanation wants the steps also where the rule has rows.
        return inquire([path], events, chosen, as_json=as_json, verbose=True)
    if events:
        raise HarnessError("usage", f"--events needs a rule, and {path} is none", help="`detlab explain --help`")
    scenarios = [
        scenario
        for each in find_scenarios([path])
        for scenario in scenarios_of(each, choice=chosen.sigma)
        or [expand_expectations(read_scenario(each), chosen.sigma)]
    ]
    found = explain_scenarios(scenarios, path, expand_rules(rules, chosen.sigma), chosen)
    if as_json:
        verdicts = [{**verdict_object(v), "evidence": [list(map(evidence_object, e)) for e in es]} for v, es in found]
        out(dumps({"document": "explain", "version": VERSION, "verdicts": verdicts}))
        return 0
    sheet = paper()
    for number, (verdict, behind) in enumerate(found):
        out(([""] if number else []) + list(format_explained_verdict(verdict, behind, sheet, verbose=verbose)))
    return 0


Examined = tuple[Verdict, list[list[Evidence]]]


def explain_scenarios(
    scenarios: list[Scenario], path: Path, rules: tuple[Path, ...], chosen: RunOptions
) -> list[Examined]:
    """Each expectation of each scenario; none at all is an error."""
    if not scenarios:
        raise HarnessError("no-scenarios", f"there is no scenario in {path}", help="`detlab list scenarios`")
    found = [each for scenario in scenarios for each in explain_scenario(scenario, rules, chosen)]
    if not found:
        raise HarnessError("nothing-expected", f"{path} expects nothing of any such rule", help="add `expect:`")
    return found


def explain_scenario(scenario: Scenario, rules: tuple[Path, ...], chosen: RunOptions) -> Iterator[Examined]:
    """Each expectation of a scenario with its steps, whatever its verdict, and the events behind its alerts."""
    named = {r for r in rules if any(Path(e.rule).name == str(r) for e in scenario.body.expect)}
    own = tuple(r for r in rules if r not in named)
    if own:
        scenario = judged_by(scenario, own)
    with Bench(replace(chosen, rules=own)) as bench:
        store = bench.store(scenario)
        for expectation in scenario.body.expect:
            if named and Path(Path(expectation.rule).name) not in named:
                continue
            verdict = bench.verdict(scenario, expectation, store)
            trial = bench.trial_of(scenario, expectation, store)
            plan = trial.plan()
            explanation = verdict.explanation or trial.explanation(plan)
            yield replace(verdict, explanation=explanation), behind_alerts(trial, verdict, plan.reads)


def behind_alerts(trial: Trial, verdict: Verdict, reads: frozenset[str]) -> list[list[Evidence]]:
    """For each alert the events that it rests on."""
    return [collect_evidence(trial.store.views, a.events, reads, MOST_EVENTS_IN_FULL) for a in verdict.alerts]


def format_explained_verdict(
    verdict: Verdict, behind: list[list[Evidence]], sheet: Paper, *, verbose: bool
) -> Iterator[str]:
    """One verdict for people."""
    scenario = verdict.scenario
    title = f"{scenario.path}: {one_line(scenario.body.title)}"
    yield from (sheet.paint(line, "strong") for line in sheet.paragraph(title))
    conditions = ", ".join(f"{n}={v}" for n, v in verdict.conditions.items()) or "default conditions"
    facts = f"telemetry {verdict.origin}, {conditions}; engine {verdict.engine}"
    if verdict.switches:
        facts += "; switches " + ", ".join(f"{n}={v}" for n, v in verdict.switches.items())
    yield from sheet.paragraph(facts)
    most = MOST_EVENTS_IN_FULL if verbose else MOST_EVIDENCE_EVENTS
    yield from verdict_lines(verdict, sheet, evidence=behind, most_events=most)
