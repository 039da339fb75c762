"""Recordings that are presented together are seen as each alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.detection.plan.expressions import EVENT_COLUMN
from harness.scenario.scenario import read_scenario
from harness.telemetry.events.event import TelemetryOrigin
from harness.telemetry.scenario_telemetry import record_scenario
from harness.verdict.study.batch import HOST_NUMBER, Lot, number_lots
from harness.verdict.study.lot_views import is_told_by_causes

PACK = Path(__file__).parents[3] / "scenarios" / "T1583.004"
NAMES = ["1-beacon-check-in.yaml", "2-dns-lookups.yaml", "4-scheduled-task.yaml", "routable/three-ports.yaml"]
CONDITIONS = [{"addon": "legacy"}, {"falcon": "enriched"}]


def list_rows(lots, platform):
    """Each event's fields by its number, the number of its host as the host's name."""
    hosts = {}
    rows = {}
    for view in number_lots(lots, platform, False, hosts):
        for row in view.columns.to_pylist():
            fields = {**view.constants, **{n: v for n, v in row.items() if v is not None}}
            fields[HOST_NUMBER] = list(hosts)[row[HOST_NUMBER]]
            assert row[EVENT_COLUMN] not in rows
            rows[row[EVENT_COLUMN]] = fields
    return rows, list(hosts)


@pytest.mark.parametrize("platform", ["splunk", "logscale"])
def test_lots_presented_together_are_seen_as_each_alone(platform):
    lots = []
    for number, name in enumerate(NAMES * 2):
        conditions = CONDITIONS[number % 2 if number < 4 else 0]
        lots.append(Lot(telemetry=record_scenario(read_scenario(PACK / name), conditions), conditions=conditions))
    assert all(is_told_by_causes(lot.telemetry) for lot in lots)
    # What was recorded elsewhere is presented lot by lot.
    alone = [replace(lot, telemetry=replace(lot.telemetry, origin=TelemetryOrigin.REPLAYED)) for lot in lots]
    assert not any(is_told_by_causes(lot.telemetry) for lot in alone)
    assert list_rows(lots, platform) == list_rows(alone, platform)
