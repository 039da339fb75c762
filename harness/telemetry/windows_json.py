"""Windows events as decoders render them in JSON: `System` and `EventData` as objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.telemetry.flat import flatten_object

# The names under which the evtx package puts attributes and under which System fields are ours.
SYSTEM_NAMES = {
    "Provider.Name": "Provider_Name",
    "Provider.Guid": "Provider_Guid",
    "Provider.EventSourceName": "Provider_EventSourceName",
    "TimeCreated.SystemTime": "SystemTime",
    "Correlation.ActivityID": "Correlation_ActivityID",
    "Correlation.RelatedActivityID": "Correlation_RelatedActivityID",
    "Execution.ProcessID": "Execution_ProcessID",
    "Execution.ThreadID": "Execution_ThreadID",
    "Security.UserID": "Security_UserID",
    "EventID.Qualifiers": "Qualifiers",
}


def from_rendered(event: Mapping[str, Any]) -> dict[str, str]:
    """One event: its System fields, then its data; elements without text are empty, as in the log's own XML."""
    fields: dict[str, str] = {}
    for name, value in flatten_object(without_markup(event["System"])):
        if value:
            fields[SYSTEM_NAMES.get(name, name.replace(".", "_"))] = value
    for part in ("EventData", "UserData"):
        held = event.get(part)
        if isinstance(held, dict):
            for name, value in list_event_data(held, part):
                fields.setdefault(name, value)
    return fields


def list_event_data(held: Mapping[str, Any], part: str) -> Iterator[tuple[str, str]]:
    """Names and values of an event's data; UserData have one element around them all."""
    bare = without_markup({name: value for name, value in held.items() if name != "#attributes"})
    # The one element is the provider's own name for its data.
    if part == "UserData" and isinstance(bare, dict) and len(bare) == 1:
        inner = next(iter(bare.values()))
        bare = inner if isinstance(inner, dict) else bare
    for name, value in bare.items() if isinstance(bare, dict) else ():
        if name == "Data" and not isinstance(value, list):
            value = [value]
        # The package gives null for an empty element; in the log its text is there and empty.
        yield from flatten_object({name: "" if value is None else value}, empty="")


def without_markup(value: Any) -> Any:
    """Objects of a decoder as plain values: attributes beside elements, text in place of `#text`, no namespaces."""
    if isinstance(value, list):
        return [without_markup(v) for v in value]
    if not isinstance(value, dict):
        return value
    plain: dict[str, Any] = {}
    for name, inner in value.items():
        # The package's own names for attributes and text beside them.
        if name == "#attributes":
            plain |= {n: v for n, v in inner.items() if n != "xmlns"} if isinstance(inner, dict) else {}
        else:
            plain[name] = without_markup(inner)
    if "#text" in plain:
        return plain["#text"]
    return plain or None
