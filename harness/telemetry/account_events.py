"""What the Security channel records of local accounts and groups; Windows itself audits both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.telemetry.events.event import Events
from harness.telemetry.sensor import ActivityRows, Setup
from harness.telemetry.simulation.activity import AccountCreation, GroupAddition
from harness.telemetry.windows_log import Channel, computer, late, vary_threads

# Of an account of which only a name was said; %%1793 is "not set", %%1794 never, %%1797 all hours (msobjs.dll).
UNSET_ACCOUNT = {
    "PrivilegeList": "-", "DisplayName": "%%1793", "UserPrincipalName": "-", "HomeDirectory": "%%1793",
    "HomePath": "%%1793", "ScriptPath": "%%1793", "ProfilePath": "%%1793", "UserWorkstations": "%%1793",
    "PasswordLastSet": "%%1794", "AccountExpires": "%%1794", "PrimaryGroupId": "513", "AllowedToDelegateTo": "-",
    "OldUacValue": "0x0", "NewUacValue": "0x15",
    "UserAccountControl": "\r\n\t\t%%2080\r\n\t\t%%2082\r\n\t\t%%2084",
    "UserParameters": "%%1793", "SidHistory": "-", "LogonHours": "%%1797",
}  # fmt: skip


def build_account_columns(rows: ActivityRows[Any], setup: Setup) -> dict[str, Any]:
    """System fields of what lsass.exe writes."""
    return {
        "Computer": rows.each(computer),
        "Execution_ProcessID": rows.each(lambda a: str(a.host.running("lsass.exe").pid)),
        "Execution_ThreadID": vary_threads(rows, setup, "lsass", 6),
    }


def build_subject_columns(rows: ActivityRows[Any]) -> dict[str, Any]:
    """Who asked for it."""
    return {
        "SubjectUserSid": rows.each(lambda a: a.process.user.sid),
        "SubjectUserName": rows.each(lambda a: a.process.user.name),
        "SubjectDomainName": rows.each(lambda a: a.process.user.domain),
        "SubjectLogonId": rows.each(lambda a: hex(a.process.user.logon_id)),
    }


def record_new_accounts(channel: Channel, rows: ActivityRows[AccountCreation], setup: Setup) -> Iterator[Events]:
    """Events 4720 and, right behind it, 4722."""
    target = {
        "TargetUserName": rows.each(lambda a: a.account),
        "TargetDomainName": rows.each(lambda a: a.host.name),
        "TargetSid": rows.each(lambda a: a.sid),
    }
    common, subject = build_account_columns(rows, setup), build_subject_columns(rows)
    unset = {name: rows.each(lambda _, value=value: value) for name, value in UNSET_ACCOUNT.items()}  # type: ignore[misc]
    named = {"SamAccountName": rows.each(lambda a: a.account)}
    order = ["PrivilegeList", "SamAccountName", *(n for n in UNSET_ACCOUNT if n != "PrivilegeList")]
    columns = {**common, **target, **subject, **{n: {**unset, **named}[n] for n in order}}
    at = late(rows.at, setup, least=0.0005, median=0.001)
    yield channel.written("4720", columns, at=at, cause=rows.cause, task="13824")
    enabled = late(rows.at, setup, least=0.002, median=0.003)
    yield channel.written("4722", {**common, **target, **subject}, at=enabled, cause=rows.cause, task="13824")


def record_group_additions(channel: Channel, rows: ActivityRows[GroupAddition], setup: Setup) -> Iterator[Events]:
    """Event 4732: a local group names its new member by its identifier alone."""
    columns = {
        **build_account_columns(rows, setup),
        "MemberName": rows.each(lambda _: "-"),
        "MemberSid": rows.each(lambda a: a.member_sid),
        "TargetUserName": rows.each(lambda a: a.group),
        "TargetDomainName": rows.each(lambda a: "Builtin" if a.group_sid.startswith("S-1-5-32-") else a.host.name),
        "TargetSid": rows.each(lambda a: a.group_sid),
        **build_subject_columns(rows),
        "PrivilegeList": rows.each(lambda _: "-"),
    }
    at = late(rows.at, setup, least=0.0005, median=0.001)
    yield channel.written("4732", columns, at=at, cause=rows.cause, task="13826")
