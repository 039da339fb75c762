"""Where presented columns come from: which recorded column they are, changed value by value, and how.

A coded store has each distinct text once. What a platform makes of a column can be made of those texts alone where it
looks at one value at a time; this notes when it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from harness.record import record

Change: TypeAlias = "Callable[[pa.Array], pa.Array]"
Place: TypeAlias = "tuple[int, ...]"


@record(kw_only=True)
class Origin:
    """The recorded column behind a presented one, and what is done to each of its values, in this order."""

    name: str
    changes: tuple[Change, ...] = ()


@record(kw_only=True)
class Epoch:
    """Times as a number since 1970: so many a second, with `whole` rounded down."""

    per_second: int
    whole: bool


@dataclass(slots=True)
class Lineage:
    """What became of columns while a platform presented some events."""

    origins: dict[Place, Origin] = field(default_factory=dict)
    epochs: dict[Place, Epoch] = field(default_factory=dict)
    # Memory of a column that is gone may be another's: nothing that was noted goes before the end.
    kept: list[pa.ChunkedArray] = field(default_factory=list)

    def add(self, name: str, column: pa.ChunkedArray) -> None:
        """Takes a recorded column."""
        self.kept.append(column)
        self.origins[locate_column(column)] = Origin(name=name)

    def change(self, before: pa.ChunkedArray, after: pa.ChunkedArray, change: Change) -> pa.ChunkedArray:
        """Notes that a column was made of another by changing its distinct values; gives it a place of its own."""
        # These few values may have needed no change, others of the column may.
        own = pa.chunked_array([copy_codes(chunk) for chunk in after.chunks], after.type)
        self.kept.append(own)
        origin = self.origins.get(locate_column(before))
        if origin is not None:
            self.origins[locate_column(own)] = Origin(name=origin.name, changes=(*origin.changes, change))
        return own

    def note_epoch(self, times: pa.ChunkedArray, made: pa.ChunkedArray, epoch: Epoch) -> None:
        """A column of numbers was made of recorded times."""
        self.kept.append(made)
        if locate_column(times) in self.origins:
            self.epochs[locate_column(made)] = epoch

    def find_origin(self, column: pa.ChunkedArray) -> Origin | None:
        """The recorded column behind a presented one; None where it was made of several, or in another way."""
        return self.origins.get(locate_column(column))

    def find_epoch(self, column: pa.ChunkedArray) -> Epoch | None:
        """How a presented column was made of recorded times; None where it was not."""
        return self.epochs.get(locate_column(column))


CURRENT: ContextVar[Lineage | None] = ContextVar("lineage", default=None)


@contextmanager
def follow_columns(lineage: Lineage) -> Iterator[None]:
    """Has what is done to columns noted while the block runs."""
    before = CURRENT.set(lineage)
    try:
        yield
    finally:
        CURRENT.reset(before)


def locate_column(column: pa.ChunkedArray) -> Place:
    """Where a column's values lie in memory: two columns at one place are one column."""
    place: list[int] = []
    for chunk in column.chunks:
        place += (chunk.offset, len(chunk))
        parts = (chunk.indices, chunk.dictionary) if pa.types.is_dictionary(chunk.type) else (chunk,)
        place += (buffer.address if buffer is not None else 0 for part in parts for buffer in part.buffers())
    return tuple(place)


def copy_codes(chunk: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same part of a column with codes that lie elsewhere."""
    return pa.DictionaryArray.from_arrays(pc.add(chunk.indices, pa.scalar(0, chunk.indices.type)), chunk.dictionary)


SPARING: set[Change] = set()
"""Changes that leave every text alone but the empty one and those with a character that XML encodes."""


def spare_plain_texts(change: Change) -> Change:
    """Registers a change of texts as one that leaves all of them alone but marked ones (`MARKED_TEXT`)."""
    SPARING.add(change)
    return change


MARKED_TEXT = "^$|[&<>]"
"""Empty text, and texts with characters that XML encodes."""
