"""What a parsed query mentions: names that may be fields, and whether it may read the text of events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any

from harness.detection.languages.spl.syntax import (
    Comparison,
    FieldReference,
    FreeText,
    GeneralArguments,
    OneOf,
    Option,
    Pipeline,
    Stage,
    String,
    Template,
    Word,
)

WORD_IN_QUERY = re.compile(r"[\w.{}*@:-]+")
DEFAULT_RAW: dict[str, tuple[str, ...] | None] = {
    "rex": ("field",),
    "regex": None,
    "spath": ("input",),
    "xmlkv": (),
    "kv": (),
    "extract": (),
    "xpath": ("field",),
}


@cache
def attributes(kind: Any) -> tuple[str, ...]:
    """The attributes of a part that may have parts themselves."""
    return tuple(f.name for f in fields(kind) if f.name != "span")


def walk_query(node: Any) -> Iterator[Any]:
    """Every part of a parsed query."""
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, tuple):
            stack.extend(current)
        elif not isinstance(current, str | bool | None):
            yield current
            kind: Any = type(current)
            stack.extend(getattr(current, name) for name in attributes(kind))


def collect_mentions(pipeline: Pipeline) -> tuple[frozenset[str], bool]:
    """Names that the query may read as fields, and whether it may read the text of events."""
    names: set[str] = set()
    values: set[int] = set()
    raw = False
    for part in walk_query(pipeline):
        match part:
            case Comparison(field, _, value):
                names.add(field.text)
                values.update((id(field), id(value)))
            case OneOf(field, several):
                names.add(field.text)
                values.update((id(field), *map(id, several)))
            case FreeText(word):
                values.add(id(word))
                raw = raw or bool(word.text.strip("*"))
            case FieldReference(name) | Option(name):
                names.add(name)
            case Word(text) if id(part) not in values:
                names.update(WORD_IN_QUERY.findall(text))
                raw = raw or text.startswith("PREFIX(")
            case Template(text) | String(text):
                names.update(WORD_IN_QUERY.findall(text) if isinstance(part, Template) else (text,))
            case Stage("map"):
                raw = True
            case Stage(name) if name in DEFAULT_RAW:
                raw = raw or raw_by_default(part)
    return frozenset(names), raw or "_raw" in names


def raw_by_default(stage: Stage) -> bool:
    """Whether a command is not told which field to work on."""
    needed = DEFAULT_RAW[stage.name]
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    options = {i.name.lower() for i in items if isinstance(i, Option)}
    return not options if needed is None else not options.intersection(needed)
