"""Events in JSON or rows of any tool: envelopes around them, the shape that their names tell, the log's own names."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from harness.record import record
from harness.telemetry.events.classic_text import CLASSIC_START, read_classic_text
from harness.telemetry.events.event import METADATA_FIELDS, parse_microseconds
from harness.telemetry.events.event_layout import EventLayout, find_shape
from harness.telemetry.events.event_rows import EventRows, Label
from harness.telemetry.events.export_times import find_export_time
from harness.telemetry.events.input import EventTables
from harness.telemetry.events.json_values import flat_fields
from harness.telemetry.events.windows_event import (
    LINUX_CHANNEL,
    LINUX_METADATA,
    fields_of_event,
    from_rendered,
    list_event_data,
    sensor_of,
)
from harness.telemetry.shape import Envelope, OpenedEvent, list_fitting_envelopes
from harness.telemetry.shapes.splunk import object_in

# Readings are kept by field names; 138 are in 10,015 events of 176 kinds. A bound for input that never repeats one.
MOST_LAYOUTS = 20_000
# One or two are usual, a collector around an export; a bound against envelopes made to nest.
MOST_ENVELOPES = 8
# Wrappers around an event that nobody described, one in another.
DEEPEST_WRAPPER = 3

EVENT_LIST_KEYS = (
    *("Events", "events", "records", "Records", "value", "results", "logs", "hits", "messages", "rows"),
    *("matches", "streams", "items"),
)
"""Members under which an answer of a service lists its events."""

LISTING = frozenset(EVENT_LIST_KEYS)

SINGLE_EVENT_KEYS = ("message", "hits")
"""Members of a list's items, or of an answer, that hold the event or the list in an object of their own."""


@record
class ObjectKeys:
    """What the keys of an object say: envelopes it may be, whether it may list events, be rendered, have data below."""

    envelopes: tuple[Envelope, ...]
    may_list: bool
    may_be_rendered: bool
    has_data: bool


@lru_cache(MOST_LAYOUTS)
def look_at_keys(keys: tuple[str, ...]) -> ObjectKeys:
    """What these keys say of an object."""
    return ObjectKeys(
        envelopes=list_fitting_envelopes(keys),
        may_list=not LISTING.isdisjoint(keys),
        may_be_rendered="Event" in keys or "System" in keys,
        has_data="EventData" in keys or "UserData" in keys,
    )


def find_envelope(value: Mapping[str, Any]) -> tuple[str, OpenedEvent] | None:
    """The first envelope that an object is, by name, and what it holds; None for an object that is an event itself."""
    for envelope in look_at_keys(tuple(value)).envelopes:
        opened = envelope.open(value)
        if opened is not None:
            return envelope.name, opened
    return None


class JsonEvents:
    """Takes JSON values of one input and adds the events in them to its tables."""

    def __init__(self, name: str, tables: EventTables) -> None:
        self.tables, self.rows = tables, EventRows(name, tables)

    def add(self, value: Any) -> None:
        """Adds the event or events that a value is. Raises ValueError where it is none."""
        if not isinstance(value, dict):
            raise ValueError(f"no JSON object: `{str(value)[:60]}`")
        if len(value) == 1 and is_bulk_action(value):
            return
        items = list_answer_items(value)
        if items is None:
            self.add_object(value)
        for item in items or ():
            self.add_object(item)

    def is_read_by_columns(self, value: Mapping[str, Any]) -> bool:
        """Whether objects of the same form are events under their own names, whatever their values are."""
        keys = look_at_keys(tuple(value))
        if len(value) == 1 or keys.may_list or keys.may_be_rendered:
            return False
        if keys.has_data and with_named_data(value) is not value:
            return False
        for envelope in keys.envelopes:
            settled = any(isinstance(value.get(name), dict) for name in envelope.objects)
            if not settled or envelope.open(value) is not None:
                return False
        return True

    def add_object(self, value: Mapping[str, Any], depth: int = 0, shape: str = "") -> None:
        """Adds one object without its envelopes, a collector's around a shipper's."""
        metadata: dict[str, str] = {}
        time: str | None = None
        inner: Any = value
        keys = look_at_keys(tuple(value))
        for _ in range(MOST_ENVELOPES):
            found = find_envelope(inner) if keys.envelopes else None
            if found is None or (found[0] == "splunk_raw" and not self.is_whole_event(found[1].inner, inner)):
                break
            content = found[1]
            inner, time, metadata = content.inner, time or content.time, {**metadata, **content.metadata}
            shape = shape or content.shape
            if not isinstance(inner, Mapping):
                break
            keys = look_at_keys(tuple(inner))
        if isinstance(inner, str):
            self.add_text(inner, metadata, time, shape)
        elif isinstance(inner, list):
            for item in inner:
                if not isinstance(item, Mapping) or depth >= MOST_ENVELOPES:
                    raise ValueError(f"no JSON object: `{str(item)[:60]}`")
                self.add_object(item, depth + 1, shape)
        elif keys.may_be_rendered and (rendered := find_rendered_event(inner)) is not None:
            self.add_windows(from_rendered(rendered), metadata, time, shape or name_rendering(rendered))
        else:
            flat = flat_fields(with_named_data(inner) if keys.has_data else inner)
            layout = self.rows.find_layout(flat)
            held = self.find_held_object(inner) if not layout.known and depth < MOST_ENVELOPES else None
            if held is not None:
                self.add_object(held, depth + 1, shape)
            else:
                self.add_fields(flat, metadata, time, shape, depth)

    def is_whole_event(self, content: Mapping[str, Any] | str, row: Mapping[str, Any]) -> bool:
        """Whether the text of a row of Splunk says all of its event, so that the row's own fields need not be kept."""
        if isinstance(content, Mapping):
            return self.is_known(content)
        # Every log writes its events with provider and channel.
        if all(part in content for part in ("<Event", "<Provider", "</Event>")) or CLASSIC_START.search(content):
            return True
        return all(name in METADATA_FIELDS or name.startswith("_") for name in row)

    def find_held_object(self, value: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any] | None:
        """The object of a known shape in an object of none: wrappers that nobody described."""
        held = [inner for inner in value.values() if isinstance(inner, dict)]
        found = next((inner for inner in held if self.is_known(inner)), None)
        if found is not None or depth >= DEEPEST_WRAPPER:
            return found
        below = (self.find_held_object(inner, depth + 1) for inner in held)
        return next((inner for inner in below if inner is not None), None)

    def is_known(self, value: Mapping[str, Any]) -> bool:
        """Whether an object is a rendered event, in an envelope, or of a known shape."""
        if find_rendered_event(value) is not None or find_envelope(value) is not None:
            return True
        return find_shape(flat_fields(with_named_data(value))) is not None

    def add_text(self, text: str, metadata: Mapping[str, str], time: str | None, shape: str = "") -> None:
        """Adds an event that is a text: XML, a classic event of Windows, or a line of a plain log."""
        begin, end = text.find("<Event"), text.rfind("</Event>")
        if text.lstrip().startswith("<") or 0 <= begin < end:
            # Around it may stand the header of a syslog line.
            xml = text[max(begin, 0) : end + len("</Event>") if end > 0 else None]
            self.add_windows(fields_of_event(xml), metadata, time, shape or "windows_xml")
        elif CLASSIC_START.search(text):
            # The text's own time has no zone, the envelope's has.
            known = {"_time": time} if time else {}
            self.add_fields({**read_classic_text(text), **known}, metadata, time, shape or "classic_text")
        else:
            self.rows.shapes[shape or "text"] += 1
            self.put("text", metadata.get("sourcetype", ""), None, {**metadata, "_raw": text}, time)

    def add_windows(self, fields: dict[str, str], metadata: Mapping[str, str], time: str | None, shape: str) -> None:
        """Adds a Windows event whose fields have the log's own names."""
        at = parse_microseconds(fields.get("SystemTime"))
        self.rows.shapes[shape] += 1
        if fields.get("Channel") == LINUX_CHANNEL:
            metadata = {**LINUX_METADATA, **metadata}
        self.put(sensor_of(fields.get("Channel")), fields.get("EventID", ""), at, {**fields, **metadata}, time)

    def add_fields(
        self, flat: dict[str, str], metadata: Mapping[str, str], time: str | None, shape: str = "", depth: int = 0
    ) -> None:
        """Adds flat fields under whatever names a tool gave them."""
        layout = self.rows.find_layout(flat)
        if layout.prefix:
            below = {n[len(layout.prefix) :]: v for n, v in flat.items() if n.startswith(layout.prefix)}
            self.add_fields(below, metadata, time, shape, depth)
            return
        if layout.known or not self.add_held_event(layout, flat, metadata, time, depth):
            self.rows.add(flat, Label(metadata, time, shape))

    def add_held_event(
        self, layout: EventLayout, flat: Mapping[str, str], metadata: Mapping[str, str], time: str | None, depth: int
    ) -> bool:
        """Adds the event that a field of an unknown object holds as a text, if one does."""
        # Whether a row of Splunk is opened was settled before.
        for name in (n for n in layout.texts if n != "_raw"):
            text = flat[name].lstrip()
            if "<Event" in text[:400] and "</Event>" in text:
                self.add_text(text, metadata, time, f"xml in {name}")
                return True
            if text.startswith("{") and depth < MOST_ENVELOPES:
                try:
                    inner = object_in(text)
                except ValueError:
                    continue
                if self.is_known(inner):
                    self.add_object(inner, depth + 1)
                    return True
        return False

    def put(self, sensor: str, kind: str, at: int | None, fields: Mapping[str, str], otherwise: str | None) -> None:
        """Hands over one event; one without a time of its own has that of its envelope."""
        if at is None and otherwise is not None:
            at, unzoned = find_export_time({"time": otherwise}, ("time",))
            self.rows.unzoned += unzoned
        self.tables.add(sensor, kind, at, fields)

    def __enter__(self) -> JsonEvents:
        return self

    def __exit__(self, *_: object) -> None:
        """What waits is handed over whatever ended the reading."""
        self.rows.done()


def list_answer_items(value: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The events that an answer lists, out of the object that some searches put around each; None for an event."""
    listed = list_answer(value) if look_at_keys(tuple(value)).may_list else None
    if listed is None:
        return None
    # Graylog's and other searches have each message in an object of its own.
    inner = (next((item[k] for k in SINGLE_EVENT_KEYS if isinstance(item.get(k), dict)), None) for item in listed)
    return [held if held is not None and len(item) <= 5 else item for item, held in zip(listed, inner, strict=True)]


def list_answer(value: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """The events that the answer of a service lists; None for an object that is an event itself."""
    # An answer has little beside its list; an event that happens to have such a member has more.
    if len(value) > 8:
        return None
    hits = value.get("hits")
    if isinstance(hits, dict) and isinstance(hits.get("hits"), list):
        return hits["hits"] if is_object_list(hits["hits"]) else None
    return next((value[n] for n in EVENT_LIST_KEYS if is_object_list(value.get(n))), None)


def is_bulk_action(value: Mapping[str, Any]) -> bool:
    """Whether an object is the line before a document in a body of Elastic's bulk API."""
    action = next((value[key] for key in ("index", "create") if key in value), None)
    return isinstance(action, dict) and all(key.startswith("_") for key in action)


def is_object_list(value: Any) -> bool:
    """Whether a value is a list of objects, and not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def find_rendered_event(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The event with a System object, as decoders of EVTX and converters of XML render it; None for others."""
    event = value.get("Event")
    if isinstance(event, dict) and isinstance(event.get("System"), dict):
        return event
    system = value.get("System")
    return value if isinstance(system, dict) and ("EventID" in system or "Provider" in system) else None


def name_rendering(event: Mapping[str, Any]) -> str:
    """Which program rendered an event, by the way in which it has attributes."""
    system = event["System"]
    if "Provider_attributes" in system:
        return "evtx_dump_separate"
    provider, number = system.get("Provider"), system.get("EventID")
    if isinstance(number, dict) and "Value" in number:
        return "velociraptor"
    if isinstance(provider, dict) and "@Name" in provider:
        return "xmltodict"
    return "evtx_dump" if isinstance(provider, dict) and "#attributes" in provider else "event_object"


def with_named_data(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same object with Data elements of its EventData and UserData as plain names and values."""
    parts = {
        part: dict(list_event_data(held, part))
        for part in ("EventData", "UserData")
        if isinstance(held := value.get(part), dict) and ("Data" in held or "#attributes" in held or part == "UserData")
    }
    return {**value, **parts} if parts else value
