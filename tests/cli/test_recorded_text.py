"""The text of an event is the one that its file holds, whatever of it is a field."""

import gzip
import json

import pytest

from harness.telemetry.format import read_telemetry
from harness.telemetry.recorded_text import read_recorded_texts
from tests.cli.command_line import detlab
from tests.telemetry.formats.event_log_file import event_log

SYSTEM = (
    "<System><Provider Name='Microsoft-Windows-Eventlog' Guid='{fc65ddd8-d6ef-4962-83d5-6e5cfe9ce148}'/>"
    "<EventID>1102</EventID><TimeCreated SystemTime='2026-05-05T08:00:0{n}.1234567Z'/>"
    "<EventRecordID>{n}</EventRecordID><Channel>Security</Channel><Computer>WS01</Computer></System>"
)
CLEARED = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>"
    + SYSTEM
    + "<UserData><LogFileCleared><SubjectUserName>bob</SubjectUserName><Deep><Inner>x</Inner></Deep></LogFileCleared>"
    "</UserData><RenderingInfo Culture='en-US'><Message>The audit log was cleared.</Message></RenderingInfo></Event>"
)
RULES = [
    "index=* LogFileCleared | table EventRecordID",
    'index=* "audit log was cleared" | table EventRecordID',
    'index=* | rex "<SubjectUserName>(?<who>[^<]+)<" | where who="bob" | table EventRecordID',
    'index=* | spath path=Event.UserData.LogFileCleared.Deep.Inner output=w | where w="x" | table EventRecordID',
]


def asked(tmp_path, content, text, name="log.xml"):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (tmp_path / "rule.spl").write_text(text)
    ran = detlab("query", tmp_path / "rule.spl", "--events", tmp_path / name, "--json")
    assert ran.code == 0, ran.err
    return ran.document["rows"]


@pytest.mark.parametrize("text", RULES)
@pytest.mark.parametrize("packed", [bytes, gzip.compress, lambda b: b"\xff\xfe" + b.decode().encode("utf-16-le")])
def test_the_text_of_an_event_in_xml_is_that_of_the_file(tmp_path, text, packed):
    rows = asked(tmp_path, packed(CLEARED.replace("{n}", "4").encode()), text)
    assert rows == [{"EventRecordID": "4"}]


@pytest.mark.parametrize("text", RULES)
def test_a_decoders_json_gives_the_same_text(tmp_path, text):
    event = {
        "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
        "System": {
            "Provider": {"#attributes": {"Name": "Microsoft-Windows-Eventlog"}},
            "EventID": 1102,
            "TimeCreated": {"#attributes": {"SystemTime": "2026-05-05T08:00:00.000000Z"}},
            "EventRecordID": 4,
            "Channel": "Security",
            "Computer": "WS01",
        },
        "UserData": {"LogFileCleared": {"SubjectUserName": "bob", "Deep": {"Inner": "x"}}},
        "RenderingInfo": {"#attributes": {"Culture": "en-US"}, "Message": "The audit log was cleared."},
    }
    assert asked(tmp_path, json.dumps({"Event": event}), text, "log.json") == [{"EventRecordID": "4"}]


@pytest.mark.parametrize("text", RULES)
def test_an_event_log_gives_the_same_text(tmp_path, text):
    system = [
        ("Provider", {"Name": "Microsoft-Windows-Eventlog"}, ""),
        ("EventID", {}, "1102"),
        ("TimeCreated", {"SystemTime": "2026-05-05T08:00:00.0000000Z"}, ""),
        ("EventRecordID", {}, "4"),
        ("Channel", {}, "Security"),
        ("Computer", {}, "WS01"),
    ]
    cleared = ("LogFileCleared", {}, [("SubjectUserName", {}, "bob"), ("Deep", {}, [("Inner", {}, "x")])])
    words = ("RenderingInfo", {"Culture": "en-US"}, [("Message", {}, "The audit log was cleared.")])
    event = ("Event", {}, [("System", {}, system), ("UserData", {}, [cleared]), words])
    assert asked(tmp_path, event_log([(17_779_680_000_000_000, event)]), text, "log.evtx") == [{"EventRecordID": "4"}]


def test_a_shippers_message_and_user_data_are_in_the_text(tmp_path):
    line = {
        "@timestamp": "2026-05-05T08:00:00Z",
        "message": "The audit log was cleared & saved.",
        "winlog": {
            "channel": "Security",
            "event_id": "1102",
            "provider_name": "Microsoft-Windows-Eventlog",
            "record_id": 4,
            "user_data": {"xml_name": "LogFileCleared", "SubjectUserName": "bob"},
        },
    }
    for text in [RULES[0], RULES[1], RULES[2]]:
        assert asked(tmp_path, json.dumps(line), text, "log.ndjson") == [{"EventRecordID": "4"}]


def test_texts_of_several_kinds_and_files_stay_with_their_events(tmp_path):
    log = "<Events>" + "".join(CLEARED.replace("{n}", str(n)).replace("1102", str(1100 + n % 3)) for n in range(9))
    (tmp_path / "a.xml").write_text(log + "</Events>")
    answer = {"value": [{"EventID": 1, "Channel": "Application", "EventRecordID": n, "x": {"y": n}} for n in (50, 51)]}
    (tmp_path / "b.json").write_text(json.dumps(answer) + "\n" + json.dumps(answer["value"][0]))
    telemetry = read_telemetry(tmp_path)
    for events, texts in zip(telemetry.events, read_recorded_texts(telemetry), strict=True):
        numbers = events.columns.column("EventRecordID").to_pylist()
        for number, text in zip(numbers, texts.to_pylist(), strict=True):
            assert f"<EventRecordID>{number}<" in text or f'"EventRecordID":{number},' in text.replace(" ", "")


def test_the_text_of_json_is_the_line_and_of_an_envelope_the_event(tmp_path):
    lines = [
        '{"b": 1,  "a": [{"z": "C:\\\\x"}], "time": "2026-05-05T08:00:00Z"}',
        '{"time": 1, "event": {"q": [1]}}',
    ]
    (tmp_path / "rule.cql").write_text("select([@rawstring])")
    (tmp_path / "log.ndjson").write_text("\n".join(lines))
    ran = detlab("query", tmp_path / "rule.cql", "--events", tmp_path / "log.ndjson", "--json")
    assert {row["@rawstring"] for row in ran.document["rows"]} == {lines[0], '{"q":[1]}'}


def test_a_file_that_changed_meanwhile_is_an_error(tmp_path):
    (tmp_path / "log.xml").write_text(CLEARED.replace("{n}", "4") * 2)
    telemetry = read_telemetry(tmp_path / "log.xml")
    (tmp_path / "log.xml").write_text(CLEARED.replace("{n}", "4"))
    with pytest.raises(Exception, match="has changed since its events were read"):
        read_recorded_texts(telemetry)
