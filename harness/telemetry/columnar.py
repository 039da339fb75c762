"""Operations on dictionary-encoded text columns: each distinct value is worked on once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.event import CAUSE, TEXT_TYPE, TIME, Events, Telemetry

Field: TypeAlias = "str | pa.ChunkedArray"
"""What events hold under one name: the same text in all of them, or a column."""


def list_event_fields(events: Events) -> dict[str, Field]:
    """Each field of the events and what it holds, constant ones first."""
    columns = {n: events.columns.column(n) for n in events.columns.column_names if n not in (TIME, CAUSE)}
    return {**events.constants, **columns}


def map_distinct_values(field: Field, change: Callable[[pa.Array], pa.Array]) -> Field | None:
    """The field with `change` made to its distinct values; what becomes null is absent."""
    if isinstance(field, str):
        changed: str | None = change(pa.array([field], pa.string()))[0].as_py()
        return changed
    column = encode_text(field)
    chunks = column.chunks
    # Chunk by chunk: unifying dictionaries first would touch every row.
    parts = [chunk_mapped(chunk, change) for chunk in chunks]
    # Most columns need no change, and finding that out cost more than the rest before `change` said so itself.
    if any(after is not before for after, before in zip(parts, chunks, strict=True)):
        column = pa.chunked_array(parts, TEXT_TYPE)
    # A field that no event has any more is no field.
    return None if column.null_count == len(column) and len(column) else column


def chunk_mapped(chunk: pa.DictionaryArray, change: Callable[[pa.Array], pa.Array]) -> pa.DictionaryArray:
    """A part of a column with `change` made to its distinct values; the same object if there is nothing to change."""
    before = chunk.dictionary
    after = change(before)
    if after is before:
        return chunk
    # A change may make two values equal or null: encoded again, the dictionary has neither twice.
    distinct = after.dictionary_encode()
    return pa.DictionaryArray.from_arrays(distinct.indices.take(chunk.indices), distinct.dictionary)


def encode_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column as `TEXT_TYPE`, whatever kind of text it is."""
    if column.type == TEXT_TYPE:
        return column
    if pa.types.is_dictionary(column.type):
        return column.cast(TEXT_TYPE)
    return column.cast(pa.string()).dictionary_encode().cast(TEXT_TYPE)


def without_empty(values: pa.Array) -> pa.Array:
    """Values where an empty one is absent."""
    empty = pc.equal(values, "")
    return pc.if_else(empty, pa.scalar(None, pa.string()), values) if pc.any(empty).as_py() else values


def with_entities(values: pa.Array) -> pa.Array:
    """Values as XML text holds them: `&`, `<` and `>` encoded, quotes as they are."""
    if not pc.any(pc.match_substring_regex(values, "[&<>]")).as_py():
        return values
    # The ampersand first, or those of the entities would be encoded again.
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        values = pc.replace_substring(values, character, entity)
    return values


def number_events(telemetry: Telemetry) -> Iterator[tuple[pa.Array, Events]]:
    """Each table of the telemetry with its events' numbers: int64, the first event of the first table is 0."""
    first = 0
    for events in telemetry.events:
        # From 0 over all tables, so that the number alone finds the event.
        yield pa.array(np.arange(first, first + len(events), dtype=np.int64)), events
        first += len(events)


def build_epoch_column(times: pa.ChunkedArray, per_second: int) -> pa.ChunkedArray:
    """`@time` as a number since 1970: seconds with 1, milliseconds with 1000."""
    micros = times.cast(pa.int64()).cast(pa.float64())
    return pc.divide(micros, pa.scalar(1_000_000 / per_second))
