"""Whose a recording's events are: told by a filter, by the scenario, by the recording itself, or by nobody."""

import json

import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.events.event import Cause, Telemetry
from harness.telemetry.format import read_telemetry, write_telemetry
from harness.telemetry.scenario_telemetry import replay

LINES = [
    {"EventID": 3, "Image": "C:\\Windows\\powershell.exe", "Port": 443, "SystemTime": "2024-01-01T10:00:00Z"},
    {"EventID": 3, "Image": "C:\\Windows\\svchost.exe", "Port": 53, "SystemTime": "2024-01-01T11:00:00Z"},
    {"EventID": 1, "Image": "C:\\Windows\\cmd.exe", "User": "me", "SystemTime": "2024-01-01T12:00:00Z"},
]


@pytest.fixture
def capture(tmp_path):
    path = tmp_path / "capture.json"
    channel = {"Channel": "Microsoft-Windows-Sysmon/Operational"}
    path.write_text("\n".join(json.dumps({**channel, **line}) for line in LINES))
    return path


def attack(telemetry):
    """Names of the images whose events are the attack's."""
    found = []
    for events in telemetry.events:
        for row in events.columns.to_pylist():
            if row["@cause"] >= 0 and telemetry.causes[row["@cause"]].malicious:
                found.append(row["Image"].rpartition("\\")[2])
    return found


@pytest.mark.parametrize(
    ("wanted", "images"),
    [
        ({"Image": "*\\POWERSHELL.exe"}, ["powershell.exe"]),
        ({"Image": "*.exe", "Port": 53}, ["svchost.exe"]),
        ({"Port": [53, "443"]}, ["powershell.exe", "svchost.exe"]),
        ({"EventID": 1}, ["cmd.exe"]),
        ({"after": "2024-01-01T11:00:00Z"}, ["svchost.exe", "cmd.exe"]),
        ({"after": "2024-01-01T10:30:00Z", "before": "2024-01-01T11:30:00Z"}, ["svchost.exe"]),
        ({"User": "*"}, ["cmd.exe"]),
    ],
)
def test_a_filter_says_which_events_are_the_attacks(capture, wanted, images):
    telemetry = replay(capture, wanted)
    assert attack(telemetry) == images
    assert [(c.malicious, c.name) for c in telemetry.causes] == [
        (True, "attack in capture.json"),
        (False, "background of capture.json"),
    ]


def test_without_a_filter_nobody_is_said_to_have_done_it(capture):
    telemetry = replay(capture)
    assert telemetry.causes == ()
    assert {c for e in telemetry.events for c in e.columns.column("@cause").to_pylist()} == {-1}


@pytest.mark.parametrize(("malicious", "count"), [(True, 3), (False, 0)])
def test_a_whole_recording_can_be_an_attack_or_not(capture, malicious, count):
    telemetry = replay(capture, malicious)
    assert len(attack(telemetry)) == count
    # A benign one has no attack that a study could count as missed.
    assert any(c.malicious for c in telemetry.causes) is malicious
    assert all(c >= 0 for e in telemetry.events for c in e.columns.column("@cause").to_pylist())


def test_a_recording_that_knows_who_did_it_keeps_that(tmp_path, capture):
    causes = (Cause(name="beacon", malicious=True),)
    recorded = Telemetry(events=read_telemetry(capture).events, causes=causes)
    path = tmp_path / "capture.parquet"
    with path.open("wb") as out:
        write_telemetry(recorded, "parquet", out)
    assert replay(path).causes == causes
    assert replay(path, False).causes == causes


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (
            {"Imag": "x"},
            "error[no-such-field]: no event in {path} has the field `Imag` of the filter\n"
            "  = help: did you mean `Image`?",
        ),
        ({"Image": "x"}, "error[no-match]: no event in {path} matches the filter {{Image: x}}"),
        (
            {"after": "noon"},
            "error[wrong-filter]: `after: noon` of the filter is no time\n  = help: write it as 2026-03-03T09:12:00Z",
        ),
    ],
)
def test_a_filter_that_matches_nothing_is_an_error(capture, wanted, told):
    with pytest.raises(HarnessError) as failure:
        replay(capture, wanted)
    assert failure.value.render() == told.format(path=capture)
