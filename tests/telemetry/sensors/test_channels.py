"""PowerShell, DNS-Client and TaskScheduler channels."""

import json
from xml.etree import ElementTree

import pytest

from harness.telemetry.sensors.powershell import SENSOR as POWERSHELL
from harness.telemetry.simulation.activity import ScriptExecution
from harness.telemetry.simulation.simulate import record_activities

NAMESPACE = "{http://schemas.microsoft.com/win/2004/08/events/event}"


def event_data(row):
    system = ("@", "Execution_", "Correlation_", "Provider_", "Security_")
    names = ("EventID", "Version", "Level", "Task", "Opcode", "Keywords", "Channel", "EventRecordID", "Computer")
    return [n for n in row if not n.startswith(system) and n not in names]


def test_a_script_block_is_logged_once_however_often_it_loops(simulated, rows):
    (event,) = rows(simulated("beacon", every="30s", times=5), "powershell", "4104")
    assert "Invoke-WebRequest" in event["ScriptBlockText"]
    assert (event["Level"], event["Opcode"], event["MessageTotal"], event["Path"]) == ("5", "15", "1", "")


def test_4104_has_the_fields_and_envelope_of_a_recorded_one(simulated, samples, rows):
    path = samples / "evtx_to_mitre_attack" / "PowerShell_4104_2.xml"
    tree = ElementTree.fromstring(path.read_text("utf-8"))
    recorded = [d.get("Name") for d in tree.iter(f"{NAMESPACE}Data")]
    (event,) = rows(simulated("beacon", times=1), "powershell", "4104")
    assert event_data(event)[: len(recorded)] == recorded
    assert event_data(event) == ["MessageNumber", "MessageTotal", "ScriptBlockText", "ScriptBlockId", "Path"]
    for name in ("Version", "Opcode", "Keywords"):
        assert event[name] == tree.find(f"{NAMESPACE}System/{NAMESPACE}{name}").text


def test_the_pid_of_4104_is_that_of_powershell(simulated, rows):
    telemetry = simulated("beacon", times=1)
    (event,) = rows(telemetry, "powershell", "4104")
    pids = [r["ProcessId"] for r in rows(telemetry, "sysmon", "1") if r["Image"].endswith("powershell.exe")]
    assert pids == [event["Execution_ProcessID"]]


def test_logging_off_still_leaves_what_powershell_suspects(host):
    process = host.process(r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe")
    plain = ScriptExecution(at=host.now, host=host, process=process, script_block="Get-Date")
    odd = ScriptExecution(at=host.now, host=host, process=process, script_block="[Ref].Assembly", suspicious=True)
    (events,) = record_activities([(0, plain), (0, odd)], [POWERSHELL], {"script_block_logging": "off"}, 1)
    assert events.constants["Level"] == "3"
    assert events.columns.column("ScriptBlockText").to_pylist() == ["[Ref].Assembly"]


def test_a_long_script_is_split_and_can_be_put_together(host):
    process = host.process(r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe")
    text = "".join(f"Write-Output {i};" for i in range(3000))
    script = ScriptExecution(at=host.now, host=host, process=process, script_block=text)
    (events,) = record_activities([(0, script)], [POWERSHELL], {}, 1)
    rows = events.columns.to_pylist()
    assert len(rows) == 4
    assert {r["MessageTotal"] for r in rows} == {"4"}
    assert len({r["ScriptBlockId"] for r in rows}) == 1
    assert "".join(r["ScriptBlockText"] for r in sorted(rows, key=lambda r: int(r["MessageNumber"]))) == text


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (
            "3006",
            "QueryName QueryType QueryOptions ServerList IsNetworkQuery NetworkQueryIndex InterfaceIndex IsAsyncQuery",
        ),
        ("3008", "QueryName QueryType QueryOptions QueryStatus QueryResults"),
        ("3020", "QueryName QueryType NetworkIndex InterfaceIndex Status QueryResults"),
    ],
)
def test_dns_client_events_have_the_manifest_s_fields(kind, fields, simulated, rows):
    events = rows(simulated("dns_lookups"), "dns_client", kind)
    assert all(event_data(e) == fields.split() for e in events)


def test_dns_client_events_are_named_and_typed_as_recorded(simulated, samples, rows):
    recorded = json.loads((samples / "security_datasets" / "3006_1.json").read_text("utf-8"))
    (event, *_) = rows(simulated("dns_lookups"), "dns_client", "3006")
    assert event["Provider_Guid"].lower() == recorded["provider_guid"]
    assert event["QueryOptions"] == recorded["event_data"]["QueryOptions"]
    assert set(recorded["event_data"]) <= set(event)


def test_a_lookup_probes_the_cache_and_then_asks(simulated, rows):
    events = rows(simulated("dns_lookups", domains=["a.example"], query_type="A+AAAA"), "dns_client", "3008")
    assert sorted((e["QueryType"], e["QueryStatus"]) for e in events) == [("1", "87"), ("28", "87"), ("28", "9003")]


def test_the_caller_asks_and_the_service_answers(simulated, rows):
    telemetry = simulated("dns_lookups", domains=["a.example"])
    asked, answered = rows(telemetry, "dns_client", "3006")[0], rows(telemetry, "dns_client", "3020")[0]
    (started,) = [r for r in rows(telemetry, "sysmon", "1") if r["Image"].endswith("powershell.exe")]
    assert asked["Execution_ProcessID"] == started["ProcessId"]
    assert answered["Security_UserID"] == "S-1-5-20"
    assert answered["Execution_ProcessID"] != asked["Execution_ProcessID"]


def test_a_task_s_run_leaves_its_events_in_their_order(simulated):
    telemetry = simulated("scheduled_task")
    written = {e.kind: int(e.columns.column("EventRecordID")[0].as_py()) for e in telemetry.of("task_scheduler")}
    assert sorted(written, key=written.get) == ["106", "107", "129", "100", "200", "201", "102"]


def test_a_task_run_by_hand_has_110_instead_of_107(simulated):
    kinds = {e.kind for e in simulated("scheduled_task", on_demand=True).of("task_scheduler")}
    assert "110" in kinds
    assert "107" not in kinds


def test_the_events_of_a_run_share_its_instance_and_pid(simulated, rows):
    telemetry = simulated("scheduled_task", times=2)
    for field, kinds in (("InstanceId", ("100", "102", "107")), ("TaskInstanceId", ("200", "201"))):
        for kind in kinds:
            events = rows(telemetry, "task_scheduler", kind)
            assert [e[field] for e in events] == [e["Correlation_ActivityID"] for e in events]
    started = [r["ProcessId"] for r in rows(telemetry, "sysmon", "1") if r["Image"].endswith("powershell.exe")]
    assert [r["ProcessID"] for r in rows(telemetry, "task_scheduler", "129")] == started


@pytest.mark.parametrize("kind", ["106", "129", "200", "201"])
def test_task_scheduler_events_have_the_fields_of_recorded_ones(kind, simulated, samples, rows):
    recorded = json.loads((samples / "security_datasets" / f"{kind}_1.json").read_text("utf-8"))
    (event, *_) = rows(simulated("scheduled_task"), "task_scheduler", kind)
    shipper_keeps_for_itself = {"ProcessID"}
    assert set(event_data(event)) - shipper_keeps_for_itself <= set(recorded)


@pytest.mark.parametrize(
    ("condition", "sensor"),
    [
        ("dns_client_log", "dns_client"),
        ("task_scheduler_log", "task_scheduler"),
        ("script_block_logging", "powershell"),
    ],
)
def test_a_channel_that_is_off_records_nothing(condition, sensor, simulated):
    for behaviour in ("dns_lookups", "scheduled_task"):
        assert simulated(behaviour, conditions={condition: "off"}).of(sensor) == ()
