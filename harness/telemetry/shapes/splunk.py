"""Splunk: what its HTTP Event Collector takes, and what a search exports as JSON or CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from harness.telemetry.events.event import METADATA_FIELDS
from harness.telemetry.shape import Envelope, OpenedEvent, Shape

# The keys of Splunk's HTTP Event Collector; an object with any other has an `event` of its own meaning.
COLLECTOR = frozenset({*METADATA_FIELDS, "time", "event", "fields"})


def open_collector_event(value: Mapping[str, Any]) -> OpenedEvent | None:
    """The event in a collector's envelope, with the envelope's metadata."""
    if value["event"] is None or not COLLECTOR.issuperset(value):
        return None
    event = value["event"]
    text = event if isinstance(event, str) else None
    return OpenedEvent(inner=read_event(event), text=text, metadata=metadata_of(value), time=text_of(value.get("time")))


def open_search_result(value: Mapping[str, Any]) -> OpenedEvent | None:
    """The row in a line of `export`, with its preview and offset around it."""
    return OpenedEvent(inner=value["result"], shape="splunk_export") if isinstance(value["result"], dict) else None


def open_raw_row(value: Mapping[str, Any]) -> OpenedEvent | None:
    """The event behind the text of a row; extracted fields are in it."""
    raw = value["_raw"]
    # Our own recordings of plain logs have `_raw` too, and say what they are.
    if not isinstance(raw, str) or "@sensor" in value:
        return None
    time = text_of(value.get("_time"))
    return OpenedEvent(inner=read_raw(raw), text=raw, metadata=metadata_of(value), time=time, shape="splunk_raw")


def open_search_table(value: Mapping[str, Any]) -> OpenedEvent | None:
    """The rows of the output modes `json_rows` and `json_cols`."""
    fields = value["fields"]
    names = [f.get("name") if isinstance(f, dict) else f for f in fields] if isinstance(fields, list) else []
    rows = value.get("rows")
    columns = value.get("columns")
    if rows is None and isinstance(columns, list):
        rows = list(zip(*columns, strict=False))
    if not names or not isinstance(rows, list) or not all(isinstance(row, list | tuple) for row in rows):
        return None
    return OpenedEvent(inner=[dict(zip(names, row, strict=False)) for row in rows], shape="splunk_export")


def read_raw(text: str) -> Mapping[str, Any] | str:
    """The object in a text of JSON; all other text as it is."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        return object_in(text)
    except ValueError:
        return text


def read_event(event: Any) -> Mapping[str, Any] | str:
    """An event's object, or its text."""
    if isinstance(event, dict):
        return event
    if isinstance(event, str) and event.strip():
        text = event.lstrip()
        return object_in(text) if text.startswith("{") else text
    raise ValueError(f"the event is neither text nor a JSON object: `{str(event)[:60]}`")


def object_in(text: str) -> dict[str, Any]:
    """The JSON object in a text. Raises ValueError where there is none."""
    try:
        return msgspec.json.decode(text, type=dict)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"the JSON within the event cannot be read: {error}") from error


def metadata_of(value: Mapping[str, Any]) -> dict[str, str]:
    """Index, source, sourcetype and host, those that are there."""
    return {n: str(value[n]) for n in METADATA_FIELDS if value.get(n) not in (None, "")}


def text_of(value: Any) -> str | None:
    """A metadata value as text; None stays absent."""
    return None if value is None else str(value)


ENVELOPES = (
    Envelope(name="splunk_hec", keys=("event",), open=open_collector_event, objects=("event",), rank=10),
    Envelope(name="splunk_export", keys=("result|preview", "result|offset", "result|lastrow"), open=open_search_result),
    Envelope(name="splunk_export", keys=("fields|rows", "fields|columns"), open=open_search_table),
    Envelope(name="splunk_raw", keys=("_raw",), open=open_raw_row),
)

# What Splunk adds to each event, and the names of its data models that the add-ons make aliases of recorded ones.
SPLUNK_OWN = (
    r"_.*|punct|linecount|splunk_server(_group)?|date_\w+|time(start|end)pos|tag(::.*)?|eventtype|timestamp|"
    r"dest|dvc|signature(_id)?|vendor_product|user|src|action|status|process(_\w+)?|parent_process(_\w+)?|"
    r"original_file_name|app|dest_\w+|src_\w+|direction|protocol(_version)?|transport(_dest_port)?|state|dvc_ip|"
    r"product|vendor|object\w*|result|severity(_id)?|eventSource|reply_code_id|query|id|name|subject|session_id|"
    r"privilege(_id)?|user_\w+|EventDescription|xmlns|creation_time"
)
# Columns that somebody chose may have any name, those of data models too.
SPLUNK_INTERNAL = (
    r"_.*|punct|linecount|splunk_server(_group)?|date_\w+|time(start|end)pos|tag(::.*)?|eventtype|timestamp"
)
SPLUNK_NAMES = {
    "EventCode": "EventID",
    "EventID": "",
    "Name": "Provider_Name",
    "Guid": "Provider_Guid",
    "RecordNumber": "EventRecordID",
    "SystemTime": "SystemTime",
    "TimeCreated": "SystemTime",
    "ActivityID": "Correlation_ActivityID",
    "RelatedActivityID": "Correlation_RelatedActivityID",
    "ProcessID": "Execution_ProcessID",
    "ThreadID": "Execution_ThreadID",
    "UserID": "Security_UserID",
    "ComputerName": "Computer",
    "LogName": "Channel",
    "SourceName": "Provider_Name",
    "Message": "",
}

SHAPES = (
    Shape(
        name="splunk_fields",
        meaning="rows of a Splunk search with the fields of its add-ons",
        marks=("EventCode|_time|punct", "EventCode|_time|index|sourcetype", "EventCode|RecordNumber|Guid"),
        rank=40,
        example="splunk_fields.csv",
        beside=True,
        names=SPLUNK_NAMES,
        left_out=SPLUNK_OWN,
        message="Message",
        time=("SystemTime", "_time", "TimeCreated"),
    ),
    Shape(
        name="splunk_table",
        meaning="some columns of a Splunk search of Windows events",
        marks=("EventCode|_time", "EventCode|sourcetype", "EventCode|source"),
        rank=41,
        example="splunk_table.csv",
        beside=True,
        names=SPLUNK_NAMES,
        left_out=SPLUNK_INTERNAL,
        message="Message",
        time=("SystemTime", "_time", "TimeCreated"),
    ),
)
