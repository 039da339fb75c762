"""What lies in a file or a folder: events by shape and kind, hosts, the span of time, what was not understood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from harness.record import record
from harness.telemetry.events.event import TIME, Damage, Events, Telemetry, merge_telemetry
from harness.telemetry.events.text_columns import Field, list_event_fields
from harness.telemetry.format import read_counted
from harness.telemetry.indexing.plain_text import Input

# Where events have the name of the machine, the most telling first.
HOST_FIELDS = ("Computer", "ComputerName", "host", "DeviceName", "hostIdentifier", "agent.name", "hostname", "aid")
# Names that tell a kind of unknown objects.
SHOWN_NAMES = 6


@record(kw_only=True)
class ShapeCount:
    """How many events of one shape a file holds."""

    file: str
    shape: str
    events: int


@record(kw_only=True)
class SurveyedKind:
    """Events of one kind: how many, of which channel, on how many hosts, from when to when."""

    sensor: str
    kind: str
    channel: str
    events: int
    hosts: int
    first: datetime | None
    last: datetime | None


@record(kw_only=True)
class Survey:
    """What lies in files: shapes, kinds, hosts, and what was not read for sure or not at all."""

    telemetry: Telemetry
    shapes: tuple[ShapeCount, ...]
    kinds: tuple[SurveyedKind, ...]
    hosts: Counter[str] = field(default_factory=Counter)
    misread: tuple[Damage, ...] = ()
    damages: tuple[Damage, ...] = ()

    @property
    def first(self) -> datetime | None:
        """The time of the first event."""
        return min((k.first for k in self.kinds if k.first), default=None)

    @property
    def last(self) -> datetime | None:
        """The time of the last event."""
        return max((k.last for k in self.kinds if k.last), default=None)


def survey_events(paths: Iterable[Path], plain: Input | None = None) -> Survey:
    """What lies in these files and folders; one that cannot be read is named. Raises HarnessError for no path."""
    parts: list[Telemetry] = []
    shapes: list[ShapeCount] = []
    unknown: list[Damage] = []
    for path in paths:
        telemetry, tables = read_counted(path, plain)
        parts.append(telemetry)
        shapes += [
            ShapeCount(file=file, shape=shape, events=count)
            for file, counts in tables.shapes.items()
            for shape, count in counts.items()
        ]
        unknown += [
            Damage(place=file, message=describe_unknown(names, count), misread=True)
            for file, counts in tables.unknown.items()
            for names, count in counts.items()
        ]
    whole = merge_telemetry(parts)
    misread = tuple(d for d in whole.damages if d.misread)
    return Survey(
        telemetry=whole,
        shapes=tuple(shapes),
        kinds=tuple(survey_kinds(whole)),
        hosts=count_hosts(whole),
        misread=(*misread, *unknown),
        damages=tuple(d for d in whole.damages if not d.misread),
    )


def describe_unknown(names: tuple[str, ...], count: int) -> str:
    """An object that no row of the table fits, by its first names."""
    shown = ", ".join(names[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"{count} objects of no known shape keep their own names: {shown}{more}"


def survey_kinds(telemetry: Telemetry) -> Iterator[SurveyedKind]:
    """Every kind of events, the most frequent first; tables of one kind are one."""
    grouped: dict[tuple[str, str, str], list[Events]] = {}
    for events in telemetry.events:
        channels = count_values(list_event_fields(events).get("Channel"), len(events))
        channel = ", ".join(list(channels)[:3])
        grouped.setdefault((events.sensor, events.kind, channel), []).append(events)
    for (sensor, kind, channel), same in sorted(grouped.items(), key=lambda item: -sum(map(len, item[1]))):
        spans = [pc.min_max(e.columns.column(TIME)).as_py() for e in same]
        yield SurveyedKind(
            sensor=sensor,
            kind=kind,
            channel=channel,
            events=sum(map(len, same)),
            hosts=len({host for e in same for host in count_values(find_host_field(e), len(e))}),
            first=min((s["min"] for s in spans if s["min"] is not None), default=None),
            last=max((s["max"] for s in spans if s["max"] is not None), default=None),
        )


def find_host_field(events: Events) -> Field | None:
    """The field with the name of the machine."""
    fields = list_event_fields(events)
    return next((fields[name] for name in HOST_FIELDS if name in fields), None)


def count_hosts(telemetry: Telemetry) -> Counter[str]:
    """How many events there are of each machine, by its name in lower case."""
    found: Counter[str] = Counter()
    for events in telemetry.events:
        for host, count in count_values(find_host_field(events), len(events)).items():
            found[host.lower()] += count
    return found


def count_values(column: Field | None, rows: int) -> dict[str, int]:
    """How often each value of a field stands there."""
    if column is None or isinstance(column, str):
        return {column: rows} if column else {}
    counted = pc.value_counts(column.cast(pa.string()))
    return {str(each["values"]): int(each["counts"]) for each in counted.to_pylist() if each["values"]}
