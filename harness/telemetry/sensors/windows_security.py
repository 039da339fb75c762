"""The Security channel: processes started, scheduled tasks created and deleted, as audit policy lets them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import decimal, encode_hexadecimal
from harness.telemetry.platform import Condition
from harness.telemetry.sensor import ActivityRows, Sensor, Setup
from harness.telemetry.simulation.activity import ProcessCreation, ScheduledJobCreation, ScheduledJobDeletion
from harness.telemetry.simulation.host import Host, Process, User
from harness.telemetry.simulation.identity import FILETIME_OF_1970, digest_hex
from harness.telemetry.windows_log import AUDIT_SUCCESS, Channel, computer, late, thread_of

CHANNEL = Channel(
    sensor="windows_security",
    provider="Microsoft-Windows-Security-Auditing",
    guid="{54849625-5478-4994-A5BA-3E3B0328C30D}",
    name="Security",
    keywords=AUDIT_SUCCESS,
    level="0",
)

LABELS = {"Low": 4096, "Medium": 8192, "High": 12288, "System": 16384}


def record_event_4688(rows: ActivityRows[ProcessCreation], setup: Setup) -> Iterator[Events]:
    """Event 4688, version 2; CommandLine is empty unless its policy is on."""
    if not setup.on("audit_process_creation"):
        return
    new, creators = rows.processes(), rows.processes(lambda a: a.process.parent)
    with_line = setup.conditions["audit_command_line"] == "on"
    columns: dict[str, Any] = {
        "Computer": rows.each(computer),
        # The kernel writes 4688: 4 in 1,306 recorded events. 4698 and 4699 come
        # from one small pid, taken for lsass.exe.
        "Execution_ProcessID": "4",
        "Execution_ThreadID": rows.each(thread_of("audit")),
        "SubjectUserSid": rows.each(lambda a: creator(a.process).sid),
        "SubjectUserName": rows.each(lambda a: user_name(creator(a.process), a.host)),
        "SubjectDomainName": rows.each(lambda a: domain_name(creator(a.process), a.host)),
        "SubjectLogonId": rows.each(lambda a: hex(creator(a.process).logon_id)),
        "NewProcessId": new.column(encode_hexadecimal(new.numbers(lambda p: p.pids))),
        "NewProcessName": new.each(lambda p: p.image),
        # Default, full and limited token (1936, 1937, 1938): 1,160, 68 and 32 of 1,260
        # recorded events. Nobody here has a limited one.
        "TokenElevationType": new.each(lambda p: "%%1937" if has_full_token(p) else "%%1936"),
        "ProcessId": creators.column(encode_hexadecimal(creators.numbers(lambda p: p.pids))),
        "CommandLine": new.each(lambda p: p.command_line if with_line else ""),
        # Filled only where the new process has another user than its creator.
        "TargetUserSid": rows.each(lambda a: a.process.user.sid if crosses(a.process) else "S-1-0-0"),
        "TargetUserName": rows.each(lambda a: user_name(a.process.user, a.host) if crosses(a.process) else "-"),
        "TargetDomainName": rows.each(lambda a: domain_name(a.process.user, a.host) if crosses(a.process) else "-"),
        "TargetLogonId": rows.each(lambda a: hex(a.process.user.logon_id) if crosses(a.process) else "0x0"),
        "ParentProcessName": creators.each(lambda p: p.image),
        "MandatoryLabel": new.each(lambda p: f"S-1-16-{LABELS[p.integrity]}"),
    }
    # Chosen: no recorded 4688 has a time of its own beside that of writing.
    at = late(rows.at, setup, least=0.0005, median=0.001)
    yield CHANNEL.written("4688", columns, at=at, cause=rows.cause, version="2", task="13312")


def creator(process: Process) -> User:
    """The account that started a process."""
    return process.parent.user if process.parent else process.user


def crosses(process: Process) -> bool:
    """Whether a process runs as another account than the one that started it."""
    return creator(process).sid != process.user.sid


def has_full_token(process: Process) -> bool:
    """Whether it has the full token of an administrator who also has a limited one."""
    return process.integrity == "High" and not process.user.system


def user_name(user: User, host: Host) -> str:
    """The name in an audit record: the machine's own account stands for SYSTEM."""
    # In 976 of 976 recorded events of S-1-5-18. 11 of 11 of S-1-5-20 have it too, which is not followed yet.
    return f"{host.name}$" if user.sid == "S-1-5-18" else user.name


def domain_name(user: User, host: Host) -> str:
    """The domain in an audit record: the machine's own for SYSTEM, WORKGROUP outside of one."""
    return (host.netbios_domain or "WORKGROUP") if user.sid == "S-1-5-18" else user.domain


def record_event_4698(rows: ActivityRows[ScheduledJobCreation], setup: Setup) -> Iterator[Events]:
    """Event 4698, task created."""
    yield from task_events("4698", rows, setup, with_content=True)


def record_event_4699(rows: ActivityRows[ScheduledJobDeletion], setup: Setup) -> Iterator[Events]:
    """Event 4699, task deleted."""
    yield from task_events("4699", rows, setup, with_content=False)


def task_events(kind: str, rows: ActivityRows[Any], setup: Setup, *, with_content: bool) -> Iterator[Events]:
    """Version 1 of an event about a scheduled task; the document is there only when the task is new."""
    if not setup.on("audit_other_object_access"):
        return
    clients, parents = rows.processes(), rows.processes(lambda a: a.process.parent)
    columns: dict[str, Any] = {
        "Computer": rows.each(computer),
        "Correlation_ActivityID": rows.each(lambda a: activity_id(a.host)),
        "Execution_ProcessID": rows.each(lambda a: str(a.host.running("lsass.exe").pid)),
        "Execution_ThreadID": rows.each(thread_of("lsass")),
        "SubjectUserSid": clients.each(lambda p: p.user.sid),
        "SubjectUserName": rows.each(lambda a: user_name(a.process.user, a.host)),
        "SubjectDomainName": rows.each(lambda a: domain_name(a.process.user, a.host)),
        "SubjectLogonId": clients.each(lambda p: hex(p.user.logon_id)),
        "TaskName": rows.each(lambda a: a.task.name),
        "TaskContent": rows.each(lambda a: a.task.document if with_content else ""),
        "ClientProcessStartKey": clients.column(decimal(clients.numbers(lambda p: p.start_keys))),
        "ClientProcessId": clients.column(decimal(clients.numbers(lambda p: p.pids))),
        "ParentProcessId": parents.column(decimal(parents.numbers(lambda p: p.pids))),
        "RpcCallClientLocality": rows.each(lambda a: "0"),
        "FQDN": rows.each(lambda a: a.host.computer),
    }
    # After the service has stored the task: a whole recorded registration takes 31 ms.
    at = late(rows.at, setup, least=0.02)
    yield CHANNEL.written(kind, columns, at=at, cause=rows.cause, version="1", task="12804")


def activity_id(host: Host) -> str:
    """The Security channel's ActivityID: a number, and the time of start in 100 ns, least byte first."""
    # Recorded: {9D5ADC19-303C-0000-B13F-1E9E068DD601}. That its end is a time, and 8.3 s after boot, is inferred.
    ticks = int((host.boot - np.datetime64(0, "us")) / np.timedelta64(1, "us")) * 10 + FILETIME_OF_1970 + 83_113_370
    tail = ticks.to_bytes(8, "little").hex().upper()
    head = digest_hex("activity", host.aid, host.boot_number, size=6).upper()
    return f"{{{head[:8]}-{head[8:]}-0000-{tail[:4]}-{tail[4:]}}}"


SENSOR = Sensor(
    name="windows_security",
    meaning="the Security channel of Windows",
    origin=CHANNEL,
    conditions=(
        Condition(
            name="audit_process_creation",
            values=("on", "off"),
            meaning="whether process creation is audited (4688); Windows itself leaves it off",
        ),
        Condition(
            name="audit_command_line",
            values=("on", "off"),
            meaning="whether 4688 holds the command line; Windows itself leaves it off",
        ),
        Condition(
            name="audit_other_object_access",
            values=("on", "off"),
            meaning="whether scheduled tasks are audited (4698, 4699); Windows itself leaves it off",
        ),
    ),
    records={
        ProcessCreation: record_event_4688,
        ScheduledJobCreation: record_event_4698,
        ScheduledJobDeletion: record_event_4699,
    },
)
