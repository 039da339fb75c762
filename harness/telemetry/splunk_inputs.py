"""How events come into Splunk: what each collection sets, its conditions, and a team's own names for its inputs.

A forwarder renders Windows events as XML or as the classic text of Event Viewer: source, sourcetype, names and entities
of fields, and the text go together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from enum import StrEnum
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.event import METADATA_FIELDS, Events
from harness.telemetry.events.text_columns import Field, encode_text, list_event_fields, map_distinct_values
from harness.telemetry.events.windows_event import is_windows
from harness.telemetry.platform import Condition, sensor_names
from harness.telemetry.sensor import SplunkInput
from harness.telemetry.sensor import sensor as sensor_of
from harness.telemetry.shape import map_shape_origins


class Collection(StrEnum):
    """How a forwarder renders Windows events; each word stands before the channel in `source`."""

    XML = "XmlWinEventLog"
    CLASSIC = "WinEventLog"


WINDOWS_SOURCETYPES: Mapping[Collection, str] = {Collection.XML: "xmlwineventlog", Collection.CLASSIC: "WinEventLog"}
"""Sourcetypes of the current add-on; old ones had the channel behind the collection's word."""

OTHER_SOURCETYPE = "_json"
"""The sourcetype of events that no sensor of ours knows."""

TELLING_FIELDS = ("source", "sourcetype")
"""Recorded fields whose values tell how events were collected."""

BY_COLLECTION = "by collection"

CONDITIONS = (
    Condition(
        name="index", values=("wineventlog",), meaning="the index of Windows events", free=True, of_each_input=True
    ),
    Condition(
        name="addon",
        # The official add-on renames the old sourcetype: a search for it finds nothing there (spl.md 1, fact 12).
        values=("current", "legacy"),
        meaning="sourcetype is `xmlwineventlog` (classic: `WinEventLog`), or as long ago `XmlWinEventLog:<Channel>`",
    ),
    Condition(
        name="source",
        values=(str(Collection.XML), str(Collection.CLASSIC)),
        meaning="what stands before the channel in `source`; with WinEventLog events are collected as classic text: "
        "sourcetype, names and entities of fields and `_raw` follow",
        of_each_input=True,
    ),
    Condition(
        name="sourcetype",
        values=(BY_COLLECTION,),
        meaning="the sourcetype of Windows events, where a team has its own",
        free=True,
        of_each_input=True,
    ),
    Condition(
        name="time",
        # Add-on 5709 reads UtcTime, older ones TimeCreated; they differ by seconds (spl.md 11.1).
        values=("TimeCreated", "UtcTime"),
        meaning="what `_time` is read from: when the event was written, or when Sysmon says that it happened",
    ),
    Condition(
        name="host", values=("short", "fqdn"), meaning="whether `host` is the first label of the computer's name"
    ),
    Condition(
        name="system_names",
        values=("addon", "sigma"),
        meaning="with `sigma`, fields have besides the names that converted Sigma rules read: Provider_Name, and "
        "ThreatName for Threat Name",
    ),
    Condition(
        name="field",
        values=("as recorded",),
        meaning="another name of a field: `field:process_path=Image`, of several the first that there is",
        of_each_input=True,
    ),
)


def resolve_condition(name: str, conditions: Mapping[str, str]) -> str:
    """The given value of a condition, else its default."""
    return conditions.get(name) or next(c.default for c in CONDITIONS if c.name == name)


def resolve_collection(events: Events, conditions: Mapping[str, str]) -> Collection:
    """How Windows events were collected: as is said, else as the metadata that came with them say."""
    if "source" in conditions:
        return Collection(conditions["source"])
    recorded = list_event_fields(events)
    for name in TELLING_FIELDS:
        field = recorded.get(name)
        if field is not None and all(v.startswith(Collection.CLASSIC) for v in list_distinct_values(field)):
            return Collection.CLASSIC
    return Collection.XML


def list_distinct_values(field: Field) -> list[str]:
    """The different values of a field."""
    if isinstance(field, str):
        return [field]
    return [v for v in pc.unique(field.cast(pa.string())).to_pylist() if v is not None]


def metadata(events: Events, conditions: Mapping[str, str]) -> dict[str, Field | None]:
    """Index, source, sourcetype and host: what an input recorded, unless a condition is given."""
    recorded = list_event_fields(events)
    if is_windows(events):
        made = windows_metadata(recorded, conditions, resolve_collection(events, conditions))
    else:
        made = other_metadata(recorded, events)
    # A condition given by name overrides what an input recorded; its default does not.
    told = {"source": {"source"}, "sourcetype": {"addon", "source", "sourcetype"}, "index": {"index"}, "host": {"host"}}
    kept = [n for n in METADATA_FIELDS if n in recorded and told[n].isdisjoint(conditions)]
    found = {n: prefer_recorded(recorded[n], made[n]) if n in kept else made[n] for n in METADATA_FIELDS}
    return found | dict(list_own_names(events, recorded.get("Channel"), conditions))


def list_own_names(events: Events, channel: Field | None, conditions: Mapping[str, str]) -> Iterator[tuple[str, Field]]:
    """Metadata that a team has named itself for a sensor or a channel: conditions such as `sourcetype:Security`."""
    for name, value in conditions.items():
        field, colon, owner = name.partition(":")
        of_channel = isinstance(channel, str) and channel.lower() == owner.lower()
        if colon and field in METADATA_FIELDS and (owner == events.sensor or of_channel):
            yield field, value


def prefer_recorded(recorded: Field, made: Field | None) -> Field:
    """The recorded values, and derived ones in events that lack them."""
    if isinstance(recorded, str) or made is None or not recorded.null_count:
        return recorded
    return encode_text(
        pc.coalesce(recorded.cast(pa.string()), made if isinstance(made, str) else made.cast(pa.string()))
    )


def windows_metadata(
    recorded: Mapping[str, Field], conditions: Mapping[str, str], collection: Collection
) -> dict[str, Field | None]:
    """Metadata of Windows events, as forwarder and add-on set them."""
    channel, computer = recorded.get("Channel"), recorded.get("Computer")
    of_channel = map_present_field(channel, lambda v: prepend_to_values(v, f"{collection}:"))
    legacy = resolve_condition("addon", conditions) == "legacy"
    given = resolve_condition("sourcetype", conditions)
    own_sourcetype = "" if given == BY_COLLECTION else given
    return {
        "index": resolve_condition("index", conditions),
        "source": of_channel,
        "sourcetype": own_sourcetype or (of_channel if legacy else WINDOWS_SOURCETYPES[collection]),
        "host": map_present_field(computer, first_label)
        if resolve_condition("host", conditions) == "short"
        else computer,
    }


def other_metadata(recorded: Mapping[str, Field], events: Events) -> dict[str, Field | None]:
    """What the inputs of other sources set."""
    unknown = SplunkInput(index="main", source=events.sensor, sourcetype=OTHER_SOURCETYPE)
    told = map_splunk_inputs().get(events.sensor) or map_shape_origins().get(events.sensor) or unknown
    # A product of many logs has a sourcetype for each.
    named = {name: text.format(kind=events.kind) for name, text in asdict(told).items()}
    return {**named, "host": recorded.get("ComputerName")}


@cache
def map_splunk_inputs() -> Mapping[str, SplunkInput]:
    """What each sensor that writes no Windows channel is to Splunk."""
    return {name: origin for name in sensor_names() if isinstance(origin := sensor_of(name).origin, SplunkInput)}


def map_present_field(field: Field | None, change: Callable[[pa.Array], pa.Array]) -> Field | None:
    """The field with a change made to its values; an absent one stays absent."""
    return None if field is None else map_distinct_values(field, change)


def prepend_to_values(values: pa.Array, prefix: str) -> pa.Array:
    """Each value behind the prefix."""
    return pc.binary_join_element_wise(pa.scalar(prefix), values, "")


def first_label(values: pa.Array) -> pa.Array:
    """Each name up to its first dot."""
    return pc.replace_substring_regex(values, r"\..*$", "")
