"""Scenarios that record the same and ask the same are told, since one of them proves nothing."""

import json
from pathlib import Path

import pytest

from harness.report.report import Report, format
from harness.run import run_scenarios

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pack(tmp_path):
    folder = tmp_path / "scenarios"
    folder.mkdir()
    for name in ("server.spl", "server.cql"):
        (folder / name).write_bytes((ROOT / "scenarios" / "T1583.004" / name).read_bytes())
    return folder


def told(folder):
    report = Report(outcomes=run_scenarios([folder]))
    return json.loads(format("json").write(report))["summary"]["same_telemetry"]


def test_they_are_told_by_their_paths(pack):
    text = (ROOT / "scenarios" / "T1583.004" / "benign" / "vendor-heartbeat.yaml").read_text()
    (pack / "one.yaml").write_text(text)
    (pack / "two.yaml").write_text(text.replace("title: ", "title: Another "))
    (pack / "three.yaml").write_text(text.replace("given: {}", "given: {every: 6m}"))
    assert told(pack) == [[str(pack / "one.yaml"), str(pack / "two.yaml")]]


def test_under_other_conditions_they_say_something_else(pack):
    text = (ROOT / "scenarios" / "T1583.004" / "benign" / "vendor-heartbeat.yaml").read_text()
    (pack / "one.yaml").write_text(text)
    (pack / "two.yaml").write_text(text.replace("addon: legacy", "addon: current"))
    assert told(pack) == []
