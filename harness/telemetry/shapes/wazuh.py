"""Wazuh: alerts and archives of Windows event channels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.telemetry.shape import Envelope, NameSpelling, OpenedEvent, Shape
from harness.telemetry.shapes.splunk import read_raw


def open_archive(value: Mapping[str, Any]) -> OpenedEvent | None:
    """An archived event whose only decoded form is the JSON in `full_log`."""
    held = value.get("data")
    if isinstance(held, dict) and ("win" in held or "WinEvtChannel" in held or "EventChannel" in held):
        return None
    inner = read_raw(value["full_log"]) if isinstance(value["full_log"], str) else None
    if not isinstance(inner, Mapping) or not {"win", "WinEvtChannel", "EventChannel", "Event"} & inner.keys():
        return None
    return OpenedEvent(inner={**value, "data": inner} if "Event" not in inner else inner)


ENVELOPES = (
    Envelope(name="wazuh", keys=("full_log|location", "full_log|agent", "full_log|manager"), open=open_archive),
)

PREFIXES = ("data.win.", "win.", "data.WinEvtChannel.", "WinEvtChannel.", "data.EventChannel.", "EventChannel.")
SYSTEMS = tuple(f"{prefix}{part}." for prefix in PREFIXES for part in ("system", "System"))

SHAPES = (
    Shape(
        name="wazuh",
        meaning="Wazuh's alerts and archives of Windows event channels",
        marks=tuple(f"{system}*" for system in SYSTEMS),
        rank=12,
        example="wazuh.ndjson",
        system=SYSTEMS,
        data=tuple(
            f"{prefix}{part}." for prefix in PREFIXES for part in ("eventdata", "EventData", "userdata", "userData")
        ),
        # severityValue is a word of the manager's, message what Windows renders.
        names={f"{system}{name}": "" for system in SYSTEMS for name in ("message", "Message", "severityValue")},
        spelling=NameSpelling.CHANGED,
        time=tuple(f"{system}{name}" for system in SYSTEMS for name in ("systemTime", "SystemTime")),
    ),
)
