"""Was it recorded?"""

import pyarrow as pa
import pytest

from harness.scenario.scenario import Signal
from harness.telemetry.events.event import CAUSE, TEXT_TYPE, TIME, TIME_TYPE, Events, Telemetry
from harness.verdict.verdict import count_signal

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
