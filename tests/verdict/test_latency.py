"""A schedule decides when, and whether at all, a rule sees an attack."""

from datetime import timedelta

import pytest

from harness.run import Bench
from harness.run_options import RunOptions
from harness.study_trials import build_trials
from harness.verdict.latency import Schedule, measure_latency

TWO_HOURS = r"""index=wineventlog EventCode=3
| eval Hour=strftime(_time, "%Y-%m-%d %H")
| stats count as Total, dc(Hour) as Hours by host, Image, DestinationIp
| where Total >= 5 AND Hours >= 2"""
RECENT = r"""index=wineventlog EventCode=3
| where _time >= relative_time(now(), "-30m")
| stats count as Total by host, Image, DestinationIp
| where Total >= 5"""

SCENARIO = """\
title: A beacon every ten minutes
activity: malicious
start: 2026-03-03T09:00:00Z
simulate:
  - {behaviour: beacon, host: WS01, given: {server: 203.0.113.20, every: 10m, jitter: 0, times: 12}}
"""
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "beacon.yaml").write_text(SCENARIO)
    return tmp_path


def delay(folder, rule, schedule, starts=(timedelta(0),)):
    (folder / "rule.spl").write_text(rule)
    with Bench(RunOptions()) as bench:
        return measure_latency(build_trials(bench, folder / "rule.spl", []), schedule, starts).delays[0]


def test_the_first_alert_comes_with_the_first_run_after_the_threshold_is_reached(folder):
    found = delay(folder, TWO_HOURS, Schedule(every=15 * MINUTE, back=4 * HOUR))
    assert found.unlimited == 1
    assert 60 < found.detections[0].seconds / 60 <= 76


def test_events_that_arrive_late_are_seen_by_a_later_run(folder):
    soon = delay(folder, TWO_HOURS, Schedule(every=5 * MINUTE, back=4 * HOUR))
    late = delay(folder, TWO_HOURS, Schedule(every=5 * MINUTE, back=4 * HOUR, delay=20 * MINUTE))
    assert late.detections[0].seconds - soon.detections[0].seconds == pytest.approx(20 * 60)


def test_a_rule_that_needs_two_clock_hours_never_fires_under_a_look_back_of_one(folder):
    starts = [n * 5 * MINUTE for n in range(12)]
    found = delay(folder, TWO_HOURS, Schedule(every=HOUR, back=HOUR), starts)
    assert (found.caught, found.unlimited) == (0, 12)
    assert [(m.column, m.best) for m in found.why.loss.misses] == [("Hours", 1.0)]
    assert found.quantile(0.5) is None


def test_a_window_that_is_not_aligned_with_the_hour_holds_parts_of_two(folder):
    found = delay(folder, TWO_HOURS, Schedule(every=HOUR, back=HOUR, offset=30 * MINUTE))
    assert found.caught == 1


def test_a_rule_that_asks_what_time_it_is_is_asked_at_every_run(folder):
    found = delay(folder, RECENT, Schedule(every=10 * MINUTE, back=2 * HOUR))
    assert found.caught == 0
    (folder / "beacon.yaml").write_text(SCENARIO.replace("every: 10m", "every: 5m"))
    found = delay(folder, RECENT, Schedule(every=10 * MINUTE, back=2 * HOUR))
    assert 20 <= found.detections[0].seconds / 60 <= 31


def test_of_several_starts_the_slowest_are_told(folder):
    starts = [n * 10 * MINUTE for n in range(6)]
    found = delay(folder, TWO_HOURS, Schedule(every=5 * MINUTE, back=None), starts)
    times = [d.seconds for d in found.detections]
    assert found.caught == 6
    assert found.quantile(1.0) == max(times) > found.quantile(0.5)
