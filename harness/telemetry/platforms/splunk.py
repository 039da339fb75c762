"""Fields that Splunk's add-ons for Windows and Sysmon set beside the recorded ones: CIM's names for the same things."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.event import (
    CAUSE,
    METADATA_FIELDS,
    TIME,
    Events,
    Telemetry,
    fill_times,
    find_arrival,
    parse_times,
)
from harness.telemetry.events.raw_text import RAW_FIELD, build_native_texts
from harness.telemetry.events.text_columns import (
    Field,
    build_epoch_column,
    encode_text,
    gather_list_fields,
    list_event_fields,
    map_distinct_values,
    number_events,
    with_entities,
    without_empty,
)
from harness.telemetry.events.windows_event import SYSTEM_FIELDS, is_windows
from harness.telemetry.platform import Condition, View
from harness.telemetry.sensor import SplunkInput, sensor_names
from harness.telemetry.sensor import sensor as sensor_of
from harness.telemetry.shape import map_shape_origins

Recorded: TypeAlias = "Mapping[str, Field | None]"
Derived: TypeAlias = "Callable[[Recorded], Field | None]"


def copy_field(name: str) -> Derived:
    """An alias: a field's values under another name."""
    return lambda recorded: recorded.get(name)


def build_constant_field(text: str) -> Derived:
    """A calculated field with one text in every event."""
    return lambda recorded: text


def of(name: str, change: Callable[[pa.Array], pa.Array]) -> Derived:
    """A calculated field: a change made to each distinct value of `name`."""

    def derived(recorded: Recorded) -> Field | None:
        field = recorded.get(name)
        return None if field is None else map_distinct_values(field, change)

    return derived


def name_or_address(name: str, address: str) -> Derived:
    """A host's name, and its address where the name is absent or `-`."""

    def derived(recorded: Recorded) -> Field | None:
        # The add-on: dest is DestinationHostname unless it is null or `-`, then DestinationIp (spl.md 11.3).
        found = of(name, without_dash)(recorded)
        otherwise = recorded.get(address)
        if found is None or otherwise is None or isinstance(found, str):
            return otherwise if found is None else found
        if isinstance(otherwise, str):
            return encode_text(found.cast(pa.string()).fill_null(otherwise))
        return encode_text(pc.coalesce(found.cast(pa.string()), otherwise.cast(pa.string())))

    return derived


def command_line(recorded: Recorded) -> Field | None:
    """A process's command line, behind the path of its image where the first word has no path."""
    line, image = recorded.get("CommandLine"), recorded.get("NewProcessName")
    if line is None or image is None:
        return line
    # Windows add-on 742 puts NewProcessName in front of a line whose first word has no backslash (spl.md 11.5).
    if isinstance(line, str) and isinstance(image, str):
        return line if re.match(r"\S*\\", line) else f"{image} {line}"
    columns = [f if isinstance(f, str) else f.cast(pa.string()) for f in (line, image)]
    with_image = pc.binary_join_element_wise(columns[1], columns[0], " ")
    has_path = pc.match_substring_regex(columns[0], r"^\S*\\")
    return encode_text(pc.if_else(has_path, columns[0], with_image))


def extract_file_names(values: pa.Array) -> pa.Array:
    """File names of paths: the text behind the last backslash."""
    return pc.replace_substring_regex(values, r"(?s)^.*\\", "")


def without_dash(values: pa.Array) -> pa.Array:
    """Values where `-` is absent."""
    return pc.if_else(pc.equal(values, "-"), pa.scalar(None, pa.string()), values)


def direction(values: pa.Array) -> pa.Array:
    """`outbound` or `inbound`, from Sysmon's Initiated."""
    return pc.if_else(pc.equal(values, "true"), "outbound", "inbound")


PROCESS_ADDITIONS: dict[str, Derived] = {
    "process_exec": of("Image", extract_file_names),
    "process_name": of("Image", extract_file_names),
    "process_guid": copy_field("ProcessGuid"),
    "process_id": copy_field("ProcessId"),
    # Only the account's own part, as the add-on has it.
    "user": of("User", extract_file_names),
    "creation_time": copy_field("UtcTime"),
    "vendor_product": build_constant_field("Microsoft Sysmon"),
}

EVENTS: dict[tuple[str, str], dict[str, Derived]] = {
    ("sysmon", "1"): {
        **PROCESS_ADDITIONS,
        "process": copy_field("CommandLine"),
        "process_path": copy_field("Image"),
        "process_hash": copy_field("Hashes"),
        "original_file_name": of("OriginalFileName", without_dash),
        "parent_process": copy_field("ParentCommandLine"),
        "parent_process_path": copy_field("ParentImage"),
        "parent_process_name": of("ParentImage", extract_file_names),
        "parent_process_guid": copy_field("ParentProcessGuid"),
        "parent_process_id": copy_field("ParentProcessId"),
        "dest": copy_field("Computer"),
        "action": build_constant_field("allowed"),
    },
    # Sysmon add-on 5709 (spl.md 11.3); process_path is not among its fields of event 3.
    ("sysmon", "3"): {
        **PROCESS_ADDITIONS,
        "app": copy_field("Image"),
        "dest_ip": copy_field("DestinationIp"),
        "dest_port": copy_field("DestinationPort"),
        "dest_host": of("DestinationHostname", without_dash),
        "dest": name_or_address("DestinationHostname", "DestinationIp"),
        "src_ip": copy_field("SourceIp"),
        "dvc_ip": copy_field("SourceIp"),
        "src_port": copy_field("SourcePort"),
        "src_host": of("SourceHostname", without_dash),
        "src": name_or_address("SourceHostname", "SourceIp"),
        "transport": copy_field("Protocol"),
        "transport_dest_port": copy_field("DestinationPort"),
        "direction": of("Initiated", direction),
        "state": build_constant_field("established"),
        "protocol": build_constant_field("ip"),
        "action": build_constant_field("allowed"),
    },
    ("sysmon", "22"): {
        **PROCESS_ADDITIONS,
        "query": copy_field("QueryName"),
        "reply_code_id": copy_field("QueryStatus"),
        "src": copy_field("Computer"),
    },
    # The creator is ProcessId here and the new process NewProcessId: the names are crossed against Sysmon's.
    ("windows_security", "4688"): {
        "process_exec": of("NewProcessName", extract_file_names),
        "process_name": of("NewProcessName", extract_file_names),
        "process_path": copy_field("NewProcessName"),
        "process_id": copy_field("NewProcessId"),
        "process": command_line,
        "parent_process_name": of("ParentProcessName", extract_file_names),
        "parent_process_path": copy_field("ParentProcessName"),
        "parent_process_id": copy_field("ProcessId"),
        "dest": copy_field("Computer"),
    },
}
"""Fields of each kind of event, by sensor and kind; an event's own field of that name stays."""


def add_on_fields(sensor: str, kind: str, recorded: Recorded) -> dict[str, Field]:
    """Aliases and calculated fields of the add-ons for one kind of events, absent ones left out."""
    found = {name: make(recorded) for name, make in EVENTS.get((sensor, kind), {}).items()}
    found["dvc"] = recorded.get("Computer")
    found["signature_id"] = recorded.get("EventCode")
    return {name: field for name, field in found.items() if field is not None}


# Extraction takes attributes under their bare names: Guid, ProcessID (spl.md 11.1). ProcessID is the logging process,
# and differs only in case from the event's own ProcessId.
ADD_ON_NAMES = {
    "Provider_Name": ("Name",),
    "Provider_Guid": ("Guid",),
    "EventID": ("EventCode", "EventID"),
    "EventRecordID": ("EventRecordID", "RecordNumber"),
    "Correlation_ActivityID": ("ActivityID",),
    "Correlation_RelatedActivityID": ("RelatedActivityID",),
    "Execution_ProcessID": ("ProcessID",),
    "Execution_ThreadID": ("ThreadID",),
    "Security_UserID": ("UserID",),
}
"""System fields whose names the Windows add-on changes; the others keep theirs."""

TOUCHED = re.compile("^$|[&<>]")
"""What extraction changes: empty text, and characters that XML encodes."""

WINDOWS_SOURCETYPE = "xmlwineventlog"
LEGACY_PREFIX = "XmlWinEventLog:"
"""What stands before the channel in the sourcetype that old add-ons gave."""

OTHER_SOURCETYPE = "_json"
"""The sourcetype of events that no sensor of ours knows."""

CONDITIONS = (
    Condition(name="index", values=("wineventlog",), meaning="the index of Windows events", free=True),
    Condition(
        name="addon",
        # The official add-on renames the old sourcetype: a search for it finds nothing there (spl.md 1, fact 12).
        values=("current", "legacy"),
        meaning="sourcetype is `xmlwineventlog`, or as long ago `XmlWinEventLog:<Channel>`",
    ),
    Condition(
        name="source", values=("XmlWinEventLog", "WinEventLog"), meaning="what stands before the channel in `source`"
    ),
    Condition(
        name="time",
        # Add-on 5709 reads UtcTime, older ones TimeCreated; they differ by seconds (spl.md 11.1).
        values=("TimeCreated", "UtcTime"),
        meaning="what `_time` is read from: when the event was written, or when Sysmon says that it happened",
    ),
    Condition(
        name="host", values=("short", "fqdn"), meaning="whether `host` is the first label of the computer's name"
    ),
    Condition(
        name="system_names",
        values=("addon", "sigma"),
        meaning="with `sigma`, System fields have besides the names that converted Sigma rules read (Provider_Name)",
    ),
)


@dataclass(frozen=True, slots=True)
class SplunkPlatform:
    """Splunk with the add-ons for Windows, Sysmon and CrowdStrike."""

    name: str = "splunk"
    conditions: tuple[Condition, ...] = CONDITIONS

    def present(self, telemetry: Telemetry, conditions: Mapping[str, str], *, raw: bool = False) -> tuple[View, ...]:
        """Every event as a search sees it; metadata that an input recorded stays unless a condition is given."""
        arrival = find_arrival(telemetry)
        return tuple(
            build_splunk_view(events, numbers, conditions, raw, arrival) for numbers, events in number_events(telemetry)
        )


def build_splunk_view(
    events: Events, numbers: pa.Array, conditions: Mapping[str, str], raw: bool, arrival: int
) -> View:
    """Events of one kind: `_time`, metadata, extracted fields, those of the add-ons, `_raw` where `raw` asks for it."""
    recorded = {n: f for n, f in list_event_fields(events).items() if n != RAW_FIELD or events.sensor != "text"}
    # Splunk: an event in which no time is found has that of its indexing.
    times = fill_times(events.columns.column(TIME), arrival)
    found: dict[str, Field | None] = {"_time": build_splunk_time(events, times, resolve_condition("time", conditions))}
    # Before the event's own fields: setdefault below lets no field of an event be index or source.
    found |= metadata(events, conditions)
    extracted: Iterable[tuple[str, Field | None]] = gather_list_fields(recorded, len(events), "{}").items()
    if is_windows(events):
        extracted = windows_fields(recorded, len(events), resolve_condition("system_names", conditions))
    for name, field in extracted:
        if field is not None:
            found.setdefault(name, field)
    if is_windows(events):
        # Last: an alias or calculated field gives way to an extracted one of its name.
        for name, field in add_on_fields(events.sensor, events.kind, found).items():
            found.setdefault(name, field)
    # Built only on demand: the text of each event costs more than all of its fields.
    if raw:
        found[RAW_FIELD] = build_native_texts(events)
    # Splunk cleans names: one that is left without any character is no field, and no search could name it.
    found.pop("", None)
    columns = {n: f for n, f in found.items() if f is not None and not isinstance(f, str)}
    return View(
        constants={n: f for n, f in found.items() if isinstance(f, str)},
        columns=pa.table({**columns, "@event": numbers, CAUSE: events.columns.column(CAUSE)}),
    )


def resolve_condition(name: str, conditions: Mapping[str, str]) -> str:
    """The given value of a condition, else its default."""
    return conditions.get(name) or next(c.default for c in CONDITIONS if c.name == name)


def build_splunk_time(events: Events, written: pa.ChunkedArray, read_from: str) -> pa.ChunkedArray:
    """`_time` as epoch seconds; where `UtcTime` is asked for and absent or no time, when the event was written."""
    happened = list_event_fields(events).get("UtcTime") if read_from == "UtcTime" and is_windows(events) else None
    if happened is None or isinstance(happened, str):
        return build_epoch_column(written, 1)
    return build_epoch_column(pc.coalesce(parse_times(happened.cast(pa.string())), written), 1)


def metadata(events: Events, conditions: Mapping[str, str]) -> dict[str, Field | None]:
    """Index, source, sourcetype and host: what an input recorded, unless a condition is given."""
    recorded = list_event_fields(events)
    made = windows_metadata(recorded, conditions) if is_windows(events) else other_metadata(recorded, events)
    # A condition given by name overrides what an input recorded; its default does not.
    told = {"source": "source", "sourcetype": "addon", "index": "index", "host": "host"}
    kept = [n for n in METADATA_FIELDS if n in recorded and told[n] not in conditions]
    return {n: prefer_recorded(recorded[n], made[n]) if n in kept else made[n] for n in METADATA_FIELDS}


def prefer_recorded(recorded: Field, made: Field | None) -> Field:
    """The recorded values, and derived ones in events that lack them."""
    if isinstance(recorded, str) or made is None or not recorded.null_count:
        return recorded
    return encode_text(
        pc.coalesce(recorded.cast(pa.string()), made if isinstance(made, str) else made.cast(pa.string()))
    )


def windows_metadata(recorded: Mapping[str, Field], conditions: Mapping[str, str]) -> dict[str, Field | None]:
    """Metadata of Windows events, as forwarder and add-on set them."""
    channel, computer = recorded.get("Channel"), recorded.get("Computer")
    source = resolve_condition("source", conditions)
    legacy = resolve_condition("addon", conditions) == "legacy"
    return {
        "index": resolve_condition("index", conditions),
        "source": map_present_field(channel, lambda v: prepend_to_values(v, f"{source}:")),
        "sourcetype": map_present_field(channel, lambda v: prepend_to_values(v, LEGACY_PREFIX))
        if legacy
        else WINDOWS_SOURCETYPE,
        "host": map_present_field(computer, first_label)
        if resolve_condition("host", conditions) == "short"
        else computer,
    }


def other_metadata(recorded: Mapping[str, Field], events: Events) -> dict[str, Field | None]:
    """What the inputs of other sources set."""
    unknown = SplunkInput(index="main", source=events.sensor, sourcetype=OTHER_SOURCETYPE)
    told = map_splunk_inputs().get(events.sensor) or map_shape_origins().get(events.sensor) or unknown
    # A product of many logs has a sourcetype for each.
    named = {name: text.format(kind=events.kind) for name, text in asdict(told).items()}
    return {**named, "host": recorded.get("ComputerName")}


@cache
def map_splunk_inputs() -> Mapping[str, SplunkInput]:
    """What each sensor that writes no Windows channel is to Splunk."""
    return {name: origin for name in sensor_names() if isinstance(origin := sensor_of(name).origin, SplunkInput)}


def windows_fields(recorded: Mapping[str, Field], rows: int, names: str) -> Iterator[tuple[str, Field | None]]:
    """What extraction finds in the event's XML: entities stay encoded, empty values are no field, names are cleaned."""
    for name in SYSTEM_FIELDS:
        if name in recorded:
            field = as_extracted(recorded[name])
            # EventID as EventCode and under its own name, which the add-on makes an alias.
            yield from ((n, field) for n in ADD_ON_NAMES.get(name, (name,)))
            if names == "sigma":
                yield name, field
    data = {n: as_extracted(f) for n, f in recorded.items() if n not in SYSTEM_FIELDS and n not in METADATA_FIELDS}
    for name, field in gather_list_fields(data, rows).items():
        yield clean_field_name(name), field


def as_extracted(field: Field) -> Field | None:
    """The field as its text stands in the XML; empty text is no field."""
    if isinstance(field, str) and not TOUCHED.search(field):
        return field
    return map_distinct_values(field, extracted_values)


def extracted_values(values: pa.Array) -> pa.Array:
    """Values with entities, empty ones absent; untouched as they mostly are."""
    if not pc.any(pc.match_substring_regex(values, TOUCHED.pattern)).as_py():
        return values
    return with_entities(without_empty(values))


def map_present_field(field: Field | None, change: Callable[[pa.Array], pa.Array]) -> Field | None:
    """The field with a change made to its values; an absent one stays absent."""
    return None if field is None else map_distinct_values(field, change)


def prepend_to_values(values: pa.Array, prefix: str) -> pa.Array:
    """Each value behind the prefix."""
    return pc.binary_join_element_wise(pa.scalar(prefix), values, "")


def first_label(values: pa.Array) -> pa.Array:
    """Each name up to its first dot."""
    return pc.replace_substring_regex(values, r"\..*$", "")


def clean_field_name(name: str) -> str:
    """A field's name as Splunk keeps it: letters, digits and underscores, neither digit nor underscore first."""
    # CLEAN_KEYS of transforms.conf (spl.md 11.2).
    return re.sub(r"[^A-Za-z0-9]", "_", name).lstrip("_0123456789")


PLATFORM = SplunkPlatform()
