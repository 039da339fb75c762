"""Drafted events as lines of JSON in the looks that the readers know: Windows' own, an export of Splunk, LogScale."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta

from harness.late_pattern import late_pattern
from harness.record import record
from harness.verdict.draft.event_draft import EventDraft

# The start that scenarios have: a Tuesday within working hours.
DRAFT_START = datetime(2026, 3, 3, 9, 12, tzinfo=UTC)
EVENT_METADATA = ("index", "source", "sourcetype", "host")
HOST = "WS01"
CHANNEL = late_pattern(r"(?i)^(?:xml)?wineventlog:(.+)$")
SYSMON = "Microsoft-Windows-Sysmon/Operational"
POWERSHELL_LOG = "Microsoft-Windows-PowerShell/Operational"
PROVIDERS = {
    SYSMON: "Microsoft-Windows-Sysmon",
    POWERSHELL_LOG: "Microsoft-Windows-PowerShell",
    "Security": "Microsoft-Windows-Security-Auditing",
    "System": "Service Control Manager",
    "Application": "Application",
}
# Sysmon 15 has events 1 to 29.
LAST_OF_SYSMON = 29
BY_CODE = {
    **dict.fromkeys(("4103", "4104"), POWERSHELL_LOG),
    **dict.fromkeys(("104", "7034", "7036", "7040", "7045"), "System"),
}
# A path that a file's name is at the end of, as CIM's names of programs and files are.
NAMED_BY_FILE = {
    "process_name": "Image", "process_exec": "Image", "parent_process_name": "ParentImage",
    "file_name": "TargetFilename",
}  # fmt: skip
COPIED = {
    "process": "CommandLine", "process_path": "Image", "parent_process": "ParentCommandLine",
    "parent_process_path": "ParentImage", "original_file_name": "OriginalFileName",
    "process_id": "ProcessId", "process_guid": "ProcessGuid", "parent_process_id": "ParentProcessId",
    "parent_process_guid": "ParentProcessGuid", "process_hash": "Hashes", "user": "User", "dest": "Computer",
    "query": "QueryName", "dest_ip": "DestinationIp", "dest_port": "DestinationPort", "src_ip": "SourceIp",
    "file_path": "TargetFilename", "registry_path": "TargetObject",
}  # fmt: skip
"""Sysmon's names of what the add-on calls by CIM's."""


@record(kw_only=True)
class EventLines:
    """Lines of JSON, and the names of inputs that a project needs for them: conditions of the platform."""

    text: str
    conditions: Mapping[str, str] = field(default_factory=dict)


def spell_windows(draft: EventDraft) -> EventLines | None:
    """Windows events with the log's own names for fields; None where the draft is of no Windows channel."""
    channel = find_channel(draft.rows[0])
    return None if channel is None else spell_channel(draft, channel, own_names=True)


def spell_windows_as_read(draft: EventDraft) -> EventLines | None:
    """The same with the names that the rule reads."""
    channel = find_channel(draft.rows[0])
    return None if channel is None else spell_channel(draft, channel, own_names=False)


def find_channel(row: Mapping[str, str]) -> str | None:
    """The Windows channel that an event says it is of, or that its number is known from."""
    told = [row[name] for name in ("Channel", "LogName", "source", "sourcetype") if name in row]
    for text in told:
        found = CHANNEL.match(text)
        bare = found[1] if found else text
        if bare in PROVIDERS:
            return bare
        if "sysmon" in bare.lower():
            return SYSMON
    code = row.get("EventCode") or row.get("EventID") or ""
    if not code.isdigit():
        return None
    usual = SYSMON if int(code) <= LAST_OF_SYSMON else "Security" if 1100 <= int(code) <= 6500 else "Application"
    return BY_CODE.get(code, usual)


def spell_channel(draft: EventDraft, channel: str, *, own_names: bool) -> EventLines:
    """Events of a channel; how inputs are called is the project's to say."""
    first = draft.rows[0]
    lines = []
    for at, row in time_rows(draft):
        data = {
            n: t for n, t in row.items() if n not in EVENT_METADATA and n not in ("EventCode", "EventID", "Channel")
        }
        named = use_log_names(data) if own_names and channel == SYSMON else data
        system = {
            "Provider_Name": PROVIDERS.get(channel, channel.partition("/")[0]),
            "Channel": channel,
            "EventID": int(row.get("EventCode") or row.get("EventID") or 1),
            "Computer": named.pop("Computer", row.get("host", HOST)),
            "SystemTime": at.isoformat().replace("+00:00", "Z"),
        }
        lines.append({**system, **named})
    conditions = {"index": first["index"]} if first.get("index", "wineventlog") != "wineventlog" else {}
    for name, usual in (("sourcetype", "xmlwineventlog"), ("source", f"XmlWinEventLog:{channel}")):
        if first.get(name, usual) != usual:
            conditions[f"{name}:{channel}"] = first[name]
    return EventLines(text=join_lines(lines), conditions=conditions)


def use_log_names(data: Mapping[str, str]) -> dict[str, str]:
    """Fields under Sysmon's names; a program's name becomes the end of its path."""
    found: dict[str, str] = {}
    for name, text in data.items():
        found.setdefault(COPIED.get(name, name), text)
    for name, path in NAMED_BY_FILE.items():
        if name in found:
            text = found.pop(name)
            folder = found.get(path, "").rpartition("\\")[0] or "C:\\Windows\\System32"
            found[path] = text if "\\" in text else f"{folder}\\{text}"
    if "User" in found and "\\" not in found["User"]:
        found["User"] = f"ACME\\{found['User']}"
    return found


def spell_export(draft: EventDraft) -> EventLines:
    """Events as Splunk exports what a search finds, with the fields that the search has."""
    lines = []
    for at, row in time_rows(draft):
        usual = {"index": "main", "source": "example.log", "sourcetype": "example", "host": HOST}
        lines.append({"preview": False, "result": {"_time": at.isoformat(timespec="milliseconds"), **usual, **row}})
    return EventLines(text=join_lines(lines))


def spell_logscale(draft: EventDraft) -> EventLines:
    """Events as LogScale exports them."""
    lines: list[dict[str, object]] = []
    for at, row in time_rows(draft):
        named = dict(row)
        # Both are names of one thing; a rule may read either.
        if "event_simpleName" in named:
            named.setdefault("#event_simpleName", named.pop("event_simpleName"))
        lines.append({"@timestamp": round(at.timestamp() * 1000), "ComputerName": HOST, **named})
    return EventLines(text=join_lines(lines))


def time_rows(draft: EventDraft) -> Iterator[tuple[datetime, Mapping[str, str]]]:
    """Each event with when it happened."""
    for number, row in enumerate(draft.rows):
        yield DRAFT_START + timedelta(seconds=number * draft.step), row


def join_lines(rows: list[dict[str, object]]) -> str:
    """Objects as lines of JSON."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


EVENT_SPELLINGS: Mapping[str, tuple[Callable[[EventDraft], EventLines | None], ...]] = {
    "splunk": (spell_windows, spell_windows_as_read, spell_export),
    "logscale": (spell_logscale,),
}
"""The looks that events of a platform may have, the most natural first."""
