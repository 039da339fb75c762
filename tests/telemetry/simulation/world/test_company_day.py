"""The office has enough of a company's day that a rule has something to be quiet about."""

import pytest

from harness.scenario.world import read_world, resolve_world
from harness.telemetry.simulation.world.simulate_world import simulate_world
from tests.world_measures import measure_world


@pytest.mark.slow
def test_a_day_of_the_office_is_within_what_recordings_have(tmp_path):
    simulate_world(
        read_world(resolve_world("office")), tmp_path / "world", hosts=30, days=2, seed=7, sensors=["sysmon"]
    )
    found = {name.partition(" (")[0]: value for name, value in measure_world(tmp_path / "world").items()}
    # Nine of ten recorded laboratories have up to 7.5 process creations a minute, half of them 0.7 and more.
    assert 400 < found["process creations a host-day, median"] < 10_000
    assert found["distinct command lines"] > 5_000
    assert 800 < found["file creations a host-day, median"] < 10_000
    assert 0.3 < found["answers with a CNAME"] < 0.5
    assert found["distinct names"] > 2_000
    assert found["public addresses"] > 2_000
    assert 0.08 < found["of these with ten calls in two hours"] < 0.2
    assert 0.04 < found["of these that alert"] < 0.14
