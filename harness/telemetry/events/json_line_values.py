"""Values of lines of JSON as columns of text, as they print one by one."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.json_forms import DECODE_JSON
from harness.telemetry.events.json_values import flat
from harness.telemetry.events.line_forms import AlikeTexts
from harness.telemetry.events.marked_lines import BACKSLASH
from harness.telemetry.events.text_slices import Places, slice_texts, text_bytes
from harness.telemetry.simulation.identity import Bytes

DECODE_TEXTS = msgspec.json.Decoder(list[str])
# Numbers that print as they are written; -0 and what a machine's word does not hold are printed otherwise.
PLAIN_NUMBER = r"^(?:0|-?[1-9]\d{0,17}|-?(?:0|[1-9]\d*)(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+))$"


def read_values(alike: AlikeTexts[Any], data: Bytes) -> tuple[dict[str, pa.DictionaryArray], npt.NDArray[np.bool_]]:
    """The values of lines of a form by name, and which lines have one that cannot be read."""
    columns: dict[str, pa.DictionaryArray] = {}
    wrong = np.zeros(len(alike.rows), bool)
    for value, starts, ends in zip(alike.form.values, alike.begin, alike.end, strict=True):
        read = read_text_values if value.text else read_plain_values
        columns[value.name], odd = read(data, starts, ends)
        if len(odd):
            wrong |= odd
    return columns, wrong


def read_text_values(data: Bytes, begin: Places, end: Places) -> tuple[pa.DictionaryArray, npt.NDArray[np.bool_]]:
    """Texts between quotes, and which of them cannot be read."""
    encoded = slice_texts(data, begin, end).dictionary_encode()
    values = encoded.dictionary
    if BACKSLASH not in text_bytes(values):
        return encoded, np.zeros(0, bool)
    escaped = pc.match_substring(values, "\\")
    written = values.filter(escaped).to_pylist()
    try:
        read: list[str | None] = [*DECODE_TEXTS.decode('["' + '","'.join(written) + '"]')]
    except msgspec.DecodeError:
        read = [decode_spelling(text) for text in written]
    # Two spellings of one text are one value.
    return replace_values(encoded, pc.replace_with_mask(values, escaped, pa.array(read, pa.string())))


def decode_spelling(written: str) -> str | None:
    """The text behind its spelling; None where that is wrong."""
    try:
        return DECODE_TEXTS.decode(f'["{written}"]')[0]
    except msgspec.DecodeError:
        return None


def replace_values(encoded: pa.DictionaryArray, values: pa.Array) -> tuple[pa.DictionaryArray, npt.NDArray[np.bool_]]:
    """A column with other distinct values, of which some may be equal; and the rows of those that are null."""
    again = values.dictionary_encode()
    codes = again.indices.take(encoded.indices)
    wrong = np.asarray(codes.is_null()) if codes.null_count else np.zeros(0, bool)
    return pa.DictionaryArray.from_arrays(codes, again.dictionary), wrong


def read_plain_values(data: Bytes, begin: Places, end: Places) -> tuple[pa.DictionaryArray, npt.NDArray[np.bool_]]:
    """Numbers and words as text, null for JSON's null; and which of them are none."""
    encoded = slice_texts(data, begin, end).dictionary_encode()
    values = encoded.dictionary
    plain = pc.match_substring_regex(values, PLAIN_NUMBER)
    if pc.all(plain).as_py():
        return encoded, np.zeros(0, bool)
    odd = pc.invert(plain)
    printed = [print_plain_value(text) for text in values.filter(odd).to_pylist()]
    wrong_values = np.zeros(len(values), bool)
    wrong_values[np.flatnonzero(np.asarray(odd))[[p is None for p in printed]]] = True
    texts = pa.array([p[0] if p else None for p in printed], pa.string())
    column, _ = replace_values(encoded, pc.replace_with_mask(values, odd, texts))
    return column, wrong_values[encoded.indices.to_numpy()]


def print_plain_value(written: str) -> tuple[str | None] | None:
    """A number or a word as text, with None for null; nothing for what is neither."""
    try:
        value = DECODE_JSON.decode(written)
    except msgspec.DecodeError:
        return None
    if isinstance(value, str | dict | list):
        return None
    return (next((text for _, text in flat("", value, None, 0)), None),)
