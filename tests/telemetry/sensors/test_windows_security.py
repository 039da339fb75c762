import re
from xml.etree import ElementTree

import pytest

NAMESPACE = "{http://schemas.microsoft.com/win/2004/08/events/event}"


def data_of(path):
    return [d.get("Name") for d in ElementTree.fromstring(path.read_text("utf-8")).iter(f"{NAMESPACE}Data")]


def after_system(row):
    names = [n for n in row if not n.startswith(("@", "Execution_", "Correlation_", "Provider_"))]
    return names[names.index("SubjectUserSid") :]


def test_4688_has_the_fields_of_a_recorded_one_in_its_order(simulated, samples, rows):
    recorded = data_of(samples / "splunk_security_content" / "windows_event_log_security_4688.xml")
    assert after_system(rows(simulated("beacon", times=1), "windows_security", "4688")[0]) == recorded


def test_4688_has_pids_in_hex_that_agree_with_sysmon(simulated, rows):
    telemetry = simulated("beacon", times=1)
    audited = {int(r["NewProcessId"], 16) for r in rows(telemetry, "windows_security", "4688")}
    assert audited == {int(r["ProcessId"]) for r in rows(telemetry, "sysmon", "1")}


@pytest.mark.parametrize(("policy", "count", "line"), [({}, 2, True), ({"audit_command_line": "off"}, 2, False)])
def test_the_command_line_is_there_only_where_policy_says_so(policy, count, line, simulated, rows):
    events = rows(simulated("beacon", times=1, conditions=policy), "windows_security", "4688")
    assert len(events) == count
    assert all(bool(e["CommandLine"]) is line for e in events)


def test_nothing_is_recorded_that_is_not_audited(simulated):
    off = {"audit_process_creation": "off", "audit_other_object_access": "off"}
    assert simulated("scheduled_task", conditions=off).of("windows_security") == ()


def test_a_run_as_system_has_the_machine_as_its_creator(simulated, rows):
    telemetry = simulated("scheduled_task", run_as="SYSTEM")
    (run,) = [r for r in rows(telemetry, "windows_security", "4688") if r["NewProcessName"].endswith("powershell.exe")]
    assert (run["SubjectUserSid"], run["SubjectUserName"], run["SubjectLogonId"]) == ("S-1-5-18", "WS01$", "0x3e7")
    assert (run["TargetUserName"], run["MandatoryLabel"]) == ("-", "S-1-16-16384")


def test_a_run_as_the_user_names_both_accounts(simulated, rows):
    telemetry = simulated("scheduled_task")
    (run,) = [r for r in rows(telemetry, "windows_security", "4688") if r["NewProcessName"].endswith("powershell.exe")]
    assert run["SubjectUserName"] == "WS01$"
    assert run["TargetUserName"] in rows(telemetry, "sysmon", "13")[0]["User"] or "." in run["TargetUserName"]
    assert run["TargetUserSid"].startswith("S-1-5-21-")


def test_4698_holds_the_name_with_a_backslash_and_the_whole_document(simulated, rows):
    (event,) = rows(simulated("scheduled_task", every="10m"), "windows_security", "4698")
    assert event["TaskName"] == r"\WindowsNetworkHealth"
    assert event["TaskContent"].startswith('<?xml version="1.0" encoding="UTF-16"?>\r\n<Task version="1.2"')
    document = ElementTree.fromstring(event["TaskContent"].partition("?>")[2].strip())
    task = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    assert document.find(f".//{task}Interval").text == "PT10M"
    assert document.find(f".//{task}Command").text == "powershell.exe"
    assert "-WindowStyle Hidden" in document.find(f".//{task}Arguments").text


def test_a_task_s_document_has_the_elements_of_a_recorded_one(simulated, samples, rows):
    path = samples / "evtx_to_mitre_attack" / "Security-Auditing_4698_3.xml"
    data = {d.get("Name"): d.text for d in ElementTree.fromstring(path.read_text("utf-8")).iter(f"{NAMESPACE}Data")}
    (event,) = rows(simulated("scheduled_task", run_as="SYSTEM"), "windows_security", "4698")

    def elements(document):
        return re.findall(r"<(/?\w+)", document.replace("\r\n", "\n").partition("?>")[2])

    made = [e for e in elements(event["TaskContent"]) if e.strip("/") != "Arguments"]
    assert made == elements(data["TaskContent"])


def test_removing_a_task_leaves_4699_without_its_document(simulated, rows):
    (event,) = rows(simulated("scheduled_task", removed_after="5m"), "windows_security", "4699")
    assert (event["TaskName"], event["TaskContent"]) == (r"\WindowsNetworkHealth", "")
