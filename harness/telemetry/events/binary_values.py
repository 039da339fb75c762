"""Values of binary XML as columns of text, printed as the `evtx` package prints them in JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.record import record
from harness.telemetry.events.iso_times import print_iso_times
from harness.telemetry.events.text_columns import (
    build_dictionary_array,
    number_distinct,
)
from harness.telemetry.events.text_slices import (
    Places,
    gather_bytes,
    gather_numbers,
    slice_texts,
    text_bytes,
    text_offsets,
)
from harness.telemetry.simulation.identity import Bytes, build_fixed_width_texts, hex_digits

# From 1601, where FILETIME counts from, to 1970, in its ticks of 100 ns; and the year 9999, the last of Python's.
EPOCH_TICKS, LAST_TICKS = 116_444_736_000_000_000, 2_650_467_743_999_999_999

NUMBER_KINDS: Mapping[int, str] = {
    0x03: "<i1",
    0x04: "<u1",
    0x05: "<i2",
    0x06: "<u2",
    0x07: "<i4",
    0x08: "<u4",
    0x09: "<i8",
}
WIDE_TEXT, UNSIGNED_64, TRUTH, GUID_KIND, FILE_TIME, SID = 0x01, 0x0A, 0x0D, 0x0F, 0x11, 0x13
HEXADECIMAL_32, HEXADECIMAL_64, BINARY_XML = 0x14, 0x15, 0x21
FIXED_SIZES: Mapping[int, int] = {
    **{kind: int(name[2]) for kind, name in NUMBER_KINDS.items()},
    UNSIGNED_64: 8,
    TRUTH: 4,
    GUID_KIND: 16,
    FILE_TIME: 8,
    HEXADECIMAL_32: 4,
    HEXADECIMAL_64: 8,
}
"""Kinds of values of one size."""

TEXTS_AT_ONCE = 2 << 20
"""Bytes of texts that lie in a processor's own memory, with what is made of them."""

READ_KINDS = frozenset({*FIXED_SIZES, WIDE_TEXT, SID})
"""Kinds that are read here; records with others are left to the library."""


@record
class BinaryColumn:
    """A column of values, and the rows whose value is left to the library."""

    texts: pa.DictionaryArray
    odd: Places


NONE_ODD: Places = np.empty(0, np.int64)


def print_binary_values(data: Bytes, kind: int, at: Sequence[Places], sizes: Sequence[Places]) -> list[BinaryColumn]:
    """Columns of values of one kind, which all have as many rows, by where these lie."""
    if kind == WIDE_TEXT:
        return print_texts(data, at, sizes)
    if kind == SID:
        return [print_sids(data, *each) for each in zip(at, sizes, strict=True)]
    return [PRINTERS[kind](data, each) for each in at]


def print_texts(data: Bytes, at: Sequence[Places], sizes: Sequence[Places]) -> list[BinaryColumn]:
    """Texts of two bytes a letter, which end at a zero."""
    rows = len(at[0])
    # What is done to all columns together costs as much as for one of them, as long as it is not much.
    columns = max(1, TEXTS_AT_ONCE // (sum(int(each.sum()) for each in sizes) // len(sizes) + rows))
    found = []
    for first in range(0, len(at), columns):
        chosen = slice(first, first + columns)
        texts, odd = read_letters(data, np.concatenate(at[chosen]), np.concatenate(sizes[chosen]))
        for number in range(len(texts) // rows):
            own = odd[(odd >= number * rows) & (odd < (number + 1) * rows)] - number * rows if len(odd) else odd
            found.append(BinaryColumn(texts.slice(number * rows, rows).dictionary_encode(), own))
    return found


def read_letters(data: Bytes, at: Places, sizes: Places) -> tuple[pa.Array, Places]:
    """Texts, and which of them are left to the library."""
    odd = np.flatnonzero(sizes & 1).astype(np.int64) if (sizes & 1).any() else NONE_ODD
    wide = slice_texts(data, at, at + (sizes & ~1), pa.binary())
    offsets = text_offsets(wide) >> 1
    letters = text_bytes(wide)[: 2 * offsets[-1]]
    low, high = np.ascontiguousarray(letters[0::2]), letters[1::2]
    if not high.any() and (not len(low) or (low.max() < 0x80 and low.min())):
        return build_texts(low, offsets, pa.string()), odd
    strange = np.flatnonzero((high != 0) | (low >= 0x80) | (low == 0))
    unusual = np.unique(np.searchsorted(offsets, strange, side="right") - 1)
    texts, no_texts = decode_texts(wide, low, offsets, unusual)
    return texts, np.union1d(odd, no_texts)


def build_texts(letters: Bytes, offsets: npt.NDArray[np.int32], kind: pa.DataType) -> pa.Array:
    """An array of texts by their bytes and where each begins."""
    return pa.Array.from_buffers(kind, len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(letters)])


def decode_texts(
    wide: pa.Array, low: Bytes, offsets: npt.NDArray[np.int32], unusual: Places
) -> tuple[pa.Array, Places]:
    """Texts of which some have letters beyond ASCII or end at a zero; those that are no text are odd."""
    mask = np.zeros(len(wide), bool)
    mask[unusual] = True
    encoded = wide.take(pa.array(unusual)).dictionary_encode()
    found = pa.array([decode_letters(value) for value in encoded.dictionary.to_pylist()], pa.string())
    texts = found.take(encoded.indices)
    plain = pc.if_else(pa.array(mask), pa.scalar(None, pa.binary()), build_texts(low, offsets, pa.binary()))
    odd = unusual[np.asarray(texts.is_null())]
    return pc.replace_with_mask(plain.cast(pa.string()), pa.array(mask), texts), odd


def decode_letters(value: bytes) -> str | None:
    """One text; None for what is left to the library."""
    try:
        text = value.decode("utf-16-le").partition("\0")[0]
    except UnicodeDecodeError:
        return None
    # Without text an element is none at all, which its size alone does not tell.
    return text or None


def print_sids(data: Bytes, at: Places, sizes: Places) -> BinaryColumn:
    """Security identifiers."""
    encoded = slice_texts(data, at, at + sizes, pa.binary()).dictionary_encode()
    texts = [print_sid(value) for value in encoded.dictionary.to_pylist()]
    return keep_printed(encoded.indices, texts)


def print_sid(value: bytes) -> str | None:
    """One identifier; None for a form that is left to the library."""
    count = value[1] if len(value) >= 8 else 0
    if not count or value[0] != 1 or len(value) != 8 + 4 * count or value[2:4] != b"\0\0":
        return None
    parts = (int.from_bytes(value[8 + 4 * i : 12 + 4 * i], "little") for i in range(count))
    return "-".join(map(str, ("S", 1, int.from_bytes(value[2:8], "big"), *parts)))


def keep_printed(codes: pa.Array, texts: list[str | None]) -> BinaryColumn:
    """A column of printed values; the rows of those that are not printed are odd."""
    missing = np.array([text is None for text in texts], bool)
    column = pa.DictionaryArray.from_arrays(codes, pa.array([text or "" for text in texts], pa.string()))
    odd = np.flatnonzero(missing[codes.to_numpy()]).astype(np.int64) if missing.any() else NONE_ODD
    return BinaryColumn(column, odd)


def print_numbers(kind: str) -> Callable[[Bytes, Places], BinaryColumn]:
    """What prints whole numbers of a type that numpy knows by this name."""

    def print_all(data: Bytes, at: Places) -> BinaryColumn:
        encoded = encode_numbers(data, at, kind)
        return BinaryColumn(
            pa.DictionaryArray.from_arrays(encoded.indices, encoded.dictionary.cast(pa.string())), NONE_ODD
        )

    return print_all


def print_hexadecimal(kind: str) -> Callable[[Bytes, Places], BinaryColumn]:
    """The same in hexadecimal digits."""

    def print_all(data: Bytes, at: Places) -> BinaryColumn:
        encoded = encode_numbers(data, at, kind)
        texts = pa.array(map(hex, encoded.dictionary.to_pylist()), pa.string())
        return BinaryColumn(pa.DictionaryArray.from_arrays(encoded.indices, texts), NONE_ODD)

    return print_all


def encode_numbers(data: Bytes, at: Places, kind: str) -> pa.DictionaryArray:
    """Distinct numbers and their codes."""
    return pa.array(gather_numbers(data, at, kind)).dictionary_encode()


def print_truth(data: Bytes, at: Places) -> BinaryColumn:
    """Truth, a number of 0 or 1."""
    values = gather_numbers(data, at, "<u4")
    column = pa.DictionaryArray.from_arrays(pa.array((values != 0).astype(np.int32)), pa.array(["false", "true"]))
    return BinaryColumn(column, np.flatnonzero(values > 1).astype(np.int64))


GUID_ORDER = (3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15)
GUID_DASHES = (8, 13, 18, 23)


def print_guids(data: Bytes, at: Places) -> BinaryColumn:
    """Identities in capitals and without braces."""
    held = pa.Array.from_buffers(pa.binary(16), len(at), [None, pa.py_buffer(gather_bytes(data, at, 16))])
    encoded = held.dictionary_encode()
    distinct = np.frombuffer(encoded.dictionary.buffers()[1], np.uint8)[: 16 * len(encoded.dictionary)].reshape(-1, 16)
    text = np.full((len(distinct), 36), ord("-"), np.uint8)
    text[:, [i for i in range(36) if i not in GUID_DASHES]] = hex_digits(distinct[:, GUID_ORDER])
    return BinaryColumn(pa.DictionaryArray.from_arrays(encoded.indices, build_fixed_width_texts(text)), NONE_ODD)


def print_file_times(data: Bytes, at: Places) -> BinaryColumn:
    """Times with microseconds, as the package prints them."""
    ticks = gather_numbers(data, at, "<i8")
    return BinaryColumn(print_ticks(np.where(is_possible_time(ticks), ticks, 0), 6), list_impossible_times(ticks))


def is_possible_time(ticks: Places) -> npt.NDArray[np.bool_]:
    """Which times are of the years 1601 to 9999."""
    return (ticks >= 0) & (ticks < LAST_TICKS)


def list_impossible_times(ticks: Places) -> Places:
    """The rows of times before or after."""
    return np.flatnonzero(~is_possible_time(ticks)).astype(np.int64)


def print_ticks(ticks: Places, digits: int) -> pa.DictionaryArray:
    """Ticks of 100 ns since 1601 as times with so many digits behind the point, zeros beyond the seventh."""
    found, codes = number_distinct(ticks)
    return build_dictionary_array(codes, print_iso_times(found - EPOCH_TICKS, 7, digits))


PRINTERS: Mapping[int, Callable[[Bytes, Places], BinaryColumn]] = {
    **{kind: print_numbers(name) for kind, name in NUMBER_KINDS.items()},
    UNSIGNED_64: print_numbers("<u8"),
    TRUTH: print_truth,
    GUID_KIND: print_guids,
    FILE_TIME: print_file_times,
    HEXADECIMAL_32: print_hexadecimal("<u4"),
    HEXADECIMAL_64: print_hexadecimal("<u8"),
}
