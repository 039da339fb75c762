"""Windows events as a team's Splunk collects them: the collection, the team's own names, what is said on the line."""

import json

import pytest

from tests.cli.command_line import detlab
from tests.telemetry.formats.event_log_file import event_log

CHANNEL = "Microsoft-Windows-Sysmon/Operational"
EVENT = {
    "Provider_Name": "Microsoft-Windows-Sysmon",
    "EventID": 1,
    "Channel": CHANNEL,
    "Computer": "WS01",
    "SystemTime": "2026-05-05T08:00:00.000000Z",
    "Image": "C:\\Windows\\System32\\cmd.exe",
    "CommandLine": "cmd.exe /Q /c dir 1> \\\\127.0.0.1\\admin$\\__1 2>&1",
}
SCENARIO = """
title: A command shell starts
activity: malicious
simulate:
  - {behaviour: shell, host: WS01}
expect:
  - {rule: rule.spl, outcome: true positive}
"""
BEHAVIOUR = '''
from collections.abc import Iterator
from datetime import datetime

from numpy.random import Generator

from harness.telemetry.simulation.activity import Activity, ProcessCreation
from harness.telemetry.simulation.host import Host


def shell(host: Host, start: datetime, random: Generator) -> Iterator[Activity]:
    """A command shell starts."""
    yield ProcessCreation(at=start, host=host, process=host.process("C:\\\\Windows\\\\System32\\\\cmd.exe"))
'''
OWN_NAMES = f"inputs:\n  {CHANNEL}: {{index: edr, sourcetype: WinEventLog:Sysmon}}\n"


def found(folder, text, *options, events="log.ndjson"):
    (folder / "log.ndjson").write_text(json.dumps(EVENT))
    (folder / "rule.spl").write_text(text)
    ran = detlab("query", folder / "rule.spl", "--events", folder / events, "--json", *options)
    assert ran.code == 0, ran.err
    return ran.document["rows"]


def test_classic_collection_has_the_characters_that_xml_encodes(tmp_path):
    text = f'source="WinEventLog:{CHANNEL}" sourcetype=WinEventLog CommandLine="*2>&1" | table EventCode, LogName'
    assert found(tmp_path, text, "--condition", "source=WinEventLog") == [{"EventCode": "1", "LogName": CHANNEL}]
    assert found(tmp_path, 'CommandLine="*2&gt;&amp;1" | table EventCode') == [{"EventCode": "1"}]


@pytest.mark.parametrize("said", ["Message", "_raw"])
def test_the_message_of_a_classic_event_is_searched_by_its_words(tmp_path, said):
    text = f'{said}="*CommandLine: cmd.exe /Q*" | table EventCode'
    assert found(tmp_path, text, "--condition", "source=WinEventLog") == [{"EventCode": "1"}]
    assert found(tmp_path, f'{said}="*CommandLine: cmd.exe /Q*" | table EventCode') == []


def test_a_page_beside_the_rule_has_a_teams_own_names(tmp_path):
    (tmp_path / "detlab.yaml").write_text(OWN_NAMES)
    text = f'index=edr sourcetype="WinEventLog:Sysmon" source="XmlWinEventLog:{CHANNEL}" | table EventCode'
    assert found(tmp_path, text) == [{"EventCode": "1"}]
    assert found(tmp_path, text, "--condition", "index:sysmon=other") == []


def test_a_teams_own_names_hold_for_simulated_events_too(tmp_path):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "generators").mkdir()
    (tmp_path / "generators" / "shell.py").write_text(BEHAVIOUR)
    (tmp_path / "scenarios" / "shell.yaml").write_text(SCENARIO)
    (tmp_path / "scenarios" / "rule.spl").write_text("index=edr sourcetype=WinEventLog:Sysmon EventCode=1 cmd.exe")
    assert detlab("run", tmp_path / "scenarios").code == 1
    (tmp_path / "scenarios" / "detlab.yaml").write_text(OWN_NAMES)
    assert detlab("run", tmp_path / "scenarios").code == 0


def test_settings_elsewhere_are_named(tmp_path):
    (tmp_path / "team.yaml").write_text(OWN_NAMES)
    assert found(tmp_path, "index=edr | table EventCode", "--settings", tmp_path / "team.yaml") == [{"EventCode": "1"}]


def test_a_name_that_inputs_do_not_have_is_an_error_at_its_place(tmp_path):
    (tmp_path / "detlab.yaml").write_text("inputs:\n  sysmon: {sourcetypes: x}\n")
    (tmp_path / "log.ndjson").write_text(json.dumps(EVENT))
    (tmp_path / "rule.spl").write_text("index=*")
    ran = detlab("query", tmp_path / "rule.spl", "--events", tmp_path / "log.ndjson")
    assert ran.code == 2
    assert "error[unknown-field]: `sourcetypes` has no meaning here" in ran.err
    assert "did you mean `sourcetype`?" in ran.err


def test_a_sourcetype_said_of_an_event_log_is_its_own(tmp_path):
    system = [
        ("Provider", {"Name": "Microsoft-Windows-Sysmon"}, ""),
        ("EventID", {}, "1"),
        ("TimeCreated", {"SystemTime": "2026-05-05T08:00:00.0000000Z"}, ""),
        ("Channel", {}, CHANNEL),
        ("Computer", {}, "WS01"),
    ]
    data = ("EventData", {}, [("Data", {"Name": "CommandLine"}, "a > b")])
    log = event_log([(17_779_680_000_000_000, ("Event", {}, [("System", {}, system), data]))])
    (tmp_path / "log.evtx").write_bytes(log)
    text = "sourcetype=mine host=h9 | table CommandLine"
    said = found(tmp_path, text, "--sourcetype", "mine", "--host", "h9", events="log.evtx")
    assert said == [{"CommandLine": "a &gt; b"}]
    # The name of a classic collection is one: entities are not encoded there.
    text = 'sourcetype="WinEventLog:Sysmon" | table CommandLine, source'
    said = found(tmp_path, text, "--sourcetype", "WinEventLog:Sysmon", events="log.evtx")
    assert said == [{"CommandLine": "a > b", "source": f"WinEventLog:{CHANNEL}"}]


def test_a_file_of_event_logs_in_text_is_read_as_one_when_its_sourcetype_says_so(tmp_path):
    text = "sourcetype=XmlWinEventLog | table EventCode, Image"
    said = found(tmp_path, text, "--sourcetype", "XmlWinEventLog")
    assert said == [{"EventCode": "1", "Image": EVENT["Image"]}]


def test_sigmas_names_have_no_blanks_in_both_languages(tmp_path):
    event = {**EVENT, "Channel": "Microsoft-Windows-Windows Defender/Operational", "Threat Name": "Virus:EICAR"}
    (tmp_path / "log.ndjson").write_text(json.dumps(event))
    for name, text in (("a.spl", "ThreatName=*EICAR | table EventID"), ("a.cql", "ThreatName=*EICAR | table(EventID)")):
        (tmp_path / name).write_text(text)
        said = ("query", tmp_path / name, "--events", tmp_path / "log.ndjson", "--json")
        assert detlab(*said, "--condition", "system_names=sigma").document["rows"] == [{"EventID": "1"}]
        assert detlab(*said).document["rows"] == []


CLASSIC = (
    "05/05/2026 08:00:00 AM\nLogName=Microsoft-Windows-Sysmon/Operational\nSourceName=Microsoft-Windows-Sysmon\n"
    "EventCode=1\nEventType=4\nComputerName=WS01\nRecordNumber=7\nMessage=Process Create:\n"
    "UtcTime: 2026-05-05 07:59:59.001\nImage: C:\\cmd.exe\nCommandLine: cmd.exe > x & y"
)


def test_an_export_of_classic_events_is_what_was_exported(tmp_path):
    exported = {"_raw": CLASSIC, "source": f"WinEventLog:{CHANNEL}", "sourcetype": "WinEventLog", "host": "h"}
    (tmp_path / "out.json").write_text(json.dumps({"preview": False, "result": exported}))
    text = 'sourcetype=WinEventLog "Process Create" CommandLine="*> x & y" | table _raw, CommandLine, LogName'
    assert found(tmp_path, text, events="out.json") == [
        {"_raw": CLASSIC, "CommandLine": "cmd.exe > x & y", "LogName": CHANNEL}
    ]
    text = 'Message="*Process Create*" CommandLine="*&gt; x &amp; y" | table EventCode'
    said = found(tmp_path, text, "--condition", "source=XmlWinEventLog", events="out.json")
    assert said == [{"EventCode": "1"}]
