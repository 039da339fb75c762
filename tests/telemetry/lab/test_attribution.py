"""Whose doing an event is, by process family, task and connection."""

from harness.telemetry.lab.attribution import attribute_events

SYSMON = "Microsoft-Windows-Sysmon/Operational"
TASKS = "Microsoft-Windows-TaskScheduler/Operational"
SCHEDULE = r"C:\Windows\system32\svchost.exe -k netsvcs -p -s Schedule"


def process(guid, parent, line, image=r"C:\Windows\System32\cmd.exe", pid="1", parent_line="", logon="0x77"):
    return {
        "Channel": SYSMON,
        "EventID": "1",
        "ProcessGuid": guid,
        "ParentProcessGuid": parent,
        "ProcessId": pid,
        "CommandLine": line,
        "ParentCommandLine": parent_line,
        "Image": image,
        "LogonId": logon,
    }


def ours(*events, mark="r.1"):
    return attribute_events(events, mark, "r")


ROOT = process("{1}", "{0}", "cmd.exe /C set DETLAB=r.1& whoami")


def test_descendants_to_any_depth_are_the_tests_in_any_order():
    child, grandchild = process("{2}", "{1}", "a"), process("{3}", "{2}", "b")
    exit_ = {"Channel": SYSMON, "EventID": "5", "ProcessGuid": "{3}"}
    other = process("{9}", "{8}", "c")
    assert ours(exit_, grandchild, other, child, ROOT) == [True, True, False, True, True]


def test_another_test_and_its_own_clean_up_are_not_taken_for_it():
    assert ours(process("{1}", "{0}", "cmd.exe /C set DETLAB=r.10& whoami")) == [False]
    assert ours(process("{1}", "{0}", "cmd.exe /C set DETLAB=r.1c& whoami")) == [False]


def test_processes_without_a_guid_have_no_children():
    nobody = "{00000000-0000-0000-0000-000000000000}"
    assert ours({**ROOT, "ProcessGuid": nobody}, process("{2}", nobody, "a")) == [False, False]


def test_both_sides_of_a_loopback_connection_are_the_tests():
    def connection(guid, port):
        end = {"SourceIp": "127.0.0.1", "SourcePort": port, "DestinationIp": "127.0.0.1", "DestinationPort": "8888"}
        return {"Channel": SYSMON, "EventID": "3", "ProcessGuid": guid, **end}

    assert ours(ROOT, connection("{1}", "50000"), connection("{7}", "50000"), connection("{7}", "50001")) == [
        True,
        True,
        True,
        False,
    ]


def test_a_task_and_all_that_it_does_are_the_tests():
    schtasks = process("{2}", "{1}", 'schtasks /create /tn "My Task" /tr a.exe', r"C:\Windows\System32\schtasks.exe")
    created = {"Channel": "Security", "EventID": "4698", "TaskName": r"\My Task"}
    launched = {"Channel": TASKS, "EventID": "129", "TaskName": r"\My Task", "ProcessID": "4242"}
    run = process("{3}", "{50}", "a.exe", pid="4242", parent_line=SCHEDULE)
    same_pid_elsewhere = process("{4}", "{51}", "b.exe", pid="4242", parent_line="explorer.exe")
    foreign = {"Channel": "Security", "EventID": "4698", "TaskName": r"\Backup", "SubjectLogonId": "0x5"}
    assert ours(run, launched, created, schtasks, ROOT, same_pid_elsewhere, foreign) == [True] * 5 + [False, False]


def test_a_task_made_without_schtasks_is_known_by_its_logon():
    created = {"Channel": "Security", "EventID": "4698", "TaskName": r"\Quiet", "SubjectLogonId": "0x77"}
    scheduled = {"Channel": TASKS, "EventID": "106", "TaskName": r"\Quiet"}
    assert ours(ROOT, scheduled, created) == [True, True, True]


def test_a_script_is_known_by_its_process():
    script = {"Channel": "Microsoft-Windows-PowerShell/Operational", "EventID": "4104", "Execution_ProcessID": "1"}
    logon = {"Channel": "Security", "EventID": "4624", "Execution_ProcessID": "1"}
    assert ours(ROOT, script, logon) == [True, True, False]
