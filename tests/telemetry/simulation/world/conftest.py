"""A small world that is simulated once, and the parts of it that tests look at."""

from functools import cache
from pathlib import Path

import pytest

from harness.scenario.world import read_world
from harness.telemetry.simulation.world.simulate_world import simulate_world
from harness.telemetry.store.reader import read_stored_telemetry

ROOT = Path(__file__).parents[4]
SMALL = """title: A small office
start: 2026-03-26T00:00:00Z
hosts: 6
days: 5
sites:
  - {name: Berlin, time_zone: Europe/Berlin, outages_a_day: 2, outage_minutes: 60}
roles:
  laptop: {prefix: LT, share: 2, runs: sleeps, hours: {spread_minutes: 0, absent: 0}}
  desktop: {prefix: PC, share: 2, runs: workdays, hours: {spread_minutes: 0, absent: 0}}
  server: {prefix: SRV, share: 2, user: false, reboot_every_days: 3}
software:
  EDR sensor: {behaviour: edr_agent, on: [laptop, desktop, server]}
  runbook: {behaviour: configuration_runbook, on: [laptop, server]}
  browser: {behaviour: browsing, on: [laptop, desktop], during: working, given: {pages_per_hour: 4}}
  domain services: {behaviour: internal_services, on: [laptop, desktop, server]}
  start of host: {behaviour: startup, on: [laptop, desktop, server]}
attacks:
  Cobalt Strike: {behaviour: implant, on: [laptop], after_days: 0.5, given: {every: 5m}}
"""


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The document of a small world, beside the pack's behaviours."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "generators").symlink_to(ROOT / "generators")
    path = folder / "small.yaml"
    path.write_text(SMALL)
    return read_world(path)


@pytest.fixture(scope="session")
def folder(small, tmp_path_factory):
    """The small world, recorded by Sysmon and Falcon."""
    path = tmp_path_factory.mktemp("recorded") / "world"
    simulate_world(small, path, sensors=["sysmon", "falcon"])
    return path


@pytest.fixture(scope="session")
def recorded(folder):
    """All of it in memory."""
    return read_stored_telemetry(folder)


@pytest.fixture(scope="session")
def events(recorded):
    """The events of one kind as dicts, with their cause: `events("sysmon", "3")`."""

    @cache
    def read(sensor, kind):
        return [
            {**part.constants, **row, "cause": recorded.causes[row["@cause"]]}
            for part in recorded.of(sensor, kind)
            for row in part.columns.to_pylist()
        ]

    return read
