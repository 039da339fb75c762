"""The edge of a rule is where running each variant alone would put it."""

from datetime import timedelta

import pytest

from harness.cli.commands.envelope import (
    build_subject,
    choose_axes,
    choose_rate,
    complete_axes,
    find_behaviour,
    list_rates,
)
from harness.diagnostics import HarnessError
from harness.run import Bench
from harness.run_options import RunOptions
from harness.scenario.pack import behaviour_folders
from harness.study_trials import build_trials
from harness.telemetry.simulation.behaviour import load_behaviours
from harness.verdict.envelope import judge_envelope
from harness.verdict.envelope_axis import parse_axis

RULE = r"""index=wineventlog EventCode=3
| eval Hour=strftime(_time, "%H")
| stats count as Total, dc(Hour) as Hours by host, Image, DestinationIp
| where Total >= 10 AND Hours >= 2
| sort - Total
| head 3"""

SCENARIO = """\
title: A beacon
activity: malicious
start: 2026-03-03T09:00:00Z
simulate:
  - {behaviour: beacon, host: WS01, given: {server: 203.0.113.20, every: 60s, jitter: 0, times: 20}}
"""


@pytest.fixture
def beacon(tmp_path):
    (tmp_path / "rule.spl").write_text(RULE)
    (tmp_path / "beacon.yaml").write_text(SCENARIO)
    known = load_behaviours(*behaviour_folders(tmp_path / "beacon.yaml"))["beacon"]
    with Bench(RunOptions()) as bench:
        yield build_trials(bench, tmp_path / "rule.spl", [])[0], known


def test_a_map_has_its_edge_where_the_thresholds_are(beacon):
    subject, known = beacon
    found = judge_envelope(subject, parse_axis("every=2m,6m,10m,20m", known), parse_axis("times=5,9,10,30", known))
    expected = {
        (2, 30): False,
        (6, 10): False,
        (6, 30): True,
        (10, 9): False,
        (10, 10): True,
        (20, 5): False,
        (20, 10): True,
    }
    for (every, times), caught in expected.items():
        cell = ([2, 6, 10, 20].index(every), [5, 9, 10, 30].index(times))
        assert bool(found.caught[cell]) is caught, (every, times)
    told = {(found.x.labels[r.cell[0]], found.y.labels[r.cell[1]]): r for r in found.reasons}
    assert {r.caught for r in told.values()} == {True, False}
    missed = next(r for r in told.values() if not r.caught)
    assert missed.explanation.loss is not None and missed.explanation.loss.misses
    assert dict(found.extremes())["slowest still caught"][0] == 3


def test_a_limit_on_rows_holds_for_each_variant_by_itself(beacon):
    subject, known = beacon
    found = judge_envelope(subject, parse_axis("every=5m..9m:5", known), parse_axis("times=20..60:5", known))
    assert found.caught.all()


def test_the_moment_within_the_hour_and_the_length_are_axes(beacon):
    subject, known = beacon
    found = judge_envelope(
        subject, parse_axis("start=0m,30m,50m", known), parse_axis("lasting=20m,40m", known), lasting=timedelta(hours=9)
    )
    assert found.caught.tolist() == [[False, False], [False, True], [True, True]]


def test_a_condition_is_an_axis(beacon):
    subject, known = beacon
    found = judge_envelope(
        subject, parse_axis("condition:index=wineventlog,other", known), parse_axis("every=6m,7m", known)
    )
    assert found.caught.tolist() == [[True, True], [False, False]]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("evry=1m,2m", "unknown-parameter"),
        ("every", "not-an-axis"),
        ("every=2h..1h:5", "not-a-range"),
        ("times=a,b", "not-a-number"),
    ],
)
def test_an_axis_that_cannot_be_is_refused(beacon, text, code):
    with pytest.raises(HarnessError) as error:
        parse_axis(text, beacon[1])
    assert error.value.code == code


def test_ranges_are_even_by_value_or_by_ratio(beacon):
    assert parse_axis("every=1m..4m:4", beacon[1]).numbers == (60.0, 120.0, 180.0, 240.0)
    assert parse_axis("every=1m..16m:5:log", beacon[1]).numbers == (60.0, 120.0, 240.0, 480.0, 960.0)
    assert parse_axis("times=1..3:9", beacon[1]).values == (1, 2, 3)


@pytest.mark.parametrize(
    ("given", "both"),
    [
        (("times=5,20", None), ("times=5,20", "every=1s..1h:30")),
        ((None, "every=1s,2s"), ("times=1..60", "every=1s,2s")),
        (("every=5s", None), ("every=5s", "times=1..60")),
        ((None, None), ("every=1s..1h:30", "times=1..60")),
    ],
)
def test_an_axis_that_is_given_never_stands_across_and_upwards(given, both):
    assert complete_axes(given, ("every=1s..1h:30", "times=1..60")) == both


def test_two_axes_of_one_parameter_are_refused():
    with pytest.raises(HarnessError, match="both axes vary `times`"):
        complete_axes(("times=5,9", "times=1,2"), ("every=1s..1h:30", "times=1..60"))


TARGETS = r"""index=wineventlog EventCode=1 Image="*\\net.exe"
| bucket _time span=5m
| stats dc(host) as hosts, count as starts by CommandLine, _time
| where hosts > 3"""

MANY_HOSTS = """\
title: One program on many hosts
activity: malicious
start: 2026-03-03T09:00:00Z
simulate: [{steps}]
expect: [{{rule: rule.spl, outcome: true positive}}]
"""
NET = r"{image: 'C:\Windows\System32\net.exe', command_line: net view}"


@pytest.fixture
def many_hosts(tmp_path):
    (tmp_path / "rule.spl").write_text(TARGETS)
    steps = ", ".join(f"{{behaviour: process, host: SRV{n:02}, at: {10 + 5 * n}s, given: {NET}}}" for n in range(6))
    (tmp_path / "many.yaml").write_text(MANY_HOSTS.format(steps=steps))
    return tmp_path


def test_steps_take_turns_on_as_many_hosts_as_the_scenario_has(many_hosts):
    known = load_behaviours(*behaviour_folders(many_hosts / "many.yaml"))["process"]
    axes = parse_axis("repeats=3,4,9", known), parse_axis("apart=1s,2m", known)
    with Bench(RunOptions()) as bench:
        found = judge_envelope(build_trials(bench, many_hosts / "rule.spl", [])[0], *axes)
    # Four hosts within five minutes; two minutes apart there are three in any five.
    assert found.caught.tolist() == [[False, False], [True, False], [True, False]]
    # The explanation of a variant is of the same events as its cell.
    assert all(bool(r.alerts) is r.caught for r in found.reasons)


def test_without_a_scenario_one_that_the_rule_should_fire_on_is_varied(many_hosts, capsys):
    with Bench(RunOptions()) as bench:
        made = {"behaviour": None, "scenario": None, "start": "2026-03-03T09:12:00Z"}
        plain = build_subject(bench, many_hosts / "rule.spl", given={}, **made)
        named = build_subject(bench, many_hosts / "rule.spl", given={}, **{**made, "behaviour": "process"})
    assert [str(plain.scenario.path), named.scenario.path.name] == [str(many_hosts / "many.yaml"), "variants.yaml"]
    assert "many.yaml is varied: the rule does not fire on a " in capsys.readouterr().err


REFUSED = r"""index=wineventlog EventCode=4625 | stats count as refusals by host | where refusals > 20"""


def test_the_rate_that_the_rule_sees_is_varied(tmp_path):
    (tmp_path / "rule.spl").write_text(REFUSED)
    with Bench(RunOptions()) as bench:
        subject = build_subject(
            bench, tmp_path / "rule.spl", behaviour=None, scenario=None, start="2026-03-03T09:12:00Z", given={}
        )
        behaviour = find_behaviour(subject)
        rate = choose_rate(bench, tmp_path / "rule.spl", subject, list_rates(behaviour))
        axes = choose_axes(behaviour, rate)
    assert (behaviour.name, rate) == ("logons", "refused_per_hour")
    assert axes == ("refused_per_hour=0.1..600:30:log", "lasts=10m..24h:30:log")


def test_a_rule_that_no_usual_behaviour_leaves_anything_for_is_refused(tmp_path):
    (tmp_path / "rule.spl").write_text("index=wineventlog EventCode=4769 | stats count by host")
    made = {"behaviour": None, "scenario": None, "start": "2026-03-03T09:12:00Z", "given": {}}
    with Bench(RunOptions()) as bench, pytest.raises(HarnessError) as error:
        build_subject(bench, tmp_path / "rule.spl", **made)
    assert error.value.code == "nothing-to-vary" and "logons" in error.value.message


def test_how_long_it_lasts_is_no_axis_of_what_has_no_times(many_hosts):
    known = load_behaviours(*behaviour_folders(many_hosts / "many.yaml"))["process"]
    with pytest.raises(HarnessError, match="has no `every` and `times`") as error:
        parse_axis("lasting=1m..1h", known)
    assert error.value.help == "vary `lasts`"
