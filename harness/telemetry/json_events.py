"""Events in JSON of any shipper: shapes known by names of fields, and their fields under the log's own names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from harness.telemetry.envelopes import unwrap_collector_event
from harness.telemetry.event_xml import fields_of_event
from harness.telemetry.flat import flat_fields
from harness.telemetry.moment import parse_microseconds
from harness.telemetry.shippers import EventShape, shape_of
from harness.telemetry.tables import EventTables
from harness.telemetry.windows import sensor_of
from harness.telemetry.windows_json import from_rendered

# Shapes are kept by their names; 138 are in 10,015 events of 176 kinds. A bound for input that never repeats one.
MOST_SHAPES = 20_000
# One or two are usual, a collector around an export; a bound against envelopes made to nest.
MOST_ENVELOPES = 8

EVENT_LIST_KEYS = ("Events", "events", "records", "value", "results", "logs")
"""Members under which an answer of a service lists its events."""


class JsonEvents:
    """Takes JSON values of one input and adds the events in them to its tables."""

    def __init__(self, name: str, tables: EventTables) -> None:
        self.name, self.tables = name, tables
        self.shapes: dict[tuple[str, ...], EventShape] = {}
        self.without_time = 0
        self.guessed: Counter[str] = Counter()

    def add(self, value: Any) -> None:
        """Adds the event or events that a value is. Raises ValueError where it is none."""
        if not isinstance(value, dict):
            raise ValueError(f"no JSON object: `{str(value)[:60]}`")
        # An answer of a service has little beside its list; an event that happens to have such a member has more.
        if len(value) <= 5 and (
            listed := next((value[n] for n in EVENT_LIST_KEYS if is_object_list(value.get(n))), None)
        ):
            for item in listed:
                self.add_object(item)
        else:
            self.add_object(value)

    def add_object(self, value: Mapping[str, Any]) -> None:
        """Adds one object without its wrappers, a collector's around a shipper's."""
        metadata: dict[str, str] = {}
        time: str | None = None
        inner: Mapping[str, Any] | str = value
        for _ in range(MOST_ENVELOPES):
            content = None if isinstance(inner, str) else unwrap_collector_event(inner)
            if content is None:
                break
            inner, time, metadata = content.inner, time or content.time, {**metadata, **content.metadata}
        if isinstance(inner, str):
            self.add_windows(fields_of_event(inner), metadata, time)
        # As the evtx package and its relatives render a record.
        elif isinstance(rendered := inner.get("Event"), dict) and isinstance(rendered.get("System"), dict):
            self.add_windows(from_rendered(rendered), metadata, time)
        else:
            self.add_fields(flat_fields(inner), metadata, time)

    def add_windows(self, fields: dict[str, str], metadata: Mapping[str, str], time: str | None) -> None:
        """Adds a Windows event whose fields have the log's own names."""
        at = parse_microseconds(fields.get("SystemTime"))
        self.put(sensor_of(fields.get("Channel")), fields.get("EventID", ""), at, {**fields, **metadata}, time)

    def add_fields(self, flat: dict[str, str], metadata: Mapping[str, str], time: str | None) -> None:
        """Adds flat fields under whatever names a shipper gave them."""
        names = tuple(flat)
        shape = self.shapes.get(names)
        # Our own events name sensor and kind in values, so their names alone do not tell the shape.
        if shape is None or "@sensor" in flat:
            shape = shape_of(flat)
            if len(self.shapes) < MOST_SHAPES:
                self.shapes[names] = shape
        fields = {new: flat[old] for old, new in shape.names}
        # Later than the event's own: what a collector says of index and host is what a search sees.
        fields |= metadata
        self.guessed[shape.guessed] += 1
        shape.mend(fields)
        self.put(shape.sensor(fields), shape.kind(fields), shape.time(flat), fields, time)

    def put(self, sensor: str, kind: str, at: int | None, fields: Mapping[str, str], otherwise: str | None) -> None:
        """Hands over one event; one without a time of its own has that of its envelope."""
        if at is None:
            at = parse_microseconds(otherwise)
        self.without_time += at is None
        self.tables.add(sensor, kind, at, fields)

    def done(self) -> None:
        """Tells how many events had no time or had to be guessed at."""
        if self.without_time:
            self.tables.damage(self.name, f"events without a time that can be read: {self.without_time}")
        for guess, count in self.guessed.items():
            if guess:
                self.tables.damage(self.name, f"{count} events {guess}")


def is_object_list(value: Any) -> bool:
    """Whether a value is a list of objects, and not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)
