"""Texts that lie in a buffer one behind another as columns: whole arrays of places instead of an object a text."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.telemetry.simulation.identity import Bytes

Places: TypeAlias = npt.NDArray[np.int64]


# What lies in a processor's own memory is looked at several times faster.
BYTES_AT_ONCE = 1 << 18


def slice_texts(buffer: Bytes, starts: Places, ends: Places, kind: pa.DataType | None = None) -> pa.Array:
    """The texts between places of a buffer."""
    rows = len(starts)
    # One array of texts and of what lies between them, of which every second one is taken: 10 ns a text, where
    # gathering bytes by their places took a hundred times that. What is not taken is not looked at, so places need
    # not rise.
    offsets = np.empty(2 * rows + 1, np.int32)
    offsets[0:-1:2], offsets[1::2] = starts, ends
    offsets[-1] = ends[-1] if rows else 0
    both = pa.Array.from_buffers(kind or pa.string(), 2 * rows, [None, pa.py_buffer(offsets), pa.py_buffer(buffer)])
    return both.take(list_even_numbers(rows))


@lru_cache(maxsize=4)
def list_even_numbers(count: int) -> pa.Array:
    """The first even numbers; those of a column serve the next one too."""
    return pa.array(np.arange(0, 2 * count, 2, dtype=np.int32))


def find_bytes(buffer: Bytes, byte: int) -> Places:
    """All places of a byte."""
    parts = range(0, len(buffer), BYTES_AT_ONCE)
    found = [np.flatnonzero(buffer[at : at + BYTES_AT_ONCE] == byte) + at for at in parts]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def count_bytes(text: bytes, byte: int) -> int:
    """How often a byte stands in a text; `bytes.count` takes ten times as long."""
    buffer = np.frombuffer(text, np.uint8)
    parts = range(0, len(buffer), BYTES_AT_ONCE)
    return sum(int(np.count_nonzero(buffer[at : at + BYTES_AT_ONCE] == byte)) for at in parts)


def have_text(buffer: Bytes, at: Places, text: bytes) -> npt.NDArray[np.bool_]:
    """At which places a text stands; each must lie that far before the end."""
    right = np.ones(len(at), bool)
    done = 0
    while done < len(text):
        # Words of a machine, the last of which may overlap the one before it: texts are compared ten times slower.
        width = next(width for width in (8, 4, 2, 1) if width <= len(text))
        done = min(done, len(text) - width)
        wanted = int.from_bytes(text[done : done + width], "little")
        right &= gather_numbers(buffer, at + done if done else at, f"<u{width}") == wanted
        done += width
    return right


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
