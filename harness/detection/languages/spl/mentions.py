"""What a parsed query mentions: names that may be fields, and whether it may read the text of events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any

from harness.detection.languages.spl.registry import COMMANDS
from harness.detection.languages.spl.syntax import (
    Comparison,
    FieldReference,
    FreeText,
    OneOf,
    Option,
    Pipeline,
    Stage,
    String,
    Template,
    Word,
)

WORD_IN_QUERY = re.compile(r"[\w.{}*@:-]+")


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
            case Stage(name):
                raw = raw or COMMANDS[name].reads_raw(part)
    return frozenset(names), raw or "_raw" in names
