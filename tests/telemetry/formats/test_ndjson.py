"""JSON of every shipper under the log's own names, and JSON that is damaged or made to harm."""

import gzip
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.telemetry.format import read_telemetry
from tests.columns import list_rows

SAMPLES = Path("../shared/samples")


def recorded(tmp_path, content, name="capture.json"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    telemetry = read_telemetry(path)
    rows = [
        {"sensor": e.sensor, "kind": e.kind, **{n: v for n, v in {**e.constants, **row}.items() if v is not None}}
        for e in telemetry.events
        for row in list_rows(e)
    ]
    return rows, [str(d) for d in telemetry.damages]


def one(tmp_path, value):
    (row,), damages = recorded(tmp_path, json.dumps(value))
    assert damages == []
    assert row.pop("@cause") == -1
    return row.pop("@time"), row


NXLOG = {
    "EventTime": "2020-06-09 22:50:57",
    "Hostname": "DC.mordor.local",
    "Keywords": -9223372036854775808,
    "EventType": "INFO",
    "SeverityValue": 2,
    "EventID": 3,
    "SourceName": "Microsoft-Windows-Sysmon",
    "ProviderGuid": "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
    "OpcodeValue": 0,
    "RecordNumber": 464652,
    "ExecutionProcessID": 3520,
    "ThreadID": 4168,
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Domain": "NT AUTHORITY",
    "AccountName": "SYSTEM",
    "UserID": "S-1-5-18",
    "Message": "Network connection detected: ...",
    "Image": "&lt;unknown process&gt;",
    "EventReceivedTime": "2020-06-09 22:50:58",
    "SourceModuleType": "im_msvistalog",
    "EventTypeOrignal": "SetValue",
    "@timestamp": "2020-06-10T02:50:58.583Z",
    "tags": ["mordorDataset"],
    "host": "wec.internal",
}
WINLOGBEAT_6 = {
    "@timestamp": "2019-03-19T17:10:09.423Z",
    "event_id": 3008,
    "log_name": "Microsoft-Windows-DNS-Client/Operational",
    "record_number": "713935",
    "level": "Information",
    "thread_id": 4472,
    "process_id": 6348,
    "activity_id": "{30000001-0000-e600-d01b-d781cc187811}",
    "user": {"identifier": "S-1-5-18", "name": "SYSTEM"},
    "message": "DNS query is completed",
    "computer_name": "IT001.shire.com",
    "event_data": {"QueryName": "watson.microsoft.com", "QueryStatus": "1460"},
    "host": {"name": "WECserver"},
    "source_name": "Microsoft-Windows-DNS-Client",
    "provider_guid": "{1c95126e-7eea-49a9-a3fe-a378b03ddb4d}",
}
WINLOGBEAT_8 = {
    "@timestamp": "2019-03-19T17:10:09.423Z",
    "event": {"code": "3008", "kind": "event"},
    "host": {"name": "WECserver"},
    "winlog": {
        "event_id": "3008",
        "channel": "Microsoft-Windows-DNS-Client/Operational",
        "record_id": 713935,
        "process": {"pid": 6348, "thread": {"id": 4472}},
        "activity_id": "{30000001-0000-e600-d01b-d781cc187811}",
        "user": {"identifier": "S-1-5-18", "name": "SYSTEM"},
        "computer_name": "IT001.shire.com",
        "event_data": {"QueryName": "watson.microsoft.com", "QueryStatus": "1460"},
        "provider_name": "Microsoft-Windows-DNS-Client",
        "provider_guid": "{1c95126e-7eea-49a9-a3fe-a378b03ddb4d}",
    },
}
DNS = {
    "sensor": "dns_client",
    "kind": "3008",
    "EventID": "3008",
    "Channel": "Microsoft-Windows-DNS-Client/Operational",
    "EventRecordID": "713935",
    "Execution_ThreadID": "4472",
    "Execution_ProcessID": "6348",
    "Correlation_ActivityID": "{30000001-0000-E600-D01B-D781CC187811}",
    "Security_UserID": "S-1-5-18",
    "Computer": "IT001.shire.com",
    "QueryName": "watson.microsoft.com",
    "QueryStatus": "1460",
    "Provider_Name": "Microsoft-Windows-DNS-Client",
    "Provider_Guid": "{1c95126e-7eea-49a9-a3fe-a378b03ddb4d}",
}


def test_nxlog_has_the_logs_own_names_and_its_local_time_becomes_utc(tmp_path):
    at, row = one(tmp_path, NXLOG)
    assert at == datetime(2020, 6, 10, 2, 50, 57, tzinfo=UTC)
    assert row == {
        "sensor": "sysmon",
        "kind": "3",
        "Computer": "DC.mordor.local",
        "Keywords": "0x8000000000000000",
        "EventID": "3",
        "Provider_Name": "Microsoft-Windows-Sysmon",
        "Provider_Guid": "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
        "Opcode": "0",
        "EventRecordID": "464652",
        "Execution_ProcessID": "3520",
        "Execution_ThreadID": "4168",
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "Security_UserID": "S-1-5-18",
        "Image": "<unknown process>",
        "EventType": "SetValue",
    }


def test_nxlogs_zone_follows_from_the_events_own_time_if_nothing_else_tells(tmp_path):
    without = {n: v for n, v in NXLOG.items() if n not in ("@timestamp", "EventReceivedTime")}
    at, _ = one(tmp_path, {**without, "UtcTime": "2020-06-10 02:50:55.662"})
    assert at == datetime(2020, 6, 10, 2, 50, 57, tzinfo=UTC)


@pytest.mark.parametrize("value", [WINLOGBEAT_6, WINLOGBEAT_8], ids=["version 6", "version 8"])
def test_winlogbeat_has_the_logs_own_names(tmp_path, value):
    at, row = one(tmp_path, value)
    # Version 6 has the level beside, by its name.
    assert row.pop("Level", "4") == "4"
    assert (at, row) == (datetime(2019, 3, 19, 17, 10, 9, 423000, tzinfo=UTC), DNS)


def test_flat_json_as_decoders_write_it(tmp_path):
    value = {
        "Provider_Name": "Microsoft-Windows-Sysmon",
        "EventID": 3,
        "EventCode": 3,
        "SystemTime": "2021-12-12T12:01:18.896770Z",
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "ProcessGuid": "A57649D1-E44F-61B5-D88F-850800000000",
        "Initiated": True,
        "Data": ["a", "b"],
        "Nothing": None,
        "Ratio": 0.10,
    }
    at, row = one(tmp_path, value)
    assert at == datetime(2021, 12, 12, 12, 1, 18, 896770, tzinfo=UTC)
    assert row == {
        "sensor": "sysmon",
        "kind": "3",
        "Provider_Name": "Microsoft-Windows-Sysmon",
        "EventID": "3",
        "SystemTime": "2021-12-12T12:01:18.896770Z",
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "ProcessGuid": "{A57649D1-E44F-61B5-D88F-850800000000}",
        "Initiated": "true",
        "Data[0]": "a",
        "Data[1]": "b",
        "Ratio": "0.1",
    }


def test_a_decoders_own_objects(tmp_path):
    system = {
        "Provider": {
            "#attributes": {"Name": "Microsoft-Windows-Sysmon", "Guid": "5770385F-C22A-43E0-BF4C-06F5698FFBD9"}
        },
        "EventID": {"#attributes": {"Qualifiers": ""}, "#text": 3},
        "TimeCreated": {"#attributes": {"SystemTime": "2021-12-12T12:01:18Z"}},
        "Correlation": None,
        "Channel": "Microsoft-Windows-Sysmon/Operational",
    }
    _, row = one(tmp_path, {"Event": {"System": system, "EventData": {"Image": "a.exe", "Path": None}}})
    assert row == {
        "sensor": "sysmon",
        "kind": "3",
        "Provider_Name": "Microsoft-Windows-Sysmon",
        "Provider_Guid": "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
        "EventID": "3",
        "SystemTime": "2021-12-12T12:01:18Z",
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "Image": "a.exe",
        "Path": "",
    }


def test_azure_monitor_has_its_data_as_json_in_json(tmp_path):
    value = {
        "TimeGenerated": "2022-05-13T08:54:06.797Z",
        "Provider": "Microsoft-Windows-Sysmon",
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "EventLevel": 4,
        "EventLevelName": "Information",
        "EventID": 22,
        "EventData": '{"QueryName":"WORKSTATION5"}',
    }
    at, row = one(tmp_path, value)
    assert at == datetime(2022, 5, 13, 8, 54, 6, 797000, tzinfo=UTC)
    assert (row["kind"], row["Level"], row["QueryName"]) == ("22", "4", "WORKSTATION5")


FDR = {"event_simpleName": "DnsRequest", "timestamp": "1682707778681", "aid": "a1", "RequestType": 1, "Tags": ""}


@pytest.mark.parametrize(
    "value",
    [
        FDR,
        {"event_simpleName": "DnsRequest", "_label": {"rule": "x"}, "event": FDR},
        {"time": 1, "sourcetype": "crowdstrike:events:sensor", "event": FDR},
    ],
    ids=["replicator", "nested", "collector"],
)
def test_falcon_events_however_they_come(tmp_path, value):
    at, row = one(tmp_path, value)
    row.pop("sourcetype", None)
    assert at == datetime(2023, 4, 28, 18, 49, 38, 681000, tzinfo=UTC)
    assert row == {"sensor": "falcon", "kind": "DnsRequest", **FDR, "RequestType": "1"}


def test_falcons_event_stream_has_its_kind_beside_the_event(tmp_path):
    value = {
        "metadata": {"eventType": "AuthActivityAuditEvent", "eventCreationTime": 1682707778681},
        "event": {"UserId": "me"},
    }
    at, row = one(tmp_path, value)
    assert (at.year, row["kind"], row["UserId"]) == (2023, "AuthActivityAuditEvent", "me")


def test_a_collectors_event_may_be_xml_and_keeps_its_metadata(tmp_path):
    xml = (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><EventID>3</EventID>"
        "<Channel>Microsoft-Windows-Sysmon/Operational</Channel></System><EventData>"
        "<Data Name='Image'>a &amp; b</Data></EventData></Event>"
    )
    at, row = one(tmp_path, {"time": "1663246582.958249", "host": "dc", "source": "s", "index": "main", "event": xml})
    assert at == datetime(2022, 9, 15, 12, 56, 22, 958249, tzinfo=UTC)
    assert (row["Image"], row["host"], row["source"], row["index"]) == ("a & b", "dc", "s", "main")


def test_sysmon_events_trimmed_to_their_data_are_known_by_it_and_that_is_told(tmp_path):
    value = {
        "UtcTime": "2020-06-10 02:50:55.662",
        "ProcessGuid": "{b669e388-a0ef-5edf-4d00-000000000300}",
        "Image": "dns.exe",
        "DestinationIp": "192.0.2.1",
        "DestinationPort": "53",
        "Initiated": "false",
    }
    (row,), damages = recorded(tmp_path, json.dumps(value))
    assert (row["sensor"], row["EventID"]) == ("sysmon", "3")
    assert damages == ["capture.json: 1 events name no EventID; their fields are those of Sysmon 3"]


def test_json_of_no_known_sensor_is_kept_with_its_time(tmp_path):
    at, row = one(tmp_path, {"ts": 1588205199.82437, "src": "10.0.1.6", "nested": {"a": [1, {"b": 2}]}})
    assert at == datetime(2020, 4, 30, 0, 6, 39, 824370, tzinfo=UTC)
    assert row == {
        "sensor": "other",
        "kind": "",
        "ts": "1588205199.82437",
        "src": "10.0.1.6",
        "nested.a[0]": "1",
        "nested.a[1].b": "2",
    }


A, B, C = ({"event_simpleName": "X", "timestamp": "1682707778681", "n": n} for n in "abc")

LAYOUTS = {
    "one a line": f"{json.dumps(A)}\n{json.dumps(B)}\n\n{json.dumps(C)}",
    "windows line ends": f"{json.dumps(A)}\r\n{json.dumps(B)}\r\n{json.dumps(C)}\r\n",
    "an array": json.dumps([A, B, C]),
    "an indented array": json.dumps([A, B, C], indent=2),
    "indented objects": "\n".join(json.dumps(v, indent=1) for v in (A, B, C)),
    "side by side": "".join(json.dumps(v) for v in (A, B, C)),
    "an answer of a service": json.dumps({"took": 3, "records": [A, B, C]}),
    "search results": "\n".join(json.dumps({"_index": "x", "_source": v}) for v in (A, B, C)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_layout_has_the_same_three_events(tmp_path, layout, encoding):
    rows, damages = recorded(tmp_path, LAYOUTS[layout].encode(encoding))
    assert ([row["n"] for row in rows], damages) == (["a", "b", "c"], [])


LINES = {
    "a cut line": (b'{"a":\n', "line 2: no JSON: input data was truncated"),
    "no JSON": (b"hello\n", "line 2: no JSON: invalid character (byte 0)"),
    "a number": (b"17\n", "line 2: no JSON object: `17`"),
    "half a character": (b'{"a":"\\ud800"}\n', "line 2: no JSON: input data was truncated"),
    "deep lists": (b"[" * 100_000 + b"]" * 100_000 + b"\n", "line 2: no JSON: objects lie too deep in one another"),
    "deep objects": (
        b'{"a":' * 100 + b"1" + b"}" * 100 + b"\n",
        "line 2: objects lie more than 50 deep in one another",
    ),
    "a long line": (b'{"a":"' + b"x" * (17 << 20) + b'"}\n', "line 2: longer than 16 MiB; not read"),
}


@pytest.mark.parametrize("what", LINES)
def test_a_bad_line_costs_only_itself(tmp_path, what):
    line, told = LINES[what]
    content = json.dumps(A).encode() + b"\n" + line + json.dumps(C).encode() + b"\n"
    rows, damages = recorded(tmp_path, content)
    assert ([row["n"] for row in rows], damages) == (["a", "c"], [f"capture.json: {told}"])


def test_bytes_of_another_encoding_are_replaced_and_told(tmp_path):
    content = json.dumps(A).encode() + b'\n{"event_simpleName":"X","timestamp":"1682707778681","n":"M\xfcller"}\n'
    rows, damages = recorded(tmp_path, content)
    assert [row["n"] for row in rows] == ["a", "M\ufffdller"]
    assert damages == ["capture.json: line 2: no JSON: bytes that are no UTF-8 are replaced"]


def test_of_an_array_cut_short_the_whole_objects_are_read(tmp_path):
    rows, damages = recorded(tmp_path, json.dumps([A, B, C], indent=2)[:-40])
    assert [row["n"] for row in rows] == ["a", "b"]
    assert damages == ["capture.json: line 12: the file ends within this object"]


def test_an_object_without_an_end_costs_only_itself(tmp_path):
    content = "[\n" + ",\n".join([json.dumps(A, indent=1), '{\n "n": "b",\n "x": {\n', json.dumps(C, indent=1)]) + "]"
    rows, damages = recorded(tmp_path, content)
    assert [row["n"] for row in rows] == ["a", "c"]
    assert damages == ["capture.json: line 7: the object has no end before the next one starts"]


def test_an_event_without_a_time_is_read_and_told(tmp_path):
    (row,), damages = recorded(tmp_path, '{"event_simpleName":"X","n":"a"}')
    assert (row["n"], row.get("@time")) == ("a", None)
    assert damages == [
        "capture.json: events without a time that can be read: 1; they stand at the end of the known times"
    ]


def test_very_many_damages_are_counted_not_listed(tmp_path):
    rows, damages = recorded(tmp_path, json.dumps(A) + "\n" + json.dumps(B) + "\n" + "{\n" * 5_000)
    assert (len(rows), len(damages)) == (2, 1001)
    assert damages[-1] == "capture.json: line 1002: 4000 more damages are not listed"


def test_very_many_fields_are_bounded(tmp_path):
    event = {"event_simpleName": "X", "timestamp": "1682707778681"}
    path = tmp_path / "capture.json"
    path.write_text("\n".join(json.dumps({**event, f"f{n}": "x"}) for n in range(2_100)))
    telemetry = read_telemetry(path)
    (events,) = telemetry.events
    assert (len(events), len(events.fields)) == (2_100, 2_000)
    assert [str(d) for d in telemetry.damages] == ["falcon X: more than 2000 fields; the others are not read"]


def test_a_very_long_line_takes_bounded_memory_and_time(tmp_path):
    path = tmp_path / "capture.json.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(json.dumps(A).encode() + b"\n" + b'{"a":"')
        for _ in range(200):
            file.write(b"x" * (1 << 20))
        file.write(b'"}\n' + json.dumps(C).encode() + b"\n")
    begun = time.monotonic()
    telemetry = read_telemetry(path)
    assert len(telemetry) == 2
    assert [str(d) for d in telemetry.damages] == ["capture.json.gz: line 2: longer than 16 MiB; not read"]
    assert time.monotonic() - begun < 10


@pytest.mark.skipif(not SAMPLES.exists(), reason="the real recordings are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("sysmon_1_3_22.ndjson.gz", {("sysmon", "3"): 7183, ("sysmon", "1"): 2079, ("sysmon", "22"): 2059}),
        ("panther_analysis/NetworkConnectIP4_Win_1.json", {("falcon", "NetworkConnectIP4"): 1}),
        ("security_datasets/3008_1.json", {("dns_client", "3008"): 1}),
    ],
)
def test_real_recordings_are_read_whole(name, kinds):
    telemetry = read_telemetry(SAMPLES / name)
    assert telemetry.damages == ()
    assert {(e.sensor, e.kind): len(e) for e in telemetry.events} == kinds
