"""The classic rendering of a Windows event, as Event Viewer shows it and forwarders send it unless they send XML.

Reference: Splunk, Monitor Windows event log data; Windows add-on, transforms wel-eq-kv and wel-col-kv
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from harness.late_pattern import late_pattern
from harness.telemetry.events.event import METADATA_FIELDS, TIME, Events
from harness.telemetry.events.event_xml import find_text_member
from harness.telemetry.events.raw_text import Piece, concat_pieces, wrap_field
from harness.telemetry.events.text_columns import (
    LIST_MEMBER,
    Field,
    as_list,
    list_event_fields,
    map_distinct_values,
    without_empty,
)
from harness.telemetry.events.windows_event import SYSTEM_FIELDS, decode_entities

HEADINGS = {
    "Channel": "LogName",
    "Provider_Name": "SourceName",
    "EventID": "EventCode",
    "Level": "EventType",
    "Computer": "ComputerName",
    "Security_UserID": "Sid",
    "EventRecordID": "RecordNumber",
    "Keywords": "Keywords",
}
"""System fields and the headings above the message, in the order of the text."""

AUDITS = "Microsoft-Windows-Security-Auditing"
# What Event Viewer shows in place of what the log holds.
SHOWN_VALUES = {
    "Provider_Name": {AUDITS: "Microsoft Windows security auditing."},
    "Keywords": {"0x8020000000000000": "Audit Success", "0x8010000000000000": "Audit Failure"},
}
OTHER_KEYWORDS = "None"
LEVEL_WORDS = {"0": "Information", "1": "Error", "2": "Error", "3": "Warning", "4": "Information", "5": "Information"}

ACTOR = ("Security ID", "Account Name", "Account Domain", "Logon ID")
AUDIT_LABELS = {
    **dict(zip(("SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId"), ACTOR, strict=True)),
    **dict(zip(("TargetUserSid", "TargetUserName", "TargetDomainName", "TargetLogonId"), ACTOR, strict=True)),
    "TargetSid": "Security ID",
    "NewProcessId": "New Process ID",
    "NewProcessName": "New Process Name",
    "ParentProcessName": "Creator Process Name",
    "ProcessId": "Process ID",
    "ProcessName": "Process Name",
    "CommandLine": "Process Command Line",
    "TokenElevationType": "Token Elevation Type",
    "MandatoryLabel": "Mandatory Label",
    "LogonType": "Logon Type",
    "LogonGuid": "Logon GUID",
    "LogonProcessName": "Logon Process",
    "AuthenticationPackageName": "Authentication Package",
    "WorkstationName": "Workstation Name",
    "IpAddress": "Source Network Address",
    "IpPort": "Source Port",
    "FailureReason": "Failure Reason",
    "SubStatus": "Sub Status",
    "TaskName": "Task Name",
    "TaskContent": "Task Content",
    "ObjectServer": "Object Server",
    "ObjectType": "Object Type",
    "ObjectName": "Object Name",
    "HandleId": "Handle ID",
    "AccessMask": "Access Mask",
    "AccessList": "Accesses",
    "PrivilegeList": "Privileges",
    "ServiceName": "Service Name",
    "ServiceFileName": "Service File Name",
    "ShareName": "Share Name",
    "ShareLocalPath": "Share Path",
    "RelativeTargetName": "Relative Target Name",
    "TicketOptions": "Ticket Options",
    "TicketEncryptionType": "Ticket Encryption Type",
}
"""Data of the Security log and the labels that its messages print them behind; several data may share one."""

# In 4688 the process of the event is its creator.
CREATOR_LABELS = {**AUDIT_LABELS, "ProcessId": "Creator Process ID"}

DEFENDER_LABELS = {
    "Threat Name": "Name",
    "Threat ID": "ID",
    "Severity Name": "Severity",
    "Category Name": "Category",
    "Origin Name": "Detection Origin",
    "Type Name": "Detection Type",
    "Source Name": "Detection Source",
    "Detection User": "User",
}
DEFENDER = "Microsoft-Windows-Windows Defender"

UNNAMED = "Data"
MESSAGE = "Message"
MESSAGE_START = "\nMessage="
CLASSIC_TEXT = late_pattern(r"[^\n<{]*\r?\n(?:\w+=.*\r?\n){0,20}?EventCode=\d")
# A message's words come after all headings, up to the end.
MESSAGE_PART = r"(?s)\nMessage=(?P<Message>.*)\z"
RENDERED_PART = r"(?s)<RenderingInfo\b.*?<Message>(?P<Message>[^<]*)</Message>"


def list_classic_fields(events: Events, recorded: Mapping[str, Field]) -> Iterator[tuple[str, Field | None]]:
    """Headings and labels of an event's message as fields, with the text that people see; empty ones are absent."""
    for name, heading in HEADINGS.items():
        if name in recorded:
            yield heading, show_values(name, recorded[name])
    if "Level" in recorded:
        yield "Type", map_distinct_values(recorded["Level"], lambda v: replace_values(v, LEVEL_WORDS, "Information"))
    labels = find_labels(events)
    members: dict[str, list[Field]] = {}
    for name, field in recorded.items():
        # Data without a name stand in the message without a label.
        bare = LIST_MEMBER.sub("", name)
        if name not in SYSTEM_FIELDS and name not in METADATA_FIELDS and bare != UNNAMED:
            held = map_distinct_values(field, without_empty)
            if held is not None:
                members.setdefault(labels.get(bare, bare), []).append(held)
    # MV_ADD of wel-col-kv: a label that is printed twice has two values.
    for label, fields in members.items():
        yield label, fields[0] if len(fields) == 1 else as_list(fields, len(events))


def find_labels(events: Events) -> Mapping[str, str]:
    """The labels of an event's data where its message has others than their names."""
    provider = list_event_fields(events).get("Provider_Name")
    if provider == AUDITS or events.sensor == "windows_security":
        return CREATOR_LABELS if events.kind == "4688" else AUDIT_LABELS
    return DEFENDER_LABELS if provider == DEFENDER else {}


def show_values(name: str, field: Field) -> Field | None:
    """A System field as Event Viewer shows it."""
    if name not in SHOWN_VALUES:
        return field
    otherwise = OTHER_KEYWORDS if name == "Keywords" else None
    return map_distinct_values(field, lambda v: replace_values(v, SHOWN_VALUES[name], otherwise))


def replace_values(values: pa.Array, words: Mapping[str, str], otherwise: str | None) -> pa.Array:
    """Values by a table; those that are not in it stay, or become `otherwise`."""
    return pa.array([words.get(v, otherwise or v) for v in values.to_pylist()], pa.string())


def build_classic_texts(events: Events, recorded: pa.ChunkedArray | None) -> pa.ChunkedArray:
    """The text of each event: its time, headings, and the message; that is made of labels where none was recorded."""
    fields = {n: f for n, f in list_event_fields(events).items() if n not in METADATA_FIELDS}
    pieces: list[Piece] = [pc.strftime(events.columns.column(TIME), "%m/%d/%Y %I:%M:%S %p").fill_null("")]
    for name, heading in HEADINGS.items():
        field = fields.get(name)
        pieces += wrap_field(None if field is None else show_values(name, field), f"\n{heading}=", "")
    pieces.append(MESSAGE_START)
    labels = find_labels(events)
    for name, field in fields.items():
        if name not in SYSTEM_FIELDS:
            bare = LIST_MEMBER.sub("", name)
            label = "" if bare == UNNAMED else f"{labels.get(bare, bare)}: "
            pieces += wrap_field(field, f"\n{label}", "")
    made = concat_pieces(pieces, len(events))
    # The seconds of pyarrow have six digits, those of a forwarder none.
    made = pc.replace_substring_regex(made, r"\A(\S+ \d\d:\d\d:\d\d)\.\d+", r"\1")
    if recorded is None:
        return made
    texts = zip(made.to_pylist(), recorded.to_pylist(), strict=True)
    return pa.chunked_array([pa.array([complete_classic_text(m, r) for m, r in texts], pa.string())])


def complete_classic_text(made: str, recorded: str | None) -> str:
    """The recorded text where it is classic already, else the one that is made, with the words that were recorded."""
    return recorded if recorded and CLASSIC_TEXT.match(recorded) else with_message(made, find_message(recorded))


def with_message(made: str, message: str | None) -> str:
    """The text with the recorded words in place of the labels that stand for them."""
    return made if message is None else f"{made.partition(MESSAGE_START)[0]}{MESSAGE_START}{message}"


def find_message(recorded: str | None) -> str | None:
    """The words of an event's message, where they were recorded with it."""
    if recorded is None:
        return None
    if recorded.lstrip().startswith("<"):
        # Step by step: an expression tries the whole rest of the text from each `<RenderingInfo` in it.
        _, _, rendered = recorded.partition("<RenderingInfo")
        _, begun, words = rendered.partition("<Message>")
        message, ended, _ = words.partition("</Message>")
        return decode_entities(message) if begun and ended else None
    try:
        return find_text_member(msgspec.json.decode(recorded), MESSAGE.lower())
    except (msgspec.DecodeError, RecursionError):
        return None


def extract_message(texts: pa.ChunkedArray, *, classic: bool) -> pa.ChunkedArray | None:
    """The field `Message` of events' texts; None where none has one."""
    found = pc.extract_regex(texts, MESSAGE_PART if classic else RENDERED_PART)
    message = pc.struct_field(found, MESSAGE)
    return message if message.null_count < len(message) else None
