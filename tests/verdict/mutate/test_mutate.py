"""Scenarios are asked whether they would notice a broken rule."""

import pytest

from harness.cli.study_subjects import build_expecting_trials
from harness.detection.plan.nodes import Scan
from harness.diagnostics import HarnessError
from harness.run import Bench, run_scenarios
from harness.run_options import RunOptions
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
        again = mutate(build_expecting_trials(bench, folder / "rule.spl", []), search=False)
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
        found = mutate(build_expecting_trials(bench, folder / "rule.spl", []), search=False)
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
        found = mutate(build_expecting_trials(bench, folder / "rule.spl", []), search=False)
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
