"""Distinct texts of a column and their codes, while a store is written."""

from __future__ import annotations

from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.late_module import LateModule
from harness.telemetry.events.column_lineage import Place, locate_column
from harness.telemetry.store.manifest import StoredDimension

if TYPE_CHECKING:
    import pyarrow.parquet as pq
else:
    pq = LateModule("pyarrow.parquet")

TextCodes = npt.NDArray[np.int32]

MOST_DIMENSION_TEXTS = 1 << 19
"""Texts of one dimension; a column with more is held as text. Chosen: with the rest of Python some 60 MB."""
MOST_BYTES = 192 << 20
"""Memory for the texts of all dimensions together."""
# What a text in a dict of Python costs beside its characters: measured, 64-bit.
BYTES_A_VALUE = 110
# Arrow looks texts up three times as fast as a dict does, but reads all known ones for that first.
KNOWN_A_TEXT = 3
# Of a file in row groups, all batches of one group share a dictionary.
MAPPINGS_KEPT = 4


class Dimensions:
    """The dimensions of a store under construction, by the column's name."""

    def __init__(self, room: int = MOST_BYTES) -> None:
        """With room for texts of so many bytes."""
        self.room = room
        self.by_name: dict[str, Dimension] = {}

    def encode(self, name: str, texts: pa.StringArray) -> TextCodes | None:
        """The codes of distinct texts; None where there is no room for them."""
        dimension = self.by_name.setdefault(name, Dimension())
        known = dimension.find_known(texts)
        if known is not None:
            return known
        before, size = len(dimension.codes), dimension.size
        if before + len(texts) > MOST_DIMENSION_TEXTS and dimension.count_new(texts) + before > MOST_DIMENSION_TEXTS:
            return None
        if self.room < texts.nbytes + BYTES_A_VALUE * len(texts):
            return None
        found = dimension.encode(texts)
        self.room -= dimension.size - size
        return found

    def count_new(self, name: str, texts: pa.StringArray) -> int:
        """How many of these distinct texts have no code yet."""
        known = self.by_name.get(name)
        return len(texts) if known is None else known.count_new(texts)

    def write(self, folder: Path) -> dict[str, StoredDimension]:
        """Writes each dimension to a file; says which are where."""
        (folder / "dimensions").mkdir(exist_ok=True)
        found = {}
        for number, (name, dimension) in enumerate(sorted(self.by_name.items())):
            if dimension.codes:
                file = f"dimensions/{number:05}.parquet"
                found[name] = write_dimension(folder, file, dimension.texts())
        return found


class Dimension:
    """The distinct texts of a column, each with the number in which it came."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.held: pa.StringArray = pa.array([], pa.string())
        self.size = 0
        self.mappings: dict[Place, tuple[pa.StringArray, TextCodes]] = {}

    def find_known(self, texts: pa.StringArray) -> TextCodes | None:
        """The codes of texts that were encoded a moment ago."""
        found = self.mappings.get(locate_texts(texts))
        return None if found is None else found[1]

    def count_new(self, texts: pa.StringArray) -> int:
        """How many of these texts have no code yet."""
        return list(map(self.codes.get, texts.to_pylist())).count(None)

    def encode(self, texts: pa.StringArray) -> TextCodes:
        """The codes of texts; new ones get the next."""
        codes = self.codes
        before = len(codes)
        found = self.look_up(texts)
        unknown = np.flatnonzero(found < 0)
        if len(unknown):
            values = texts.take(pa.array(unknown)).to_pylist()
            found[unknown] = [codes.setdefault(value, len(codes)) for value in values]
        if len(codes) > before:
            new = pa.array(islice(codes, before, None), pa.string())
            self.held = pa.concat_arrays([self.held, new])
            # Each new one is there twice: to be told apart one by one, and all at once.
            self.size += BYTES_A_VALUE * (len(codes) - before) + 2 * new.nbytes
        # With the texts: memory that is given back would be another's, and the place then lies.
        self.mappings[locate_texts(texts)] = (texts, found)
        if len(self.mappings) > MAPPINGS_KEPT:
            del self.mappings[next(iter(self.mappings))]
        return found

    def look_up(self, texts: pa.StringArray) -> TextCodes:
        """The codes of texts, below 0 of unknown ones."""
        if len(texts) * KNOWN_A_TEXT < len(self.held):
            return np.array(list(map(self.codes.get, texts.to_pylist(), repeat(-1))), np.int32)
        return np.array(pc.index_in(texts, self.held).fill_null(-1), np.int32)

    def texts(self) -> pa.StringArray:
        """All texts, by their codes."""
        return self.held


def locate_texts(texts: pa.StringArray) -> Place:
    """Where texts lie in memory."""
    return locate_column(pa.chunked_array([texts]))


def write_dimension(folder: Path, file: str, texts: pa.StringArray) -> StoredDimension:
    """Writes the texts of a dimension by their codes."""
    pq.write_table(
        pa.table({"value": texts}), folder / file, compression="zstd", use_dictionary=False, write_statistics=False
    )
    return StoredDimension(file=file, size=len(texts), marked=has_marked_text(texts))


# `&`, `<` and `>`.
MARKS = (0x26, 0x3C, 0x3E)


def has_marked_text(texts: pa.StringArray) -> bool:
    """Whether a text is empty or has a character that XML encodes (`MARKED_TEXT`)."""
    if not len(texts):
        return False
    # By the bytes of all texts at once, which costs a tenth of a regular expression for each.
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    empty = np.diff(bounds) == 0
    if texts.null_count:
        empty &= np.asarray(texts.is_valid())
    held = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] if data is not None else np.empty(0, np.uint8)
    return bool(empty.any()) or any(bool((held == mark).any()) for mark in MARKS)
