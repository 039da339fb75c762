"""CrowdStrike Falcon: the data replicator, Event Streams, exports of LogScale and of event search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.telemetry.shape import Envelope, OpenedEvent, Shape

FALCON_KINDS = ("event_simpleName", "#event_simpleName", "ExternalApiType")


def open_falcon(value: Mapping[str, Any]) -> OpenedEvent | None:
    """A Falcon event out of an event stream's or a data set's wrapper; None for other objects."""
    event, about = value.get("event"), value.get("metadata")
    if not isinstance(event, dict):
        return None
    # Falcon's Event Streams API; its events have no event_simpleName but a type in their metadata.
    if isinstance(about, dict) and "eventType" in about:
        time = about.get("eventCreationTime")
        kind = {"ExternalApiType": str(about["eventType"])}
        return OpenedEvent(inner={**kind, **event}, time=None if time is None else str(time))
    name = value.get("event_simpleName")
    return None if name is None else OpenedEvent(inner={"event_simpleName": name, **event})


ENVELOPES = (Envelope(name="falcon", keys=("event|metadata", "event|event_simpleName"), open=open_falcon, rank=20),)

SHAPES = (
    Shape(
        name="falcon",
        meaning="Falcon's events: data replicator, LogScale and event search",
        marks=FALCON_KINDS,
        rank=10,
        example="falcon.ndjson",
        sensor="falcon",
        kind=FALCON_KINDS,
        time=("@timestamp", "timestamp", "ContextTimeStamp", "_time"),
    ),
)
