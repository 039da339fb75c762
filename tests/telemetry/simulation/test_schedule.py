from datetime import timedelta

import numpy as np
import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.simulation.schedule import (
    bursts,
    convert_seconds,
    hourly,
    periodic,
    poisson,
    rounds,
    sample_moments,
    wait,
)

START = np.datetime64("2026-03-03T09:12:00", "us")


@pytest.fixture
def random():
    return np.random.default_rng(7)


def test_the_first_of_a_period_is_at_its_start(random):
    assert periodic(START, timedelta(seconds=60), 3, random)[0] == START
    assert len(periodic(START, timedelta(seconds=60), 0, random)) == 0


def test_so_many_in_each_clock_hour(random):
    moments = hourly(START, [3, 0, 7], random)
    found = (moments - np.datetime64("2026-03-03T09:00:00", "us")) // np.timedelta64(1, "h")
    assert found.tolist() == [0] * 3 + [2] * 7
    assert (np.diff(moments) >= np.timedelta64(0)).all()


def test_a_length_and_a_period_make_rounds():
    assert rounds(timedelta(hours=1), timedelta(minutes=10)) == 7


@pytest.mark.parametrize("every", [timedelta(0), timedelta(seconds=-1), timedelta(microseconds=1)])
def test_rounds_without_end_are_refused(every):
    with pytest.raises(HarnessError, match="too-much"):
        rounds(timedelta(days=30), every)


def test_chance_keeps_to_its_rate_and_its_time(random):
    moments = poisson(START, timedelta(hours=100), 12.0, random)
    assert 1000 < len(moments) < 1400
    assert moments.min() >= START
    assert moments.max() < START + np.timedelta64(100, "h")
    assert len(sample_moments(START, timedelta(hours=1), 0, random)) == 0


def test_bursts_follow_their_moments(random):
    moments = START + np.array([0, 3600]) * np.timedelta64(1_000_000, "us")
    found = bursts(moments, np.array([5, 2]), 1.0, random)
    assert ((found - START) // np.timedelta64(1, "h")).tolist() == [0] * 5 + [1] * 2


def test_seconds_are_waits_to_the_microsecond():
    assert convert_seconds(np.array([0.0000014, 2.5])).tolist() == [timedelta(microseconds=1), timedelta(seconds=2.5)]
    assert wait(timedelta(minutes=1)) == np.timedelta64(60, "s")
