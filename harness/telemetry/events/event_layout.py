"""How events with the same field names are read: the row of the table that fits, and which name becomes which."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.events.export_times import TIME_FIELD_NAMES, find_export_time
from harness.telemetry.events.manifests import (
    PROVIDER_CHANNELS,
    find_provider,
    list_manifest_forms,
    name_inserts,
    restore_data_names,
)
from harness.telemetry.events.rendered_message import read_message
from harness.telemetry.events.shape_guess import TIME_NAMES, list_markers, locate_windows_fields
from harness.telemetry.events.windows_event import SYSTEM_FIELDS, map_windows_sensors, sensor_of
from harness.telemetry.events.windows_names import fold_name, system_field
from harness.telemetry.shape import NameSet, NameSpelling, Shape, compile_left_out, list_shapes

Flat: TypeAlias = Mapping[str, str]
FinishEvent: TypeAlias = Callable[[dict[str, str], Flat], str]


@record(kw_only=True)
class EventLayout:
    """How events with the same field names are laid out.

    `names` are old and new names; `sensor` and `kind` are read from the new fields, `time` from the old, with whether a
    zone had to be assumed. `finish` does what values tell, and gives a remark where data could not be told. `guess` is
    what has to be told of each such event. Without `known` no row of the table fits, and `texts` may hold an event.
    With a `prefix` the event is what stands below it. `time_names` are the fields that may hold the time, the best
    first, where no more than these tell it.
    """

    shape: str
    names: tuple[tuple[str, str], ...]
    sensor: Callable[[Flat], str]
    kind: Callable[[Flat], str]
    time: Callable[[Flat], tuple[int | None, bool]]
    finish: FinishEvent | None = None
    guess: str = ""
    known: bool = True
    prefix: str = ""
    texts: tuple[str, ...] = ()
    time_names: tuple[str, ...] = ()


def find_wrapper_prefix(flat: Flat) -> str:
    """What stands before the names of a known shape, as `_source.` in a table of a search; empty where nothing does."""
    prefixes = dict.fromkeys(name[: name.find(".") + 1] for name in flat if "." in name)
    for prefix in prefixes:
        if find_shape({n[len(prefix) :]: v for n, v in flat.items() if n.startswith(prefix)}) is not None:
            return prefix
    return ""


def find_shape(names: Flat) -> Shape | None:
    """The first row of the table that fits."""
    there = NameSet(names)
    return next((shape for shape in list_shapes() if shape.fits(there)), None)


def build_layout(flat: Flat) -> EventLayout:
    """How events with these fields are read."""
    if "@sensor" in flat:
        return build_own_layout(flat)
    shape = find_shape(flat)
    if shape is not None:
        return build_event_layout(shape, flat)
    prefix = find_wrapper_prefix(flat)
    if prefix:
        return replace(build_unknown_layout(flat), known=True, prefix=prefix)
    located = locate_windows_fields(flat)
    if located is not None:
        layout = build_event_layout(located, flat)
        told = ", ".join(old for old, new in layout.names if new in ("EventID", "Channel", "Provider_Name"))
        guess = f"look like Windows events but are of no known shape; they are read by {told}"
        # A text with the whole event, as plaso keeps it beside, says more than its System fields.
        return replace(layout, guess=guess, known=False, texts=list_text_fields(flat))
    number = trimmed_sysmon(flat)
    if "EventID" not in flat and number:
        return build_trimmed_layout(flat, number)
    return build_unknown_layout(flat)


def build_event_layout(shape: Shape, flat: Flat) -> EventLayout:
    """How events of a shape with these fields are read."""
    times = shape.time or TIME_FIELD_NAMES

    def read_time(event: Flat) -> tuple[int | None, bool]:
        own = shape.read_time(event) if shape.read_time else None
        return (own, False) if own is not None else find_export_time(event, times)

    if shape.sensor:
        kinds = tuple(name for name in shape.kind if name in flat)
        host = shape.host if shape.host in flat else ""
        return EventLayout(
            shape=shape.name,
            names=keep_names(flat),
            sensor=lambda fields: shape.sensor,
            kind=lambda fields: fields[kinds[0]] if kinds else "",
            time=read_time,
            time_names=() if shape.read_time else times,
            finish=(lambda fields, event: add_host(fields, event, host)) if host and host != "host" else None,
        )
    names = tuple(name_windows_fields(shape, flat))
    return EventLayout(
        shape=shape.name,
        names=names,
        sensor=windows_sensor,
        kind=lambda fields: fields.get("EventID", ""),
        time=read_time,
        time_names=() if shape.read_time else times,
        finish=WindowsFinish(shape, names, flat).needed(),
    )


def add_host(fields: dict[str, str], event: Flat, name: str) -> str:
    """The machine as the host, where a collector did not name one."""
    if event[name]:
        fields.setdefault("host", event[name])
    return ""


def windows_sensor(fields: Flat) -> str:
    """The sensor that writes an event's channel."""
    return sensor_of(fields.get("Channel"))


def name_windows_fields(shape: Shape, flat: Flat) -> Iterable[tuple[str, str]]:
    """Old and new names: System fields, data, exceptions; a System field that stands twice counts once."""
    left_out = compile_left_out(shape.left_out)
    found: dict[str, str] = {}
    later: list[str] = []
    for name in flat:
        if name in shape.names:
            if shape.names[name]:
                later.append(name)
            continue
        if shape.beside:
            new = None if left_out.fullmatch(name) else name
        else:
            new = name_by_prefix(shape, name)
        # A single unnamed datum is a list of one: another event of the kind may have more.
        new = "Data[0]" if new == "Data" else new
        if new is not None and new not in found.values():
            found[name] = new
    taken = set(found.values())
    for name in later:
        if shape.names[name] not in taken:
            found[name] = shape.names[name]
            taken.add(found[name])
        # Defender's detections have a datum SourceName beside the provider, which says something else.
        elif name == "SourceName" and flat.get("Provider_Name") and not flat[name].startswith("Microsoft"):
            found[name] = name
    return found.items()


def name_by_prefix(shape: Shape, name: str) -> str | None:
    """What stands below a prefix of data, or a System field below one of System's; None for all else."""
    for prefix in shape.data:
        if name.startswith(prefix):
            return name[len(prefix) :]
    for prefix in shape.system:
        # Without a prefix a dot begins an object that is another's, such as `host.name`.
        if name.startswith(prefix) and (prefix or "." not in name) and (found := system_field(name[len(prefix) :])):
            return found
    return None


class WindowsFinish:
    """What only the values of a Windows event tell: its channel, names of its data, what its message says."""

    def __init__(self, shape: Shape, names: Iterable[tuple[str, str]], flat: Flat) -> None:
        """Settles for all events with these field names what there is to do."""
        self.shape = shape
        self.new = tuple(new for _, new in names)
        self.data = tuple(n for n in self.new if n not in SYSTEM_FIELDS and n != "Qualifiers")
        self.inserts = [n for n in flat if shape.inserts and n.startswith((f"{shape.inserts}[", f"{shape.inserts}."))]
        if shape.inserts and shape.inserts in flat:
            self.inserts.append(shape.inserts)
        self.words = [name for name in shape.words if name in self.new]
        self.message = shape.message if shape.message in flat else ""
        self.unnamed = bool(self.inserts) or bool(self.message and not self.data)

    def needed(self) -> FinishEvent | None:
        """What is to be done to each event; None where the names alone settle all."""
        complete = "Channel" in self.new and "Provider_Name" in self.new
        changed = self.shape.spelling is NameSpelling.CHANGED
        return None if complete and not (self.words or self.shape.finish or changed or self.unnamed) else self.finish

    def finish(self, fields: dict[str, str], event: Flat) -> str:
        """Mends the fields; gives a remark where the event has data that nobody can name."""
        for name in self.words:
            fields[name] = self.shape.words[name].get(fields[name], fields[name])
        if "Channel" not in fields or "Provider_Name" not in fields:
            complete_origin(fields, self.new)
        if self.shape.finish:
            self.shape.finish(fields, event)
        if self.shape.spelling is NameSpelling.CHANGED:
            self.restore_names(fields)
        return self.name_data(fields, event) if self.unnamed else ""

    def restore_names(self, fields: dict[str, str]) -> None:
        """Puts the log's own names in place of those that the shipper made of them."""
        names = restore_data_names(fields.get("Provider_Name", ""), fields.get("EventID", ""), self.data)
        for old, new in names.items():
            if old != new and old in fields:
                fields[new] = fields.pop(old)

    def name_data(self, fields: dict[str, str], event: Flat) -> str:
        """Names data by the manifest, else by the message; what neither names stays a list."""
        provider, number = fields.get("Provider_Name", ""), fields.get("EventID", "")
        values = list_inserts(self.inserts, event)
        found = name_inserts(provider, number, values) if values else None
        told = read_message(provider, number, event.get(self.message, "")) if found is None and self.message else {}
        if found is None and not told:
            fields.update({f"Data[{i}]": value for i, value in enumerate(values)})
            if self.message:
                fields["Message"] = event[self.message]
            return (
                f"{provider or 'an unknown provider'} {number} without names of their data"
                if values or (self.message and event[self.message])
                else ""
            )
        for name, value in (found or told).items():
            fields.setdefault(f"Data_{name}" if name in SYSTEM_FIELDS else name, value)
        return ""


def list_inserts(names: Iterable[str], event: Flat) -> list[str]:
    """Values without names in their order; a shape may have them as a list, as objects with a Value, or as one text."""
    found: dict[str, str] = {}
    for name in names:
        # PowerShell prints the type of what lies deeper than it was asked to go.
        if event[name].startswith(("System.Diagnostics.", "System.Collections.", "System.String[]")):
            continue
        place, _, below = name.partition("]")
        # A value that is an object itself, as a SID in PowerShell, tells its text in Value.
        if below in ("", ".Value") or (below == ".Value.Value"):
            found[place] = event[name]
        elif place not in found:
            found[place] = ""
    return list(found.values())


def complete_origin(fields: dict[str, str], names: Iterable[str]) -> None:
    """The channel of a provider that writes to one only, or the provider of a channel."""
    if not fields.get("Channel") and "source" in fields and (named := SOURCE_CHANNEL.fullmatch(fields["source"])):
        fields["Channel"] = named[1]
    channel, provider = fields.get("Channel"), fields.get("Provider_Name")
    if not channel and not provider:
        provider = guess_provider(fields)
    if not channel and provider and (found := find_provider_channel(provider)):
        fields["Channel"] = found
    elif not provider and channel and (found := find_provider(channel, fields.get("EventID", ""), names)):
        fields["Provider_Name"] = found


# As Splunk's inputs name their source after the channel.
SOURCE_CHANNEL = late_pattern(r"(?:Xml)?WinEventLog:(.+)")

TELLING_DATA = {
    "ProcessGuid": "Microsoft-Windows-Sysmon",
    "SourceProcessGUID": "Microsoft-Windows-Sysmon",
    "SubjectUserSid": "Microsoft-Windows-Security-Auditing",
    "SubjectLogonId": "Microsoft-Windows-Security-Auditing",
    "NewProcessName": "Microsoft-Windows-Security-Auditing",
    "ScriptBlockText": "Microsoft-Windows-PowerShell",
    "ScriptBlockId": "Microsoft-Windows-PowerShell",
}
"""Data that hardly another provider has, for events that name neither provider nor channel."""


def guess_provider(fields: dict[str, str]) -> str | None:
    """The provider that an event's data tell, if it has such an event."""
    provider = next((owner for name, owner in TELLING_DATA.items() if name in fields), None)
    known = provider is not None and bool(list_manifest_forms(provider, fields.get("EventID", "")))
    if known and provider:
        fields["Provider_Name"] = provider
    return provider if known else None


def find_provider_channel(provider: str) -> str | None:
    """The channel of a provider, for events that do not name theirs."""
    known = PROVIDER_CHANNELS.get(provider)
    return known or next((c.name for c in map_windows_sensors().values() if c.provider == provider), None)


def keep_names(flat: Flat) -> tuple[tuple[str, str], ...]:
    """All names unchanged, as pairs of old and new."""
    return tuple((n, n) for n in flat)


def build_own_layout(flat: Flat) -> EventLayout:
    """How events are read that this program wrote and that name their sensor and kind themselves."""
    sensor, kind = flat["@sensor"], flat.get("@kind", "")
    names = tuple((n, n) for n in flat if n not in ("@sensor", "@kind", "@time"))
    return EventLayout(
        shape="detlab",
        names=names,
        sensor=lambda f: sensor,
        kind=lambda f: kind,
        time=lambda event: find_export_time(event, TIME_FIELD_NAMES),
        time_names=TIME_FIELD_NAMES,
    )


TELLING = {
    "1": {"Image", "CommandLine", "ParentImage"},
    "3": {"Image", "DestinationIp", "DestinationPort", "Initiated"},
    "22": {"Image", "QueryName", "QueryStatus"},
}
"""Fields that only one kind of Sysmon event has together."""


def trimmed_sysmon(flat: Flat) -> str:
    """The EventID of a Sysmon event that somebody trimmed to its data, if its fields tell."""
    if not {"UtcTime", "ProcessGuid"} <= flat.keys():
        return ""
    return next((number for number, names in TELLING.items() if names <= flat.keys()), "")


def build_trimmed_layout(flat: Flat, number: str) -> EventLayout:
    """How Sysmon events without their System fields are read."""
    channel = map_windows_sensors()["sysmon"]
    system = {"EventID": number, "Provider_Name": channel.provider, "Channel": channel.name}

    def add_system(fields: dict[str, str], event: Flat) -> str:
        fields.update(system)
        return ""

    return EventLayout(
        shape="sysmon_data",
        names=keep_names(flat),
        sensor=lambda f: "sysmon",
        kind=lambda f: number,
        time=lambda event: find_export_time(event, TIME_FIELD_NAMES),
        time_names=TIME_FIELD_NAMES,
        finish=add_system,
        guess=f"name no EventID; their fields are those of Sysmon {number}",
    )


# Where collectors keep the text of what they took.
TEXT_FIELDS = frozenset(
    re.findall(
        r"\w+",
        """xmlstring xml eventoriginal original raw message fulllog fullmessage rawxml eventxml msg log body line event
        evt rawevent rawlog rawdata xmldata payload content data value text record""",
    )
)


def list_text_fields(flat: Flat) -> tuple[str, ...]:
    """The fields that may hold the text of an event."""
    return tuple(n for n in flat if fold_name(n.rpartition(".")[2]) in TEXT_FIELDS)


def build_unknown_layout(flat: Flat) -> EventLayout:
    """How events that fit no row are read: under their own names."""
    family, markers = list_markers(flat)
    times = (*TIME_FIELD_NAMES, *(n for n in flat if n not in TIME_FIELD_NAMES and fold_name(n) in TIME_NAMES))
    guess = f"look like {family} events ({', '.join(markers[:5])}) but are of no known shape; they keep their own names"
    return EventLayout(
        shape="unknown",
        names=keep_names(flat),
        sensor=lambda f: "other",
        kind=lambda f: f.get("sourcetype", ""),
        time=lambda event: find_export_time(event, times),
        time_names=times,
        guess=guess if family else "",
        known=False,
        texts=list_text_fields(flat),
    )
