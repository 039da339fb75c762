"""YAML with the place of every node: parser events to nodes within limits, nodes to types."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

import msgspec
import yaml

from harness.diagnostics import Source, SourceError, Span, did_you_mean
from harness.late_pattern import late_pattern
from harness.record import record

# The deepest atomic file nests 5 levels, the largest has 1,104 nodes; both bounds are against hostile input.
DEEPEST_NESTING = 64
MOST_NODES = 200_000
# A double ends at 309 digits, and int() of long ones is slow.
LONGEST_NUMBER = 300

DocumentKey = str | int

INTEGER = late_pattern(r"[-+]?[0-9]+")
RADIX = late_pattern(r"0x[0-9a-fA-F]+|0o[0-7]+")
FLOAT = late_pattern(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
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
            self.take(event)
        return self.root or self.nothing()

    def build_all(self, events: Iterator[Any]) -> list[YamlNode]:
        """The root of each document; an empty one is null."""
        found = []
        for event in events:
            if isinstance(event, yaml.DocumentEndEvent):
                found.append(self.root or self.nothing())
                # Anchors hold within their document only.
                self.root, self.anchors = None, {}
            else:
                self.take(event)
        return found

    def nothing(self) -> YamlNode:
        """The root of a document without content."""
        return YamlNode(span=self.source.span(0, 1), scalar="", plain=True)

    def take(self, event: Any) -> None:
        """Puts what one event of the parser says where it belongs."""
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


# Chosen, far above any scenario: 94 kB is the largest atomic file, 10 kB the office's world.
LARGEST_DOCUMENT = 4 << 20

T = TypeVar("T")

# libyaml's parser where PyYAML has it: the largest atomic file in 3 ms, not 56. Only events are taken, no objects.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@record(kw_only=True)
class Document:
    """A YAML text: its plain data, and the place of every part by its path of keys and numbers."""

    source: Source
    root: YamlNode
    value: Any = field(repr=False)

    def node(self, keys: Iterable[DocumentKey]) -> YamlNode:
        """The node at a path, or the nearest one above it that exists."""
        found = self.root
        for key in keys:
            below = found.child(key)
            if below is None:
                break
            found = below
        return found

    def span(self, keys: Iterable[DocumentKey]) -> Span:
        """Where the value at a path is written; of a path that does not exist, the nearest part above it."""
        return self.node(keys).span

    def key(self, keys: Iterable[DocumentKey]) -> Span:
        """Where the last key of a path is written, its value's place where it has no key."""
        path = tuple(keys)
        members = self.node(path[:-1]).members if path else None
        return (
            members[path[-1]][0] if members and isinstance(path[-1], str) and path[-1] in members else self.span(path)
        )

    def written(self, keys: Iterable[DocumentKey]) -> str | None:
        """The text of the scalar at a path as its author wrote it: `0x10` and `1.10` stay so."""
        return self.node(keys).scalar


def load(source: Source) -> Document:
    """The one document of a text. Raises SourceError for bad YAML, a duplicate key, or more than the limits allow."""
    root = parse_yaml(source, lambda builder, events: builder.build(events))
    return Document(source=source, root=root, value=root.value)


def load_all(source: Source) -> list[Document]:
    """Every document of a text of several. Raises SourceError as `load` does."""
    roots = parse_yaml(source, lambda builder, events: builder.build_all(events))
    return [Document(source=source, root=root, value=root.value) for root in roots]


def parse_yaml(source: Source, build: Callable[[Builder, Iterator[Any]], T]) -> T:
    """What is built of a text's parser events, errors at their place."""
    if len(source.text) > LARGEST_DOCUMENT:
        raise SourceError(
            "document-too-large", f"a document has at most {LARGEST_DOCUMENT >> 20} MiB", source.span(0, 1)
        )
    try:
        return build(Builder(source), yaml.parse(source.text, Loader=LOADER))
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        # A mark at the end of the text is one behind its last character.
        at = min(mark.index if mark else 0, max(0, len(source.text) - 1))
        problem = " ".join(part for part in (error.context, error.problem) if part)
        raise SourceError("yaml", problem or "this is not YAML", source.span(at, at + 1)) from error
    # libyaml counts bytes here, PyYAML characters: the place is looked for again.
    except yaml.reader.ReaderError as error:
        at = next((i for i, c in enumerate(source.text) if not is_printable(c)), 0)
        raise SourceError(
            "yaml", f"the character U+{ord(source.text[at]):04X} may not be in YAML", source.span(at, at + 1)
        ) from error
    except UnicodeEncodeError as error:
        raise SourceError(
            "yaml", "half a surrogate pair may not be in YAML", source.span(error.start, error.end)
        ) from error


def convert_document(document: Document, type_: type[T], at: Iterable[DocumentKey] = ()) -> T:
    """The document, or the part at a path, as a value of a type. Raises SourceError with all nodes that do not fit."""
    path = tuple(at)
    try:
        return msgspec.convert(document.node(path).value, type_)
    except msgspec.ValidationError as error:
        first, *others = order_misfits(collect_misfits(document, path, type_))
        first.others = tuple(others)
        raise first from error


def order_misfits(misfits: Sequence[tuple[NodePath, SourceError]]) -> list[SourceError]:
    """The errors by their places, but a misspelt key before what the same mapping lacks by it."""
    misspelt: dict[NodePath, int] = {}
    for part, error in misfits:
        if error.code == "unknown-field":
            misspelt[part] = min(error.span.start, misspelt.get(part, error.span.start))

    def rank(found: tuple[NodePath, SourceError]) -> tuple[int, bool]:
        part, error = found
        lacks = error.code == "missing-field"
        return max(error.span.start, misspelt.get(part, 0) if lacks else 0), lacks

    return [error for _, error in sorted(misfits, key=rank)]


# Chosen: a person mends some and runs it again; each costs one more conversion.
MOST_MISFITS = 20
# Nodes; chosen: of a huge document one error is told, as twenty conversions of it take seconds.
LARGEST_FOR_ALL = 20_000
NodePath = tuple[DocumentKey, ...]


def collect_misfits(document: Document, at: NodePath, type_: Any) -> list[tuple[NodePath, SourceError]]:
    """Every part that does not fit and its error: msgspec tells one at a time, so what it tells is left out next."""
    found: list[tuple[NodePath, SourceError]] = []
    left_out: set[NodePath] = set()
    most = MOST_MISFITS if document.root.size <= LARGEST_FOR_ALL else 1
    while len(found) < most:
        try:
            msgspec.convert(build_value_without(document.node(at), at, left_out), type_)
            break
        except msgspec.ValidationError as error:
            message, steps = read_misfit(document, at, str(error), left_out)
        path = (*at, *steps)
        field_of = re.search(r"field `([^`]*)`", message)
        named = (*path, field_of[1]) if field_of else path
        # A part that was left out is told already, and so is whatever lacks it.
        if not ("missing required field" in message and named in left_out):
            found.append((path, build_misfit_error(document, at, type_, message, steps)))
        wrong = named if "unknown field" in message else path
        if wrong == at:
            break
        left_out.add(wrong)
    return found


def build_value_without(node: YamlNode, path: NodePath, left_out: set[NodePath]) -> Any:
    """A node as plain data without the parts at some paths."""
    if node.items is not None:
        parts = [(n, (*path, i)) for i, n in enumerate(node.items)]
        return [build_value_without(n, below, left_out) for n, below in parts if below not in left_out]
    if node.members is not None:
        members = [(k, n, (*path, k)) for k, (_, n) in node.members.items()]
        return {k: build_value_without(n, below, left_out) for k, n, below in members if below not in left_out}
    return node.value


# msgspec says its errors in text only: `... - at `$.expect[0].outcome``.
MISFIT = late_pattern(r"(?s)(?P<message>.*?)(?: - at `(?:key in )?\$?(?P<path>[^`]*)`)?")
DOCUMENT_STEP = late_pattern(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
KIND_OF = {str: "str", int: "int", float: "float", bool: "bool", dict: "object", list: "array", type(None): "null"}
TYPE_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
}


def read_misfit(document: Document, at: NodePath, text: str, left_out: set[NodePath]) -> tuple[str, list[DocumentKey]]:
    """What msgspec says of a value, and the path from `at` to the node that it means, what was left out counted."""
    found = MISFIT.fullmatch(text)
    message, place = (found["message"], found["path"] or "") if found else (text, "")
    steps: list[DocumentKey] = []
    for name, number in DOCUMENT_STEP.findall(place):
        path = (*at, *steps)
        # `...` stands for a key of a mapping, which msgspec does not name.
        if number == "...":
            steps.append(culprit(document.node(path), message, {p[-1] for p in left_out if p[:-1] == path}))
        elif number:
            kept = [i for i in range(len(document.node(path).items or ())) if (*path, i) not in left_out]
            steps.append(kept[int(number)] if int(number) < len(kept) else int(number))
        else:
            steps.append(name)
    return message, steps


def build_misfit_error(
    document: Document, at: NodePath, wanted_type: Any, message: str, steps: Sequence[DocumentKey]
) -> SourceError:
    """The SourceError of a misfit that msgspec reports, at its node."""
    path = (*at, *steps)
    field_of = re.search(r"field `([^`]*)`", message)
    name = next((f"`{s}`" for s in reversed(path) if isinstance(s, str)), "the document")
    if "unknown field" in message and field_of:
        known = list_struct_fields(wanted_type, steps)
        hint = did_you_mean(field_of[1], known) or (f"known here: {', '.join(sorted(known))}" if known else None)
        return SourceError(
            "unknown-field", f"`{field_of[1]}` has no meaning here", document.key((*path, field_of[1])), help=hint
        )
    if "missing required field" in message and field_of:
        return SourceError("missing-field", f"`{field_of[1]}` is missing", cut_span_to_line(document.span(path)))
    if "enum value" in message:
        words = list_enum_words(wanted_type, steps)
        given = str(document.node(path).value)
        hint = did_you_mean(given, words) or (f"one of {', '.join(words)}" if words else None)
        return SourceError("unknown-value", f"{name} cannot be `{given}`", document.span(path), help=hint)
    wrong = re.fullmatch(r"Expected `([^`]+)`, got `([^`]+)`", message)
    if wrong:
        wanted = " or ".join(TYPE_WORDS.get(w.strip(), w.strip()) for w in wrong[1].split("|"))
        message = f"{name} is {TYPE_WORDS.get(wrong[2], wrong[2])} where {wanted} is expected"
        return SourceError("wrong-type", message, cut_span_to_line(document.span(path)))
    return SourceError("wrong-value", message[:1].lower() + message[1:], cut_span_to_line(document.span(path)))


def culprit(node: YamlNode, message: str, told: Collection[DocumentKey]) -> str:
    """The member of a mapping that is of the kind msgspec complains of; it does not say which member it means."""
    got = message.rpartition("got `")[2].rstrip("`")
    members = [(k, n) for k, (_, n) in (node.members or {}).items() if k not in told]
    return next((k for k, n in members if KIND_OF.get(type(n.value)) == got), next((k for k, _ in members), ""))


def cut_span_to_line(span: Span) -> Span:
    """As much of a place as is on its first line."""
    return span.source.span(span.start, span.start + len(span.text.split("\n", 1)[0]))


def types_at(type: Any, steps: Iterable[DocumentKey]) -> list[Any]:
    """The types that a value at a path may have, as msgspec describes them."""
    found = [msgspec.inspect.type_info(type)]
    for step in (*steps, None):
        found = [t for f in found for t in (f.types if isinstance(f, msgspec.inspect.UnionType) else (f,))]
        if step is not None:
            found = [below for t in found for below in types_below(t, step)]
    return found


def types_below(type: Any, step: DocumentKey) -> list[Any]:
    """The types of one member of a type."""
    if isinstance(type, msgspec.inspect.StructType):
        return [f.type for f in type.fields if f.encode_name == step]
    if isinstance(type, msgspec.inspect.DictType):
        return [type.value_type]
    item = getattr(type, "item_type", None)
    return [item] if item is not None else []


def list_struct_fields(type: Any, steps: Iterable[DocumentKey]) -> list[str]:
    """Names of the fields that a struct at a path has."""
    return [f.encode_name for t in types_at(type, steps) if isinstance(t, msgspec.inspect.StructType) for f in t.fields]


def list_enum_words(type: Any, steps: Iterable[DocumentKey]) -> list[str]:
    """Words that an enumeration at a path allows."""
    found: list[str] = []
    for t in types_at(type, steps):
        if isinstance(t, msgspec.inspect.EnumType):
            found += [str(m.value) for m in t.cls if isinstance(m, Enum)]
        elif isinstance(t, msgspec.inspect.LiteralType):
            found += [str(v) for v in t.values]
    return found
