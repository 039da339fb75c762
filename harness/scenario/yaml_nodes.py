"""The nodes of one YAML text, put together from parser events without recursion and within limits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from harness.diagnostics import Source, SourceError, Span

# The deepest atomic file nests 5 levels, the largest has 1,104 nodes; both bounds are against hostile input.
DEEPEST_NESTING = 64
MOST_NODES = 200_000
# A double ends at 309 digits, and int() of long ones is slow.
LONGEST_NUMBER = 300

DocumentKey = str | int

INTEGER = re.compile(r"[-+]?[0-9]+")
RADIX = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# YAML 1.2's core schema, not 1.1 as PyYAML resolves it: there `no`, `off` and 12:30 are no text.
YAML_WORDS: Mapping[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


@dataclass(slots=True, kw_only=True)
class YamlNode:
    """One node: a scalar with the text it was written as, a list, or a mapping. `size` counts it and all below it."""

    span: Span
    scalar: str | None = None
    plain: bool = False
    items: list[YamlNode] | None = None
    members: dict[str, tuple[Span, YamlNode]] | None = None
    size: int = 1
    pending: tuple[str, Span] | None = None

    @property
    def value(self) -> Any:
        """The node as plain data; keys are always text."""
        if self.items is not None:
            return [n.value for n in self.items]
        if self.members is not None:
            return {k: n.value for k, (_, n) in self.members.items()}
        return plain_value(self.scalar or "", self.span) if self.plain else self.scalar

    def child(self, key: DocumentKey) -> YamlNode | None:
        """The node below, if there is one of that key or number."""
        if self.members is not None and isinstance(key, str):
            found = self.members.get(key)
            return found[1] if found else None
        if self.items is not None and isinstance(key, int) and -len(self.items) <= key < len(self.items):
            return self.items[key]
        return None


class Builder:
    """Puts parser events together into nodes, without recursion and within limits."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.open: list[tuple[YamlNode, str | None]] = []
        self.anchors: dict[str, YamlNode] = {}
        self.root: YamlNode | None = None
        self.count = 0

    def build(self, events: Iterator[Any]) -> YamlNode:
        """The root of the only document; an empty text is null."""
        for event in events:
            if isinstance(event, yaml.AliasEvent):
                self.alias(event)
            elif isinstance(event, yaml.ScalarEvent):
                node = YamlNode(span=self.span(event), scalar=event.value, plain=not event.style and event.implicit[0])
                self.tag(event, node)
                self.done(node, event.anchor)
            elif isinstance(event, yaml.CollectionStartEvent):
                self.start(event)
            elif isinstance(event, yaml.CollectionEndEvent):
                node, anchor = self.open.pop()
                end: Any = event.end_mark
                node.span = self.trimmed(node.span.start, end.index)
                self.done(node, anchor)
        return self.root or YamlNode(span=self.source.span(0, 1), scalar="", plain=True)

    def span(self, event: Any) -> Span:
        """Where an event's text is, without the blanks behind it."""
        return self.trimmed(event.start_mark.index, event.end_mark.index)

    def trimmed(self, start: int, end: int) -> Span:
        """The stretch without the blanks at its end."""
        return self.source.span(start, start + len(self.source.text[start:end].rstrip()))

    def tag(self, event: Any, node: YamlNode) -> None:
        """Refuses tags: documents are plain data."""
        if event.tag not in (None, "!", "tag:yaml.org,2002:str"):
            raise SourceError(
                "unsupported-yaml", f"the tag {event.tag} has no meaning here", node.span, help="write plain data"
            )

    def start(self, event: Any) -> None:
        """Opens a list or a mapping."""
        node = YamlNode(span=self.span(event))
        if event.tag not in (None, "!"):
            self.tag(event, node)
        if isinstance(event, yaml.MappingStartEvent):
            node.members = {}
        else:
            node.items = []
        if len(self.open) >= DEEPEST_NESTING:
            raise SourceError("nested-too-deeply", f"a document nests at most {DEEPEST_NESTING} levels", node.span)
        self.open.append((node, event.anchor))

    def alias(self, event: Any) -> None:
        """Puts an anchored node in a second place."""
        span = self.span(event)
        if event.anchor not in self.anchors:
            recursive = any(anchor == event.anchor for _, anchor in self.open)
            message = (
                f"`*{event.anchor}` contains itself" if recursive else f"there is no anchor `&{event.anchor}` above"
            )
            raise SourceError("unknown-anchor", message, span)
        self.done(self.anchors[event.anchor], None, span)

    def done(self, node: YamlNode, anchor: str | None, span: Span | None = None) -> None:
        """Gives a finished node to the one that holds it."""
        if anchor:
            self.anchors[anchor] = node
        self.count += 1
        # size counts aliases written out: ten lines of aliases can mean 10**10 nodes.
        if self.count > MOST_NODES or node.size > MOST_NODES:
            raise SourceError(
                "too-many-nodes", f"a document has at most {MOST_NODES} nodes, aliases written out", node.span
            )
        if not self.open:
            if self.root is not None:
                raise SourceError("second-document", "there is more than one document in this text", node.span)
            self.root = node
            return
        parent = self.open[-1][0]
        if parent.items is not None:
            parent.items.append(node)
            parent.size += node.size
        elif parent.pending is None:
            self.member(parent, node, span or node.span)
        else:
            name, place = parent.pending
            parent.pending = None
            parent.size += node.size
            if parent.members is not None:
                parent.members[name] = (place, node)

    def member(self, parent: YamlNode, node: YamlNode, span: Span) -> None:
        """Takes a node as the key of what comes next."""
        name = node.scalar
        if name is None:
            raise SourceError("unsupported-yaml", "a key is a single word or text", span)
        # No part of YAML 1.2, and the place of a merged value would be elsewhere in the text.
        if name == "<<" and node.plain:
            raise SourceError("unsupported-yaml", "merge keys are not supported", span, help="write the keys out")
        before = (parent.members or {}).get(name)
        if before:
            line = self.source.position(before[0].start)[0]
            raise SourceError("duplicate-key", f"`{name}` is given twice", span, help=f"the first is in line {line}")
        parent.pending = (name, span)


def is_printable(character: str) -> bool:
    """Whether YAML allows the character."""
    code = ord(character)
    return (
        character in "\t\n\r\x85"
        or 0x20 <= code < 0x7F
        or 0xA0 <= code < 0xD800
        or 0xE000 <= code < 0xFFFE
        or code > 0xFFFF
    )


def plain_value(text: str, span: Span) -> bool | int | float | str | None:
    """What a word without quotes means in YAML 1.2's core schema: `yes`, `20:10` and dates are text."""
    if text in YAML_WORDS:
        return YAML_WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    number = INTEGER.fullmatch(text) or RADIX.fullmatch(text) or FLOAT.fullmatch(text)
    if number is None:
        return text
    if len(text) > LONGEST_NUMBER:
        raise SourceError("number-too-long", f"a number has at most {LONGEST_NUMBER} digits", span, help="quote it")
    if INTEGER.fullmatch(text):
        return int(text)
    return int(text, 0) if RADIX.fullmatch(text) else float(text)
