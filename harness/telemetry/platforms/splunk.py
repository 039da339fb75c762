"""What Splunk has of recorded events with the add-ons for Windows and Sysmon: metadata, extracted fields, the text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.add_on_fields import add_on_fields
from harness.telemetry.events.classic_event import MESSAGE, build_classic_texts, extract_message, list_classic_fields
from harness.telemetry.events.column_lineage import MARKED_TEXT, spare_plain_texts
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
    LIST_MEMBER,
    Field,
    build_epoch_column,
    gather_list_fields,
    list_event_fields,
    map_distinct_values,
    number_events,
    with_entities,
    without_empty,
)
from harness.telemetry.events.windows_event import SYSTEM_FIELDS, is_windows
from harness.telemetry.field_aliases import list_aliases
from harness.telemetry.platform import Condition, View
from harness.telemetry.recorded_text import read_recorded_texts
from harness.telemetry.splunk_inputs import (
    CONDITIONS,
    TELLING_FIELDS,
    Collection,
    metadata,
    resolve_collection,
    resolve_condition,
)

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

TOUCHED = late_pattern(MARKED_TEXT)
"""What extraction changes: empty text, and characters that XML encodes."""


@record
class SplunkPlatform:
    """Splunk with the add-ons for Windows, Sysmon and CrowdStrike."""

    name: str = "splunk"
    conditions: tuple[Condition, ...] = CONDITIONS
    time_field: str = "_time"
    text_fields: tuple[str, ...] = (RAW_FIELD, MESSAGE)
    telling_fields: tuple[str, ...] = TELLING_FIELDS

    def present(self, telemetry: Telemetry, conditions: Mapping[str, str], *, raw: bool = False) -> tuple[View, ...]:
        """Every event as a search sees it; metadata that an input recorded stays unless a condition is given."""
        arrival = find_arrival(telemetry)
        texts = read_recorded_texts(telemetry) if raw else (None,) * len(telemetry.events)
        return tuple(
            build_splunk_view(events, numbers, conditions, raw, arrival, text)
            for (numbers, events), text in zip(number_events(telemetry), texts, strict=True)
        )


def build_splunk_view(
    events: Events,
    numbers: pa.Array,
    conditions: Mapping[str, str],
    raw: bool,
    arrival: int,
    recorded_text: pa.ChunkedArray | None = None,
) -> View:
    """Events of one kind: `_time`, metadata, extracted fields, those of the add-ons, `_raw` where `raw` asks for it."""
    recorded = {n: f for n, f in list_event_fields(events).items() if n != RAW_FIELD or events.sensor != "text"}
    # Splunk: an event in which no time is found has that of its indexing.
    times = fill_times(events.columns.column(TIME), arrival)
    found: dict[str, Field | None] = {"_time": build_splunk_time(events, times, resolve_condition("time", conditions))}
    # Before the event's own fields: setdefault below lets no field of an event be index or source.
    found |= metadata(events, conditions)
    extracted: Iterable[tuple[str, Field | None]] = gather_list_fields(recorded, len(events), "{}").items()
    windows = is_windows(events)
    if windows:
        extracted = windows_fields(events, recorded, conditions)
    for name, field in extracted:
        if field is not None:
            found.setdefault(name, field)
    if windows:
        # Last: an alias or calculated field gives way to an extracted one of its name.
        shown = recorded if resolve_collection(events, conditions) is Collection.CLASSIC else {}
        for name, field in add_on_fields(events.sensor, events.kind, {**shown, **found}).items():
            found.setdefault(name, field)
    # Built only on demand: the text of each event costs more than all of its fields.
    if raw:
        found |= build_text_fields(events, conditions, recorded_text)
    found |= dict(list_aliases(found, conditions))
    # Splunk cleans names: one that is left without any character is no field, and no search could name it.
    found.pop("", None)
    columns = {n: f for n, f in found.items() if f is not None and not isinstance(f, str)}
    return View(
        constants={n: f for n, f in found.items() if isinstance(f, str)},
        columns=pa.table({**columns, "@event": numbers, CAUSE: events.columns.column(CAUSE)}),
    )


def build_text_fields(
    events: Events, conditions: Mapping[str, str], recorded_text: pa.ChunkedArray | None
) -> dict[str, Field]:
    """`_raw` as the collection renders it, and `Message` where the text has one."""
    if not is_windows(events):
        return {RAW_FIELD: build_native_texts(events, recorded_text)}
    classic = resolve_collection(events, conditions) is Collection.CLASSIC
    made = build_classic_texts(events, recorded_text) if classic else build_native_texts(events, recorded_text)
    message = extract_message(made, classic=classic)
    return {RAW_FIELD: made} if message is None else {RAW_FIELD: made, MESSAGE: message}


def build_splunk_time(events: Events, written: pa.ChunkedArray, read_from: str) -> pa.ChunkedArray:
    """`_time` as epoch seconds; where `UtcTime` is asked for and absent or no time, when the event was written."""
    happened = list_event_fields(events).get("UtcTime") if read_from == "UtcTime" and is_windows(events) else None
    if happened is None or isinstance(happened, str):
        return build_epoch_column(written, 1)
    return build_epoch_column(pc.coalesce(parse_times(happened.cast(pa.string())), written), 1)


def windows_fields(
    events: Events, recorded: Mapping[str, Field], conditions: Mapping[str, str]
) -> Iterator[tuple[str, Field | None]]:
    """What extraction finds in an event's text, and with `sigma` the names that converted rules read."""
    classic = resolve_collection(events, conditions) is Collection.CLASSIC
    # First: Sigma's SourceName is Defender's `Source Name`, not the heading of that name.
    if resolve_condition("system_names", conditions) == "sigma":
        yield from sigma_fields(recorded, len(events), encoded=not classic)
    if classic:
        yield from ((clean_field_name(n), f) for n, f in list_classic_fields(events, recorded))
    else:
        yield from xml_fields(recorded, len(events), old=resolve_condition("addon", conditions) == "legacy")


def xml_fields(recorded: Mapping[str, Field], rows: int, *, old: bool) -> Iterator[tuple[str, Field | None]]:
    """What is in the event's XML: entities stay encoded, empty values are no field, names are cleaned.

    A name that comes several times is a list; the `old` add-on took the first of its values (spl.md 11.2).
    """
    for name in SYSTEM_FIELDS:
        if name in recorded:
            field = as_extracted(recorded[name])
            # EventID as EventCode and under its own name, which the add-on makes an alias.
            yield from ((n, field) for n in ADD_ON_NAMES.get(name, (name,)))
    data = list_data(recorded)
    if old:
        data = {n: f for n, f in data.items() if LIST_MEMBER.sub("", n) not in data or not LIST_MEMBER.search(n)}
    for name, field in gather_list_fields({n: as_extracted(f) for n, f in data.items()}, rows).items():
        yield clean_field_name(name), field


def list_data(recorded: Mapping[str, Field]) -> dict[str, Field]:
    """The fields that are an event's own data."""
    return {n: f for n, f in recorded.items() if n not in SYSTEM_FIELDS and n not in METADATA_FIELDS}


def sigma_fields(recorded: Mapping[str, Field], rows: int, *, encoded: bool) -> Iterator[tuple[str, Field | None]]:
    """Fields under the names that Sigma's rules have for them: those of the log, without the blanks in them."""
    change = as_extracted if encoded else leave_empty_out
    yield from ((name, change(recorded[name])) for name in SYSTEM_FIELDS if name in recorded)
    data: dict[str, Field | None] = {n: change(f) for n, f in list_data(recorded).items()}
    for name, field in gather_list_fields(data, rows).items():
        yield clean_field_name(name), field
        # `Threat Name` of Defender is ThreatName in most of Sigma, and in some of it what the log says.
        yield clean_field_name(name.replace(" ", "")), field
        yield name, field


def leave_empty_out(field: Field) -> Field | None:
    """The field as people see it; empty text is no field."""
    return map_distinct_values(field, without_empty)


def as_extracted(field: Field) -> Field | None:
    """The field as its text stands in the XML; empty text is no field."""
    if isinstance(field, str) and not TOUCHED.search(field):
        return field
    return map_distinct_values(field, extracted_values)


@spare_plain_texts
def extracted_values(values: pa.Array) -> pa.Array:
    """Values with entities, empty ones absent; untouched as they mostly are."""
    if not pc.any(pc.match_substring_regex(values, TOUCHED.pattern)).as_py():
        return values
    return with_entities(without_empty(values))


def clean_field_name(name: str) -> str:
    """A field's name as Splunk keeps it: letters, digits and underscores, neither digit nor underscore first."""
    # CLEAN_KEYS of transforms.conf (spl.md 11.2).
    return re.sub(r"[^A-Za-z0-9]", "_", name).lstrip("_0123456789")


PLATFORM = SplunkPlatform()
