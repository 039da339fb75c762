"""Values of events in XML as columns of text, as they read one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.telemetry.events.line_forms import AlikeTexts
from harness.telemetry.events.text_slices import Places, slice_texts, text_bytes
from harness.telemetry.events.windows_event import ATTRIBUTE, decode_entities
from harness.telemetry.events.xml_forms import PLAIN_ATTRIBUTES, XmlField, XmlForm, split_attributes
from harness.telemetry.simulation.identity import Bytes

AMPERSAND, LINE_END = b"&\n"
# Of a System element's text blanks around it are none of it, and an empty one is absent.
UNSOLID = r"^$|^\s|\s$|&"

Wrong = npt.NDArray[np.bool_]


def read_xml_values(alike: AlikeTexts[XmlForm], data: Bytes) -> tuple[dict[str, pa.DictionaryArray | str], Wrong]:
    """The fields of events of a form by name, and which events have one that is read otherwise."""
    wrong = np.zeros(len(alike.rows), bool)
    wanted = {held for held in alike.known.fields.values() if isinstance(held, XmlField)}
    found: dict[XmlField, pa.DictionaryArray] = {}
    for number, (begin, end) in enumerate(zip(alike.begin, alike.end, strict=True)):
        encoded = slice_texts(data, begin, end).dictionary_encode()
        names = alike.known.attributes.get(number)
        if names is None:
            columns = [read_texts(encoded.dictionary, solid=number in alike.known.solid)]
            fields = [XmlField(number)]
        else:
            columns = read_attributes(encoded.dictionary, names)
            fields = [XmlField(number, i) for i in range(len(names))]
        for held, values in zip(fields, columns, strict=True):
            if values.null_count:
                wrong |= np.asarray(values.is_null())[encoded.indices.to_numpy()]
            if held in wanted:
                found[held] = replace_distinct(encoded, values)
    return {n: found[held] if isinstance(held, XmlField) else held for n, held in alike.known.fields.items()}, wrong


def read_texts(values: pa.StringArray, *, solid: bool) -> pa.Array:
    """Distinct texts without entities; null for those that are read otherwise."""
    if solid:
        # Blanks of other scripts are cut off too.
        unsolid = pc.match_substring_regex(values, UNSOLID)
        if not is_ascii(values):
            unsolid = pc.or_(unsolid, pc.not_equal(pc.utf8_trim_whitespace(values), values))
        return pc.if_else(unsolid, None, values) if pc.any(unsolid).as_py() else values
    if AMPERSAND not in text_bytes(values):
        return values
    return pa.array([decode_or_none(text) for text in values.to_pylist()], pa.string())


def is_ascii(values: pa.StringArray) -> bool:
    """Whether no text has a letter beyond ASCII."""
    held = text_bytes(values)
    return not len(held) or int(held.max()) < 0x80


def decode_or_none(text: str) -> str | None:
    """A text without entities; None where one is unknown."""
    try:
        return decode_entities(text)
    except ValueError:
        return None


def read_attributes(values: pa.StringArray, names: Sequence[str]) -> list[pa.Array]:
    """The values of each of the attributes of a tag; null where the tag has others."""
    rows: list[Sequence[str | None]] = [split_or_none(text, names) for text in values.to_pylist()]
    return [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]


def split_or_none(text: str, names: Sequence[str]) -> Sequence[str | None]:
    """The values of attributes of these names, none of them empty; as many None for others."""
    found = split_attributes(text) if PLAIN_ATTRIBUTES.fullmatch(text) else []
    same = all(found) and [name for name, _, _ in ATTRIBUTE.findall(text)] == [*names]
    return found if found and same else [None] * len(names)


def replace_distinct(encoded: pa.DictionaryArray, values: pa.Array) -> pa.DictionaryArray:
    """A column with other distinct values, of which some may be equal or missing."""
    if values is encoded.dictionary:
        return encoded
    again = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(again.indices.take(encoded.indices), again.dictionary)


def count_breaks(text: bytes, places: Places) -> Places:
    """How many lines end before each place."""
    return np.searchsorted(np.flatnonzero(np.frombuffer(text, np.uint8) == LINE_END), places)
