"""Whether a query may read the text of events themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from harness.detection.languages.spl.syntax import (
    FreeText,
    GeneralArguments,
    Option,
    Pipeline,
    Stage,
    Word,
)

DEFAULT_RAW = {
    "rex": ("field",),
    "regex": None,
    "spath": ("input",),
    "xmlkv": (),
    "kv": (),
    "extract": (),
    "xpath": ("field",),
}


def parts(node: Any) -> Iterator[Any]:
    """Every part of a parsed query, outermost first."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        if isinstance(current, tuple):
            stack.extend(current)
        elif is_dataclass(current) and not isinstance(current, type) and current.__class__.__name__ != "Span":
            stack.extend(getattr(current, f.name) for f in fields(current) if f.name != "span")


def reads_raw(pipeline: Pipeline) -> bool:
    """Whether free text, `_raw`, or a command that works on it by default stands in the query."""
    for part in parts(pipeline):
        if isinstance(part, FreeText) and part.word.text.strip("*"):
            return True
        if isinstance(part, Stage) and part.name in DEFAULT_RAW and raw_by_default(part):
            return True
        if isinstance(part, Word) and part.text == "_raw":
            return True
        if getattr(part, "name", None) == "_raw":
            return True
    return False


def raw_by_default(stage: Stage) -> bool:
    """Whether a command is not told which field to work on."""
    needed = DEFAULT_RAW[stage.name]
    items = stage.arguments.items if isinstance(stage.arguments, GeneralArguments) else ()
    options = {i.name.lower() for i in items if isinstance(i, Option)}
    return not options if needed is None else not options.intersection(needed)
