"""A Windows event's XML out of the JSON that decoders and shippers make of it, with all that is more than its data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from harness.late_pattern import late_pattern
from harness.telemetry.events.json_values import print_json_value

NAMESPACE = "http://schemas.microsoft.com/win/2004/08/events/event"

# Parts of an event of which the columns of its table hold everything.
PLAIN_PARTS = ("#attributes", "Event_attributes", "System", "EventData")
# Decoders write attributes beside the elements of an element, or beside it under its name.
ATTRIBUTES, ATTRIBUTES_SUFFIX, TEXT, MARK = "#attributes", "_attributes", "#text", "@"
DECODED_GUID = late_pattern(r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}")
# What no element's name may be: such a datum is one with a name of its own.
ELEMENT_NAME = late_pattern(r"[A-Za-z_][\w.-]*")

# A shipper's own copies of an event are nested a few deep: `data.win.system.message`.
DEEPEST_MESSAGE = 5
DATUM = late_pattern(r"<Data Name='([A-Za-z_][\w.-]*)'>([^<]*)</Data>")


def holds_more_than_data(event: Any) -> bool:
    """Whether a decoder's event has parts beside System and flat EventData: UserData, rendered words, nested data."""
    if not isinstance(event, dict):
        return False
    if any(value for name, value in event.items() if name not in PLAIN_PARTS):
        return True
    data = event.get("EventData")
    # Unnamed data are a list in the columns too.
    return isinstance(data, dict) and any(isinstance(v, dict) for n, v in data.items() if n not in (ATTRIBUTES, "Data"))


def render_event_xml(event: Mapping[str, Any]) -> str:
    """An event as the event log prints it, from a decoder's objects: their order, nested elements, attributes."""
    parts = (part for name, value in children(event) for part in element_texts(name, value, event))
    return f"<Event xmlns='{NAMESPACE}'>{''.join(parts)}</Event>"


def children(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The elements within an element; attributes and text are none."""
    for name, inner in value.items():
        if name.endswith(ATTRIBUTES_SUFFIX):
            # An element of nothing but attributes has no member of its own.
            bare = name.removesuffix(ATTRIBUTES_SUFFIX)
            if bare not in value and bare != "Event":
                yield bare, None
        elif name not in (ATTRIBUTES, TEXT) and not name.startswith(MARK):
            yield name, inner


def element_texts(name: str, value: Any, parent: Mapping[str, Any], *, data: bool = False) -> Iterator[str]:
    """An element, or one for each member of a list; within EventData a name is that of a datum."""
    attributes = dict(parent.get(f"{name}{ATTRIBUTES_SUFFIX}") or {})
    listed = value if isinstance(value, list) else None
    if isinstance(value, dict):
        attributes |= {n[len(MARK) :]: v for n, v in value.items() if n.startswith(MARK)}
        attributes |= value.get(ATTRIBUTES) or {}
        listed = value[TEXT] if isinstance(value.get(TEXT), list) else None
    if listed is not None:
        for member in listed:
            yield from element_texts(name, member, {}, data=data)
        return
    tag = name
    # Members of EventData that have a name of their own are data, whatever the name.
    if data and (name not in ("Data", "Binary") or not ELEMENT_NAME.fullmatch(name)):
        tag, attributes = "Data", {"Name": name, **attributes}
    start = "".join([f"<{tag}", *(f" {n}='{quote(v)}'" for n, v in attributes.items())])
    if isinstance(value, dict):
        inner = escape(print_json_value(value[TEXT]), quote=False) if TEXT in value else ""
        nested = name == "EventData"
        inner += "".join(text for n, v in children(value) for text in element_texts(n, v, value, data=nested))
    else:
        inner = "" if value is None else escape(with_braces(print_json_value(value)), quote=False)
    # As Windows prints them: elements of System close themselves, a datum without text does not.
    yield f"{start}/>" if not inner and tag != "Data" else f"{start}>{inner}</{tag}>"


def quote(value: Any) -> str:
    """An attribute's value within single quotes."""
    return escape(with_braces(print_json_value(value)), quote=False).replace("'", "&apos;")


def with_braces(value: str) -> str:
    """A DECODED_GUID as the log prints it; decoders leave its braces out."""
    return f"{{{value}}}" if len(value) == 36 and DECODED_GUID.fullmatch(value) else value


def find_text_member(value: Any, name: str, depth: int = 0) -> str | None:
    """The first text under a name, in whatever case, in an object or those within it."""
    if not isinstance(value, dict) or depth > DEEPEST_MESSAGE:
        return None
    for key, inner in value.items():
        if isinstance(inner, str) and key.lower().rpartition(".")[2] == name:
            return inner
    return next((found for inner in value.values() if (found := find_text_member(inner, name, depth + 1))), None)


def complete_event_xml(made: str, recorded: Mapping[str, Any]) -> str:
    """An event's XML made of its data, with what a shipper's object says besides: rendered words, UserData's element.

    Forwarded events carry the words of their message in the same way.
    """
    tag = find_text_member(recorded, "xml_name")
    if tag and ELEMENT_NAME.fullmatch(tag):
        before, _, rest = made.partition("<EventData>")
        data, _, after = rest.rpartition("</EventData>")
        elements = DATUM.sub(r"<\1>\2</\1>", data)
        made = f"{before}<UserData><{tag}>{elements}</{tag}></UserData>{after}"
    message = find_text_member(recorded, "message")
    if not message:
        return made
    words = escape(message, quote=False)
    rendered = f"<RenderingInfo Culture='en-US'><Message>{words}</Message></RenderingInfo>"
    return f"{made.removesuffix('</Event>')}{rendered}</Event>"
