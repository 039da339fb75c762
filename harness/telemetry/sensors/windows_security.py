"""The Security channel: processes started, scheduled tasks created and deleted, as audit policy lets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow.compute as pc

from harness.telemetry.account_events import record_group_additions, record_new_accounts
from harness.telemetry.events.event import Events
from harness.telemetry.events.text_columns import decimal, encode_codes, encode_hexadecimal
from harness.telemetry.platform import Condition
from harness.telemetry.sensor import ActivityRows, Sensor, Setup
from harness.telemetry.simulation.activity import (
    AccountCreation,
    GroupAddition,
    ProcessCreation,
    ScheduledJobCreation,
    ScheduledJobDeletion,
    UserLogoff,
    UserLogon,
)
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.host import Host, Process, User
from harness.telemetry.simulation.identity import FILETIME_OF_1970, digest_hex, random_guids
from harness.telemetry.windows_log import AUDIT_FAILURE, AUDIT_SUCCESS, Channel, computer, late, thread_of, vary_threads

CHANNEL = Channel(
    sensor="windows_security",
    provider="Microsoft-Windows-Security-Auditing",
    guid="{54849625-5478-4994-A5BA-3E3B0328C30D}",
    name="Security",
    keywords=AUDIT_SUCCESS,
    level="0",
)

# A program in a container has the low label and capabilities beside it.
LABELS = {"AppContainer": 4096, "Low": 4096, "Medium": 8192, "High": 12288, "System": 16384}


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
        # 34 threads in 735 recorded events (telemetry.md, addenda).
        "Execution_ThreadID": vary_threads(rows, setup, "audit", 34),
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
        "CommandLine": new.texts(lambda p: p.command_line if with_line else ""),
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
    """The name in an audit record: the machine's own account stands for SYSTEM and NETWORK SERVICE."""
    # In 976 of 976 recorded events of S-1-5-18 and 11 of 11 of S-1-5-20.
    return f"{host.name}$" if user.sid in MACHINE_SIDS else user.name


def domain_name(user: User, host: Host) -> str:
    """The domain in an audit record: the machine's own for its own account, WORKGROUP outside of one."""
    return (host.netbios_domain or "WORKGROUP") if user.sid in MACHINE_SIDS else user.domain


MACHINE_SIDS = ("S-1-5-18", "S-1-5-20")
"""Accounts that are the machine's own on the network: SYSTEM and NETWORK SERVICE."""


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


# As Windows names who checked a logon: the console and remote desktop (User32), services (Advapi), and the network.
LOGON_PROCESSES = {2: "User32 ", 3: "Kerberos", 5: "Advapi  ", 7: "User32 ", 10: "User32 ", 11: "User32 "}
NULL_GUID = "{00000000-0000-0000-0000-000000000000}"
# The eight of a recorded 4672, each on a line of its own behind three tabs.
PRIVILEGES = "\n\t\t\t".join(
    f"Se{name}Privilege"
    for name in (
        *("Security", "Backup", "Restore", "TakeOwnership"),
        *("Debug", "SystemEnvironment", "LoadDriver", "Impersonate"),
    )
)


def record_logons(rows: ActivityRows[UserLogon], setup: Setup) -> Iterator[Events]:
    """4624 and, for accounts with privileges, 4672; 4625 where the logon was refused."""
    if not setup.on("audit_logon"):
        return
    granted = rows.where(lambda a: a.failure is None)
    refused = rows.where(lambda a: a.failure is not None)
    if len(granted):
        yield from record_granted_logons(granted, setup)
    if len(refused):
        yield from record_refused_logons(refused, setup)


def record_granted_logons(rows: ActivityRows[UserLogon], setup: Setup) -> Iterator[Events]:
    """Event 4624, version 2, and 4672 in the same moment."""
    guids = pc.utf8_upper(random_guids(setup.random, len(rows), braces=True))
    kerberos = rows.flag(lambda a: a.logon_type == 3)
    target = build_logon_target(rows)
    columns: dict[str, Any] = {
        **build_lsass_columns(rows, setup),
        **build_logon_subject(rows),
        **target,
        "LogonType": rows.each(lambda a: str(a.logon_type)),
        "LogonProcessName": rows.each(lambda a: LOGON_PROCESSES.get(a.logon_type, "Negotiat")),
        "AuthenticationPackageName": rows.each(lambda a: "Kerberos" if a.logon_type == 3 else "Negotiate"),
        "WorkstationName": rows.text(lambda a: a.workstation or "-"),
        "LogonGuid": encode_codes(
            np.where(kerberos, np.arange(len(rows)), len(rows)).astype(np.int64), [*guids.to_pylist(), NULL_GUID]
        ),
        "TransmittedServices": rows.each(lambda _: "-"),
        "LmPackageName": rows.each(lambda _: "-"),
        "KeyLength": rows.each(lambda _: "0"),
        **build_logon_source(rows),
        "ImpersonationLevel": rows.each(lambda _: "%%1833"),
        "RestrictedAdminMode": rows.each(lambda _: "-"),
        "TargetOutboundUserName": rows.each(lambda _: "-"),
        "TargetOutboundDomainName": rows.each(lambda _: "-"),
        "VirtualAccount": rows.each(lambda _: "%%1843"),
        "TargetLinkedLogonId": rows.each(lambda _: "0x0"),
        "ElevatedToken": rows.each(lambda a: "%%1842" if a.privileged or a.logon_type == 5 else "%%1843"),
    }
    at = late(rows.at, setup, least=0.0005, median=0.001)
    yield CHANNEL.written("4624", columns, at=at, cause=rows.cause, version="2", task="12544")
    special = rows.where(lambda a: a.privileged)
    if len(special):
        who = build_logon_target(special)
        named = {f"Subject{name.removeprefix('Target')}": column for name, column in who.items()}
        columns = {**build_lsass_columns(special, setup), **named, "PrivilegeList": special.each(lambda _: PRIVILEGES)}
        at = late(special.at, setup, least=0.0005, median=0.001)
        yield CHANNEL.written("4672", columns, at=at, cause=special.cause, task="12548")


# Status, reason and SubStatus of refusals as NTSTATUS names them: no such user, wrong password, disabled, locked out.
REFUSALS = {
    0xC0000064: ("0xc000006d", "%%2313"),
    0xC000006A: ("0xc000006d", "%%2313"),
    0xC0000072: ("0xc000006e", "%%2310"),
    0xC0000234: ("0xc0000234", "%%2307"),
}


def record_refused_logons(rows: ActivityRows[UserLogon], setup: Setup) -> Iterator[Events]:
    """Event 4625: the account that was named, and why it was refused."""
    target = build_logon_target(rows)
    columns: dict[str, Any] = {
        **build_lsass_columns(rows, setup),
        **build_logon_subject(rows),
        # Whoever was refused has no identity: S-1-0-0 in both recorded events.
        "TargetUserSid": rows.each(lambda _: "S-1-0-0"),
        "TargetUserName": target["TargetUserName"],
        "TargetDomainName": target["TargetDomainName"],
        "Status": rows.each(lambda a: REFUSALS[a.failure or 0][0]),
        "FailureReason": rows.each(lambda a: REFUSALS[a.failure or 0][1]),
        "SubStatus": rows.each(lambda a: hex(a.failure or 0)),
        "LogonType": rows.each(lambda a: str(a.logon_type)),
        "LogonProcessName": rows.each(lambda a: "NtLmSsp " if a.logon_type == 3 else "User32 "),
        "AuthenticationPackageName": rows.each(lambda a: "NTLM" if a.logon_type == 3 else "Negotiate"),
        "WorkstationName": rows.text(lambda a: a.workstation or "-"),
        "TransmittedServices": rows.each(lambda _: "-"),
        "LmPackageName": rows.each(lambda _: "-"),
        "KeyLength": rows.each(lambda _: "0"),
        **build_logon_source(rows),
    }
    at = late(rows.at, setup, least=0.0005, median=0.001)
    yield CHANNEL.written("4625", columns, at=at, cause=rows.cause, task="12544", keywords=AUDIT_FAILURE)


def record_logoffs(rows: ActivityRows[UserLogoff], setup: Setup) -> Iterator[Events]:
    """Event 4634: a session is gone."""
    if not setup.on("audit_logon"):
        return
    columns = {
        **build_lsass_columns(rows, setup),
        **build_logon_target(rows),
        "LogonType": rows.each(lambda a: str(a.logon_type)),
    }
    at = late(rows.at, setup, least=0.0005, median=0.001)
    yield CHANNEL.written("4634", columns, at=at, cause=rows.cause, task="12545")


def build_lsass_columns(rows: ActivityRows[Any], setup: Setup) -> dict[str, Any]:
    """System fields of what lsass.exe writes, by a few of its threads."""
    return {
        "Computer": rows.each(computer),
        "Execution_ProcessID": rows.each(lambda a: str(a.host.running("lsass.exe").pid)),
        "Execution_ThreadID": vary_threads(rows, setup, "lsass", 6),
    }


def build_logon_subject(rows: ActivityRows[UserLogon]) -> dict[str, Any]:
    """Who asked: the machine itself at its own desktop and for services, nobody over the network."""
    remote = {a: a.logon_type == 3 for a in rows.activities}
    return {
        "SubjectUserSid": rows.each(lambda a: "S-1-0-0" if remote[a] else "S-1-5-18"),
        "SubjectUserName": rows.each(lambda a: "-" if remote[a] else f"{a.host.name}$"),
        "SubjectDomainName": rows.each(lambda a: "-" if remote[a] else a.host.netbios_domain or "WORKGROUP"),
        "SubjectLogonId": rows.each(lambda a: "0x0" if remote[a] else "0x3e7"),
    }


def build_logon_target(rows: ActivityRows[Any]) -> dict[str, Any]:
    """The account and its session."""

    def of_account(value: Callable[[User, Host], str]) -> Any:
        return rows.text(lambda a: TextColumn(values=[value(u, a.host) for u in a.accounts], codes=a.who))

    return {
        "TargetUserSid": of_account(lambda u, _: u.sid),
        "TargetUserName": of_account(lambda u, h: user_name(u, h) if u.sid == "S-1-5-18" else u.name),
        "TargetDomainName": of_account(lambda u, h: u.domain),
        "TargetLogonId": encode_hexadecimal(rows.number(lambda a: a.logon_ids)),
    }


def build_logon_source(rows: ActivityRows[UserLogon]) -> dict[str, Any]:
    """The process that asked on this host, the address that asked from elsewhere."""
    return {
        "ProcessId": rows.each(lambda a: "0x0" if a.logon_type == 3 else hex(int(a.process.pids[0]))),
        "ProcessName": rows.each(lambda a: "-" if a.logon_type == 3 else a.process.image),
        "IpAddress": rows.text(lambda a: a.source_ip or "-"),
        "IpPort": decimal(rows.number(lambda a: a.source_port)),
    }


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
        Condition(
            name="audit_logon",
            values=("on", "off"),
            meaning="whether logons are audited (4624, 4625, 4634, 4672); Windows itself has it on",
        ),
    ),
    records={
        ProcessCreation: record_event_4688,
        ScheduledJobCreation: record_event_4698,
        ScheduledJobDeletion: record_event_4699,
        UserLogon: record_logons,
        UserLogoff: record_logoffs,
        AccountCreation: partial(record_new_accounts, CHANNEL),
        GroupAddition: partial(record_group_additions, CHANNEL),
    },
)
