"""What is written can be read back, and looks as the log's own text looks."""

import gzip
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.diagnostics import HarnessError
from harness.telemetry.events.event import CAUSE, TIME, TIME_TYPE, Cause, Events, Telemetry, TelemetryOrigin
from harness.telemetry.format import list_writers, read_telemetry, write_telemetry
from tests.columns import list_rows, text_column

SYSMON = {
    "Provider_Name": "Microsoft-Windows-Sysmon",
    "EventID": "3",
    "Channel": "Microsoft-Windows-Sysmon/Operational",
}
NETWORK = {"event_simpleName": "NetworkConnectIP4"}
METADATA = ("index", "source", "sourcetype", "host")


def events(sensor, kind, constants, times, causes, **columns):
    fixed = {TIME: pa.array(times, pa.int64()).cast(TIME_TYPE), CAUSE: pa.array(causes, pa.int32())}
    table = pa.table({**fixed, **{name: text_column(values) for name, values in columns.items()}})
    return Events(sensor=sensor, kind=kind, constants=constants, columns=table)


def sample():
    return Telemetry(
        events=(
            events(
                "sysmon",
                "3",
                SYSMON,
                [1704103200250300, 1704103205000000],
                [0, -1],
                SystemTime=["2024-01-01T10:00:00.250300400Z", "2024-01-01T10:00:05.000000000Z"],
                EventRecordID=["7", "8"],
                Computer=["WS01.corp.local", "WS01.corp.local"],
                RuleName=["-", ""],
                Image=["C:\\Program Files\\a & b.exe", "<unknown process>"],
                DestinationHostname=[None, "ein schöner Name"],
            ),
            events(
                "falcon",
                "NetworkConnectIP4",
                NETWORK,
                [1704103203123000],
                [0],
                timestamp=["1704103203123"],
                aid=["a" * 32],
                RemotePort=["443"],
            ),
            events("proxy", "request", {"method": "GET"}, [1704103201000001], [1], url=["http://x/?a=1&b='2'"]),
        ),
        causes=(Cause(name="beacon", malicious=True, host="WS01"), Cause(name="updater", malicious=False)),
        origin=TelemetryOrigin.SIMULATED,
    )


def written(telemetry, name):
    out = io.BytesIO()
    count = write_telemetry(telemetry, name, out)
    return count, out.getvalue()


def records(telemetry, *, causes=False):
    """Every event as sensor, kind and fields, in an order of its own."""
    found = []
    for e in telemetry.events:
        for row in list_rows(e):
            fields = {n: v for n, v in {**e.constants, **row}.items() if v is not None and n not in METADATA}
            cause = fields.pop(CAUSE)
            found.append((e.sensor, e.kind, cause if causes else None, sorted((n, str(v)) for n, v in fields.items())))
    return sorted(found, key=str)


def read_back(tmp_path, content, name="events"):
    path = tmp_path / name
    path.write_bytes(content)
    return read_telemetry(path)


@pytest.mark.parametrize("name", ["ndjson", "parquet", "splunk_hec"])
def test_these_formats_hold_every_event_and_give_it_back(tmp_path, name):
    count, content = written(sample(), name)
    back = read_back(tmp_path, content)
    assert count == 4
    assert back.damages == ()
    assert records(back) == records(sample())


@pytest.mark.parametrize(("name", "sensor", "count"), [("windows_xml", "sysmon", 2), ("fdr", "falcon", 1)])
def test_a_sensors_own_format_holds_its_own_events(tmp_path, name, sensor, count):
    told, content = written(sample(), name)
    back = read_back(tmp_path, content)
    assert told == count
    assert records(back) == records(Telemetry(events=sample().of(sensor)))


def test_parquet_keeps_tables_causes_and_origin(tmp_path):
    back = read_back(tmp_path, written(sample(), "parquet")[1])
    assert records(back, causes=True) == records(sample(), causes=True)
    assert (back.causes, back.origin) == (sample().causes, TelemetryOrigin.SIMULATED)
    for mine, theirs in zip(back.events, sample().events, strict=True):
        assert (mine.sensor, mine.kind, mine.constants) == (theirs.sensor, theirs.kind, theirs.constants)
        assert mine.columns.schema == theirs.columns.schema
        assert distinct(mine.columns.column(2)) == distinct(theirs.columns.column(2))


def distinct(column):
    return column.chunk(0).dictionary.to_pylist()


def test_telemetry_without_events_is_a_file_too(tmp_path):
    back = read_back(tmp_path, written(Telemetry(causes=sample().causes), "parquet")[1])
    assert (len(back), back.causes) == (0, sample().causes)
    assert [written(Telemetry(), name)[1] for name in list_writers() if name != "parquet"] == [b"", b"", b"", b""]


@pytest.mark.parametrize("name", list_writers())
def test_the_same_events_give_the_same_bytes(name):
    assert written(sample(), name) == written(sample(), name)


def test_windows_xml_is_what_the_event_log_renders():
    assert written(sample(), "windows_xml")[1].decode().splitlines()[0] == (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        "<Provider Name='Microsoft-Windows-Sysmon'/><EventID>3</EventID>"
        "<TimeCreated SystemTime='2024-01-01T10:00:00.250300400Z'/><EventRecordID>7</EventRecordID><Correlation/>"
        "<Execution/><Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>WS01.corp.local</Computer>"
        "<Security/></System><EventData><Data Name='RuleName'>-</Data>"
        "<Data Name='Image'>C:\\Program Files\\a &amp; b.exe</Data></EventData></Event>"
    )


def test_fdr_has_strings_only():
    (line,) = written(sample(), "fdr")[1].decode().splitlines()
    assert json.loads(line) == {
        "event_simpleName": "NetworkConnectIP4",
        "timestamp": "1704103203123",
        "aid": "a" * 32,
        "RemotePort": "443",
    }


def test_hec_has_metadata_and_the_native_text():
    first, second, *_ = map(json.loads, written(sample(), "splunk_hec")[1].decode().splitlines())
    assert {n: v for n, v in first.items() if n != "event"} == {
        "time": 1704103200.2503,
        "index": "wineventlog",
        "source": "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational",
        "sourcetype": "xmlwineventlog",
        "host": "WS01",
    }
    assert first["event"].startswith("<Event xmlns='http://schemas.microsoft.com/")
    assert second["event"]["url"] == "http://x/?a=1&b='2'"


def test_lines_of_all_sensors_are_in_order_of_time():
    lines = written(sample(), "ndjson")[1].decode().splitlines()
    assert [next(iter(json.loads(line).values())) for line in lines] == [
        "Microsoft-Windows-Sysmon",
        "proxy",
        "NetworkConnectIP4",
        "Microsoft-Windows-Sysmon",
    ]


def test_an_event_without_a_time_text_gets_the_time_at_which_it_was_recorded(tmp_path):
    one = Telemetry(events=(events("sysmon", "3", SYSMON, [1704103200000001], [0], Image=["a"]),))
    line = json.loads(written(one, "ndjson")[1])
    assert line["SystemTime"] == "2024-01-01T10:00:00.000001000Z"


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(HarnessError) as failure:
        write_telemetry(sample(), "parket", io.BytesIO())
    assert (
        failure.value.render()
        == "error[unknown-format]: no format is called `parket`\n  = help: did you mean `parquet`?"
    )


@pytest.mark.parametrize("name", ["ndjson", "parquet", "splunk_hec", "windows_xml"])
def test_gzip_of_any_format_is_read_alike(tmp_path, name):
    content = written(sample(), name)[1]
    assert records(read_back(tmp_path, gzip.compress(content), "a")) == records(read_back(tmp_path, content, "b"))


TEXTS = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
NAMES = st.text(st.characters(categories=["L", "Nd"], include_characters="_. -'<&"), min_size=1, max_size=8).filter(
    lambda name: name.strip() and name not in METADATA
)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))


@pytest.mark.parametrize("name", ["ndjson", "parquet", "splunk_hec", "windows_xml"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_windows_event_comes_back(tmp_path_factory, name, data):
    names = data.draw(st.lists(NAMES, unique=True, min_size=1, max_size=4))
    times = data.draw(st.lists(MOMENTS, min_size=1, max_size=4))
    rows = {n: data.draw(st.lists(TEXTS, min_size=len(times), max_size=len(times))) for n in names}
    texts = {n: text_column(values) for n, values in rows.items() if any(v is not None for v in values)}
    stamps = [f"{t:%Y-%m-%dT%H:%M:%S.%f}000Z" for t in times]
    fixed = {
        TIME: pa.array(times, TIME_TYPE),
        CAUSE: pa.array([-1] * len(times), pa.int32()),
        "SystemTime": text_column(stamps),
    }
    before = Telemetry(
        events=(Events(sensor="sysmon", kind="3", constants=SYSMON, columns=pa.table({**fixed, **texts})),)
    )
    path = tmp_path_factory.mktemp("any") / "events"
    path.write_bytes(written(before, name)[1])
    back = read_telemetry(path)
    assert (records(back), back.damages) == (records(before), ())


@pytest.mark.skipif(not Path("../shared/samples").exists(), reason="the real recordings are not beside the checkout")
@pytest.mark.parametrize("name", ["ndjson", "parquet", "splunk_hec", "windows_xml"])
def test_real_recordings_come_back(tmp_path, name):
    before = read_telemetry(Path("../shared/samples/security_datasets"))
    back = read_back(tmp_path, written(before, name)[1])
    assert [r[:2] for r in records(back)] == [r[:2] for r in records(before)]
    assert len(back) == 113
