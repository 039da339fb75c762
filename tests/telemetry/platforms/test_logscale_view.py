"""What a LogScale query sees of recorded events."""

from datetime import UTC, datetime

import pyarrow as pa

from harness.telemetry.events.event import CAUSE, TIME, TIME_TYPE, Events, Telemetry
from harness.telemetry.platform import platform
from tests.columns import text_column


def seen(sensor, kind, constants, conditions=None, *, raw=False, **columns):
    at = pa.array([datetime(2024, 1, 1, 10, 0, 0, 250_900, tzinfo=UTC)], TIME_TYPE)
    table = pa.table({TIME: at, CAUSE: pa.array([0], pa.int32()), **{n: text_column([v]) for n, v in columns.items()}})
    recorded = Telemetry(events=(Events(sensor=sensor, kind=kind, constants=constants, columns=table),))
    (view,) = platform("logscale").present(recorded, conditions or {}, raw=raw)
    return {n: v for n, v in {**view.constants, **view.columns.to_pylist()[0]}.items() if v is not None}


def test_a_falcon_event_has_tags_and_its_own_fields():
    assert seen("falcon", "NetworkConnectIP4", {"event_simpleName": "NetworkConnectIP4"}, RemotePort="443", X="") == {
        "#event_simpleName": "NetworkConnectIP4",
        "#repo": "base_sensor",
        "#type": "falcon-raw-data",
        "@timestamp": 1704103200250.0,
        "event_simpleName": "NetworkConnectIP4",
        "RemotePort": "443",
        "X": "",
        "@event": 0,
        "@cause": 0,
    }


def test_the_repository_is_a_condition_and_a_recorded_one_stays():
    assert seen("falcon", "A", {}, {"repository": "fltr"}, aid="x")["#repo"] == "fltr"
    assert seen("falcon", "A", {}, **{"#repo": "mine"})["#repo"] == "mine"


def test_a_windows_event_has_its_fields_as_recorded_and_no_falcon_tag():
    assert seen("sysmon", "3", {"EventID": "3"}, Image="a<b", DestinationHostname="") == {
        "@timestamp": 1704103200250.0,
        "EventID": "3",
        "Image": "a<b",
        "DestinationHostname": "",
        "@event": 0,
        "@cause": 0,
    }


def test_a_falcon_events_raw_string_is_its_json():
    event = seen("falcon", "A", {"event_simpleName": "A"}, raw=True, CommandLine='say "hi"\n', aid="x")
    assert event["@rawstring"] == '{"event_simpleName":"A","CommandLine":"say \\"hi\\"\\n","aid":"x"}'
