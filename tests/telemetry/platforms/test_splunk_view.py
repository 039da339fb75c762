"""What a Splunk search sees of recorded events."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from harness.telemetry.events.event import CAUSE, TIME, TIME_TYPE, Events, Telemetry
from harness.telemetry.platform import platform
from tests.columns import text_column

SYSMON = {
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "EventID": "3",
    "Provider_Name": "Microsoft-Windows-Sysmon",
}


def events(sensor="sysmon", kind="3", constants=SYSMON, causes=None, **columns):
    rows = len(next(iter(columns.values())))
    at = [datetime(2024, 1, 1, 10, 0, second, 250_000, tzinfo=UTC) for second in range(rows)]
    fixed = {TIME: pa.array(at, TIME_TYPE), CAUSE: pa.array(causes or [-1] * rows, pa.int32())}
    table = pa.table({**fixed, **{name: text_column(values) for name, values in columns.items()}})
    return Events(sensor=sensor, kind=kind, constants=constants, columns=table)


def seen(recorded, conditions=None, *, raw=False, name="splunk"):
    (view,) = platform(name).present(Telemetry(events=(recorded,)), conditions or {}, raw=raw)
    rows = view.columns.to_pylist()
    return [{n: v for n, v in {**view.constants, **row}.items() if v is not None} for row in rows]


def test_a_sysmon_event_in_a_current_installation():
    assert seen(events(Computer=["WS01.corp.local"], Image=["C:\\a.exe"], DestinationPort=["443"])) == [
        {
            "index": "wineventlog",
            "source": "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational",
            "sourcetype": "xmlwineventlog",
            "host": "WS01",
            "_time": 1704103200.25,
            "Name": "Microsoft-Windows-Sysmon",
            "EventCode": "3",
            "EventID": "3",
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "Computer": "WS01.corp.local",
            "Image": "C:\\a.exe",
            "DestinationPort": "443",
            "app": "C:\\a.exe",
            "process_exec": "a.exe",
            "process_name": "a.exe",
            "dest_port": "443",
            "transport_dest_port": "443",
            "state": "established",
            "protocol": "ip",
            "action": "allowed",
            "vendor_product": "Microsoft Sysmon",
            "dvc": "WS01.corp.local",
            "signature_id": "3",
            "@event": 0,
            "@cause": -1,
        }
    ]


@pytest.mark.parametrize(
    ("conditions", "field", "value"),
    [
        ({"addon": "legacy"}, "sourcetype", "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"),
        ({"addon": "current"}, "sourcetype", "xmlwineventlog"),
        ({"index": "sysmon"}, "index", "sysmon"),
        ({"host": "fqdn"}, "host", "WS01.corp.local"),
        ({"time": "UtcTime"}, "_time", 1704103199.001),
        ({"system_names": "sigma"}, "Provider_Name", "Microsoft-Windows-Sysmon"),
    ],
)
def test_each_condition_changes_one_field(conditions, field, value):
    recorded = events(Computer=["WS01.corp.local"], UtcTime=["2024-01-01 09:59:59.001"])
    without, changed = seen(recorded)[0], seen(recorded, conditions)[0]
    assert changed[field] == value
    assert {n for n in changed if changed[n] != without.get(n)} <= {field}


def test_an_empty_value_is_no_field_and_a_dash_is_text():
    assert [e.get("DestinationHostname") for e in seen(events(DestinationHostname=["", "-", None]))] == [
        None,
        "-",
        None,
    ]


def test_entities_stay_encoded_but_quotes_do_not():
    assert seen(events(CommandLine=["a > b & \"c\" <d> 'e'"]))[0]["CommandLine"] == "a &gt; b &amp; \"c\" &lt;d&gt; 'e'"


def test_names_are_cleaned_and_of_two_that_become_one_the_first_value_wins():
    recorded = events(**{"Threat Name": ["first"], "Threat-Name": ["second"], "_1st": ["x"]})
    assert {n: v for n, v in seen(recorded)[0].items() if n in ("Threat_Name", "st")} == {
        "Threat_Name": "first",
        "st": "x",
    }


def test_the_logging_process_and_the_actor_differ_only_in_the_case_of_their_names():
    event = seen(events(Execution_ProcessID=["2684"], ProcessId=["5728"]))[0]
    assert (event["ProcessID"], event["ProcessId"]) == ("2684", "5728")


def test_unnamed_data_are_one_multivalue_field():
    assert [e.get("Data") for e in seen(events(**{"Data[0]": ["a", "b", None], "Data[1]": ["c", None, None]}))] == [
        ["a", "c"],
        ["b"],
        None,
    ]


def test_time_without_a_readable_utctime_is_when_the_event_was_written():
    recorded = events(UtcTime=["-", "2024-13-77 10:00:00.000", "2024-01-01 09:00:00.5"])
    assert [e["_time"] for e in seen(recorded, {"time": "UtcTime"})] == [1704103200.25, 1704103201.25, 1704099600.5]


def test_metadata_that_an_input_recorded_stays_unless_a_condition_is_given():
    recorded = events(source=["WinEventLog:Security"], host=["collector"], Computer=["WS01"])
    kept, told = seen(recorded)[0], seen(recorded, {"source": "XmlWinEventLog"})[0]
    assert (kept["source"], kept["host"]) == ("WinEventLog:Security", "collector")
    assert told["source"] == "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"


def test_a_falcon_event_is_json_whose_values_stay_as_they_are():
    recorded = events("falcon", "DnsRequest", {"event_simpleName": "DnsRequest"}, **{"a>b": ["<x>"], "Tags[0]": [""]})
    assert seen(recorded) == [
        {
            "index": "crowdstrike",
            "source": "crowdstrike:fdr",
            "sourcetype": "crowdstrike:events:sensor",
            "_time": 1704103200.25,
            "event_simpleName": "DnsRequest",
            "a>b": "<x>",
            "Tags{}": [""],
            "@event": 0,
            "@cause": -1,
        }
    ]


def test_the_add_on_names_the_host_or_its_address():
    recorded = events(
        DestinationHostname=["-", "", None, "a.example"],
        DestinationIp=["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"],
        Initiated=["true", "false", "true", None],
        User=["CORP\\alice", "NT AUTHORITY\\SYSTEM", "-", None],
    )
    found = [tuple(e.get(n) for n in ("dest", "dest_ip", "dest_host", "direction", "user")) for e in seen(recorded)]
    assert found == [
        ("192.0.2.1", "192.0.2.1", None, "outbound", "alice"),
        ("192.0.2.2", "192.0.2.2", None, "inbound", "SYSTEM"),
        ("192.0.2.3", "192.0.2.3", None, "outbound", "-"),
        ("a.example", "192.0.2.4", "a.example", None, None),
    ]


@pytest.mark.parametrize(
    ("line", "process"),
    [
        ("cmd /c dir", "C:\\Windows\\cmd.exe cmd /c dir"),
        ("C:\\x\\cmd.exe /c dir", "C:\\x\\cmd.exe /c dir"),
        ('"C:\\Program Files\\a.exe" x', '"C:\\Program Files\\a.exe" x'),
    ],
)
@pytest.mark.parametrize("constant", ["", "CommandLine", "NewProcessName", "both"])
def test_the_add_on_puts_the_image_before_a_command_line_without_a_path(line, process, constant):
    fields = {"CommandLine": line, "NewProcessName": "C:\\Windows\\cmd.exe"}
    fixed = {n: v for n, v in fields.items() if constant in (n, "both")}
    columns = {n: [v, v] for n, v in fields.items() if n not in fixed}
    recorded = events(
        "windows_security", "4688", {"Channel": "Security", "EventID": "4688", **fixed}, Version=["2", "2"], **columns
    )
    assert [(e["process"], e["process_name"]) for e in seen(recorded)] == [(process, "cmd.exe")] * 2


def test_a_field_that_the_event_itself_has_stays():
    assert seen(events(user=["recorded"], User=["CORP\\alice"]))[0]["user"] == "recorded"


def test_events_are_numbered_over_all_views_and_keep_their_cause():
    first, second = events(causes=[0, 1], Image=["a", "b"]), events(kind="1", causes=[-1], Image=["c"])
    views = platform("splunk").present(Telemetry(events=(first, second)), {})
    assert [v.columns.column("@event").to_pylist() for v in views] == [[0, 1], [2]]
    assert [v.columns.column("@cause").to_pylist() for v in views] == [[0, 1], [-1]]


def test_raw_text_is_the_native_xml_and_comes_only_when_asked_for():
    recorded = events(DestinationHostname=["", None], Image=["a<b", "c"])
    assert "_raw" not in seen(recorded)[0]
    system = (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        "<Provider Name='Microsoft-Windows-Sysmon'/><EventID>3</EventID>"
        "<TimeCreated SystemTime='2024-01-01T10:00:0{}.250000000Z'/><Correlation/><Execution/>"
        "<Channel>Microsoft-Windows-Sysmon/Operational</Channel><Security/></System><EventData>"
    )
    assert [e["_raw"] for e in seen(recorded, raw=True)] == [
        system.format(0)
        + "<Data Name='DestinationHostname'></Data><Data Name='Image'>a&lt;b</Data></EventData></Event>",
        system.format(1) + "<Data Name='Image'>c</Data></EventData></Event>",
    ]


def test_columns_stay_dictionary_encoded():
    (view,) = platform("splunk").present(Telemetry(events=(events(Image=["a", "a"], Computer=["b.c", "b.d"]),)), {})
    assert view.columns.column("Image").combine_chunks().dictionary.to_pylist() == ["a"]
    assert view.columns.column("host").combine_chunks().dictionary.to_pylist() == ["b"]


def test_metadata_that_only_some_inputs_recorded_is_made_for_the_others():
    recorded = events(host=["collector", None], sourcetype=[None, "stash"], Computer=["WS01", "WS02.corp.local"])
    found = [(e["host"], e["sourcetype"]) for e in seen(recorded)]
    assert found == [("collector", "xmlwineventlog"), ("WS02", "stash")]


COLLECTED = {
    "CommandLine": ["1> \\\\127.0.0.1\\admin$\\__1 2>&1"],
    "Threat Name": ["<a>"],
    "Computer": ["WS01.corp.local"],
    "Rule[0]": ["x"],
    "Rule[1]": ["y"],
}
CHANNEL = "Microsoft-Windows-Sysmon/Operational"


@pytest.mark.parametrize(
    ("conditions", "source", "sourcetype", "line", "threat"),
    [
        ({}, f"XmlWinEventLog:{CHANNEL}", "xmlwineventlog", "2&gt;&amp;1", "&lt;a&gt;"),
        ({"addon": "legacy"}, f"XmlWinEventLog:{CHANNEL}", f"XmlWinEventLog:{CHANNEL}", "2&gt;&amp;1", "&lt;a&gt;"),
        ({"source": "WinEventLog"}, f"WinEventLog:{CHANNEL}", "WinEventLog", "2>&1", "<a>"),
        (
            {"source": "WinEventLog", "addon": "legacy"},
            f"WinEventLog:{CHANNEL}",
            f"WinEventLog:{CHANNEL}",
            "2>&1",
            "<a>",
        ),
    ],
)
def test_a_collection_is_one_thing(conditions, source, sourcetype, line, threat):
    event = seen(events(**COLLECTED), conditions, raw=True)[0]
    assert (event["source"], event["sourcetype"]) == (source, sourcetype)
    assert event["CommandLine"].endswith(line)
    assert event["Threat_Name"] == threat
    assert line in event["_raw"]
    classic = source.startswith("WinEventLog")
    # XML has System's elements, classic text its headings.
    assert (("ComputerName" in event), ("Computer" in event), ("LogName" in event)) == (classic, not classic, classic)
    assert event["_raw"].startswith("01/01/2024 10:00:00 AM\nLogName=Micro" if classic else "<Event xmlns=")
    assert event.get("Message", "").startswith("\nCommandLine: 1>") == classic
    assert event["dvc"] == "WS01.corp.local"


def test_names_for_sigma_come_with_every_collection_and_have_no_blanks():
    for source in ("XmlWinEventLog", "WinEventLog"):
        event = seen(events(**COLLECTED), {"source": source, "system_names": "sigma"})[0]
        assert event["ThreatName"] == event["Threat_Name"]
        assert (event["Channel"], event["EventID"], event["Computer"]) == (CHANNEL, "3", "WS01.corp.local")
        assert event["Rule"] == ["x", "y"]


def test_labels_of_the_security_logs_messages_repeat_and_have_both_values():
    security = {"Channel": "Security", "EventID": "4688", "Provider_Name": "Microsoft-Windows-Security-Auditing"}
    recorded = events(
        "windows_security",
        "4688",
        security,
        SubjectUserName=["WS01$"],
        TargetUserName=["bob"],
        NewProcessName=["C:\\a.exe"],
        ProcessId=["0x4"],
        CommandLine=["C:\\a.exe > x"],
        Keywords=["0x8020000000000000"],
    )
    event = seen(recorded, {"source": "WinEventLog"}, raw=True)[0]
    assert event["Account_Name"] == ["WS01$", "bob"]
    assert (event["New_Process_Name"], event["Creator_Process_ID"]) == ("C:\\a.exe", "0x4")
    assert (event["Keywords"], event["SourceName"]) == ("Audit Success", "Microsoft Windows security auditing.")
    assert (event["process"], event["process_name"]) == ("C:\\a.exe > x", "a.exe")
    assert "\nProcess Command Line: C:\\a.exe > x" in event["_raw"]
    assert "NewProcessName" not in event


def test_metadata_that_came_with_events_say_how_they_were_collected():
    recorded = events(CommandLine=["a > b"], source=["WinEventLog:Security"], sourcetype=["WinEventLog:Security"])
    event = seen(recorded)[0]
    assert (event["sourcetype"], event["CommandLine"]) == ("WinEventLog:Security", "a > b")


def test_the_current_add_on_has_every_value_of_a_repeated_name_and_an_old_one_the_first():
    recorded = events(**{"Key": ["a"], "Key[1]": ["b"]})
    assert seen(recorded)[0]["Key"] == ["a", "b"]
    assert seen(recorded, {"addon": "legacy"})[0]["Key"] == "a"


@pytest.mark.parametrize("owner", ["sysmon", CHANNEL, CHANNEL.upper()])
def test_a_teams_own_names_hold_for_a_sensor_or_a_channel(owner):
    conditions = {f"sourcetype:{owner}": "WinEventLog:Sysmon", f"index:{owner}": "edr", f"source:{owner}": "s"}
    event = seen(events(Computer=["WS01"], sourcetype=["recorded"]), conditions)[0]
    assert (event["index"], event["source"], event["sourcetype"]) == ("edr", "s", "WinEventLog:Sysmon")
    other = seen(events("falcon", "ProcessRollup2", {}, aid=["1"]), conditions)[0]
    assert (other["index"], other["sourcetype"]) != ("edr", "WinEventLog:Sysmon")


def test_a_sourcetype_of_ones_own_is_obeyed():
    assert seen(events(Computer=["WS01"]), {"sourcetype": "Sysmon"})[0]["sourcetype"] == "Sysmon"
