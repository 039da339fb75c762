"""Graylog: GELF as it is sent, and messages as Graylog keeps and exports them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.telemetry.shape import Envelope, NameSpelling, OpenedEvent, Shape

GELF_OWN = frozenset({"version", "host", "short_message", "full_message", "timestamp", "level", "facility", "line"})


def open_gelf(value: Mapping[str, Any]) -> OpenedEvent | None:
    """A GELF message: fields of the event have an underscore before their names."""
    own = {n[1:]: v for n, v in value.items() if n.startswith("_") and n != "_id"}
    if not own:
        return None
    time = value.get("timestamp")
    # A message may be all that names the data.
    message = {"Message": value["full_message"]} if "full_message" in value and "Message" not in own else {}
    # NXLog's own times are local, without a zone: the message's tells it.
    utc = {"@timestamp": time} if "SourceModuleType" in own and "@timestamp" not in own else {}
    return OpenedEvent(inner={**message, **own, **utc}, time=None if time is None else str(time), shape="gelf")


def open_graylog(value: Mapping[str, Any]) -> OpenedEvent | None:
    """A message that Graylog keeps: what it adds of its own is left out."""
    kept = {n: v for n, v in value.items() if not n.startswith("gl2_") and n not in GRAYLOG_OWN}
    return OpenedEvent(inner=kept, time=str(value["timestamp"]), shape="graylog") if "timestamp" in value else None


GRAYLOG_OWN = frozenset({"streams", "source", "facility", "facility_num", "beats_type", "message", "full_message"})
GRAYLOG_OWN |= {"_id", "timestamp", "level", "forwarder", "highlight_ranges", "decoration_stats", "tags"}

ENVELOPES = (
    Envelope(name="gelf", keys=("version|host|short_message", "short_message|_*"), open=open_gelf),
    Envelope(name="graylog", keys=("gl2_*",), open=open_graylog),
)

BEATS = ("winlogbeat_winlog_", "winlogbeat_")
SHAPES = (
    Shape(
        name="graylog_winlogbeat",
        meaning="Winlogbeat behind Graylog: underscores for dots",
        marks=("winlogbeat_*",),
        rank=18,
        example="graylog.ndjson",
        system=BEATS,
        data=tuple(f"{beat}{part}_" for beat in BEATS for part in ("event_data", "user_data")),
        names={
            f"{beat}{name}": ""
            for beat in BEATS
            for name in ("opcode", "task", "keywords", "type", "source", "host_name", "event_code", "level", "tags")
        }
        | {"winlogbeat_log_level": "Level"},
        spelling=NameSpelling.CHANGED,
        time=("winlogbeat_@timestamp", "winlogbeat_timestamp", "timestamp", "@timestamp"),
    ),
)
