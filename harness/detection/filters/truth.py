"""Truth in three values, of each distinct value of a column or of each row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from harness.detection.filters.coded_columns import CodedColumn, Mask


@dataclass(frozen=True)
class Truth:
    """Where a condition is `true`, and where it is `open`: true or null; of the values of a `column`, or of rows."""

    column: CodedColumn | None
    true: Mask
    open: Mask

    @cached_property
    def by_row(self) -> Truth:
        """The same of each row."""
        if self.column is None or self.column.codes is None:
            return self
        true = self.true[self.column.codes]
        return Truth(None, true, true if self.open is self.true else self.open[self.column.codes])


Known = bool | None
"""What a condition is in every row."""


def read_truth(column: CodedColumn, held: pa.Array) -> Truth:
    """The truth that Arrow's booleans say."""
    # By their bits: Arrow's own ways to NumPy cost more than most tests, which look at a handful of values.
    true = unpack_bits(held, 1)
    if not held.null_count:
        return Truth(column, true, true)
    valid = unpack_bits(held, 0)
    true &= valid
    return Truth(column, true, true | ~valid)


def unpack_bits(held: pa.Array, buffer: int) -> Mask:
    """The bits of a buffer of Arrow's booleans: the first says what is valid, the second what is true."""
    bits = np.frombuffer(held.buffers()[buffer], np.uint8)
    end = held.offset + len(held)
    return np.unpackbits(bits, count=end, bitorder="little")[held.offset :].view(np.bool_)


def negate(truth: Truth | Known) -> Truth | Known:
    """NOT; null of null."""
    if not isinstance(truth, Truth):
        return None if truth is None else not truth
    true = ~truth.open
    return Truth(truth.column, true, true if truth.open is truth.true else ~truth.true)


def be_certain(truth: Truth | Known) -> Truth | Known:
    """Whether it is true, null counting as not."""
    return Truth(truth.column, truth.true, truth.true) if isinstance(truth, Truth) else truth is True


def be_null(truth: Truth | Known) -> Truth | Known:
    """Whether it is null."""
    if not isinstance(truth, Truth):
        return truth is None
    null = truth.open & ~truth.true
    return Truth(truth.column, null, null)


def combine_members(members: Iterable[Truth | Known], *, conjunction: bool) -> Truth | Known:
    """AND or OR; what reads one column is combined by its values, and only then by row."""
    known: Known = conjunction
    columns: dict[int, Truth] = {}
    for each in members:
        if not isinstance(each, Truth):
            if each is not None and each is not conjunction:
                return each
            known = None if each is None else known
            continue
        # What is made of a column's values shares its codes.
        key = 0 if each.column is None else id(each.column.codes)
        columns[key] = merge(columns[key], each, conjunction=conjunction) if key in columns else each
        # Nothing that is ANDed to what is nowhere true or null can change it.
        if conjunction and not columns[key].open.any():
            return False
    found: Truth | None = None
    for each in columns.values():
        found = each if found is None else merge(found.by_row, each.by_row, conjunction=conjunction)
    if found is None:
        return known
    return found if known is conjunction else merge_null(found, conjunction=conjunction)


def merge(a: Truth, b: Truth, *, conjunction: bool) -> Truth:
    """Two truths of the same values."""
    how: Any = np.logical_and if conjunction else np.logical_or
    true = how(a.true, b.true)
    return Truth(a.column, true, true if a.open is a.true and b.open is b.true else how(a.open, b.open))


def merge_null(truth: Truth, *, conjunction: bool) -> Truth:
    """AND NULL, or OR NULL."""
    if conjunction:
        return Truth(truth.column, np.zeros_like(truth.true), truth.open)
    return Truth(truth.column, truth.true, np.ones_like(truth.open))
