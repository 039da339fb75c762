"""Logons, services, pipes and libraries as the channels write them."""

import numpy as np

from harness.telemetry.sensor import sensor
from harness.telemetry.simulation.activity import ImageLoad, NamedPipe, ProcessCreation
from harness.telemetry.simulation.simulate import record_activities
from tests.telemetry.sensors.test_windows_security import after_system, data_of


def record(activity, name):
    return [
        {**part.constants, **row}
        for part in record_activities([(0, activity)], [sensor(name)], {}, 1)
        for row in part.columns.to_pylist()
    ]


def test_a_desktop_is_logged_on_to_unlocked_and_mistyped_at(simulated, rows):
    telemetry = simulated("logons", refused_per_hour=3.0)
    granted = rows(telemetry, "windows_security", "4624")
    assert {r["LogonType"] for r in granted} == {"2", "5", "7"}
    services = [r for r in granted if r["LogonType"] == "5"]
    assert {(r["TargetUserSid"], r["TargetLogonId"], r["ElevatedToken"]) for r in services} == {
        ("S-1-5-18", "0x3e7", "%%1842")
    }
    refused = rows(telemetry, "windows_security", "4625")
    assert {r["Keywords"] for r in refused} == {"0x8010000000000000"}
    assert {(r["SubStatus"], r["Status"]) for r in refused} <= {
        ("0xc000006a", "0xc000006d"),
        ("0xc0000064", "0xc000006d"),
        ("0xc0000072", "0xc000006e"),
        ("0xc0000234", "0xc0000234"),
    }
    special = {(r["SubjectLogonId"], r["SubjectUserSid"]) for r in rows(telemetry, "windows_security", "4672")}
    assert special <= {(r["TargetLogonId"], r["TargetUserSid"]) for r in granted}


def test_fields_stand_as_in_recorded_ones(simulated, samples, rows):
    telemetry = simulated("logons", refused_per_hour=3.0)
    folder = samples / "evtx_to_mitre_attack"
    recorded = data_of(folder / "Security-Auditing_4624_1.xml")
    # The recorded one is of version 1; version 2 has six more at its end.
    assert after_system(rows(telemetry, "windows_security", "4624")[0])[: len(recorded)] == recorded
    special = rows(telemetry, "windows_security", "4672")[0]
    assert after_system(special) == data_of(folder / "Security-Auditing_4672_1.xml")
    assert special["PrivilegeList"].startswith("SeSecurityPrivilege\n\t\t\tSeBackupPrivilege")


def test_a_new_service_is_written_by_the_service_control_manager(simulated, rows):
    found = rows(simulated("service_installation"), "system_log", "7045")
    assert {(r["Channel"], r["Keywords"], r["Task"], r["AccountName"]) for r in found} == {
        ("System", "0x8080000000000000", "0", "LocalSystem")
    }


def test_pipes_and_libraries_are_events_17_18_and_7(host, samples):
    at = np.array(["2026-03-03T09:12:00"], "datetime64[us]")
    process = host.process(r"C:\Windows\PSEXESVC.exe")
    for kind, connected in (("17", False), ("18", True)):
        pipe = NamedPipe(at=at, host=host, process=process, name=r"\PSEXESVC", connected=connected)
        (event,) = record(pipe, "sysmon")
        assert (event["EventID"], event["PipeName"]) == (kind, r"\PSEXESVC")
        names = [n for n in event if n in data_of(samples / "evtx_to_mitre_attack" / f"Sysmon_{kind}_1.xml")]
        assert names == data_of(samples / "evtx_to_mitre_attack" / f"Sysmon_{kind}_1.xml")
    load = ImageLoad(at=at, host=host, process=process, library=r"C:\Windows\System32\amsi.dll")
    (event,) = record(load, "sysmon")
    assert (event["EventID"], event["Signed"], event["Signature"]) == ("7", "true", "Microsoft Windows")


def test_the_network_service_is_the_machine_in_4688(host):
    worker = host.process(r"C:\Windows\System32\wbem\WmiPrvSE.exe", parent=host.service("Dnscache"))
    (event,) = record(ProcessCreation(at=host.now, host=host, process=worker), "windows_security")
    assert (event["SubjectUserSid"], event["SubjectUserName"], event["SubjectDomainName"]) == (
        "S-1-5-20",
        "WS01$",
        "CORP",
    )
