"""Data read back from the message that Windows renders for people, where an export has nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from harness.late_pattern import late_pattern
from harness.telemetry.events.manifests import known_data_names
from harness.telemetry.events.windows_names import fold_name

# A label may be indented and has a colon; in a message of Security its value stands behind tabs.
MESSAGE_LABEL = late_pattern(r"^[ \t]*([A-Za-z][\w ./()-]{0,60}?):(?:[ \t]+(.*)|[ \t]*)$")

SECURITY_SECTIONS = {
    "subject": "Subject",
    "creatorsubject": "Subject",
    "targetsubject": "Target",
    "newlogon": "Target",
    "accountforwhichlogonfailed": "Target",
    "accountwhosecredentialswereused": "Target",
    "targetaccount": "Target",
    "newaccount": "Target",
    "account": "Target",
    "group": "Target",
    "member": "Member",
}
"""Sections of a Security message, and whose account they tell."""

ACCOUNT_LABELS = {
    "securityid": "UserSid",
    "accountname": "UserName",
    "accountdomain": "DomainName",
    "logonid": "LogonId",
    "groupname": "UserName",
    "groupdomain": "DomainName",
}

SECURITY_LABELS = {
    "newprocessid": ("NewProcessId",),
    "newprocessname": ("NewProcessName",),
    "tokenelevationtype": ("TokenElevationType",),
    "mandatorylabel": ("MandatoryLabel",),
    "creatorprocessid": ("ProcessId",),
    "creatorprocessname": ("ParentProcessName",),
    "processcommandline": ("CommandLine",),
    "processid": ("ProcessId",),
    "callerprocessid": ("ProcessId",),
    "processname": ("ProcessName",),
    "callerprocessname": ("ProcessName",),
    "exitstatus": ("Status",),
    "logontype": ("LogonType",),
    "logonguid": ("LogonGuid",),
    "restrictedadminmode": ("RestrictedAdminMode",),
    "virtualaccount": ("VirtualAccount",),
    "elevatedtoken": ("ElevatedToken",),
    "impersonationlevel": ("ImpersonationLevel",),
    "linkedlogonid": ("TargetLinkedLogonId",),
    "networkaccountname": ("TargetOutboundUserName",),
    "networkaccountdomain": ("TargetOutboundDomainName",),
    "workstationname": ("WorkstationName",),
    "sourceworkstation": ("Workstation",),
    "sourcenetworkaddress": ("IpAddress",),
    "networkaddress": ("IpAddress",),
    "clientaddress": ("IpAddress",),
    "sourceaddress": ("IpAddress", "SourceAddress"),
    "sourceport": ("IpPort", "SourcePort"),
    "port": ("IpPort",),
    "clientport": ("IpPort",),
    "destinationaddress": ("DestAddress",),
    "destinationport": ("DestPort",),
    "applicationname": ("Application",),
    "logonprocess": ("LogonProcessName",),
    "authenticationpackage": ("AuthenticationPackageName", "PackageName"),
    "transitedservices": ("TransmittedServices",),
    "packagenamentlmonly": ("LmPackageName",),
    "keylength": ("KeyLength",),
    "failurereason": ("FailureReason",),
    "status": ("Status",),
    "substatus": ("SubStatus",),
    "errorcode": ("Status",),
    "failurecode": ("Status",),
    "privileges": ("PrivilegeList",),
    "accesses": ("AccessList",),
    "taskname": ("TaskName",),
    "taskcontent": ("TaskContent",),
    "tasknewcontent": ("TaskContentNew",),
    "sharepath": ("ShareLocalPath",),
    "servicefilename": ("ServiceFileName",),
    "ticketencryptiontype": ("TicketEncryptionType",),
    "ticketoptions": ("TicketOptions",),
    "resultcode": ("Status",),
    "preauthenticationtype": ("PreAuthType",),
}
"""Labels of Security messages and the names of their data; the event's manifest tells which of several."""

SHOWN_VALUES = {
    "TokenElevationType": {
        "TokenElevationTypeDefault (1)": "%%1936",
        "TokenElevationTypeFull (2)": "%%1937",
        "TokenElevationTypeLimited (3)": "%%1938",
    },
    "MandatoryLabel": {
        "Mandatory Label\\Untrusted Mandatory Level": "S-1-16-0",
        "Mandatory Label\\Low Mandatory Level": "S-1-16-4096",
        "Mandatory Label\\Medium Mandatory Level": "S-1-16-8192",
        "Mandatory Label\\Medium Plus Mandatory Level": "S-1-16-8448",
        "Mandatory Label\\High Mandatory Level": "S-1-16-12288",
        "Mandatory Label\\System Mandatory Level": "S-1-16-16384",
    },
}
"""What the message shows in place of a value, and the value as the event's XML has it."""

DEFENDER_LABELS = {
    "name": "Threat Name",
    "id": "Threat ID",
    "severity": "Severity Name",
    "category": "Category Name",
    "path": "Path",
    "detectionorigin": "Origin Name",
    "detectiontype": "Type Name",
    "detectionsource": "Source Name",
    "user": "Detection User",
    "processname": "Process Name",
    "action": "Action Name",
    "actionstatus": "Additional Actions String",
    "errorcode": "Error Code",
    "errordescription": "Error Description",
    "engineversion": "Engine Version",
    "securityintelligenceversion": "Security intelligence Version",
    "signatureversion": "Security intelligence Version",
    "oldvalue": "Old Value",
    "newvalue": "New Value",
}

SCRIPT_BLOCK = late_pattern(
    r"Creating Scriptblock text \((?P<MessageNumber>\d+) of (?P<MessageTotal>\d+)\):\r?\n(?P<ScriptBlockText>.*?)"
    r"\r?\n\r?\nScriptBlock ID: (?P<ScriptBlockId>[0-9a-fA-F-]{36})(?:\r?\nPath:[ \t]*(?P<Path>[^\r\n]*))?\s*",
    re.S,
)


def read_message(provider: str, event: str, message: str) -> dict[str, str]:
    """The data that a rendered message tells, under the log's own names; empty where its words are unknown."""
    reader = MESSAGE_READERS.get(provider)
    return reader(event, message) if reader else {}


def read_sysmon_message(event: str, message: str) -> dict[str, str]:
    """Sysmon's message: a line for each datum under its own name."""
    return read_labels(message, {n.lower(): n for n in known_data_names("Microsoft-Windows-Sysmon", event)})


def read_defender_message(event: str, message: str) -> dict[str, str]:
    """Defender's message: labels for people, fewer than there are data."""
    return read_labels(message, DEFENDER_LABELS)


def read_labels(message: str, names: Mapping[str, str]) -> dict[str, str]:
    """Lines `Label: value` whose label is known; a line without a known one goes on with the value before it."""
    found: dict[str, list[str]] = {}
    last = ""
    for line in message.splitlines():
        label = MESSAGE_LABEL.match(line)
        name = names.get(fold_name(label[1])) if label else None
        if label and name:
            found[name], last = [(label[2] or "").rstrip()], name
        elif last and line.strip():
            found[last].append(line)
    return {name: "\n".join(lines) for name, lines in found.items()}


def read_security_message(event: str, message: str) -> dict[str, str]:
    """A Security message: sections with labels, whose names the event's manifest tells apart."""
    known = known_data_names("Microsoft-Windows-Security-Auditing", event)
    found: dict[str, str] = {}
    whose = ""
    for line in message.splitlines():
        label = MESSAGE_LABEL.match(line)
        if label is None:
            continue
        folded, value = fold_name(label[1]), (label[2] or "").strip()
        # A section stands alone on its line, without indentation.
        if not value and line[:1] not in (" ", "\t"):
            whose = SECURITY_SECTIONS.get(folded, "")
            continue
        for name in name_security_label(folded, whose):
            if name in known and name not in found:
                # The message has capitals in hexadecimal, the XML has none.
                told = value.lower() if value[:2] == "0x" else value
                found[name] = SHOWN_VALUES.get(name, {}).get(value, told)
                break
    return found


def name_security_label(label: str, whose: str) -> tuple[str, ...]:
    """The names that a label may stand for, the likeliest first."""
    if whose and label in ACCOUNT_LABELS:
        end = ACCOUNT_LABELS[label]
        return (f"{whose}{end}", f"{whose}Sid") if end == "UserSid" else (f"{whose}{end}",)
    return SECURITY_LABELS.get(label, ())


def read_powershell_message(event: str, message: str) -> dict[str, str]:
    """The message of 4104: the script with its numbers, id and path."""
    found = SCRIPT_BLOCK.fullmatch(message) if event == "4104" else None
    return {name: value or "" for name, value in found.groupdict().items()} if found else {}


MESSAGE_READERS: Mapping[str, Callable[[str, str], dict[str, str]]] = {
    "Microsoft-Windows-Sysmon": read_sysmon_message,
    "Microsoft-Windows-Security-Auditing": read_security_message,
    "Microsoft-Windows-PowerShell": read_powershell_message,
    "Microsoft-Windows-Windows Defender": read_defender_message,
}
