"""Events in JSON of any shipper: the wrapper, the shape (a table of shippers), fields under the log's own names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from harness.telemetry.events.event import METADATA_FIELDS, parse_microseconds
from harness.telemetry.events.input import EventTables
from harness.telemetry.events.json_values import flat_fields, print_json_value
from harness.telemetry.events.windows_event import (
    fields_of_event,
    find_provider_channel,
    from_rendered,
    map_windows_sensors,
    sensor_of,
)

# The keys of Splunk's HTTP Event Collector; an object with any other has an `event` of its own meaning.
COLLECTOR = frozenset({*METADATA_FIELDS, "time", "event", "fields"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The content of a wrapper and its label: metadata, and a time for an event without its own."""

    inner: Mapping[str, Any] | str
    metadata: Mapping[str, str] = field(default_factory=dict)
    time: str | None = None


def unwrap_collector_event(value: Mapping[str, Any]) -> Opened | None:
    """The content of an envelope; None for a value that is none. Raises ValueError for content that cannot be read."""
    event = value.get("event")
    if event is not None and COLLECTOR.issuperset(value):
        return Opened(inner=unwrap_event(event), metadata=metadata_of(value), time=format_metadata(value.get("time")))
    if isinstance(event, dict):
        return falcon(value, event)
    # Splunk's search export, a result a line.
    result = value.get("result")
    if isinstance(result, dict) and isinstance(result.get("_raw"), str):
        return Opened(
            inner=unwrap_event(result["_raw"]), metadata=metadata_of(result), time=format_metadata(result.get("_time"))
        )
    # A hit of Elasticsearch's search API.
    if isinstance(value.get("_source"), dict) and ("_index" in value or "_id" in value):
        return Opened(inner=value["_source"])
    # Azure's tables hold the data of an event as JSON in a text.
    data = value.get("EventData")
    if isinstance(data, str) and data.startswith("{"):
        return Opened(inner={**{n: v for n, v in value.items() if n != "EventData"}, **object_in(data)})
    return None


def falcon(value: Mapping[str, Any], event: dict[str, Any]) -> Opened | None:
    """A Falcon event out of an event stream's or a data set's wrapper; None for other objects."""
    about = value.get("metadata")
    # Falcon's Event Streams API; its events have no event_simpleName but a type in their metadata.
    if isinstance(about, dict) and "eventType" in about:
        kind = {"ExternalApiType": str(about["eventType"])}
        return Opened(inner={**kind, **event}, time=format_metadata(about.get("eventCreationTime")))
    name = value.get("event_simpleName")
    return None if name is None else Opened(inner={"event_simpleName": name, **event})


def unwrap_event(event: Any) -> Mapping[str, Any] | str:
    """An event's object, or the text of its XML."""
    if isinstance(event, dict):
        return event
    if isinstance(event, str):
        text = event.lstrip()
        if text.startswith("<"):
            return text
        if text.startswith("{"):
            return object_in(text)
    raise ValueError(f"the event is neither XML nor a JSON object: `{str(event)[:60]}`")


def object_in(text: str) -> dict[str, Any]:
    """The JSON object in a text. Raises ValueError where there is none."""
    try:
        return msgspec.json.decode(text, type=dict)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the JSON within the event cannot be read: {error}") from error


def metadata_of(value: Mapping[str, Any]) -> dict[str, str]:
    """Index, source, sourcetype and host, those that are there."""
    return {n: str(value[n]) for n in METADATA_FIELDS if value.get(n) is not None}


def format_metadata(value: Any) -> str | None:
    """A metadata value as text; None stays absent."""
    return None if value is None else str(value)


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


# Shapes are kept by their names; 138 are in 10,015 events of 176 kinds. A bound for input that never repeats one.
MOST_SHAPES = 20_000
# One or two are usual, a collector around an export; a bound against envelopes made to nest.
MOST_ENVELOPES = 8

EVENT_LIST_KEYS = ("Events", "events", "records", "value", "results", "logs")
"""Members under which an answer of a service lists its events."""


class JsonEvents:
    """Takes JSON values of one input and adds the events in them to its tables."""

    def __init__(self, name: str, tables: EventTables) -> None:
        self.name, self.tables = name, tables
        self.shapes: dict[tuple[str, ...], EventShape] = {}
        self.guessed: Counter[str] = Counter()

    def add(self, value: Any) -> None:
        """Adds the event or events that a value is. Raises ValueError where it is none."""
        if not isinstance(value, dict):
            raise ValueError(f"no JSON object: `{str(value)[:60]}`")
        listed = list_answer_events(value)
        if listed is not None:
            for item in listed:
                self.add_object(item)
        else:
            self.add_object(value)

    def add_object(self, value: Mapping[str, Any]) -> None:
        """Adds one object without its wrappers, a collector's around a shipper's."""
        metadata: dict[str, str] = {}
        time: str | None = None
        inner: Mapping[str, Any] | str = value
        for _ in range(MOST_ENVELOPES):
            content = None if isinstance(inner, str) else unwrap_collector_event(inner)
            if content is None:
                break
            inner, time, metadata = content.inner, time or content.time, {**metadata, **content.metadata}
        if isinstance(inner, str):
            self.add_windows(fields_of_event(inner), metadata, time)
        # As the evtx package and its relatives render a record.
        elif isinstance(rendered := inner.get("Event"), dict) and isinstance(rendered.get("System"), dict):
            self.add_windows(from_rendered(rendered), metadata, time)
        else:
            self.add_fields(flat_fields(inner), metadata, time)

    def add_windows(self, fields: dict[str, str], metadata: Mapping[str, str], time: str | None) -> None:
        """Adds a Windows event whose fields have the log's own names."""
        at = parse_microseconds(fields.get("SystemTime"))
        self.put(sensor_of(fields.get("Channel")), fields.get("EventID", ""), at, {**fields, **metadata}, time)

    def add_fields(self, flat: dict[str, str], metadata: Mapping[str, str], time: str | None) -> None:
        """Adds flat fields under whatever names a shipper gave them."""
        names = tuple(flat)
        shape = self.shapes.get(names)
        # Our own events name sensor and kind in values, so their names alone do not tell the shape.
        if shape is None or "@sensor" in flat:
            shape = shape_of(flat)
            if len(self.shapes) < MOST_SHAPES:
                self.shapes[names] = shape
        fields = {new: flat[old] for old, new in shape.names}
        # Later than the event's own: what a collector says of index and host is what a search sees.
        fields |= metadata
        self.guessed[shape.guessed] += 1
        shape.mend(fields)
        self.put(shape.sensor(fields), shape.kind(fields), shape.time(flat), fields, time)

    def put(self, sensor: str, kind: str, at: int | None, fields: Mapping[str, str], otherwise: str | None) -> None:
        """Hands over one event; one without a time of its own has that of its envelope."""
        if at is None:
            at = parse_microseconds(otherwise)
        self.tables.add(sensor, kind, at, fields)

    def done(self) -> None:
        """Tells how many events had to be guessed at."""
        for guess, count in self.guessed.items():
            if guess:
                self.tables.damage(self.name, f"{count} events {guess}")


def list_answer_events(value: Any) -> list[Any] | None:
    """The events that an answer of a service lists; None for a value that is an event itself."""
    # An answer of a service has little beside its list; an event that happens to have such a member has more.
    if not isinstance(value, dict) or len(value) > 5:
        return None
    return next((value[n] for n in EVENT_LIST_KEYS if is_object_list(value.get(n))), None)


def unwrapped_text(value: Any) -> str | None:
    """The text of an event that lies in the envelope of an index; None for an object that is the event itself."""
    inner = value
    for _ in range(MOST_ENVELOPES):
        if not isinstance(inner, dict):
            break
        result = inner.get("result")
        if inner.get("event") is not None and COLLECTOR.issuperset(inner):
            inner = inner["event"]
        elif isinstance(result, dict) and isinstance(result.get("_raw"), str):
            inner = result["_raw"]
        elif isinstance(inner.get("_source"), dict) and ("_index" in inner or "_id" in inner):
            inner = inner["_source"]
        else:
            break
    return None if inner is value else print_json_value(inner)


def is_object_list(value: Any) -> bool:
    """Whether a value is a list of objects, and not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)
