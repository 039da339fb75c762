"""Tools that read event logs on disk: EvtxECmd, Velociraptor, hayabusa, chainsaw, plaso."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.telemetry.shape import Envelope, NameSpelling, OpenedEvent, Shape
from harness.telemetry.shapes.splunk import object_in


def open_evtxecmd(value: Mapping[str, Any]) -> OpenedEvent | None:
    """EvtxECmd's row with its `Payload`, a JSON text, as an object."""
    payload = value["Payload"]
    if not isinstance(payload, str) or not payload.lstrip().startswith("{"):
        return None
    return OpenedEvent(inner={**{n: v for n, v in value.items() if n != "Payload"}, **object_in(payload)})


def open_chainsaw(value: Mapping[str, Any]) -> OpenedEvent | None:
    """The events behind a hit of chainsaw's `hunt`, of one or of several."""
    held = value.get("document")
    documents = [held] if isinstance(held, dict) else value.get("documents")
    if not isinstance(documents, list):
        return None
    events = [d["data"] for d in documents if isinstance(d, dict) and isinstance(d.get("data"), dict)]
    return OpenedEvent(inner=events, shape="chainsaw") if events else None


def open_hayabusa(value: Mapping[str, Any]) -> OpenedEvent | None:
    """A line of hayabusa's timeline in CSV: `Details` are texts with broken bars between."""
    texts = [n for n in DETAILS if isinstance(value.get(n), str) and value[n]]
    if not texts:
        return None
    return OpenedEvent(inner={**value, **{name: split_details(value[name]) for name in texts}})


def split_details(text: str) -> dict[str, str]:
    """Names and values of a text `Proc: a.exe ¦ PID: 1`."""
    found: dict[str, str] = {}
    for part in re.split(r" ¦ |\r?\n¦ ?", text):
        name, colon, value = part.partition(":")
        if colon:
            found.setdefault(name.strip(), value.strip())
    return found


DETAILS = ("Details", "ExtraFieldInfo", "AllFieldInfo")

ENVELOPES = (
    Envelope(name="evtxecmd", keys=("Payload|EventId|Channel", "Payload|MapDescription"), open=open_evtxecmd),
    Envelope(
        name="chainsaw", keys=("document|name|timestamp", "document|kind|group", "documents|kind"), open=open_chainsaw
    ),
    Envelope(
        name="hayabusa",
        keys=("RuleTitle|Details", "RuleTitle|AllFieldInfo", "RuleTitle|ExtraFieldInfo"),
        open=open_hayabusa,
    ),
)

HAYABUSA_CHANNELS = {
    "Sysmon": "Microsoft-Windows-Sysmon/Operational",
    "Sec": "Security",
    "Sys": "System",
    "App": "Application",
    "PwSh": "Microsoft-Windows-PowerShell/Operational",
    "PwShClassic": "Windows PowerShell",
    "Defender": "Microsoft-Windows-Windows Defender/Operational",
    "TaskSch": "Microsoft-Windows-TaskScheduler/Operational",
    "WMI": "Microsoft-Windows-WMI-Activity/Operational",
    "DNS-Cli": "Microsoft-Windows-DNS-Client/Operational",
    "BitsCli": "Microsoft-Windows-Bits-Client/Operational",
    "Firewall": "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall",
    "WinRM": "Microsoft-Windows-WinRM/Operational",
    "NTLM": "Microsoft-Windows-NTLM/Operational",
    "CodeInteg": "Microsoft-Windows-CodeIntegrity/Operational",
}
"""hayabusa's short names of channels (its file channel_abbreviations.txt)."""

HAYABUSA_DETAILS = {
    "Cmdline": "CommandLine",
    "Proc": "Image",
    "PID": "ProcessId",
    "PGUID": "ProcessGuid",
    "ParentCmdline": "ParentCommandLine",
    "ParentProc": "ParentImage",
    "ParentPID": "ParentProcessId",
    "ParentPGUID": "ParentProcessGuid",
    "LID": "LogonId",
    "LGUID": "LogonGuid",
    "Rule": "RuleName",
    "Proto": "Protocol",
    "SrcIP": "SourceIp",
    "SrcPort": "SourcePort",
    "SrcHost": "SourceHostname",
    "TgtIP": "DestinationIp",
    "TgtPort": "DestinationPort",
    "TgtHost": "DestinationHostname",
    "Query": "QueryName",
    "Path": "TargetFilename",
    "ScriptBlock": "ScriptBlockText",
}
"""hayabusa's short names of data in `Details`."""

SECURITY_DETAILS = {"Cmdline": "CommandLine", "Proc": "NewProcessName", "PID": "NewProcessId", "LID": "SubjectLogonId"}
SECURITY_DETAILS |= {"User": "SubjectUserName", "ParentProc": "ParentProcessName", "ParentPID": "ProcessId"}
DEFENDER_DETAILS = {"Threat": "Threat Name", "Severity": "Severity Name", "Type": "Category Name"}
DEFENDER_DETAILS |= {"User": "Detection User", "Path": "Path", "Proc": "Process Name"}


def finish_hayabusa(fields: dict[str, str], event: Mapping[str, str]) -> None:
    """Names the abbreviated details of an event, which mean another datum in each channel."""
    channel = fields.get("Channel", "")
    names = HAYABUSA_DETAILS
    if channel == "Security":
        names = SECURITY_DETAILS
    elif "Defender" in channel:
        names = DEFENDER_DETAILS
    for short, value in event.items():
        part, _, name = short.partition(".")
        if part == "Details" and name:
            fields.pop(name, None)
            fields.setdefault(names.get(name, name), value)


SHAPES = (
    Shape(
        name="evtxecmd",
        meaning="EvtxECmd's JSON and CSV",
        marks=(
            "MapDescription|EventId|Channel",
            "EventId|Channel|ChunkNumber",
            "EventId|Channel|EventRecordId|SourceFile",
        ),
        rank=14,
        example="evtxecmd.json",
        data=("EventData.", "UserData."),
        names={"UserName": "", "RemoteHost": "", "RecordNumber": "", "ExecutableInfo": "", "SourceFile": ""},
        time=("TimeCreated",),
    ),
    Shape(
        name="hayabusa",
        meaning="hayabusa's timelines as JSON or CSV: events with what a rule says of them",
        marks=("RuleTitle|Channel|EventID", "Timestamp|Computer|Channel|EventID|RecordID"),
        rank=13,
        example="hayabusa.jsonl",
        data=("AllFieldInfo.", "ExtraFieldInfo."),
        names={"Level": "", "Timestamp": "", "Status": "", "RuleID": ""},
        words={"Channel": HAYABUSA_CHANNELS},
        time=("Timestamp",),
        finish=finish_hayabusa,
    ),
    Shape(
        name="velociraptor_hunter",
        meaning="rows of Velociraptor's EvtxHunter and of other artifacts with EventData as an object",
        marks=("EventID|EventData.*", "EventID|Channel|EventData.*", "EventId|EventData.*", "EventID|UserData.*"),
        rank=30,
        example="velociraptor_hunter.jsonl",
        data=("EventData.", "UserData."),
        names={"EventTime": "SystemTime", "UserSID": "Security_UserID", "Message": "", "Username": "", "source": ""},
        spelling=NameSpelling.EXACT,
        time=("SystemTime", "EventTime", "TimeCreated", "_ts", "Timestamp", "@timestamp"),
    ),
)
