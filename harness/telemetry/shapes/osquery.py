"""osquery: results and snapshots; Windows events out of its table windows_events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.telemetry.sensor import SplunkInput
from harness.telemetry.shape import Envelope, OpenedEvent, Shape
from harness.telemetry.shapes.splunk import object_in


def open_windows_event(value: Mapping[str, Any]) -> OpenedEvent | None:
    """A row of windows_events or windows_eventlog; its data are a JSON text."""
    columns = value["columns"]
    if not isinstance(columns, dict) or not {"provider_name", "eventid"} <= columns.keys():
        return None
    data = columns.get("data")
    held = object_in(data) if isinstance(data, str) and data.lstrip().startswith("{") else {}
    system = {n: v for n, v in columns.items() if n not in ("data", "time", "source", "eid")}
    channel = columns.get("channel") or columns.get("source")
    computer = columns.get("computer_name") or value.get("hostIdentifier")
    inner = held if "EventData" in held or "UserData" in held else {"EventData": held}
    about = {"windows_events": "1", "channel": channel, "computer_name": computer}
    return OpenedEvent(inner={**system, **about, **inner}, shape="osquery_windows_events")


def open_snapshot(value: Mapping[str, Any]) -> OpenedEvent | None:
    """The rows of a snapshot, each as a result of its own."""
    rows = value["snapshot"]
    if not isinstance(rows, list) or not rows:
        return None
    about = {n: v for n, v in value.items() if n not in ("snapshot", "action")}
    return OpenedEvent(inner=[{**about, "action": "snapshot", "columns": row} for row in rows])


ENVELOPES = (
    Envelope(
        name="osquery_windows_events",
        keys=("columns|hostIdentifier", "columns|action", "columns|name"),
        open=open_windows_event,
    ),
    Envelope(name="osquery", keys=("snapshot|hostIdentifier", "snapshot|action"), open=open_snapshot),
)

SHAPES = (
    Shape(
        name="osquery_windows_events",
        meaning="osquery's table windows_events",
        marks=("windows_events",),
        rank=11,
        example="osquery.ndjson",
        data=("EventData.", "UserData."),
        names={"windows_events": "", "datetime": "SystemTime"},
        time=("datetime",),
    ),
    Shape(
        name="osquery",
        meaning="osquery's results and snapshots",
        marks=("columns.*|hostIdentifier", "columns.*|calendarTime"),
        rank=30,
        example="osquery.ndjson",
        sensor="osquery",
        kind=("name",),
        host="hostIdentifier",
        origin=SplunkInput(index="main", source="osquery", sourcetype="osquery:results"),
        time=("unixTime", "calendarTime"),
    ),
)
