"""Intervals hold the truth as often as they say."""

import numpy as np
import pytest

from harness.verdict.tune.choice import Objective, find_knee, front
from harness.verdict.tune.observations import ratio


def test_the_interval_of_a_rate_holds_the_truth_at_the_stated_rate():
    random = np.random.default_rng(11)
    held, tries, hosts = 0, 300, 150
    for seed in range(tries):
        busy = random.gamma(0.8, 2.0, hosts)
        alerts = random.poisson(busy * 0.5)
        estimate = ratio(alerts, np.full(hosts, 1.0), seed=seed)
        held += estimate.low <= 0.8 <= estimate.high
    assert 0.91 <= held / tries <= 0.99


def test_the_interval_of_a_proportion_holds_the_truth_though_hosts_differ():
    random = np.random.default_rng(12)
    held, tries, hosts = 0, 300, 120
    for seed in range(tries):
        own = random.beta(2.0, 1.0, hosts)
        attacks = random.integers(1, 6, hosts)
        caught = random.binomial(attacks, own)
        estimate = ratio(caught, attacks, seed=seed, proportion=True)
        held += estimate.low <= 2 / 3 <= estimate.high
    assert 0.91 <= held / tries <= 0.99


@pytest.mark.parametrize(
    ("caught", "attacks", "low", "high"),
    [([0] * 10, [1] * 10, 0.0, 0.308), ([1] * 10, [1] * 10, 0.692, 1.0), ([3] * 5, [3] * 5, 0.478, 1.0)],
)
def test_hosts_that_all_agree_still_leave_doubt(caught, attacks, low, high):
    estimate = ratio(caught, attacks, proportion=True)
    assert (round(estimate.low, 3), round(estimate.high, 3)) == (low, high)


def test_no_alerts_in_a_week_do_not_mean_none_ever():
    estimate = ratio([0] * 100, [7.0] * 100)
    assert estimate.value == 0
    assert 0.004 < estimate.high < 0.006


def test_nothing_to_count_is_unknown():
    assert not ratio([0, 0], [0, 0], proportion=True).known
    assert not ratio([], []).known


def test_same_seed_same_interval():
    alerts = np.random.default_rng(3).poisson(1.0, 50)
    assert ratio(alerts, np.ones(50), seed=4) == ratio(alerts, np.ones(50), seed=4)


def test_the_front_holds_the_points_that_none_beats_cheapest_first():
    gain = [1, 3, 3, 2, 5, 4]
    cost = [0, 2, 1, 4, 9, 9]
    assert front(gain, cost).tolist() == [0, 2, 4]


def test_within_a_budget_the_most_is_caught_as_cheaply_as_possible():
    caught, false = np.array([1.0, 3, 3, 5]), np.array([0.0, 2, 1, 9])
    # A day of 1,000 hosts, so that counts are rates.
    best = Objective(budget=2.0).best(caught, false, attacks=5, host_days=1000.0)
    assert best.tolist() == [2]
    assert Objective(budget=2.0).best(caught[[3]], false[[3]], 5, 1000.0).tolist() == []


@pytest.mark.parametrize(("wanted", "place"), [({"recall": 0.6}, 2), ({"recall": 1.0}, 3), ({"cost_ratio": 1.0}, 2)])
def test_recall_and_a_ratio_of_costs_choose_otherwise(wanted, place):
    caught, false = np.array([1.0, 3, 3, 5]), np.array([0.0, 2, 1, 9])
    assert Objective(**wanted).best(caught, false, 5, 1000.0).tolist() == [place]


def test_the_knee_is_where_more_begins_to_cost_much_more():
    assert find_knee([1, 8, 9, 10], [0, 2, 300, 4000]) == 1
    assert find_knee([1, 2], [0, 5]) is None
