"""The XML of one Windows event, taken apart: five entities and numbers, no document types, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from harness.telemetry.windows import SYSTEM_FIELDS
from harness.telemetry.windows_json import SYSTEM_NAMES

# Text as wevtutil and forwarders print it: single quotes, one order of elements (telemetry.md 1.1). findall over pairs
# takes 12 us an event, lxml and expat 46 and 56 (engine.md 6).
NATIVE_DATA = re.compile(r"<Data Name='([^'<&]*)'>([^<]*)</Data>")
NATIVE_SYSTEM = re.compile(
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
XML_TOKEN = re.compile(
    r"<(?P<close>/)?(?P<tag>[\w.:-]+)(?P<attributes>(?:\s+[\w.:-]+\s*=\s*(?:'[^'<]*'|\"[^\"<]*\"))*)\s*(?P<empty>/)?>"
    r"|(?P<text>[^<]+)|<!\[CDATA\[(?P<cdata>.*?)\]\]>|<!--.*?-->|<\?.*?\?>",
    re.S,
)
ATTRIBUTE = re.compile(r"([\w.:-]+)\s*=\s*(?:'([^']*)'|\"([^\"]*)\")")
# Bounded: no code point has more digits, and no entity of XML's own a longer name.
ENTITY = re.compile(r"&(#\d{1,7}|#x[0-9A-Fa-f]{1,6}|\w{1,20});?")
ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "apos": "'", "quot": '"'}

SYSTEM_NAMED = frozenset(SYSTEM_FIELDS)

# Events are three elements deep, UserData a few more: 50 is far above both.
DEEPEST_XML = 50


def fields_of_event(xml: str) -> dict[str, str]:
    """System fields, then data in their order; of a repeated name the first value counts.

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
    """Both parts as one; a datum named as a System field is told apart by `Data_`."""
    # An empty System element (<Correlation/>) is an absent field, an empty datum an empty text.
    fields = {name: value for name, value in system if value}
    for name, value in data:
        if name in SYSTEM_NAMED:
            name = f"Data_{name}"
        # As Splunk's extraction without MV_ADD (spl.md 11.2).
        if name not in fields:
            fields[name] = value
    return fields


@dataclass(frozen=True, slots=True)
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
