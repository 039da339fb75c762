"""What Splunk makes of recorded events: metadata, extracted fields, and what extraction loses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.add_on import added
from harness.telemetry.columnar import Field, encoded, epoch, fields_of, mapped, numbered, with_entities, without_empty
from harness.telemetry.event import CAUSE, TIME, TIME_TYPE, Events, Telemetry
from harness.telemetry.moment import micros
from harness.telemetry.multivalue import gathered
from harness.telemetry.native import METADATA, RAW, texts
from harness.telemetry.platform import Condition, View
from harness.telemetry.windows import SYSTEM_FIELDS, is_windows

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

ORIGINS = {
    "falcon": {"index": "crowdstrike", "source": "crowdstrike:fdr", "sourcetype": "crowdstrike:events:sensor"},
    "proxy": {"index": "proxy", "source": "proxy", "sourcetype": "proxy"},
}
"""Metadata of events that come from no Windows channel, by sensor."""

CONDITIONS = (
    Condition(name="index", values=("wineventlog",), meaning="the index of Windows events", free=True),
    Condition(
        name="addon",
        values=("current", "legacy"),
        meaning="sourcetype is `xmlwineventlog`, or as long ago `XmlWinEventLog:<Channel>`",
    ),
    Condition(
        name="source", values=("XmlWinEventLog", "WinEventLog"), meaning="what stands before the channel in `source`"
    ),
    Condition(
        name="time",
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
class Splunk:
    """Splunk with the add-ons for Windows, Sysmon and CrowdStrike."""

    name: str = "splunk"
    conditions: tuple[Condition, ...] = CONDITIONS

    def present(self, telemetry: Telemetry, conditions: Mapping[str, str], *, raw: bool = False) -> tuple[View, ...]:
        """Every event as a search sees it; metadata that an input recorded stays unless a condition is given."""
        return tuple(view(events, numbers, conditions, raw) for numbers, events in numbered(telemetry))


def view(events: Events, numbers: pa.Array, conditions: Mapping[str, str], raw: bool) -> View:
    """One kind of events."""
    recorded = {n: f for n, f in fields_of(events).items() if n != RAW or events.sensor != "text"}
    found: dict[str, Field | None] = {"_time": time(events, condition("time", conditions))}
    found |= metadata(events, conditions)
    extracted: Iterable[tuple[str, Field | None]] = gathered(recorded, len(events), "{}").items()
    if is_windows(events):
        extracted = windows_fields(recorded, len(events), condition("system_names", conditions))
    for name, field in extracted:
        if field is not None:
            found.setdefault(name, field)
    if is_windows(events):
        for name, field in added(events.sensor, events.kind, found).items():
            found.setdefault(name, field)
    if raw:
        found[RAW] = texts(events)
    columns = {n: f for n, f in found.items() if f is not None and not isinstance(f, str)}
    return View(
        constants={n: f for n, f in found.items() if isinstance(f, str)},
        columns=pa.table({**columns, "@event": numbers, CAUSE: events.columns.column(CAUSE)}),
    )


def condition(name: str, conditions: Mapping[str, str]) -> str:
    """The value of a condition, given or by default."""
    return conditions.get(name) or next(c.default for c in CONDITIONS if c.name == name)


def time(events: Events, read_from: str) -> pa.ChunkedArray:
    """`_time` as epoch seconds; where `UtcTime` is asked for and absent or no time, when the event was written."""
    written = events.columns.column(TIME)
    happened = fields_of(events).get("UtcTime") if read_from == "UtcTime" and is_windows(events) else None
    if happened is None or isinstance(happened, str):
        return epoch(written, 1)
    values = happened.cast(pa.string())
    try:
        times = values.cast(pa.timestamp("us")).cast(TIME_TYPE)
    except pa.ArrowInvalid:
        times = pa.chunked_array([pa.array([micros(v) for v in values.to_pylist()], pa.int64()).cast(TIME_TYPE)])
    return epoch(pc.coalesce(times, written), 1)


def metadata(events: Events, conditions: Mapping[str, str]) -> dict[str, Field | None]:
    """Index, source, sourcetype and host: what an input recorded, unless a condition is given."""
    recorded = fields_of(events)
    made = windows_metadata(recorded, conditions) if is_windows(events) else other_metadata(recorded, events.sensor)
    told = {"source": "source", "sourcetype": "addon", "index": "index", "host": "host"}
    kept = [n for n in METADATA if n in recorded and told[n] not in conditions]
    return {n: filled(recorded[n], made[n]) if n in kept else made[n] for n in METADATA}


def filled(recorded: Field, made: Field | None) -> Field:
    """What was recorded, and in the events that did not record it what is made of the others."""
    if isinstance(recorded, str) or made is None or not recorded.null_count:
        return recorded
    return encoded(pc.coalesce(recorded.cast(pa.string()), made if isinstance(made, str) else made.cast(pa.string())))


def windows_metadata(recorded: Mapping[str, Field], conditions: Mapping[str, str]) -> dict[str, Field | None]:
    """What the forwarder and the add-on set for events from a Windows event log."""
    channel, computer = recorded.get("Channel"), recorded.get("Computer")
    source = condition("source", conditions)
    legacy = condition("addon", conditions) == "legacy"
    return {
        "index": condition("index", conditions),
        "source": changed(channel, lambda v: prefixed(v, f"{source}:")),
        "sourcetype": changed(channel, lambda v: prefixed(v, "XmlWinEventLog:")) if legacy else "xmlwineventlog",
        "host": changed(computer, first_label) if condition("host", conditions) == "short" else computer,
    }


def other_metadata(recorded: Mapping[str, Field], sensor: str) -> dict[str, Field | None]:
    """What the inputs of other sources set."""
    made = {"index": "main", "source": sensor, "sourcetype": "_json", **ORIGINS.get(sensor, {})}
    return {**made, "host": recorded.get("ComputerName")}


def windows_fields(recorded: Mapping[str, Field], rows: int, names: str) -> Iterator[tuple[str, Field | None]]:
    """What extraction finds in the event's XML: entities stay encoded, empty values are no field, names are cleaned."""
    for name in SYSTEM_FIELDS:
        if name in recorded:
            field = as_extracted(recorded[name])
            yield from ((n, field) for n in ADD_ON_NAMES.get(name, (name,)))
            if names == "sigma":
                yield name, field
    data = {n: as_extracted(f) for n, f in recorded.items() if n not in SYSTEM_FIELDS and n not in METADATA}
    for name, field in gathered(data, rows).items():
        yield cleaned(name), field


def as_extracted(field: Field) -> Field | None:
    """The field as its text stands in the XML; empty text is no field."""
    if isinstance(field, str) and not TOUCHED.search(field):
        return field
    return mapped(field, extracted_values)


def extracted_values(values: pa.Array) -> pa.Array:
    """Values with entities, empty ones absent; untouched as they mostly are."""
    if not pc.any(pc.match_substring_regex(values, TOUCHED.pattern)).as_py():
        return values
    return with_entities(without_empty(values))


def changed(field: Field | None, change: Callable[[pa.Array], pa.Array]) -> Field | None:
    """The field with a change made to its values; an absent one stays absent."""
    return None if field is None else mapped(field, change)


def prefixed(values: pa.Array, prefix: str) -> pa.Array:
    """Each value behind the prefix."""
    return pc.binary_join_element_wise(pa.scalar(prefix), values, "")


def first_label(values: pa.Array) -> pa.Array:
    """Each name up to its first dot."""
    return pc.replace_substring_regex(values, r"\..*$", "")


def cleaned(name: str) -> str:
    """A field's name as Splunk keeps it: letters, digits and underscores, neither digit nor underscore first."""
    return re.sub(r"[^A-Za-z0-9]", "_", name).lstrip("_0123456789")


PLATFORM = Splunk()
