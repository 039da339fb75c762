"""The Windows event: names of its System fields, its XML, and its JSON as decoders render it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain, count
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from harness.diagnostics import HarnessError
from harness.late_pattern import late_pattern
from harness.record import record
from harness.telemetry.events.event import Events
from harness.telemetry.events.json_values import flatten_object, print_json_value
from harness.telemetry.platform import sensor_names
from harness.telemetry.sensor import WindowsChannel, sensor

SYSTEM_FIELDS = (
    "Provider_Name",
    "Provider_Guid",
    "EventID",
    "Version",
    "Level",
    "Task",
    "Opcode",
    "Keywords",
    "SystemTime",
    "EventRecordID",
    "Correlation_ActivityID",
    "Correlation_RelatedActivityID",
    "Execution_ProcessID",
    "Execution_ThreadID",
    "Channel",
    "Computer",
    "Security_UserID",
)
"""Fields of an event's System element in the order in which Windows writes them."""


# As the add-on for Sysmon for Linux has them, whose events are Windows' XML behind a syslog header.
LINUX_CHANNEL = "Linux-Sysmon/Operational"
LINUX_METADATA = {"source": "Syslog:Linux-Sysmon/Operational", "sourcetype": "sysmon:linux"}


@cache
def map_windows_sensors() -> Mapping[str, WindowsChannel]:
    """The channel of each sensor that writes one. Raises HarnessError where two sensors write the same."""
    found = {name: origin for name in sensor_names() if isinstance(origin := sensor(name).origin, WindowsChannel)}
    owners: dict[str, str] = {}
    for name, channel in found.items():
        other = owners.setdefault(channel.name.lower(), name)
        if other != name:
            message = f"the sensors `{other}` and `{name}` both write the channel {channel.name}"
            raise HarnessError("registration", message, help="let one of them record both activities")
    return found


@cache
def map_channel_sensors() -> Mapping[str, str]:
    """The sensor of each channel, by the channel's name in lower case."""
    return {channel.name.lower(): name for name, channel in map_windows_sensors().items()}


def sensor_of(channel: str | None) -> str:
    """The sensor that writes a channel; `windows` for all that have none of their own."""
    return map_channel_sensors().get((channel or "").lower(), "windows")


def is_windows(events: Events) -> bool:
    """Whether these are records of a Windows event log."""
    return events.sensor == "windows" or events.sensor in map_windows_sensors()


# The evtx package prints GUIDs without braces (0.14.0), which joins and rules for the log's own XML expect.
BARE_GUID = r"^([0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12})$"


def repair_values(values: pa.Array) -> pa.Array:
    """Values with what decoders and shippers change put back: braces of GUIDs, brackets of `<unknown process>`.

    Only upper-case GUIDs are touched: EVTX decoders print those of type GUID so, while ids that are text, as the
    ScriptBlockId of PowerShell, are lower case and have no braces in the log itself.
    """
    # Length first: hardly a column has texts of 36 bytes, and a regular expression over all would cost more.
    if pc.any(pc.equal(pc.binary_length(values), 36)).as_py():
        values = pc.replace_substring_regex(values, BARE_GUID, r"{\1}")
    # Some shippers send it HTML-escaped (telemetry.md 1.1); 91 of 2,059 recorded events 22 name no process.
    unknown = pc.equal(values, "&lt;unknown process&gt;")
    return pc.if_else(unknown, "<unknown process>", values) if pc.any(unknown).as_py() else values


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
    # Velociraptor's parser.
    "EventID.Value": "EventID",
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
                fields.setdefault(f"Data_{name}" if name in SYSTEM_NAMED else name, value)
    return fields


def list_event_data(held: Mapping[str, Any], part: str) -> Iterator[tuple[str, str]]:
    """Names and values of an event's data; UserData have one element around them all."""
    elements = held.get("Data")
    if part == "EventData" and isinstance(elements, (list, dict)) and (named := name_elements(elements)):
        yield from named
        # Beside named data stands at most Binary.
        held = {name: value for name, value in held.items() if name != "Data"}
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


NAME_KEYS = ("@Name", "Name", "name", "_Name", "-Name")
TEXT_KEYS = ("#text", "Value", "value", "text", "Text", "$t", "_", "$", "content", "__text")
"""What converters of XML to JSON call an attribute Name, and the text beside it."""


def name_elements(elements: Any) -> list[tuple[str, str]]:
    """Names and values of Data elements that a converter of XML left as objects; none where they have no names."""
    listed = elements if isinstance(elements, list) else [elements]
    found = []
    for element in listed:
        if not isinstance(element, dict):
            return []
        attributes = element.get("#attributes") or element.get("@attributes") or element.get("$") or element
        name = (
            next((attributes[k] for k in NAME_KEYS if k in attributes), None) if isinstance(attributes, dict) else None
        )
        if not isinstance(name, str):
            # An object of names and values instead of elements, unless it is markup without a name.
            bare = isinstance(elements, list) or "#text" in element or "#attributes" in element
            return [] if bare else [*flatten_object(element, empty="")]
        value = next((element[k] for k in TEXT_KEYS if k in element and not isinstance(element[k], dict)), None)
        found.append((name, "" if value is None else print_json_value(value)))
    return found


def without_markup(value: Any) -> Any:
    """Objects of a decoder as plain values: attributes beside elements, text in place of `#text`, no namespaces."""
    if isinstance(value, list):
        return [without_markup(v) for v in value]
    if not isinstance(value, dict):
        return value
    plain: dict[str, Any] = {}
    for name, inner in value.items():
        # The package's own names for attributes and text beside them.
        if name in ("#attributes", "@attributes"):
            plain |= {n: v for n, v in inner.items() if n != "xmlns"} if isinstance(inner, dict) else {}
        # evtx_dump --separate-json-attributes.
        elif name.endswith("_attributes") and isinstance(inner, dict):
            plain |= {f"{name.removesuffix('_attributes')}.{n}": v for n, v in inner.items() if n != "xmlns"}
        # xmltodict.
        elif name.startswith("@"):
            plain |= {} if name.startswith("@xmlns") else {name[1:]: inner}
        else:
            plain[name] = without_markup(inner)
    if "#text" in plain:
        return plain["#text"]
    return plain or None


# Text as wevtutil and forwarders print it: single quotes, one order of elements (telemetry.md 1.1). findall over pairs
# takes 12 us an event, lxml and expat 46 and 56 (engine.md 6).
NATIVE_DATA = late_pattern(r"<Data Name='([^'<&]*)'>([^<]*)</Data>")
NATIVE_SYSTEM = late_pattern(
    r"<Event xmlns='[^'<&]*'><System><Provider Name='([^'<&]*)'(?: Guid='([^'<&]*)')?/><EventID>(\d+)</EventID>"
    r"<Version>(\d+)</Version><Level>(\d+)</Level><Task>(\d+)</Task><Opcode>(\d+)</Opcode>"
    r"<Keywords>(\w+)</Keywords><TimeCreated SystemTime='([^'<&]*)'/><EventRecordID>(\d+)</EventRecordID>"
    r"<Correlation(?: ActivityID='([^'<&]*)')?(?: RelatedActivityID='([^'<&]*)')?/>"
    r"<Execution ProcessID='(\d+)' ThreadID='(\d+)'/><Channel>([^<&]*)</Channel><Computer>([^<&]*)</Computer>"
    r"<Security(?: UserID='([^'<&]*)')?/></System>"
)
AROUND_DATA = len("<Data Name=''></Data>")

# A scanner of our own, not expat: no document types, no external entities, nothing to switch off, and
# every fault is a ValueError with its text.
XML_TOKEN = late_pattern(
    r"<(?P<close>/)?(?P<tag>[\w.:-]+)(?P<attributes>(?:\s+[\w.:-]+\s*=\s*(?:'[^'<]*'|\"[^\"<]*\"))*)\s*(?P<empty>/)?>"
    r"|(?P<text>[^<]+)|<!\[CDATA\[(?P<cdata>.*?)\]\]>|<!--.*?-->|<\?.*?\?>",
    re.S,
)
# Possessive, and never begun within a name: each letter of a long one would be tried to its end.
ATTRIBUTE = late_pattern(r"(?<![\w.:-])([\w.:-]++)\s*+=\s*(?:'([^']*)'|\"([^\"]*)\")")
# Bounded: no code point has more digits, and no entity of XML's own a longer name.
ENTITY = late_pattern(r"&(#\d{1,7}|#x[0-9A-Fa-f]{1,6}|\w{1,20});?")
ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "apos": "'", "quot": '"'}

SYSTEM_NAMED = frozenset(SYSTEM_FIELDS)

# Events are three elements deep, UserData a few more: 50 is far above both.
DEEPEST_XML = 50


def fields_of_event(xml: str) -> dict[str, str]:
    """System fields, then data in their order; of a repeated name the first value has the name, the next `name[1]`.

    Text as the log itself prints it goes a fast way, all else is scanned. Raises ValueError for what is no XML.
    """
    before, opened, rest = xml.partition("<EventData>")
    data, closed, after = rest.partition("</EventData>")
    # CDATA or a comment may hide </EventData> from partition().
    if not (opened and closed) or "<![CDATA[" in xml or "<!--" in xml:
        leaves = [*scan_leaves(xml)]
        return merge_system_and_data(system_of(leaves), data_of(leaves))
    if after != "</Event>":
        # Only to refuse what is no XML; what stands there is no field.
        scanned_whole(f"<Event>{after}")
    return merge_system_and_data(native_system(before), native_data(data))


def native_system(text: str) -> Iterable[tuple[str, str | None]]:
    """Names and values from the text before the data."""
    native = NATIVE_SYSTEM.fullmatch(text)
    if native:
        return zip(SYSTEM_FIELDS, native.groups(), strict=True)
    return system_of(scanned_whole(f"{text}</Event>"))


def native_data(text: str) -> Iterable[tuple[str, str]]:
    """Names and values from the text within EventData; all of it must be accounted for to go the fast way."""
    pairs: list[tuple[str, str]] = NATIVE_DATA.findall(text)
    # All characters are accounted for, so nothing stands between the elements that findall passed over.
    if sum(map(len, chain.from_iterable(pairs))) + AROUND_DATA * len(pairs) == len(text):
        return [(name, decode_entities(value)) for name, value in pairs] if "&" in text else pairs
    return data_of(scanned_whole(f"<Event><EventData>{text}</EventData></Event>"))


def scanned_whole(xml: str) -> list[Leaf]:
    """All leaves of a text. Raises ValueError where it is no well-formed XML."""
    return [*scan_leaves(xml)]


def merge_system_and_data(system: Iterable[tuple[str, str | None]], data: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Both parts as one; a datum named as a System field is told apart by `Data_`, a repeated one by its number."""
    # An empty System element (<Correlation/>) is an absent field, an empty datum an empty text.
    fields = {name: value for name, value in system if value}
    for name, value in data:
        if name in SYSTEM_NAMED:
            name = f"Data_{name}"
        if name in fields:
            name = next(numbered for n in count(1) if (numbered := f"{name}[{n}]") not in fields)
        fields[name] = value
    return fields


@record
class Leaf:
    """An element without elements in it: the names of those around it and its own, its attributes and text."""

    path: tuple[str, ...]
    attributes: dict[str, str]
    text: str


def system_of(leaves: Iterable[Leaf]) -> Iterator[tuple[str, str]]:
    """Names and values from the System element."""
    for leaf in leaves:
        if leaf.path[1:2] == ("System",) and len(leaf.path) == 3:
            name = leaf.path[2]
            for attribute, value in leaf.attributes.items():
                yield SYSTEM_NAMES.get(f"{name}.{attribute}", f"{name}_{attribute}"), value
            if leaf.text.strip():
                yield name, leaf.text.strip()


def data_of(leaves: Iterable[Leaf]) -> Iterator[tuple[str, str]]:
    """Names and values from EventData and UserData; data without a name are members of a list called Data."""
    unnamed = 0
    for leaf in leaves:
        part, inner = leaf.path[1:2], leaf.path[2:]
        if part == ("EventData",) and inner:
            if "Name" in leaf.attributes:
                yield leaf.attributes["Name"], leaf.text
            elif inner == ("Data",):
                yield f"Data[{unnamed}]", leaf.text
                unnamed += 1
            else:
                yield ".".join(inner), leaf.text
        elif part == ("UserData",) and len(inner) > 1:
            # UserData hold one element of the provider's, whose name says nothing beside the event's kind.
            yield ".".join(inner[1:]), leaf.text


def scan_leaves(xml: str) -> Iterator[Leaf]:
    """Each element without elements in it. Raises ValueError where the text is no well-formed XML."""
    path: list[str] = []
    attributes: dict[str, str] = {}
    text: list[str] = []
    at, leaf = 0, False
    while at < len(xml):
        token = XML_TOKEN.match(xml, at)
        if token is None:
            raise ValueError(f"no markup: `{xml[at : at + 40]}`")
        at = token.end()
        if token["tag"] is None:
            text.append(token["cdata"] if token["cdata"] is not None else decode_entities(token["text"] or ""))
        elif token["close"]:
            if not path or path[-1] != token["tag"]:
                raise ValueError(f"`</{token['tag']}>` ends no open element")
            if leaf:
                yield Leaf(tuple(path), attributes, "".join(text))
            path.pop()
            leaf = False
        else:
            path.append(token["tag"])
            if len(path) > DEEPEST_XML:
                raise ValueError(f"elements lie more than {DEEPEST_XML} deep in one another")
            attributes, text, leaf = attributes_of(token["attributes"]), [], True
            if token["empty"]:
                yield Leaf(tuple(path), attributes, "")
                path.pop()
                leaf = False
    if path:
        raise ValueError(f"`<{path[-1]}>` has no end")


def attributes_of(text: str) -> dict[str, str]:
    """Attributes of a tag without those that name spaces."""
    pairs = ((n, decode_entities(single or double)) for n, single, double in ATTRIBUTE.findall(text))
    return {name: value for name, value in pairs if not name.startswith("xmlns")}


def decode_entities(text: str) -> str:
    """Text without entities. Raises ValueError for one that XML does not define itself."""
    return ENTITY.sub(decode_entity, text) if "&" in text else text


def decode_entity(entity: re.Match[str]) -> str:
    """The character of an entity. Raises ValueError for one that XML does not define."""
    name = entity[1]
    if name in ENTITIES and entity[0].endswith(";"):
        return ENTITIES[name]
    number = int(name[2:], 16) if name.startswith("#x") else int(name[1:]) if name.startswith("#") else -1
    if not 0 <= number <= 0x10FFFF or 0xD800 <= number <= 0xDFFF or not entity[0].endswith(";"):
        raise ValueError(f"`{entity[0]}` is no entity")
    return chr(number)
