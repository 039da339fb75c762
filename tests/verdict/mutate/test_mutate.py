"""Scenarios are asked whether they would notice a broken rule."""

import pytest

from harness.detection.plan.nodes import Scan
from harness.diagnostics import HarnessError
from harness.run import Bench, run_scenarios
from harness.run_options import RunOptions
from harness.scenario.scenario import read_scenario
from harness.study_trials import RecordedEvents, build_expecting_trials, build_recorded_trial
from harness.telemetry.format import write_telemetry
from harness.telemetry.scenario_telemetry import record_scenario
from harness.verdict.mutate.mutants import Mutant
from harness.verdict.mutate.mutate import Fate, JudgedMutant, better, mutate

RULE = r"""index=wineventlog EventCode=3 NOT (Image="*\\zoom.exe" OR Image="*\\slack.exe")
| stats count as Total by host, Image, DestinationIp
| where Total >= 10"""

SCENARIO = """\
title: {title}
activity: {activity}
simulate:
  - {{behaviour: beacon, host: WS01, given: {{server: 203.0.113.20, every: 60s, times: {times}, image: '{image}'}}}}
expect:
  - {{rule: rule.spl, outcome: {outcome}}}
"""
POWERSHELL = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rule.spl").write_text(RULE)
    cases = {
        "many": ("malicious", 20, POWERSHELL, "true positive"),
        "zoom": ("benign", 20, r"C:\Program Files\Zoom\bin\zoom.exe", "true negative"),
    }
    for name, (activity, times, image, outcome) in cases.items():
        text = SCENARIO.format(title=name, activity=activity, times=times, image=image, outcome=outcome)
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def fates(found):
    return {t.mutant.what: t.fate for t in found.mutants}


def test_survivors_are_told_with_scenarios_that_kill_them_when_saved(folder):
    with Bench(RunOptions()) as bench:
        found = mutate(build_expecting_trials(bench, folder / "rule.spl", []))
    fate = fates(found)
    assert fate['`Image="*\\\\zoom.exe"` dropped'] is Fate.KILLED
    assert fate['`Image="*\\\\slack.exe"` dropped'] is Fate.SURVIVED
    assert fate[">= becomes > in `Total >= 10`"] is Fate.SURVIVED
    assert fate["10 becomes 11"] is Fate.DUPLICATE
    assert fate[">= becomes < in `Total >= 10`"] is Fate.KILLED
    wanted = ('`Image="*\\\\slack.exe"` dropped', ">= becomes > in `Total >= 10`", "10 becomes 9")
    for survivor in found.survivors:
        if survivor.mutant.what in wanted:
            assert survivor.killer is not None, survivor.mutant.what
            (folder / survivor.killer.name).write_text(survivor.killer.text)
    with Bench(RunOptions()) as bench:
        again = mutate(build_expecting_trials(bench, folder / "rule.spl", []), search=0.0)
    assert [fates(again)[w] for w in wanted] == [Fate.KILLED] * 3
    assert again.score > found.score
    assert run_scenarios([folder]).as_expected


def test_scenarios_that_the_rule_fails_already_kill_nothing(folder):
    text = (folder / "many.yaml").read_text().replace("true positive", "false negative\n    because: wrong on purpose")
    text = text.replace(
        "{rule: rule.spl, outcome: false negative\n    because: wrong on purpose}",
        "{rule: rule.spl, outcome: false negative, because: wrong on purpose}",
    )
    (folder / "many.yaml").write_text(text)
    with Bench(RunOptions()) as bench:
        found = mutate(build_expecting_trials(bench, folder / "rule.spl", []), search=0.0)
    assert [name.endswith("many.yaml") for name in found.failing] == [True]
    assert all(not t.by.endswith("many.yaml") for t in found.mutants)


def test_a_rule_that_no_scenario_names_cannot_be_scored(folder):
    (folder / "other.spl").write_text("index=wineventlog")
    with Bench(RunOptions()) as bench, pytest.raises(HarnessError, match="no scenario expects anything"):
        mutate(build_expecting_trials(bench, folder / "other.spl", []))


def test_fields_of_an_alert_kill_mutants_of_what_is_only_shown(folder):
    (folder / "rule.spl").write_text(RULE.replace("count as Total", "count as Total, min(DestinationPort) as Port"))
    text = (folder / "many.yaml").read_text()
    (folder / "many.yaml").write_text(
        text.replace("outcome: true positive", "outcome: true positive, alert: {Total: 20}")
    )
    with Bench(RunOptions()) as bench:
        found = mutate(build_expecting_trials(bench, folder / "rule.spl", []), search=0.0)
    assert fates(found)["minimum becomes maximum in `Port`"] is Fate.SURVIVED
    assert fates(found)["count becomes 1 in `Total`"] is Fate.KILLED


@pytest.mark.parametrize(
    ("first", "then", "counted"),
    [
        ((Fate.DUPLICATE, "many.yaml"), (Fate.SURVIVED, ""), Fate.DUPLICATE),
        ((Fate.SURVIVED, ""), (Fate.DUPLICATE, "many.yaml"), Fate.DUPLICATE),
        ((Fate.DUPLICATE, ""), (Fate.SURVIVED, ""), Fate.SURVIVED),
        ((Fate.DUPLICATE, "many.yaml"), (Fate.KILLED, "zoom.yaml"), Fate.KILLED),
        ((Fate.EQUIVALENT, ""), (Fate.SURVIVED, ""), Fate.SURVIVED),
    ],
)
def test_the_double_of_a_killed_mutant_is_no_survivor_where_another_meaning_lets_it_live(first, then, counted):
    mutant = Mutant(kind="number", what="2 becomes 1", place=None, node=Scan(columns={}))
    old, new = (JudgedMutant(mutant=mutant, fate=fate, by=by) for fate, by in (first, then))
    assert better(old, new).fate is counted


def test_what_nobody_looks_at_and_what_no_text_holds_leaves_the_score(folder):
    (folder / "rule.spl").write_text(
        "| tstats count as n values(Processes.process) as lines from datamodel=Endpoint.Processes "
        "by Processes.dest Processes.process_name | stats avg(n) as mean values(lines) as lines by Processes.dest "
        "| where mean < 1.5"
    )
    (folder / "zoom.yaml").unlink()
    with Bench(RunOptions()) as bench:
        found = mutate(build_expecting_trials(bench, folder / "rule.spl", []), search=0.0)
    whats = [t.mutant.what for t in found.mutants]
    assert not [what for what in whats if "does not hold" in what or "datamodel" in what]
    assert all(t.mutant.place and t.mutant.place.text for t in found.mutants)
    fate = {t.mutant.what: t.fate for t in found.mutants}
    assert fate["values becomes all values with repetitions in `lines`"] is Fate.COSMETIC
    assert fate["< becomes <= in `mean < 1.5`"] is Fate.TIE


def test_recorded_events_notice_a_mutant_that_alerts_on_others(folder):
    with Bench(RunOptions()) as bench:
        events = []
        for name in ("many", "zoom"):
            events.append(folder / f"{name}.parquet")
            telemetry = record_scenario(read_scenario(folder / f"{name}.yaml"), {})
            with events[-1].open("wb") as file:
                write_telemetry(telemetry, "parquet", file)
        found = mutate([build_recorded_trial(bench, folder / "rule.spl", [], RecordedEvents(paths=tuple(events)))])
    fate = fates(found)
    assert found.recorded and found.search is None
    assert fate['`Image="*\\\\zoom.exe"` dropped'] is Fate.KILLED
    assert fate['`Image="*\\\\slack.exe"` dropped'] is Fate.SURVIVED


def test_a_rule_that_counts_processes_gets_scenarios_that_start_more_of_them(folder):
    (folder / "rule.spl").write_text(
        'index=wineventlog EventCode=1 Image="*\\\\nslookup.exe" | bucket _time span=1m '
        "| stats count as n by host, _time | where n >= 5"
    )
    step = r"  - {behaviour: process, host: WS01, at: %ds, given: {image: 'C:\Windows\System32\nslookup.exe'}}"
    text = "\n".join(["title: many", "activity: malicious", "simulate:", *(step % n for n in range(8))])
    (folder / "many.yaml").write_text(text + "\nexpect:\n  - {rule: rule.spl, outcome: true positive}\n")
    with Bench(RunOptions()) as bench:
        found = mutate(build_expecting_trials(bench, folder / "rule.spl", [folder / "many.yaml"]))
    told = {t.mutant.what: t.killer for t in found.survivors}
    assert told["5 becomes 4"] is not None and told[">= becomes > in `n >= 5`"] is not None
