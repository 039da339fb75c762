"""Was it recorded?"""

import pyarrow as pa
import pytest

from harness.scenario.scenario import Signal
from harness.telemetry.events.event import CAUSE, TEXT_TYPE, TIME, TIME_TYPE, Events, Telemetry
from harness.verdict.verdict import count_signal, find_pauses, measure_signal

IMAGES = [r"C:\Windows\System32\curl.exe", r"C:\WINDOWS\system32\PowerShell.exe", None, ""]

TELEMETRY = Telemetry(
    events=(
        Events(
            sensor="sysmon",
            kind="3",
            constants={"EventID": "3", "Protocol": "tcp"},
            columns=pa.table(
                {
                    TIME: pa.array([0, 1, 2, 3], pa.int64()).cast(pa.timestamp("us", tz="UTC")),
                    CAUSE: pa.array([0, 0, 0, 0], pa.int32()),
                    "Image": pa.array(IMAGES).cast(TEXT_TYPE),
                    "Port": pa.array(["80", "443", "443", "8888"]),
                }
            ),
        ),
    )
)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({}, 4),
        ({"Image": r"*\powershell.exe"}, 1),
        ({"Image": "*"}, 3),
        ({"Image": None}, 1),
        ({"Image": ""}, 1),
        ({"Port": 443}, 2),
        ({"Port": [80, "8888"]}, 2),
        ({"Port": "44"}, 0),
        ({"Protocol": "TCP", "Port": 443}, 2),
        ({"Protocol": "udp"}, 0),
        ({"NoSuchField": "x"}, 0),
        ({"NoSuchField": None}, 4),
    ],
)
def test_events_are_counted_by_whole_values_with_wildcards(where, found):
    assert count_signal(TELEMETRY, Signal(sensor="sysmon", event=3, where=where)) == found


def test_another_kind_or_sensor_is_not_counted():
    assert count_signal(TELEMETRY, Signal(sensor="sysmon", event=1)) == 0
    assert count_signal(TELEMETRY, Signal(sensor="falcon", event=3)) == 0


def test_times_have_the_type_that_every_stage_expects():
    assert TELEMETRY.events[0].columns.schema.field(TIME).type == TIME_TYPE


def test_a_rhythm_is_measured_between_the_events_that_count():
    every = Signal(sensor="sysmon", event=3, where={}, apart=(0, 1))
    assert find_pauses(TELEMETRY, every) == (1e-6, 1e-6)
    assert find_pauses(TELEMETRY, Signal(sensor="sysmon", event=3, where={"Port": ["80", "8888"]})) == (3e-6, 3e-6)
    assert find_pauses(TELEMETRY, Signal(sensor="sysmon", event=3, where={"Port": "80"})) is None


@pytest.mark.parametrize(("apart", "good"), [((0, 1), True), ((1e-6, 1e-6), True), ((2e-6, 1), False), ((0, 0), False)])
def test_events_out_of_rhythm_are_not_what_was_expected(apart, good):
    signal = Signal(sensor="sysmon", event=3, apart=apart)
    assert measure_signal(None, signal, TELEMETRY).as_expected is good


def test_a_single_event_has_no_rhythm():
    signal = Signal(sensor="sysmon", event=3, where={"Port": "80"}, apart=(0, 100))
    assert measure_signal(None, signal, TELEMETRY).as_expected is False
