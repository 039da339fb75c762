import csv
import re

import pytest

AFTER_SEVENS = 0.4


def key_set(samples, kind):
    with (samples / "falcon_fieldsets" / "fieldsets_win_2025.tsv").open(encoding="utf-8") as file:
        for name, fields, *_ in csv.reader(file, delimiter="\t"):
            if name == kind:
                return {re.sub(r"\(.*", "", f) for f in fields.split()}
    raise AssertionError(kind)


def fields(telemetry, kind):
    (events,) = telemetry.of("falcon", kind)
    return set(events.fields)


@pytest.mark.parametrize(
    ("kind", "behaviour", "given"),
    [
        ("NetworkConnectIP4", "beacon", {"times": 2}),
        ("NetworkConnectIP6", "beacon", {"times": 2, "server": "2001:db8::1"}),
        ("NetworkReceiveAcceptIP4", "beacon", {"times": 2, "server": "127.0.0.1", "listener": True}),
        ("ProcessRollup2", "beacon", {"times": 2}),
        ("EndOfProcess", "beacon", {"times": 2}),
        ("DnsRequest", "dns_lookups", {"status": 0, "answers": ["203.0.113.9"]}),
        ("ScheduledTaskRegistered", "scheduled_task", {}),
        ("ScheduledTaskDeleted", "scheduled_task", {"removed_after": "5m"}),
        ("UserLogon", "logons", {"network_per_hour": 0.0}),
    ],
)
def test_raw_events_have_exactly_the_keys_of_recorded_ones(kind, behaviour, given, simulated, samples):
    assert fields(simulated(behaviour, conditions={"falcon": "raw"}, **given), kind) == key_set(samples, kind)


def test_a_session_has_the_number_that_windows_gives_it_and_a_refused_one_leaves_nothing(simulated, rows):
    found = simulated("logons", lasts="8h", refused_per_hour=3.0)
    windows = [int(r["TargetLogonId"], 16) for r in rows(found, "windows_security", "4624")]
    falcon = rows(found, "falcon", "UserLogon")
    assert sorted(int(r["AuthenticationId"]) for r in falcon) == sorted(windows)
    assert rows(found, "windows_security", "4625")
    assert {r["LogonType"] for r in falcon if r.get("RemoteAddressIP4")} <= {"3", "10"}


def test_a_sensor_of_2023_does_not_name_the_program_that_calls(simulated):
    old = fields(simulated("beacon", times=1, conditions={"falcon_sensor": "2023"}), "NetworkConnectIP4")
    new = fields(simulated("beacon", times=1), "NetworkConnectIP4")
    assert new - old == {"ContextBaseFileName", "RemoteAddressString"}


def test_a_raw_connection_knows_neither_image_nor_computer(simulated):
    assert fields(simulated("beacon", times=1), "NetworkConnectIP4").isdisjoint({"ImageFileName", "ComputerName"})


def test_enriched_connections_have_both(simulated, rows):
    (event,) = rows(simulated("beacon", times=1, conditions={"falcon": "enriched"}), "falcon", "NetworkConnectIP4")
    assert event["ComputerName"] == "WS01"
    assert re.fullmatch(r"\\Device\\HarddiskVolume\d\\Windows\\.*\\powershell\.exe", event["ImageFileName"])


def test_next_generation_siem_adds_the_computer_only(simulated):
    found = fields(simulated("beacon", times=1, conditions={"falcon": "ngsiem"}), "NetworkConnectIP4")
    assert "ComputerName" in found
    assert "ImageFileName" not in found


def test_attempts_are_recorded_though_nobody_listens(simulated):
    telemetry = simulated("beacon", server="127.0.0.1", port=8888, times=5)
    assert [len(e) for e in telemetry.of("falcon", "NetworkConnectIP4")] == [5]
    assert telemetry.of("falcon", "NetworkReceiveAcceptIP4") == ()


def test_a_listener_on_this_host_accepts_what_it_is_sent(simulated, rows):
    telemetry = simulated("beacon", server="127.0.0.1", port=8888, times=1, listener=True)
    (called,) = rows(telemetry, "falcon", "NetworkConnectIP4")
    (accepted,) = rows(telemetry, "falcon", "NetworkReceiveAcceptIP4")
    assert (called["ConnectionDirection"], accepted["ConnectionDirection"]) == ("0", "1")
    assert (called["LocalPort"], called["RemotePort"]) == (accepted["RemotePort"], accepted["LocalPort"])
    assert accepted["ContextBaseFileName"] == "python.exe"


def test_a_connection_belongs_to_a_process_that_was_rolled_up(simulated, rows):
    telemetry = simulated("scheduled_task", server="203.0.113.10", times=3)
    started = {r["TargetProcessId"]: r for r in rows(telemetry, "falcon", "ProcessRollup2")}
    calls = rows(telemetry, "falcon", "NetworkConnectIP4")
    assert len({c["ContextProcessId"] for c in calls}) == 3
    for call in calls:
        assert started[call["ContextProcessId"]]["ImageFileName"].endswith(call["ContextBaseFileName"])


def test_both_products_agree_on_ports_pids_and_times(simulated, rows):
    telemetry = simulated("beacon", times=5)
    sysmon, falcon = rows(telemetry, "sysmon", "3"), rows(telemetry, "falcon", "NetworkConnectIP4")
    assert [e["SourcePort"] for e in sysmon] == [e["LocalPort"] for e in falcon]
    assert [e["UtcTime"][-6:] for e in sysmon] == [f"{float(e['ContextTimeStamp']) % 60:06.3f}" for e in falcon]
    pids = {e["ProcessId"] for e in rows(telemetry, "sysmon", "1")}
    assert pids == {e["RawProcessId"] for e in rows(telemetry, "falcon", "ProcessRollup2")}


def test_the_cloud_receives_events_half_a_second_to_a_second_later(simulated, rows):
    for event in rows(simulated("beacon", times=200), "falcon", "NetworkConnectIP4"):
        assert AFTER_SEVENS < int(event["timestamp"]) / 1000 - float(event["ContextTimeStamp"]) < 1.1


def test_of_datagrams_from_one_socket_only_the_first_is_recorded(simulated, rows):
    telemetry = simulated("multicast_chatter")
    mdns = [r for r in rows(telemetry, "falcon", "NetworkConnectIP4") if r["RemotePort"] == "5353"]
    assert len(mdns) == 1
    assert len([r for r in rows(telemetry, "sysmon", "3") if r["DestinationIp"] == "224.0.0.251"]) > 20


def test_a_failed_lookup_has_no_answers(simulated, rows):
    (event,) = rows(simulated("dns_lookups", domains=["a.example"]), "falcon", "DnsRequest")
    assert (event["QueryStatus"], event["IP4Records"], event["FirstIP4Record"]) == ("9003", None, None)
    assert (event["DomainName"], event["RequestType"], event["DualRequest"]) == ("a.example", "1", "0")


def test_a_registered_task_names_the_client_that_asked(simulated, rows):
    telemetry = simulated("scheduled_task")
    (event,) = rows(telemetry, "falcon", "ScheduledTaskRegistered")
    clients = {r["TargetProcessId"]: r["ImageFileName"] for r in rows(telemetry, "falcon", "ProcessRollup2")}
    assert clients[event["RpcClientProcessId"]].endswith("schtasks.exe")
    assert (event["TaskName"], event["TaskExecCommand"]) == (r"\WindowsNetworkHealth", "powershell.exe")
    assert event["TaskXml"].startswith("<?xml")
