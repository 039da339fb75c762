"""Contract: a shape of events, how it is told from others and where things lie in it; a row of a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any, TypeAlias

from harness.record import record
from harness.telemetry.sensor import SplunkInput

SHAPES_FOLDER = Path(__file__).parent / "shapes"


FinishFields: TypeAlias = Callable[[dict[str, str], Mapping[str, str]], None]


class NameSpelling(StrEnum):
    """What a shape does to the names of data: nothing, or it changes their case or their blanks."""

    EXACT = "exact"
    CHANGED = "changed"


@record(kw_only=True)
class Shape:
    """One way in which events are written as named fields; nested objects are fields with dots in their names.

    `marks` are alternatives: names, parted by `|`, that must all be there, while none of `without` is; `a.*` is any
    name that begins so. Among several shapes that fit, the one of the lowest `rank` counts.

    Windows events: System fields stand below one of the prefixes `system` under any usual spelling, data below one of
    `data`. Where data stand `beside` the System fields, these have only the names that are given, and all that is not
    `left_out` is data. `names` are exceptions of both; what becomes "" is left out. `inserts` is the prefix of values
    without names in the order of the manifest, `message` the field with the rendered message, which is read where
    nothing else names the data; `words` are a field's values that a shape abbreviates; `finish` does what only values
    can tell, with the fields and the event as it was.

    Other events have a `sensor`; their `kind` is the first of these fields that is there, `host` the field with the
    machine's name, `origin` what Splunk calls them, with `{kind}` in it. `example` names a file of the tests.
    """

    name: str
    meaning: str
    marks: tuple[str, ...]
    without: tuple[str, ...] = ()
    rank: int = 50
    example: str
    system: tuple[str, ...] = ("",)
    data: tuple[str, ...] = ()
    beside: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    left_out: str = ""
    spelling: NameSpelling = NameSpelling.EXACT
    time: tuple[str, ...] = ()
    inserts: str = ""
    message: str = ""
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    finish: FinishFields | None = None
    read_time: Callable[[Mapping[str, str]], int | None] | None = None
    sensor: str = ""
    kind: tuple[str, ...] = ()
    host: str = ""
    origin: SplunkInput | None = None

    def fits(self, names: NameSet) -> bool:
        """Whether fields of these names are of this shape."""
        return names.has_any(self.marks) and not names.has_any(self.without)


class NameSet:
    """Names of fields or keys, made ready for asking which marks are among them."""

    def __init__(self, names: Iterable[str]) -> None:
        """Keeps the names as a set, and as one text: a beginning is sought there in a tenth of the time."""
        self.names = frozenset(names)
        self.text = "\n" + "\n".join(self.names)

    def has_any(self, alternatives: tuple[str, ...]) -> bool:
        """Whether all marks of one of the alternatives are there."""
        return any(all(map(self.has, marks)) for marks in split_marks(alternatives))

    def has(self, mark: str) -> bool:
        """Whether a name is there, or with `*` at its end one that begins so."""
        return f"\n{mark[:-1]}" in self.text if mark[-1] == "*" else mark in self.names


@cache
def split_marks(alternatives: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The single marks of each alternative."""
    return tuple(tuple(alternative.split("|")) for alternative in alternatives)


@record(kw_only=True)
class OpenedEvent:
    """What an envelope holds: an object, a text, or several; metadata, and a time for an event without its own.

    `shape` names the envelope where that says more than the shape of its content; `text` is what an index held of the
    event, where that was a text.
    """

    inner: Any
    text: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    time: str | None = None
    shape: str = ""


@record(kw_only=True)
class Envelope:
    """A wrapper around events: keys that it has, alternatives of them, and how it is opened.

    `open` gives None for an object that only looks so, and raises ValueError for content that cannot be read. Where one
    of the members `objects` is an object, the kinds of values alone decide whether it does.
    """

    name: str
    keys: tuple[str, ...]
    open: Callable[[Mapping[str, Any]], OpenedEvent | None]
    objects: tuple[str, ...] = ()
    rank: int = 50

    def fits(self, keys: NameSet) -> bool:
        """Whether an object with these keys may be such an envelope."""
        return keys.has_any(self.keys)


@cache
def list_shapes() -> tuple[Shape, ...]:
    """All rows of the table, the first that fits counts."""
    return tuple(sorted(collect_rows("SHAPES"), key=lambda shape: shape.rank))


@cache
def list_envelopes() -> tuple[Envelope, ...]:
    """All envelopes, those that say most by their keys first."""
    return tuple(sorted(collect_rows("ENVELOPES"), key=lambda envelope: envelope.rank))


# A bound for input that never repeats its keys.
@lru_cache(20_000)
def list_fitting_envelopes(keys: tuple[str, ...]) -> tuple[Envelope, ...]:
    """The envelopes that an object with these keys may be."""
    return tuple(envelope for envelope in list_envelopes() if envelope.fits(NameSet(keys)))


def collect_rows(table: str) -> list[Any]:
    """The rows under one name in all files of the folder, in the order of the files' names."""
    names = sorted(module.name for module in iter_modules([str(SHAPES_FOLDER)]))
    return [row for name in names for row in getattr(import_module(f"harness.telemetry.shapes.{name}"), table, ())]


@cache
def map_shape_origins() -> Mapping[str, SplunkInput]:
    """What Splunk calls the events of each sensor that only shapes know."""
    return {shape.sensor: shape.origin for shape in list_shapes() if shape.sensor and shape.origin}


@cache
def compile_left_out(pattern: str) -> re.Pattern[str]:
    """The names that a shape leaves out as an expression."""
    return re.compile(pattern)
