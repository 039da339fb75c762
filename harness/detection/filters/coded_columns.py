"""A kind's events as columns of codes: each distinct value of a column stands once, and a row has its number."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.detection.plan.values.text import lower_characters
from harness.telemetry.platform import View

ValueNumbers: TypeAlias = np.ndarray[tuple[int], np.dtype[np.int32]]
Mask: TypeAlias = np.ndarray[tuple[int], np.dtype[np.bool_]]


class CodedColumn:
    """Distinct values, of which the last is null, and for each row the number of its value."""

    def __init__(self, values: pa.Array, codes: ValueNumbers | None = None) -> None:
        """Without codes the column stands for one value that every row has, or for values that rows are made of."""
        self.values, self.codes = values, codes

    @cached_property
    def lower(self) -> pa.Array:
        """The values in lower case."""
        return lower_texts(self.values)

    @cached_property
    def nulls(self) -> Mask:
        """Which values are null."""
        found: Mask = pc.is_null(self.values).to_numpy(zero_copy_only=False)
        return found


def lower_texts(values: pa.Array) -> pa.Array:
    """Each code point's own lower-case form, as one code point."""
    lower = pc.ascii_lower(values)
    # Arrow knows letters of a later Unicode than the engine, and others by another rule: see `lower_characters`.
    foreign = pc.invert(pc.string_is_ascii(values)).fill_null(False)
    if not pc.any(foreign).as_py():
        return lower
    folded = [lower_characters(text) for text in values.filter(foreign).to_pylist()]
    return pc.replace_with_mask(lower, foreign, pa.array(folded, pa.string()))


class ListColumn:
    """A column of lists: their elements as a column of their own, and for each element its row."""

    def __init__(self, held: pa.Array) -> None:
        self.elements = code_texts(pa.chunked_array([held.flatten()]))
        self.parents = held.value_parent_indices().to_numpy(zero_copy_only=False)
        self.nulls: Mask = held.is_null().to_numpy(zero_copy_only=False)


class EventColumns:
    """The events of one kind: constant fields, and columns that are coded when a rule first reads them."""

    def __init__(self, view: View) -> None:
        self.constants: Mapping[str, str] = view.constants
        self.table = view.columns
        self.rows: int = view.columns.num_rows
        self.known: dict[str, CodedColumn | ListColumn | None] = {}
        # What tests of a column gave, by the test: rules of one source ask the same of the same columns.
        self.tested: dict[tuple[Any, ...], Any] = {}

    def column(self, name: str) -> CodedColumn | ListColumn | None:
        """A column by its name; None where no event of the kind has it. Raises TypeError for types of other kinds."""
        if name not in self.known:
            self.known[name] = self.code(name)
        return self.known[name]

    def code(self, name: str) -> CodedColumn | ListColumn | None:
        """The same, made anew."""
        if name in self.constants:
            return CodedColumn(pa.array([self.constants[name], None], pa.string()))
        if name not in self.table.column_names:
            return None
        held = self.table.column(name)
        if pa.types.is_floating(held.type) or pa.types.is_integer(held.type):
            return code_numbers(held)
        if pa.types.is_list(held.type) and pa.types.is_string(held.type.value_type):
            return ListColumn(join_chunks(held))
        if not (pa.types.is_dictionary(held.type) or pa.types.is_string(held.type)):
            raise TypeError(f"a column of {held.type} has no codes")
        return code_texts(held)


def code_texts(held: pa.ChunkedArray) -> CodedColumn:
    """A column of text, which mostly has a dictionary already."""
    if not pa.types.is_dictionary(held.type):
        held = held.dictionary_encode()
    whole = join_chunks(held.unify_dictionaries())
    values = whole.dictionary.cast(pa.string())
    codes = whole.indices.fill_null(len(values)).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return CodedColumn(pa.concat_arrays([values, pa.nulls(1, pa.string())]), codes)


def code_numbers(held: pa.ChunkedArray) -> CodedColumn:
    """A column of numbers, each row with a value of its own: numbers such as times hardly repeat."""
    values = join_chunks(held.cast(pa.float64()))
    codes = np.arange(len(values), dtype=np.int32)
    return CodedColumn(pa.concat_arrays([values, pa.nulls(1, pa.float64())]), codes)


def join_chunks(held: pa.ChunkedArray) -> pa.Array:
    """A column as one array."""
    if held.num_chunks == 1:
        return held.chunk(0)
    return pa.concat_arrays(held.chunks) if held.num_chunks else pa.array([], held.type)
