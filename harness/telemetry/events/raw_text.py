"""The text of each event as its own log holds it, and all of them as lines in order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import IO, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.late_pattern import late_pattern
from harness.telemetry.events.event import METADATA_FIELDS, TIME, Events
from harness.telemetry.events.event_xml import NAMESPACE, complete_event_xml, render_event_xml
from harness.telemetry.events.text_columns import (
    LIST_MEMBER,
    Field,
    build_epoch_column,
    list_event_fields,
    map_distinct_values,
    with_entities,
)
from harness.telemetry.events.windows_event import SYSTEM_FIELDS, is_windows, sensor_of
from harness.telemetry.shapes.falcon import FALCON_KINDS

# Arrow's string arrays hold 2 GiB: 20,000 events of up to 100 kB each.
NATIVE_ROWS_AT_ONCE = 20_000

RAW_FIELD = "_raw"
"""The text of an event that was read from a plain file, which is all that there is of it."""

EXPORTED_TEXTS = (RAW_FIELD, "@rawstring")
"""What exports of both products call the text of an event, which they have beside its fields."""
# Names under which shippers keep an event's message, and decoders the event itself.
CLASSIC_MESSAGE = "\nMessage="
MORE_THAN_DATA = late_pattern(r'[Mm]essage"\s*:|xml_name"\s*:|"Event"\s*:')

Piece: TypeAlias = "str | pa.ChunkedArray"
"""A part of each event's text: the same for all, or a column of text without nulls."""


def build_native_texts(events: Events, recorded: pa.ChunkedArray | None = None) -> pa.ChunkedArray:
    """The text of each event as its log holds it: XML, JSON, or a plain line; a column of strings.

    `recorded` are the texts that were kept of events: a Windows event that came as JSON is written as XML with all that
    the JSON says, everything else is what was recorded.
    """
    if recorded is not None:
        return complete_recorded_texts(events, recorded)
    if is_windows(events):
        return concat_pieces(xml_pieces(events), len(events))
    own = find_exported_texts(events)
    return json_texts(list_event_fields(events), len(events)) if own is None else own


def find_exported_texts(events: Events) -> pa.ChunkedArray | None:
    """The text that an index had of each event, where its export has a field of it; None where it has not."""
    own = next((n for n in EXPORTED_TEXTS if n in events.columns.column_names), None)
    if own is None or is_windows(events):
        return None
    said = events.columns.column(own).cast(pa.string())
    rest = {n: f for n, f in list_event_fields(events).items() if n != own}
    return pc.coalesce(said, json_texts(rest, len(events))) if said.null_count else said


def fill_recorded_texts(events: Events, recorded: pa.ChunkedArray | None) -> pa.ChunkedArray:
    """The recorded texts as they are; where there is none it is made of the event's fields."""
    own = find_exported_texts(events)
    # The record around a text of its own is that of the export.
    if own is not None:
        return own
    if recorded is None:
        return build_native_texts(events)
    return pc.coalesce(recorded, build_native_texts(events)) if recorded.null_count else recorded


def complete_recorded_texts(events: Events, recorded: pa.ChunkedArray) -> pa.ChunkedArray:
    """The recorded texts, those of Windows events as XML; where there is none it is made of the event's fields."""
    if not is_windows(events):
        return fill_recorded_texts(events, recorded)
    native = pc.starts_with(pc.utf8_ltrim_whitespace(recorded), "<")
    if not recorded.null_count and pc.all(native).as_py():
        return recorded
    made = build_native_texts(events)
    parts = []
    for first in range(0, len(events), NATIVE_ROWS_AT_ONCE):
        here = (column.slice(first, NATIVE_ROWS_AT_ONCE).to_pylist() for column in (made, recorded))
        # Row by row in Python: what decoders and shippers nest has no columns.
        parts.append(pa.array([complete_event_text(*texts) for texts in zip(*here, strict=True)], pa.string()))
    return pa.chunked_array(parts, pa.string())


def complete_event_text(made: str, recorded: str | None) -> str:
    """The XML of one event, from the text that is made of its fields and the one that was recorded."""
    if recorded is None or recorded.lstrip().startswith("<"):
        return recorded or made
    if CLASSIC_MESSAGE in recorded and not recorded.lstrip().startswith("{"):
        return complete_event_xml(made, {"message": recorded.partition(CLASSIC_MESSAGE)[2]})
    if not MORE_THAN_DATA.search(recorded):
        return made
    try:
        value = msgspec.json.decode(recorded)
    except (msgspec.DecodeError, RecursionError):
        return made
    event = value.get("Event") if isinstance(value, dict) else None
    if isinstance(event, dict) and isinstance(event.get("System"), dict):
        return render_event_xml(event)
    return complete_event_xml(made, value) if isinstance(value, dict) else made


def concat_pieces(pieces: list[Piece], rows: int) -> pa.ChunkedArray:
    """The pieces of each event one after another; done in parts, so that no array of text grows beyond its limit."""
    parts = []
    for first in range(0, rows, NATIVE_ROWS_AT_ONCE):
        here = [p if isinstance(p, str) else p.slice(first, NATIVE_ROWS_AT_ONCE).cast(pa.string()) for p in pieces]
        solid = [pa.scalar(p) if isinstance(p, str) else p.combine_chunks() for p in here]
        # A column that makes the result an array of rows even where every piece is one text.
        anchor = pa.array([""] * min(NATIVE_ROWS_AT_ONCE, rows - first))
        parts.append(pc.binary_join_element_wise(*solid, anchor, "", null_handling="replace", null_replacement=""))
    return pa.chunked_array(parts, pa.string())


def wrap_field(field: Field | None, before: str, after: str) -> list[Piece]:
    """The field's text between two texts; an event without the field has neither."""
    if field is None:
        return []
    if isinstance(field, str):
        return [before + field + after]
    around = map_distinct_values(
        field, lambda v: pc.binary_join_element_wise(pa.scalar(before), v, pa.scalar(after), "")
    )
    return [] if around is None else [around]


def xml_pieces(events: Events) -> list[Piece]:
    """A Windows event as the event log renders it: one line but for what its data hold, single quotes, 100 ns times."""
    recorded = {n: f for n, f in list_event_fields(events).items() if n not in METADATA_FIELDS}
    fields = {n: map_distinct_values(f, with_entities) for n, f in recorded.items()}
    # Recorded events keep their text with all its digits; simulated ones have only the time.
    fields["SystemTime"] = with_times(fields.get("SystemTime"), system_time(events.columns.column(TIME)))
    pieces: list[Piece] = [f"<Event xmlns='{NAMESPACE}'><System>"]
    pieces += element("Provider", {"Name": "Provider_Name", "Guid": "Provider_Guid"}, fields)
    for name in ("EventID", "Version", "Level", "Task", "Opcode", "Keywords"):
        pieces += wrap_field(fields.get(name), f"<{name}>", f"</{name}>")
    pieces += element("TimeCreated", {"SystemTime": "SystemTime"}, fields)
    pieces += wrap_field(fields.get("EventRecordID"), "<EventRecordID>", "</EventRecordID>")
    ids = {"ActivityID": "Correlation_ActivityID", "RelatedActivityID": "Correlation_RelatedActivityID"}
    pieces += element("Correlation", ids, fields)
    pieces += element("Execution", {"ProcessID": "Execution_ProcessID", "ThreadID": "Execution_ThreadID"}, fields)
    for name in ("Channel", "Computer"):
        pieces += wrap_field(fields.get(name), f"<{name}>", f"</{name}>")
    pieces += [*element("Security", {"UserID": "Security_UserID"}, fields), "</System><EventData>"]
    for name, field in fields.items():
        if name not in SYSTEM_FIELDS:
            pieces += wrap_field(field, data_tag(name), "</Data>")
    # UserData are written as EventData: rules read names and values, and the name of their element is not kept.
    return [*pieces, "</EventData></Event>"]


def element(tag: str, attributes: Mapping[str, str], fields: Mapping[str, Field | None]) -> list[Piece]:
    """An element of System without text: only those attributes that an event has."""
    pieces: list[Piece] = [f"<{tag}"]
    for attribute, name in attributes.items():
        field = fields.get(name)
        # Only in attributes: in text Windows leaves quotes as they are (spl.md 11.2).
        quoted = None if field is None else map_distinct_values(field, lambda v: pc.replace_substring(v, "'", "&apos;"))
        pieces += wrap_field(quoted, f" {attribute}='", "'")
    return [*pieces, "/>"]


def data_tag(name: str) -> str:
    """The start of one datum; members of the list `Data` have no name in an event log."""
    if LIST_MEMBER.sub("", name) == "Data":
        return "<Data>"
    return f"<Data Name='{escape(name, quote=False).replace(chr(39), '&apos;')}'>"


def system_time(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times as Windows prints them: UTC, nine digits of a second; ours have microseconds, so the last three are 0."""
    return pc.binary_join_element_wise(pc.strftime(times, "%Y-%m-%dT%H:%M:%S"), pa.scalar("000Z"), "")


def json_texts(fields: Mapping[str, Field], rows: int) -> pa.ChunkedArray:
    """The events' JSON objects, a column of strings: all values strings, an absent field is no member."""
    pieces: list[Piece] = ["{"]
    for name, field in fields.items():
        pieces += json_member(name, field)
    # A comma behind every member and the last one off: which member is last differs from row to row.
    trimmed = pc.replace_substring_regex(concat_pieces(pieces, rows), ",$", "")
    return pc.binary_join_element_wise(trimmed, pa.scalar("}"), "")


def json_member(name: str, field: Field | None) -> list[Piece]:
    """A field's name and text as JSON, with a comma behind."""
    encoded = None if field is None else map_distinct_values(field, encode_json_strings)
    return wrap_field(encoded, f"{msgspec.json.encode(name).decode()}:", ",")


def stamp_fields(events: Events) -> dict[str, Field]:
    """The fields as JSON carries them: with the time of the event, and its sensor and kind if they do not show."""
    fields = list_event_fields(events)
    times = events.columns.column(TIME)
    if is_windows(events):
        fields["SystemTime"] = with_times(fields.get("SystemTime"), system_time(times))
    elif events.sensor == "falcon":
        if not any(name in fields for name in FALCON_KINDS):
            fields["event_simpleName"] = events.kind
        if "@timestamp" not in fields:
            fields["timestamp"] = with_times(fields.get("timestamp"), format_epoch_milliseconds(times))
    if tells_itself(events):
        return fields
    return {"@sensor": events.sensor, "@kind": events.kind, "@time": system_time(times), **fields}


def tells_itself(events: Events) -> bool:
    """Whether a reader of the fields alone would find the same sensor and kind."""
    fields = list_event_fields(events)
    # What a reader of the text alone would find; where it would find something
    # else, the text says it in @sensor and @kind.
    if events.sensor == "falcon":
        return next((fields[name] for name in FALCON_KINDS if name in fields), events.kind) == events.kind
    channel = fields.get("Channel")
    known = isinstance(channel, str) and sensor_of(channel) == events.sensor
    return known and fields.get("EventID") == events.kind


def with_times(field: Field | None, times: pa.ChunkedArray) -> Field:
    """A field of time, and where an event lacks it the time at which it was recorded."""
    if field is None:
        return times
    return field if isinstance(field, str) or not field.null_count else pc.coalesce(field.cast(pa.string()), times)


def format_epoch_milliseconds(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times as epoch milliseconds in text, as Falcon writes them."""
    return pc.floor(build_epoch_column(times, 1000)).cast(pa.int64()).cast(pa.string())


def encode_json_strings(values: pa.Array) -> pa.Array:
    """Each value as a JSON string."""
    return pa.array((None if v is None else msgspec.json.encode(v).decode() for v in values.to_pylist()), pa.string())


# Some 40 MB of XML lines, held as Python texts at once.
LINES_AT_ONCE = 20_000


def write_lines(tables: Sequence[tuple[Events, pa.ChunkedArray]], out: IO[bytes]) -> int:
    """Writes each event's text and a line end, the earliest first; of equal times the first table's comes first.

    Returns how many events that were.
    """
    if not tables:
        return 0
    # Stable: the order of the tables, and within each of its rows, decides equal times, so equal input is equal bytes.
    order = np.argsort(np.concatenate([list_sortable_times(events) for events, _ in tables]), kind="stable")
    whole = pa.chunked_array([chunk for _, texts in tables for chunk in texts.chunks], pa.string())
    for first in range(0, len(order), LINES_AT_ONCE):
        block = whole.take(pa.array(order[first : first + LINES_AT_ONCE])).to_pylist()
        out.write(("\n".join(block) + "\n").encode())
    return len(order)


def list_sortable_times(events: Events) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The time of each event in microseconds; events without one come last."""
    times = events.columns.column(TIME).cast(pa.int64()).fill_null(np.iinfo(np.int64).max)
    return np.asarray(times.to_numpy(), np.int64)
