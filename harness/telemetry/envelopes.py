"""Wrappers of collectors around JSON events: Splunk's event collector and exports, Elasticsearch, Falcon streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from harness.telemetry.event import METADATA_FIELDS

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
