"""How events with the same field names are read: the row of the table that fits, and which name becomes which."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from harness.telemetry.events.export_times import find_export_time
from harness.telemetry.events.manifests import (
    PROVIDER_CHANNELS,
    find_provider,
    name_inserts,
    restore_data_names,
)
from harness.telemetry.events.rendered_message import read_message
from harness.telemetry.events.windows_event import SYSTEM_FIELDS, map_windows_sensors, sensor_of
from harness.telemetry.events.windows_names import fold_name, system_field
from harness.telemetry.shape import NameSpelling, Shape, compile_left_out, list_shapes

Flat: TypeAlias = Mapping[str, str]
FinishEvent: TypeAlias = Callable[[dict[str, str], Flat], str]

TIME_FIELD_NAMES = (
    "@time",
    "SystemTime",
    "_time",
    "@timestamp",
    "timestamp",
    "ContextTimeStamp",
    "TimeCreated",
    "TimeGenerated",
    "EventTime",
    "UtcTime",
    "time",
    "ts",
    "date",
    "datetime",
    "Timestamp",
    "eventTime",
    "event_time",
    "created",
    "Time",
    "Date",
)
"""Fields that may hold an event's time, the best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReading:
    """How events with the same field names are read.

    `names` are old and new names; `sensor` and `kind` are read from the new fields, `time` from the old, with whether a
    zone had to be assumed. `finish` does what values tell, and gives a remark where data could not be told. `guess` is
    what has to be told of each such event. Without `known` no row of the table fits, and `texts` may hold an event.
    `time_names` are the fields that may hold the time, the best first, where no more than these tell it.
    """

    shape: str
    names: tuple[tuple[str, str], ...]
    sensor: Callable[[Flat], str]
    kind: Callable[[Flat], str]
    time: Callable[[Flat], tuple[int | None, bool]]
    finish: FinishEvent | None = None
    guess: str = ""
    known: bool = True
    texts: tuple[str, ...] = ()
    time_names: tuple[str, ...] = ()


def find_shape(names: Flat) -> Shape | None:
    """The first row of the table that fits."""
    return next((shape for shape in list_shapes() if shape.fits(names)), None)


def build_reading(flat: Flat) -> EventReading:
    """How events with these fields are read."""
    if "@sensor" in flat:
        return build_own_reading(flat)
    shape = find_shape(flat)
    if shape is not None:
        return build_shape_reading(shape, flat)
    located = locate_windows_fields(flat)
    if located is not None:
        told = ", ".join(repr(n)[1:-1] for n in list_markers(flat)[1][:4])
        guess = f"look like Windows events but are of no known shape; they are read by {told}"
        return replace(build_shape_reading(located, flat), guess=guess)
    number = trimmed_sysmon(flat)
    if "EventID" not in flat and number:
        return build_trimmed_reading(flat, number)
    return build_unknown_reading(flat)


def build_shape_reading(shape: Shape, flat: Flat) -> EventReading:
    """How events of a shape with these fields are read."""
    times = shape.time or TIME_FIELD_NAMES

    def read_time(event: Flat) -> tuple[int | None, bool]:
        own = shape.read_time(event) if shape.read_time else None
        return (own, False) if own is not None else find_export_time(event, times)

    if shape.sensor:
        kinds = tuple(name for name in shape.kind if name in flat)
        host = shape.host if shape.host in flat else ""
        return EventReading(
            shape=shape.name,
            names=keep_names(flat),
            sensor=lambda fields: shape.sensor,
            kind=lambda fields: fields[kinds[0]] if kinds else "",
            time=read_time,
            time_names=() if shape.read_time else times,
            finish=(lambda fields, event: add_host(fields, event, host)) if host and host != "host" else None,
        )
    names = tuple(name_windows_fields(shape, flat))
    return EventReading(
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
        place, _, below = name.partition("]")
        # A value that is an object itself, as a SID in PowerShell, tells its text in Value.
        if below in ("", ".Value") or (below == ".Value.Value"):
            found[place] = event[name]
        elif place not in found:
            found[place] = ""
    return list(found.values())


def complete_origin(fields: dict[str, str], names: Iterable[str]) -> None:
    """The channel of a provider that writes to one only, or the provider of a channel."""
    channel, provider = fields.get("Channel"), fields.get("Provider_Name")
    if not channel and provider and (found := find_provider_channel(provider)):
        fields["Channel"] = found
    elif not provider and channel and (found := find_provider(channel, fields.get("EventID", ""), names)):
        fields["Provider_Name"] = found


def find_provider_channel(provider: str) -> str | None:
    """The channel of a provider, for events that do not name theirs."""
    known = PROVIDER_CHANNELS.get(provider)
    return known or next((c.name for c in map_windows_sensors().values() if c.provider == provider), None)


def keep_names(flat: Flat) -> tuple[tuple[str, str], ...]:
    """All names unchanged, as pairs of old and new."""
    return tuple((n, n) for n in flat)


def build_own_reading(flat: Flat) -> EventReading:
    """How events are read that this program wrote and that name their sensor and kind themselves."""
    sensor, kind = flat["@sensor"], flat.get("@kind", "")
    names = tuple((n, n) for n in flat if n not in ("@sensor", "@kind", "@time"))
    return EventReading(
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


def build_trimmed_reading(flat: Flat, number: str) -> EventReading:
    """How Sysmon events without their System fields are read."""
    channel = map_windows_sensors()["sysmon"]
    system = {"EventID": number, "Provider_Name": channel.provider, "Channel": channel.name}

    def add_system(fields: dict[str, str], event: Flat) -> str:
        fields.update(system)
        return ""

    return EventReading(
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
    [
        "xmlstring",
        "xml",
        "eventoriginal",
        "original",
        "raw",
        "message",
        "fulllog",
        "rawxml",
        "eventxml",
        "msg",
        "log",
        "body",
        "line",
    ]
)


def build_unknown_reading(flat: Flat) -> EventReading:
    """How events that fit no row are read: under their own names."""
    family, markers = list_markers(flat)
    guess = f"look like {family} events ({', '.join(markers[:5])}) but are of no known shape; they keep their own names"
    return EventReading(
        shape="unknown",
        names=keep_names(flat),
        sensor=lambda f: "other",
        kind=lambda f: f.get("sourcetype", ""),
        time=lambda event: find_export_time(event, TIME_FIELD_NAMES),
        time_names=TIME_FIELD_NAMES,
        guess=guess if family else "",
        known=False,
        texts=tuple(n for n in flat if fold_name(n.rpartition(".")[2]) in TEXT_FIELDS),
    )


FAMILIES: Mapping[str, frozenset[str]] = {
    "Windows": frozenset(
        [
            "eventid",
            "eventcode",
            "channel",
            "providername",
            "eventrecordid",
            "processguid",
            "parentprocessguid",
            "utctime",
            "subjectusersid",
            "subjectusername",
            "subjectlogonid",
            "targetusersid",
            "targetusername",
            "scriptblocktext",
            "scriptblockid",
            "parentcommandline",
            "newprocessname",
            "logonguid",
            "logname",
            "machinename",
            "sourceprocessguid",
            "imageloaded",
            "eventdata",
            "grantedaccess",
        ]
    ),
    "Falcon": frozenset(
        [
            "aid",
            "cid",
            "eventsimplename",
            "contexttimestamp",
            "targetprocessid",
            "contextprocessid",
            "configbuild",
            "eventplatform",
            "rawprocessid",
            "configstatehash",
            "effectivetransmissionclass",
        ]
    ),
    "CloudTrail": frozenset(
        ["eventsource", "eventname", "awsregion", "useridentity", "useragent", "recipientaccountid"]
    ),
    "Zeek": frozenset(["uid", "idorigh", "idresph", "origbytes", "respbytes", "connstate"]),
}
"""Names that events of a family have and hardly others, without marks and in lower case."""


def list_markers(flat: Flat) -> tuple[str, list[str]]:
    """The family that field names look like and the names that say so; two names are the least."""
    best: tuple[str, list[str]] = ("", [])
    for family, telling in FAMILIES.items():
        found = {
            fold_name(last): name
            for name in flat
            if (last := name.rpartition(".")[2].removesuffix("_decimal").removesuffix("_readable"))
            and (fold_name(last) in telling or fold_name(name) in telling)
        }
        if len(found) >= 2 and len(found) > len(best[1]):
            best = (family, list(found.values()))
    return best


DATA_SEGMENTS = frozenset(["eventdata", "userdata", "data", "params", "parameters"])


def locate_windows_fields(flat: Flat) -> Shape | None:
    """A row for events that have System fields somewhere: below the prefix where most of them stand."""
    there: dict[str, set[str]] = defaultdict(set)
    for name in flat:
        at = -1
        while True:
            prefix, rest = name[: at + 1], name[at + 1 :]
            if (prefix or "." not in rest) and (found := system_field(rest)):
                there[prefix].add(found)
            at = name.find(".", at + 1)
            if at < 0:
                break
    usable = {p: f for p, f in there.items() if "EventID" in f and f & {"Channel", "Provider_Name"} and len(f) >= 3}
    if not usable:
        return None
    system = max(usable, key=lambda prefix: (len(usable[prefix]), len(prefix)))
    data = tuple(locate_data(flat, system))
    own = {n: found for n in flat if n.startswith(system) and (found := system_field(n[len(system) :]))}
    doubled = [name for name, count in Counter(own.values()).items() if count > 1]
    return Shape(
        name="windows_like",
        meaning="events with Windows' System fields in a place that no known tool has",
        marks=(),
        example="",
        system=(system,),
        data=data or ((system,) if system else ()),
        beside=not data and not system,
        names={} if data else {n: found for n, found in own.items() if found not in doubled},
        time=tuple(n for n in flat if fold_name(n.rpartition(".")[2]) in TIME_NAMES) or TIME_FIELD_NAMES,
        spelling=NameSpelling.CHANGED,
        words={"Qualifiers": {"0": ""}},
    )


TIME_NAMES = frozenset(fold_name(n) for n in (*TIME_FIELD_NAMES, "systemtime", "timestamp", "time_created"))


def locate_data(flat: Flat, system: str) -> Iterable[str]:
    """Prefixes below which data stand: an object named for them, beside or below where System fields are."""
    found: dict[str, None] = {}
    for name in flat:
        parts = name.split(".")
        for i, part in enumerate(parts[:-1]):
            if fold_name(part) in DATA_SEGMENTS:
                prefix = ".".join(parts[: i + 1]) + "."
                # What holds the System fields too is a wrapper and no data.
                if not system.startswith(prefix):
                    found[prefix] = None
                    break
    return found
