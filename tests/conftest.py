"""Simulations for tests: the pack's own behaviours, one start."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from harness.telemetry.simulation.behaviour import load_behaviours
from harness.telemetry.simulation.host import host_named
from harness.telemetry.simulation.simulate import ScheduledAction, simulate

ROOT = Path(__file__).parents[1]
BEHAVIOURS = load_behaviours(ROOT / "generators")
START = datetime(2026, 3, 3, 9, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """No test leaves anything in the cache folder of who runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def usual_width(monkeypatch):
    """Tables are as wide as COLUMNS says, which whoever runs the tests may have set."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def samples():
    folder = ROOT.parent / "shared" / "samples"
    if not folder.is_dir():
        pytest.skip("recorded samples are not beside the checkout")
    return folder


@pytest.fixture
def simulated():
    """Telemetry of one behaviour: `simulated("beacon", times=5, conditions={...})`."""

    def run(behaviour, *, host="WS01", conditions=None, seed=1, malicious=True, start=START, **given):
        step = ScheduledAction(behaviour=behaviour, host=host, given=given, malicious=malicious)
        return simulate([step], behaviours=BEHAVIOURS, start=start, seed=seed, conditions=conditions)

    return run


@pytest.fixture
def rows():
    """The events of one kind as a list of dicts, constant fields included: `rows(telemetry, "sysmon", "3")`."""

    def read(telemetry, sensor, kind):
        return [
            {**events.constants, **row} for events in telemetry.of(sensor, kind) for row in events.columns.to_pylist()
        ]

    return read


@pytest.fixture
def host():
    """A workstation of which only the name is known."""
    return host_named("WS01", start=np.datetime64("2026-03-03T09:12:00", "us"), seed=1)


@pytest.fixture
def behaviours():
    """The pack's behaviours."""
    return BEHAVIOURS


@pytest.fixture
def start():
    """When the simulations of these tests begin."""
    return START
