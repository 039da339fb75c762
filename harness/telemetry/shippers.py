"""Names of Windows and Falcon fields at log shippers, and the log's own names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.telemetry.moment import parse_microseconds
from harness.telemetry.windows import find_provider_channel, map_windows_sensors, sensor_of

Flat = Mapping[str, str]

NXLOG = {
    "SourceName": "Provider_Name",
    "ProviderGuid": "Provider_Guid",
    "OpcodeValue": "Opcode",
    "TimeCreated": "SystemTime",
    "RecordNumber": "EventRecordID",
    "ActivityID": "Correlation_ActivityID",
    "RelatedActivityID": "Correlation_RelatedActivityID",
    "ExecutionProcessID": "Execution_ProcessID",
    "ThreadID": "Execution_ThreadID",
    "Hostname": "Computer",
    "UserID": "Security_UserID",
    "EventTypeOrignal": "EventType",
}
"""NXLog, and Security-Datasets after it; the misspelt name is theirs, for data called EventType."""

NXLOG_OWN = re.compile(
    r"Message|Event(Time|ReceivedTime|Type)|Severity(Value)?|SourceModule(Name|Type)|Category|Opcode|"
    r"Account(Name|Type)|Domain|ERROR_EVT_UNRESOLVED|@timestamp|@version|host|port|type|tags\[.*"
)
"""What NXLog and Logstash add, or render from the event for people."""

WINLOGBEAT = {
    "provider_name": "Provider_Name",
    "source_name": "Provider_Name",
    "provider_guid": "Provider_Guid",
    "event_id": "EventID",
    "version": "Version",
    "record_id": "EventRecordID",
    "record_number": "EventRecordID",
    "activity_id": "Correlation_ActivityID",
    "related_activity_id": "Correlation_RelatedActivityID",
    "process.pid": "Execution_ProcessID",
    "process_id": "Execution_ProcessID",
    "process.thread.id": "Execution_ThreadID",
    "thread_id": "Execution_ThreadID",
    "channel": "Channel",
    "log_name": "Channel",
    "computer_name": "Computer",
    "user.identifier": "Security_UserID",
}
"""Winlogbeat; from version 7 each name stands behind `winlog.`."""

AZURE = {"Provider": "Provider_Name", "EventLevel": "Level", "EventRecordId": "EventRecordID"}
AZURE_OWN = re.compile(
    r"EventLevelName|EventOriginId|ManagementGroupName|SourceSystem|TenantId|TimeGenerated|Type|_ResourceId"
)

FALCON_KINDS = ("event_simpleName", "#event_simpleName", "ExternalApiType")

TIME_FIELD_NAMES = (
    "@time",
    "SystemTime",
    "_time",
    "@timestamp",
    "timestamp",
    "ContextTimeStamp",
    "TimeCreated",
    "TimeGenerated",
    "EventTime",
    "UtcTime",
    "time",
    "ts",
    "date",
    "datetime",
)
"""Fields that may hold an event's time, the best first."""

# Zones differ by quarters of an hour at least, so rounding to one takes out the delay of collecting.
QUARTER = 15 * 60 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EventShape:
    """How events with the same field names are read: old and new names, sensor, kind, time, and what else to mend."""

    names: tuple[tuple[str, str], ...]
    sensor: Callable[[Flat], str]
    kind: Callable[[Flat], str]
    time: Callable[[Flat], int | None]
    mend: Callable[[dict[str, str]], None] = lambda fields: None
    guessed: str = ""


def shape_of(flat: Flat) -> EventShape:
    """The shape of events with these fields."""
    # From here the order counts: what names a shipper first, what only looks like Windows after it.
    if "@sensor" in flat:
        return build_own_shape(flat)
    if any(name in flat for name in FALCON_KINDS):
        return EventShape(names=keep_names(flat), sensor=lambda f: "falcon", kind=falcon_kind, time=first_time)
    if any(name.startswith(("winlog.", "event_data.")) for name in flat):
        return build_windows_shape(winlogbeat(flat), first_time)
    if "EventLevelName" in flat and "EventID" in flat:
        return build_windows_shape(azure(flat), first_time)
    # SourceName and Hostname are NXLog's; decoders have Provider_Name and Computer.
    if "EventID" in flat and "Provider_Name" not in flat and ("SourceName" in flat or "Hostname" in flat):
        return build_windows_shape(nxlog(flat), nxlog_time, with_hexadecimal_keywords)
    if "EventID" in flat and ("Channel" in flat or "Provider_Name" in flat):
        return build_windows_shape(tuple((n, n) for n in flat if n != "EventCode"), first_time)
    if "EventCode" in flat and ("Channel" in flat or "RecordNumber" in flat):
        return build_windows_shape(tuple((n, "EventID" if n == "EventCode" else n) for n in flat), first_time)
    if "EventID" not in flat and (number := trimmed_sysmon(flat)):
        return build_sysmon_shape(flat, number)
    return EventShape(
        names=keep_names(flat), sensor=lambda f: "other", kind=lambda f: f.get("sourcetype", ""), time=first_time
    )


TELLING = {
    "1": {"Image", "CommandLine", "ParentImage"},
    "3": {"Image", "DestinationIp", "DestinationPort", "Initiated"},
    "22": {"Image", "QueryName", "QueryStatus"},
}
"""Fields that only one kind of Sysmon event has together."""


def trimmed_sysmon(flat: Flat) -> str:
    """The EventID of a Sysmon event that somebody trimmed to its data, if its fields tell."""
    if not {"UtcTime", "ProcessGuid"} <= flat.keys():
        return ""
    return next((number for number, names in TELLING.items() if names <= flat.keys()), "")


def build_sysmon_shape(flat: Flat, number: str) -> EventShape:
    """The shape of Sysmon events without their System fields."""
    channel = map_windows_sensors()["sysmon"]
    system = {"EventID": number, "Provider_Name": channel.provider, "Channel": channel.name}
    return EventShape(
        names=keep_names(flat),
        sensor=lambda f: "sysmon",
        kind=lambda f: number,
        time=first_time,
        mend=lambda fields: fields.update(system),
        guessed=f"name no EventID; their fields are those of Sysmon {number}",
    )


def build_windows_shape(
    names: tuple[tuple[str, str], ...],
    time: Callable[[Flat], int | None],
    mend: Callable[[dict[str, str]], None] = lambda fields: None,
) -> EventShape:
    """The shape of Windows events with these names; the sensor follows from the channel."""
    return EventShape(
        # A single unnamed datum is a list of one: another event of the kind may have more.
        names=tuple((old, "Data[0]" if new == "Data" else new) for old, new in names),
        sensor=lambda f: sensor_of(f.get("Channel") or find_provider_channel(f.get("Provider_Name", ""))),
        kind=lambda f: f.get("EventID", ""),
        time=time,
        mend=mend,
    )


def build_own_shape(flat: Flat) -> EventShape:
    """The shape of events that this program wrote and that name their sensor and kind themselves."""
    sensor, kind = flat["@sensor"], flat.get("@kind", "")
    names = tuple((n, n) for n in flat if n not in ("@sensor", "@kind", "@time"))
    return EventShape(names=names, sensor=lambda f: sensor, kind=lambda f: kind, time=first_time)


def keep_names(flat: Flat) -> tuple[tuple[str, str], ...]:
    """All names unchanged, as pairs of old and new."""
    return tuple((n, n) for n in flat)


def first_time(flat: Flat) -> int | None:
    """The first readable time in microseconds, in the order of TIME_FIELD_NAMES."""
    for name in TIME_FIELD_NAMES:
        if name in flat and (time := parse_microseconds(flat[name])) is not None:
            return time
    return None


def falcon_kind(fields: Flat) -> str:
    """The kind of a Falcon event; empty where no field tells it."""
    return next((fields[n] for n in FALCON_KINDS if n in fields), "")


def nxlog(flat: Flat) -> tuple[tuple[str, str], ...]:
    """Old and new names of an event from NXLog."""
    names = dict(NXLOG)
    # NXLog has ProcessID for the log's own process unless the event's data have that name.
    if "ExecutionProcessID" not in flat:
        names["ProcessID"] = "Execution_ProcessID"
    # Only where the rest shows that a shipper added them: elsewhere Category or Domain may be data.
    dropped = NXLOG_OWN if "SourceModuleType" in flat or "@timestamp" in flat else re.compile("Message")
    return tuple((n, names.get(n, n)) for n in flat if not dropped.fullmatch(n))


def nxlog_time(flat: Flat) -> int | None:
    """When an event was written: NXLog prints local time without its zone, which other times of the event tell."""
    local = parse_microseconds(flat.get("EventTime"))
    # Position 19 is behind the seconds: before it a dash belongs to the date.
    if "TimeCreated" in flat or local is None or re.search(r"(Z|[+-]\d\d:?\d\d)$", flat["EventTime"][19:]):
        return parse_microseconds(flat.get("TimeCreated")) or local or first_time(flat)
    for utc, beside in (("@timestamp", "EventReceivedTime"), ("UtcTime", "EventTime")):
        there, here = parse_microseconds(flat.get(utc)), parse_microseconds(flat.get(beside))
        if there is not None and here is not None:
            return local + round((there - here) / QUARTER) * QUARTER
    return local


def with_hexadecimal_keywords(fields: dict[str, str]) -> None:
    """Keywords as the log prints them; NXLog has them as a signed number."""
    keywords = fields.get("Keywords", "")
    if keywords.lstrip("-").isdecimal() and len(keywords) <= 20:
        # The same 64 bits: -9223372036854775808 is 0x8000000000000000.
        fields["Keywords"] = f"0x{int(keywords) & 0xFFFFFFFFFFFFFFFF:x}"


def winlogbeat(flat: Flat) -> tuple[tuple[str, str], ...]:
    """Old and new names of an event from Winlogbeat; what it renders or derives from the event is left out."""
    names = []
    for name in flat:
        bare = name.removeprefix("winlog.")
        if bare.startswith(("event_data.", "user_data.")):
            inner = bare.partition(".")[2]
            if inner != "xml_name":
                names.append((name, inner))
        # Where the new names are, an old one of the same meaning belongs to Elastic's own fields.
        elif bare in WINLOGBEAT and (bare != name or "winlog.event_id" not in flat):
            names.append((name, WINLOGBEAT[bare]))
    return tuple(names)


def azure(flat: Flat) -> tuple[tuple[str, str], ...]:
    """Old and new names of an event from Azure Monitor's WindowsEvent table."""
    kept = (n for n in flat if not AZURE_OWN.fullmatch(n))
    return tuple((n, AZURE.get(n, n.removeprefix("EventData."))) for n in kept)
