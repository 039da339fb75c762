"""Texts that lie in a buffer one behind another as columns: whole arrays of places instead of an object a text."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes: TypeAlias = npt.NDArray[np.uint8]
Places: TypeAlias = npt.NDArray[np.int64]


def slice_texts(buffer: Bytes, starts: Places, ends: Places, kind: pa.DataType | None = None) -> pa.Array:
    """The texts between places that rise: none begins before the one before it ends."""
    rows = len(starts)
    # One array of texts and of what lies between them, of which every second one is taken: 10 ns a text, where
    # gathering bytes by their places took a hundred times that.
    offsets = np.empty(2 * rows + 1, np.int32)
    offsets[0:-1:2], offsets[1::2] = starts, ends
    offsets[-1] = ends[-1] if rows else 0
    both = pa.Array.from_buffers(kind or pa.string(), 2 * rows, [None, pa.py_buffer(offsets), pa.py_buffer(buffer)])
    return both.take(pa.array(np.arange(0, 2 * rows, 2, dtype=np.int32)))


def gather_bytes(buffer: Bytes, at: Places, width: int) -> Bytes:
    """So many bytes from each place, a row a place; each must lie that far before the end."""
    # One element of that many bytes each, at every byte of the buffer.
    windows = np.ndarray((len(buffer) - width + 1,), f"V{width}", buffer, 0, (1,))
    return windows[at].view(np.uint8).reshape(len(at), width)


def gather_numbers(buffer: Bytes, at: Places, kind: str) -> npt.NDArray[Any]:
    """The number at each place, of a little-endian type that numpy knows by this name."""
    dtype = np.dtype(kind)
    windows = np.ndarray((len(buffer) - dtype.itemsize + 1,), dtype, buffer, 0, (1,))
    return windows[at]


def text_bytes(texts: pa.Array) -> Bytes:
    """The bytes of all texts of an array that starts at its own beginning."""
    held = texts.buffers()[2]
    return np.frombuffer(held, np.uint8) if held is not None else np.empty(0, np.uint8)


def text_offsets(texts: pa.Array) -> npt.NDArray[np.int32]:
    """Where each text of an array begins in its bytes, and the last one ends."""
    return np.frombuffer(texts.buffers()[1], np.int32)[texts.offset : texts.offset + len(texts) + 1]
