"""Verdicts and counts as JSON and back: values of known types alone, never code; places by the text they are in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any

import msgspec

from harness.diagnostics import Edit, Finding, Severity, Source, Span
from harness.scenario.scenario import Outcome
from harness.telemetry.events.event import Cause, Damage, TelemetryOrigin
from harness.verdict.alerts import Alert
from harness.verdict.evidence import Evidence, ShownAlert, Timeline, VerdictDetail
from harness.verdict.explain import Clause, EventLoss, Explanation, Miss, Trace
from harness.verdict.sigma.opinion import LossStage, LostHit, NearMiss, SigmaOpinion
from harness.verdict.verdict import Flip, Verdict, Visibility

# What a verdict has from its scenario is read again with it; `seconds` is how long this run took.
READ_AGAIN = frozenset({"scenario", "rule", "expectation", "signal", "seconds", "cached"})
VERDICT_FIELDS = tuple(f.name for f in fields(Verdict) if f.name not in READ_AGAIN)
VISIBILITY_FIELDS = tuple(f.name for f in fields(Visibility) if f.name not in READ_AGAIN)
RECORDS: Mapping[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        *(Alert, Cause, Clause, Damage, Edit, EventLoss, Evidence, Explanation, Finding, Flip, LostHit, Miss),
        *(NearMiss, ShownAlert, SigmaOpinion, Timeline, Trace, VerdictDetail),
    )
}
KEPT_WORDS: Mapping[str, type[Enum]] = {kind.__name__: kind for kind in (LossStage, Outcome, Severity, TelemetryOrigin)}


class UnkeptError(Exception):
    """A value that is of none of the known types, or JSON that says something else than a result."""


def encode_kept(result: Verdict | Visibility, texts: Sequence[Source]) -> bytes | None:
    """A result as JSON, without what is read again; None where it cannot be written. `texts` are there again too."""
    names = VERDICT_FIELDS if isinstance(result, Verdict) else VISIBILITY_FIELDS
    writer = ValueWriter(texts)
    try:
        values = [writer.write(getattr(result, name)) for name in names]
        return msgspec.json.encode([[[s.name, s.text] for s in writer.further], values])
    # ValueError: half of a character that UTF-16 writes as two; OverflowError: a number of many digits.
    except (UnkeptError, ValueError, OverflowError):
        return None


def decode_kept(body: bytes, names: Sequence[str], texts: Sequence[Source]) -> dict[str, Any] | None:
    """The values of a result's fields; None where the JSON is not of these."""
    try:
        further, values = msgspec.json.decode(body)
        reader = ValueReader([*texts, *(Source(name, text) for name, text in further)])
        return dict(zip(names, (reader.read(v) for v in values), strict=True))
    except (UnkeptError, ValueError, TypeError, LookupError, RecursionError, msgspec.MsgspecError):
        return None


class ValueWriter:
    """Values as lists that begin with a word for their kind; texts that places are in are kept apart."""

    def __init__(self, texts: Sequence[Source]) -> None:
        self.texts, self.further = texts, list[Source]()

    def write(self, value: object) -> Any:
        """One value. Raises UnkeptError."""
        match value:
            case Enum() if type(value).__name__ in KEPT_WORDS:
                return ["word", type(value).__name__, value.value]
            case None | bool() | str():
                return value
            case float() if not math.isfinite(value):
                return ["float", repr(value)]
            case int() | float():
                return value
            case Span():
                return ["span", self.number(value.source), value.start, value.end]
            case tuple() | list():
                return [type(value).__name__, *map(self.write, value)]
            case Mapping():
                return ["dict", *([self.write(k), self.write(v)] for k, v in value.items())]
            case _ if type(value).__name__ in RECORDS:
                return [type(value).__name__, *(self.write(v) for v in list_kept_values(value))]
        raise UnkeptError(type(value).__qualname__)

    def number(self, source: Source) -> int:
        """A text by its place among all."""
        known = [*self.texts, *self.further]
        if source not in known:
            self.further.append(source)
            return len(known)
        return known.index(source)


def list_kept_values(record: Any) -> Iterator[object]:
    """The fields of a record in their order."""
    return (getattr(record, f.name) for f in fields(record))


class ValueReader:
    """Reads what ValueWriter wrote; anything else raises one of the errors that `decode_kept` expects."""

    def __init__(self, texts: Sequence[Source]) -> None:
        self.texts = texts

    def read(self, value: Any) -> Any:
        """One value."""
        if not isinstance(value, list):
            return value
        kind, *parts = value
        reader = PART_READERS.get(kind)
        if reader is not None:
            return reader(self, parts)
        record = RECORDS[kind]
        return record(**dict(zip((f.name for f in fields(record)), map(self.read, parts), strict=True)))

    def read_span(self, parts: Sequence[Any]) -> Span:
        """A place, within its text."""
        number, start, end = parts
        text = self.texts[number]
        if not 0 <= start <= end <= len(text.text):
            raise UnkeptError("a place outside its text")
        return Span(text, start, end)


PART_READERS: Mapping[str, Callable[[ValueReader, Sequence[Any]], Any]] = {
    "word": lambda _, parts: KEPT_WORDS[parts[0]](parts[1]),
    "float": lambda _, parts: float(parts[0]),
    "span": ValueReader.read_span,
    "tuple": lambda reader, parts: tuple(map(reader.read, parts)),
    "list": lambda reader, parts: list(map(reader.read, parts)),
    "dict": lambda reader, parts: {reader.read(k): reader.read(v) for k, v in parts},
}
