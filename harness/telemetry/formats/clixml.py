"""Objects that PowerShell's Export-Clixml writes: event records of Get-WinEvent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.late_pattern import late_pattern
from harness.telemetry.events.input import EventTables, Stream
from harness.telemetry.events.json_events import JsonEvents
from harness.telemetry.events.windows_event import DEEPEST_XML, XML_TOKEN, attributes_of, decode_entities

# An export of some 200,000 records; the tree of an object is made from the text of all.
LARGEST_EXPORT = 512 << 20

LISTS = frozenset({"LST", "IE", "QUE", "STK"})
ESCAPE = late_pattern(r"_x([0-9A-Fa-f]{4})_")


@dataclass(slots=True)
class Node:
    """An element of CLIXML: its tag, attributes, text and the elements in it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""
    inner: list[Node] = field(default_factory=list)


def recognises(head: bytes) -> bool:
    """Whether content that begins so is CLIXML; its marker `#< CLIXML` is that of streams."""
    return head.startswith((b"<Objs ", b"#< CLIXML")) or (head.startswith(b"<?xml") and b"<Objs " in head[:200])


def read(stream: Stream, tables: EventTables) -> None:
    """Adds each object as an event."""
    with JsonEvents(stream.name, tables) as events:
        text = b"".join(stream.text_blocks()).decode("utf-8", "replace") if stream.whole(LARGEST_EXPORT) else ""
        seen: dict[str, Any] = {}
        try:
            nodes, whole = parse_objects(text)
            if not whole:
                tables.damage(stream.name, "the file ends within an object")
            for number, node in enumerate(nodes, 1):
                value = convert_object(node, seen)
                for item in value if isinstance(value, list) else [value]:
                    try:
                        events.add(item)
                    except ValueError as error:
                        tables.damage(f"{stream.name}: object {number}", str(error))
        except ValueError as error:
            tables.damage(stream.name, f"malformed CLIXML: {error}")


def parse_objects(text: str) -> tuple[list[Node], bool]:
    """The whole objects of a text, and whether it ends with the last. Raises ValueError where it is no XML."""
    path = [Node("", {})]
    at = max(text.find("<Objs"), 0)
    while at < len(text):
        token = XML_TOKEN.match(text, at)
        if token is None:
            # A tag that has no end is where the text was cut.
            if ">" not in text[at:]:
                break
            raise ValueError(f"no markup: `{text[at : at + 40]}`")
        at = token.end()
        if token["tag"] is None:
            path[-1].text += decode_entities(token["text"] or token["cdata"] or "")
        elif token["close"]:
            if len(path) < 2 or path[-1].tag != token["tag"]:
                raise ValueError(f"`</{token['tag']}>` ends no open element")
            path.pop()
        else:
            node = Node(token["tag"], attributes_of(token["attributes"]))
            path[-1].inner.append(node)
            if not token["empty"]:
                path.append(node)
            if len(path) > DEEPEST_XML:
                raise ValueError(f"elements lie more than {DEEPEST_XML} deep in one another")
    objects = [node for top in path[0].inner for node in top.inner]
    # Of an object that is still open only the beginning is there.
    return (objects[:-1] if len(path) > 2 else objects), len(path) == 1


def convert_object(node: Node, seen: dict[str, Any]) -> Any:
    """What an element stands for: an object, a list or a text; `seen` are objects by their number."""
    if node.tag == "Ref":
        return seen.get(node.attributes.get("RefId", ""))
    if node.tag == "Nil":
        return None
    if node.tag != "Obj":
        return ESCAPE.sub(lambda found: chr(int(found[1], 16)), node.text)
    members = {
        n.attributes["N"]: n
        for part in node.inner
        if part.tag in ("Props", "MS")
        for n in part.inner
        if "N" in n.attributes
    }
    listed = next((part for part in node.inner if part.tag in LISTS), None)
    simple = [n for n in node.inner if n.tag not in ("TN", "TNRef", "ToString", "Props", "MS", "DCT", *LISTS)]
    shown = next((n.text for n in node.inner if n.tag == "ToString"), None)
    value: Any
    if listed is not None:
        value = [convert_object(n, seen) for n in listed.inner]
    elif members:
        value = {name: convert_object(n, seen) for name, n in members.items()}
    else:
        value = convert_object(simple[0], seen) if simple else shown
    seen[node.attributes.get("RefId", "")] = value
    return value
