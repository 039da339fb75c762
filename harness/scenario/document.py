"""YAML with the place of every node, read within limits, and converted into types with errors at the right place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

import msgspec
import yaml

from harness.diagnostics import Source, SourceError, Span, did_you_mean
from harness.scenario.yaml_nodes import Builder, DocumentKey, YamlNode, is_printable

# Chosen, far above any scenario: 94 kB is the largest atomic file, 10 kB the office's world.
LARGEST_DOCUMENT = 4 << 20

T = TypeVar("T")

# libyaml's parser where PyYAML has it: the largest atomic file in 3 ms, not 56. Only events are taken, no objects.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True, kw_only=True)
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
    if len(source.text) > LARGEST_DOCUMENT:
        raise SourceError(
            "document-too-large", f"a document has at most {LARGEST_DOCUMENT >> 20} MiB", source.span(0, 1)
        )
    try:
        root = Builder(source).build(yaml.parse(source.text, Loader=LOADER))
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
    return Document(source=source, root=root, value=root.value)


def convert_document(document: Document, type_: type[T], at: Iterable[DocumentKey] = ()) -> T:
    """The document, or the part at a path, as a value of a type. Raises SourceError at the node that does not fit."""
    path = tuple(at)
    node = document.node(path)
    try:
        return msgspec.convert(node.value, type_)
    except msgspec.ValidationError as error:
        raise build_misfit_error(document, path, type_, str(error)) from error


# msgspec says its errors in text only: `... - at `$.expect[0].outcome``.
MISFIT = re.compile(r"(?s)(?P<message>.*?)(?: - at `(?:key in )?\$?(?P<path>[^`]*)`)?")
DOCUMENT_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
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


def build_misfit_error(document: Document, at: tuple[DocumentKey, ...], wanted_type: Any, text: str) -> SourceError:
    """The SourceError of a misfit that msgspec reports, at its node."""
    found = MISFIT.fullmatch(text)
    message, place = (found["message"], found["path"] or "") if found else (text, "")
    steps: list[DocumentKey] = []
    for name, number in DOCUMENT_STEP.findall(place):
        # `...` stands for a key of a mapping, which msgspec does not name.
        steps.append(name or (culprit(document.node((*at, *steps)), message) if number == "..." else int(number)))
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


def culprit(node: YamlNode, message: str) -> str:
    """The member of a mapping that is of the kind msgspec complains of; it does not say which member it means."""
    got = message.rpartition("got `")[2].rstrip("`")
    members = (node.members or {}).items()
    return next((k for k, (_, n) in members if KIND_OF.get(type(n.value)) == got), next(iter(node.members or {}), ""))


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
