"""Rules whose columns only the events can name, and `map`: judged scenario by scenario, their alerts traced."""

from datetime import timedelta

import pytest

from harness.run import Bench, run_scenarios
from harness.run_options import RunOptions
from harness.study_trials import build_trials
from harness.verdict.latency import Schedule, measure_latency
from harness.verdict.mutate.mutate import mutate
from harness.verdict.study.ensemble import Ensemble

BY_PORT = """index=wineventlog EventCode=3
| chart count over host by DestinationPort
| where '{port}' >= 5"""
OVER_TIME = """index=wineventlog EventCode=3
| timechart span=1h count by DestinationPort
| untable _time DestinationPort connections
| stats sum(connections) as connections by DestinationPort
| where connections >= {least}"""
MAPPED = r"""index=wineventlog EventCode=3
| stats count as seen by DestinationIp
| map search="search EventCode=3 DestinationIp=$DestinationIp$ | stats count by host | where count >= {least}"
"""

SCENARIO = """\
title: A beacon to port {port}
activity: {activity}
start: 2026-03-03T09:00:00Z
simulate:
  - {{behaviour: beacon, host: WS01, given: {{server: 203.0.113.20, port: {port}, every: 10m, jitter: 0, times: 12}}}}
expect:
  - {{rule: rule.spl, outcome: {outcome}}}
"""


@pytest.fixture
def folder(tmp_path):
    forms = (("443", "malicious", "true positive"), ("8443", "benign", "true negative"))
    for port, activity, expected in forms:
        text = SCENARIO.format(port=port, activity=activity, outcome=expected)
        (tmp_path / f"port-{port}.yaml").write_text(text)
    return tmp_path


def judged(folder, rule):
    (folder / "rule.spl").write_text(rule)
    outcomes = run_scenarios([folder])
    assert not outcomes.broken, outcomes.broken[0].error
    return {v.scenario.path.stem: v for v in outcomes.verdicts}


def test_each_scenario_has_the_columns_of_its_own_events(folder):
    found = judged(folder, BY_PORT.format(port="443"))
    assert {name: str(v.observed) for name, v in found.items()} == {
        "port-443": "true positive",
        "port-8443": "true negative",
    }
    (alert,) = found["port-443"].alerts
    assert alert.fields == {"host": "WS01", "443": 12.0}
    assert len(alert.events) == 12


def test_a_lost_attack_is_lost_at_the_condition_on_such_a_column(folder):
    found = judged(folder, BY_PORT.format(port="443").replace(">= 5", ">= 50"))
    loss = found["port-443"].explanation.loss
    assert loss.span.text == "where '443' >= 50"
    assert [(m.column, m.best) for m in loss.misses] == [("443", 12.0)]


def test_the_series_of_an_alert_over_time_has_its_events_alone(folder):
    found = judged(folder, OVER_TIME.format(least=5))
    (alert,) = found["port-443"].alerts
    assert (alert.fields["connections"], len(alert.events)) == (12.0, 12)


def test_an_alert_of_map_has_the_events_of_its_search_and_of_its_row(folder):
    found = judged(folder, MAPPED.format(least=5))
    (alert,) = found["port-443"].alerts
    assert (alert.fields, len(alert.events)) == ({"host": "WS01", "count": 12.0}, 12)
    lost = judged(folder, MAPPED.format(least=50))["port-443"]
    assert not lost.alerts and lost.explanation.loss.step == 2


def test_a_switch_that_changes_the_columns_flips_the_outcome(folder):
    only = 'EventCode=3\n| where like(Image, "%POWERSHELL.EXE")'
    found = judged(folder, BY_PORT.format(port="443").replace("EventCode=3", only))["port-443"]
    assert str(found.observed) == "false negative"
    assert [(f.switch, f.other, str(f.outcome)) for f in found.flips] == [("like_case", "insensitive", "true positive")]


def test_studies_ask_each_case_for_itself(folder):
    (folder / "rule.spl").write_text(BY_PORT.format(port="443"))
    with Bench(RunOptions()) as bench:
        several = build_trials(bench, folder / "rule.spl", [])
        with Ensemble(several) as ensemble:
            assert [len(numbers) for _, numbers in ensemble.plans] == [1, 1]
            assert sorted(len(alerts) for alerts in ensemble.alerts()) == [0, 1]


def test_a_schedule_sees_the_columns_of_what_had_arrived(folder):
    (folder / "rule.spl").write_text(BY_PORT.format(port="443"))
    (folder / "port-8443.yaml").unlink()
    with Bench(RunOptions()) as bench:
        several = build_trials(bench, folder / "rule.spl", [])
        schedule = Schedule(every=timedelta(minutes=15), back=timedelta(hours=4))
        (delay,) = measure_latency(several, schedule, [timedelta(0), timedelta(minutes=5)]).delays
    assert (delay.caught, delay.unlimited) == (2, 2)
    assert all(40 <= d.seconds / 60 <= 60 for d in delay.detections)


def test_mutants_of_such_a_rule_keep_its_columns(folder):
    (folder / "rule.spl").write_text(BY_PORT.format(port="443"))
    with Bench(RunOptions()) as bench:
        found = mutate(build_trials(bench, folder / "rule.spl", []))
    fates = {m.mutant.what: str(m.fate) for m in found.mutants}
    assert fates["`EventCode=3` turned around"] == "killed"
    assert fates[">= becomes < in `'443' >= 5`"] == "killed"
    assert not any("@" in what for what in fates)
    assert not any(m.killer for m in found.mutants)


def test_spans_without_events_are_filled_in_each_scenario_alone(folder):
    (folder / "rule.spl").write_text("index=wineventlog EventCode=3 | timechart span=5m count | where count=0")
    together = run_scenarios([folder])
    alone = [run_scenarios([folder / f"port-{port}.yaml"]) for port in (443, 8443)]
    found = {v.scenario.path.stem: v.alerts for v in together.verdicts}
    assert [len(found[n]) for n in ("port-443", "port-8443")] == [11, 11]
    for outcomes in alone:
        (verdict,) = outcomes.verdicts
        assert [(a.fields, len(a.events)) for a in verdict.alerts] == [
            (a.fields, len(a.events)) for a in found[verdict.scenario.path.stem]
        ]
        assert all(len(a.events) == 1 for a in verdict.alerts)
