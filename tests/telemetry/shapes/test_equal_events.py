"""The same five events in every shape are the same for a rule, field by field, at the door that a user takes."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.telemetry.shape import list_shapes
from tests.cli.command_line import detlab

FOLDER = Path(__file__).parent
KINDS = ("3", "4688", "4104", "1116", "ProcessRollup2")
EVERY = frozenset(KINDS[:4])

NUMBERS = frozenset(["Version", "Task", "Opcode"])
# What Winlogbeat renders in words, and those behind it with it.
RENDERED = frozenset(["Task", "Opcode", "Keywords"])
BESIDE = frozenset(["Guid", "ProcessID", "ThreadID", "UserID", "ActivityID"])


@dataclass(frozen=True)
class Case:
    """A file with these kinds of events; `lacks` are fields that the shape cannot carry, `step` its seconds."""

    kinds: frozenset[str] = EVERY
    lacks: frozenset[str] = frozenset()
    data: dict[str, frozenset[str]] = field(default_factory=dict)
    step: float = 0.001
    remark: str = ""


# A rendered message of Defender tells 12 of 42 data.
DEFENDER_MESSAGE = frozenset(
    [
        "Threat_Name",
        "Threat_ID",
        "Severity_Name",
        "Category_Name",
        "Path",
        "Origin_Name",
        "Type_Name",
        "Source_Name",
        "Detection_User",
        "Process_Name",
        "Security_intelligence_Version",
        "Engine_Version",
    ]
)
MESSAGE = {"1116": DEFENDER_MESSAGE}
FALCON = frozenset({"ProcessRollup2"})

CASES = {
    "windows_xml.xml": Case(),
    "evtx_dump.jsonl": Case(),
    "evtx_dump_numbered.txt": Case(),
    "evtx_dump_separate.jsonl": Case(),
    "xmltodict.ndjson": Case(),
    "velociraptor.jsonl": Case(),
    "velociraptor_hunter.jsonl": Case(lacks=NUMBERS | {"Level", "Keywords"} | BESIDE - {"UserID"}),
    "winlogbeat.ndjson": Case(lacks=RENDERED | {"Level"}),
    "winlogbeat_hits.ndjson": Case(kinds=EVERY | FALCON, lacks=RENDERED | {"Level"}),
    "elastic_answer.json": Case(lacks=RENDERED | {"Level"}),
    "winlogbeat_6.ndjson": Case(lacks=RENDERED | {"Level"}),
    "kibana.csv": Case(lacks=RENDERED, remark="times name no zone"),
    "ecs_sysmon.ndjson": Case(kinds=frozenset({"3"}), lacks=RENDERED | {"Level"}, step=2),
    "nxlog.ndjson": Case(step=1, lacks=frozenset({"Level"})),
    "flat.ndjson": Case(),
    "fluentbit_winevtlog.ndjson": Case(step=1),
    "fluentbit_winlog.ndjson": Case(step=1, lacks=NUMBERS - {"Task"} | {"Level", "Keywords"} | BESIDE - {"UserID"}),
    "evtxecmd.json": Case(lacks=NUMBERS | {"Guid", "ActivityID"}),
    "evtxecmd.csv": Case(lacks=NUMBERS | {"Guid", "ActivityID"}),
    "wazuh.ndjson": Case(lacks=frozenset({"UserID", "ActivityID"})),
    "wazuh_archives.ndjson": Case(lacks=frozenset({"UserID", "ActivityID"})),
    "wazuh_winevtchannel.ndjson": Case(lacks=frozenset({"ActivityID"})),
    "get_winevent.json": Case(),
    "get_winevent_7.ndjson": Case(),
    "get_winevent.clixml": Case(),
    "get_winevent.csv": Case(step=1, data=MESSAGE, remark="times name no zone"),
    "telegraf.ndjson": Case(lacks=frozenset({"Guid", "Keywords"})),
    "log_analytics.json": Case(kinds=frozenset({"4688"}), lacks=frozenset({"Guid"})),
    "elastic_bulk.ndjson": Case(lacks=RENDERED),
    "event_viewer.csv": Case(
        step=1,
        lacks=NUMBERS | BESIDE | {"Level", "Keywords", "Computer", "EventRecordID", "RecordNumber", "dest"},
        data=MESSAGE,
        remark="times name no zone",
    ),
    "splunk_source.csv": Case(lacks=NUMBERS | BESIDE | {"Level", "Keywords", "EventRecordID", "RecordNumber"}),
    "search_table.csv": Case(lacks=RENDERED),
    "wrapped.ndjson": Case(lacks=RENDERED),
    "xml_in_json.ndjson": Case(),
    "loki.json": Case(lacks=frozenset({"Guid", "ActivityID"})),
    "get_eventlog.csv": Case(
        step=1,
        lacks=NUMBERS | BESIDE | {"Level", "Keywords"},
        data=MESSAGE,
        remark="times name no zone",
    ),
    "graylog.ndjson": Case(lacks=RENDERED | {"Level"}),
    "graylog_search.json": Case(lacks=RENDERED | {"Level"}),
    "gelf.ndjson": Case(kinds=EVERY | FALCON, step=1, lacks=frozenset({"Level", "id"})),
    "hayabusa.jsonl": Case(lacks=NUMBERS | BESIDE | {"Level", "Keywords"}),
    "hayabusa.csv": Case(kinds=frozenset({"3"}), lacks=NUMBERS | BESIDE | {"Level", "Keywords"}),
    "chainsaw.json": Case(),
    "splunk_export.json": Case(kinds=EVERY | FALCON),
    "splunk_raw.csv": Case(kinds=EVERY | FALCON),
    "splunk_json_rows.json": Case(kinds=EVERY | FALCON),
    "splunk_hec.ndjson": Case(kinds=EVERY | FALCON),
    "splunk_fields.csv": Case(),
    "splunk_table.csv": Case(),
    "classic_text.ndjson": Case(step=1, lacks=NUMBERS | BESIDE | {"Level", "Keywords"}, data=MESSAGE),
    "sentinel_windows_event.ndjson": Case(lacks=frozenset({"Guid", "ActivityID"})),
    "sentinel_event.csv": Case(
        lacks=NUMBERS - {"Task"} | BESIDE | {"Keywords", "EventRecordID", "RecordNumber"}, remark="times name no zone"
    ),
    "sentinel_security_event.csv": Case(
        kinds=frozenset({"4688"}), lacks=frozenset({"Guid"}), remark="times name no zone"
    ),
    "osquery.ndjson": Case(lacks=frozenset({"Version", "Opcode", "EventRecordID", "RecordNumber"}) | BESIDE - {"Guid"}),
    "otel.ndjson": Case(lacks=frozenset({"UserID", "ActivityID"})),
    # Of no tool: found by the names of System fields, and told.
    "stranger.ndjson": Case(remark="look like Windows events"),
    "falcon.ndjson": Case(kinds=FALCON),
    "falcon_logscale.ndjson": Case(kinds=FALCON, lacks=frozenset({"timestamp", "event_simpleName"})),
    "falcon.csv": Case(kinds=FALCON),
}

OTHERS = {
    "defender_hunting.csv": (
        "defender_endpoint",
        {"RemoteIP": "203.0.113.9", "host": "ws01.corp.example"},
        1777968000.123,
    ),
    "cloudtrail.json": (
        "cloudtrail",
        {"eventName": "CreateUser", "userIdentity.userName": "bob", "sourcetype": "aws:cloudtrail"},
        1777968000,
    ),
    "office_365.csv": ("office_365", {"Workload": "AzureActiveDirectory", "UserId": "bob@corp.example"}, 1777968000),
    "office_365.ndjson": ("office_365", {"Operation": "UserLoggedIn"}, 1777968000),
    "zeek.tsv": ("zeek", {"id.orig_h": "10.0.0.5", "duration": "1.5", "sourcetype": "bro:conn:json"}, 1777968000.123),
    "zeek.ndjson": ("zeek", {"id.orig_h": "10.0.0.5", "duration": "1.5"}, 1777968000.123),
    "suricata.ndjson": ("suricata", {"alert.signature": "ET TEST", "sourcetype": "suricata"}, 1777968000.123456),
}


def rows(tmp_path, text, name, *options):
    rule = tmp_path / "rule.spl"
    rule.write_text(text)
    ran = detlab("query", rule, "--events", FOLDER / name, "--json", "--in-process", *options)
    assert ran.code == 0, ran.err
    return ran.document["rows"], ran.document["damages"] + ran.document["not_understood"]


def by_kind(found):
    kept = {}
    for row in found:
        row = {n: v for n, v in row.items() if v not in (None, "") and n not in METADATA}
        kind = row.get("EventCode") or row.get("event_simpleName") or row.get("#event_simpleName")
        if kind in KINDS:
            kept[kind] = row
    return kept


# What Splunk adds, which does not lie in the event; SystemTime is another spelling of the time.
METADATA = frozenset(
    [
        "index",
        "source",
        "sourcetype",
        "host",
        "SystemTime",
        "signature_id",
        "dvc",
        "_raw",
        "punct",
        "linecount",
        "#event_simpleName",
        "#repo",
    ]
)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("expected")
    found = {}
    for name in ("windows_xml.xml", "falcon.ndjson"):
        found |= by_kind(rows(folder, "index=* | table _time *", name)[0])
    assert set(found) == set(KINDS)
    return found


@pytest.mark.parametrize("name", CASES)
def test_the_same_event_is_the_same_for_a_rule_in_every_shape(tmp_path, expected, name):
    case = CASES[name]
    # What was collected as classic text has the fields of that, unless it is said to be collected as the others are.
    found, damages = rows(tmp_path, "index=* | table _time *", name, "--condition", "source=XmlWinEventLog")
    told = [d["message"] for d in damages]
    assert all(case.remark and case.remark in message for message in told), told
    assert bool(told) == bool(case.remark)
    events = by_kind(found)
    assert set(events) == case.kinds
    for kind, event in events.items():
        right = {n: v for n, v in expected[kind].items() if n not in case.lacks}
        if kind in case.data:
            right = drop_data(right, kind, case.data[kind])
        assert abs(event.pop("_time") - right.pop("_time")) < case.step
        # What a shape cannot carry it may still carry, with the right value.
        own = {n: v for n, v in event.items() if n in right or expected[kind].get(n) != v}
        assert own == right, kind


def drop_data(right, kind, names):
    if kind == "1116":
        system = re.split(
            " ",
            "EventCode EventID Channel Computer Name Guid Version Level Task Opcode Keywords _time "
            "EventRecordID RecordNumber ProcessID ThreadID UserID ActivityID",
        )
        return {n: v for n, v in right.items() if n in names or n in system}
    return {n: v for n, v in right.items() if n not in names}


@pytest.mark.parametrize("name", OTHERS)
def test_events_that_are_not_of_windows_have_their_own_names_time_and_sourcetype(tmp_path, name):
    sensor, fields, time = OTHERS[name]
    (row,), damages = rows(tmp_path, "index=* | table _time *", name)
    assert {n: row.get(n) for n in fields} == fields
    assert row["_time"] == pytest.approx(time)
    assert [d["message"] for d in damages if "zone" not in d["message"]] == []
    seen = json.loads(detlab("events", FOLDER / name, "--json").out)
    assert [kind["sensor"] for kind in seen["kinds"]] == [sensor]


def test_sysmon_for_linux_behind_syslog_headers_is_no_windows_log(tmp_path):
    found, damages = rows(
        tmp_path, 'source="Syslog:Linux-Sysmon/Operational" sourcetype=sysmon:linux | table *', "sysmon_linux.log"
    )
    assert damages == []
    assert [(r["EventCode"], r["Image"], r["DestinationIp"]) for r in found] == [
        ("3", "/usr/bin/curl", "203.0.113.9")
    ] * 2


def test_each_row_of_the_table_has_its_example():
    examples = {shape.name: shape.example for shape in list_shapes()}
    assert {n: e for n, e in examples.items() if not (FOLDER / e).is_file()} == {}
    tried = {*CASES, *OTHERS}
    assert {e for e in examples.values() if e not in tried} == set()


FIELDS = "EventID, Computer, Channel, Provider_Name, Image, ProcessGuid, ProcessId, Initiated, DestinationIp, UtcTime"
CQL_SHAPES = [
    "evtxecmd.csv",
    "wazuh.ndjson",
    "get_winevent.json",
    "graylog.ndjson",
    "velociraptor.jsonl",
    "hayabusa.jsonl",
]


@pytest.mark.parametrize("name", CQL_SHAPES)
def test_logscale_sees_the_same_event_as_splunk(tmp_path, name):
    rule = tmp_path / "rule.cql"
    rule.write_text(f"EventID=3 | table([@timestamp, {FIELDS}])")
    (right,), (found,) = (
        detlab("query", rule, "--events", FOLDER / file, "--json", "--in-process").document["rows"]
        for file in ("windows_xml.xml", name)
    )
    assert found == right
    assert (found["DestinationIp"], found["@timestamp"]) == ("203.0.113.9", 1777968000123)
