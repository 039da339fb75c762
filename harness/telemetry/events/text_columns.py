"""Dictionary-encoded text columns: each distinct value once; numbers, times, lists and nested values as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.late_pattern import late_pattern
from harness.telemetry.events.column_lineage import CURRENT, Epoch, spare_plain_texts
from harness.telemetry.events.event import NO_FIELDS, TEXT_TYPE, Events, Telemetry
from harness.telemetry.simulation.identity import Bytes, Integers, build_fixed_width_texts

Field: TypeAlias = "str | pa.ChunkedArray"
"""What events hold under one name: the same text in all of them, or a column."""


def list_event_fields(events: Events) -> dict[str, Field]:
    """Each field of the events and what it holds, constant ones first."""
    columns = {n: events.columns.column(n) for n in events.columns.column_names if n not in NO_FIELDS}
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
    lineage = CURRENT.get()
    # Most columns need no change, and finding that out cost more than the rest before `change` said so itself.
    if lineage is not None or any(after is not before for after, before in zip(parts, chunks, strict=True)):
        column = pa.chunked_array(parts, TEXT_TYPE)
    if lineage is not None:
        column = lineage.change(field, column, change)
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


def print_floats(values: pa.Array) -> pa.StringArray:
    """Numbers as text, without a fraction where none has one: a column of whole numbers that misses one is no other."""
    present = pc.if_else(pc.is_nan(values), None, values)
    if pc.all(pc.equal(pc.trunc(present), present)).as_py() and pc.all(pc.less(pc.abs(present), 2.0**53)).as_py():
        return present.cast(pa.int64()).cast(pa.string())
    # Arrow goes over to exponents before Python does.
    small = pc.and_(pc.greater_equal(pc.abs(present), 1e-3), pc.less(pc.abs(present), 1e10))
    if pc.all(small).as_py():
        # As Python prints them, which takes three times as long.
        texts = present.cast(pa.string())
        whole = pc.equal(pc.trunc(present), present)
        return pc.if_else(whole, pc.binary_join_element_wise(texts, ".0", ""), texts)
    return pa.array([None if v is None else repr(v) for v in present.to_pylist()], pa.string())


@spare_plain_texts
def without_empty(values: pa.Array) -> pa.Array:
    """Values where an empty one is absent."""
    empty = pc.equal(values, "")
    return pc.if_else(empty, pa.scalar(None, pa.string()), values) if pc.any(empty).as_py() else values


@spare_plain_texts
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


def build_epoch_column(times: pa.ChunkedArray, per_second: int, *, whole: bool = False) -> pa.ChunkedArray:
    """`@time` as a number since 1970: seconds with 1, milliseconds with 1000; with `whole` rounded down."""
    micros = times.cast(pa.int64()).cast(pa.float64())
    made = pc.divide(micros, pa.scalar(1_000_000 / per_second))
    made = pc.floor(made) if whole else made
    if (lineage := CURRENT.get()) is not None:
        lineage.note_epoch(times, made, Epoch(per_second=per_second, whole=whole))
    return made


LIST_MEMBER = late_pattern(r"\[\d+\]")


def gather_list_fields(fields: Mapping[str, Field | None], rows: int, brackets: str = "") -> dict[str, Field | None]:
    """The fields with the members of each list as one list column; `brackets` stands in its name where `[0]` stood.

    A name that an event repeats has its first value, and `name[1]` and so on are its others.
    """
    found: dict[str, Field | None] = {}
    lists: dict[str, list[Field]] = {}
    for name, field in fields.items():
        if not LIST_MEMBER.search(name):
            found[name] = field
        elif field is not None:
            lists.setdefault(LIST_MEMBER.sub(brackets, name), []).append(field)
    for name, members in lists.items():
        first = found.get(name)
        found[name] = as_list(members if first is None else [first, *members], rows)
    return found


def as_list(members: list[Field], rows: int) -> pa.ChunkedArray:
    """Fields side by side as one list column; an event without any member has no list."""
    columns = [[m] * rows if isinstance(m, str) else m.to_pylist() for m in members]
    # Row by row in Python: lists are rare, and only kinds of events that have one come here.
    values = ([v for v in row if v is not None] or None for row in zip(*columns, strict=True))
    return pa.chunked_array([pa.array(values, pa.list_(pa.string()))])


Times = npt.NDArray[np.datetime64]


def encode_codes(codes: Integers, values: Sequence[str | None]) -> pa.DictionaryArray:
    """`values[code]` for each code; equal values share one entry, None is absent."""
    # Equal values are one entry: what works on distinct values would do its work twice.
    place: dict[str | None, int] = {}
    moved = np.fromiter((place.setdefault(v, len(place)) for v in values), np.int32, len(values))
    return build_dictionary_array(
        moved[codes] if len(moved) else np.empty(0, np.int32), pa.array(list(place), pa.string())
    )


def build_dictionary_array(codes: npt.NDArray[np.int32], values: pa.StringArray) -> pa.DictionaryArray:
    """Codes into distinct values; a null value is an absent one."""
    if values.null_count:
        # Arrow allows a null in a dictionary too, but then null_count is 0 and readers of the codes take it for a text.
        missing = np.asarray(values.is_null())
        moved = np.cumsum(~missing, dtype=np.int32) - 1
        return pa.DictionaryArray.from_arrays(pa.array(moved[codes], mask=missing[codes]), values.drop_null())
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), values)


def take_rows(column: pa.DictionaryArray, rows: Integers) -> pa.DictionaryArray:
    """The rows of a column, in that order."""
    if column.null_count:
        return pa.DictionaryArray.from_arrays(column.indices.take(pa.array(rows)), column.dictionary)
    return pa.DictionaryArray.from_arrays(pa.array(column.indices.to_numpy()[rows]), column.dictionary)


def each_its_own(values: pa.StringArray) -> pa.DictionaryArray:
    """A column whose values are all different."""
    return pa.DictionaryArray.from_arrays(pa.array(np.arange(len(values), dtype=np.int32)), values)


def number_distinct(values: Integers) -> tuple[Integers, npt.NDArray[np.int32]]:
    """The different numbers in rising order, and for each row which of them it is."""
    # A table over the range instead of np.unique's sort; the factor of four is chosen.
    if len(values) and values.min() >= 0 and values.max() < 4 * len(values):
        seen = np.zeros(int(values.max()) + 1, bool)
        seen[values] = True
        places = np.cumsum(seen, dtype=np.int32) - 1
        return np.flatnonzero(seen), places[values]
    # Times of a batch mostly rise: nothing to sort and nothing repeated.
    if len(values) and (np.diff(values) > 0).all():
        return values, np.arange(len(values), dtype=np.int32)
    found, codes = np.unique(values, return_inverse=True)
    return found, codes.astype(np.int32)


def decimal(values: Integers) -> pa.DictionaryArray:
    """Numbers as decimal text."""
    found, codes = number_distinct(np.asarray(values, np.int64))
    # Arrow's cast has a fixed cost: str() is as quick up to 60 numbers (measured, pyarrow 26); 1,000 is generous.
    few = len(found) < 1000
    texts = (
        pa.array(list(map(str, found.tolist())), pa.string()) if few else pa.array(found, pa.int64()).cast(pa.string())
    )
    return build_dictionary_array(codes, texts)


def encode_hexadecimal(values: Integers) -> pa.DictionaryArray:
    """Numbers as `0x1a4`: lower case, no leading zeros."""
    found, codes = number_distinct(np.asarray(values, np.int64))
    return build_dictionary_array(codes, pa.array([hex(v) for v in found.tolist()], pa.string()))


def encode_truth(values: npt.NDArray[np.bool_], words: tuple[str, str] = ("false", "true")) -> pa.DictionaryArray:
    """Truth as words."""
    if values.all() or not values.any():
        word = words[bool(len(values) and values.all())]
        return build_dictionary_array(np.zeros(len(values), np.int32), pa.array([word]))
    return build_dictionary_array(values.astype(np.int32), pa.array(words))


def encode_times(times: Times, between: str = " ", end: str = "") -> pa.DictionaryArray:
    """Times in UTC: date, `between`, clock with milliseconds, `end`."""
    # Milliseconds are all that is printed: times that differ in less share their text.
    found, codes = number_distinct(times.astype("datetime64[ms]").astype(np.int64))
    days, rest = np.divmod(found, 86_400_000)
    clock, fraction = np.divmod(rest, 1000)
    text = np.empty((len(found), 23 + len(end)), np.uint8)
    text[:, :10] = dates(days)
    text[:, 10] = ord(between)
    text[:, 11:19] = from_table(clock, 86_400, clocks)
    text[:, 19] = ord(".")
    text[:, 20:23] = from_table(fraction, 1000, thousandths)
    text[:, 23:] = np.frombuffer(end.encode(), np.uint8)
    return build_dictionary_array(codes, build_fixed_width_texts(text))


utc_time = encode_times
"""Sysmon's UtcTime."""


def from_table(numbers: Integers, size: int, spell: Callable[[Integers], Bytes]) -> Bytes:
    """The text of each number below `size`; where there are many numbers every text is written once."""
    return spell(np.arange(size))[numbers] if len(numbers) > size // 4 else spell(numbers)


def dates(days: Integers) -> Bytes:
    """Days since 1970 as `2026-03-03`."""
    found, which = number_distinct(days)
    # Few days, many times: the calendar is left to numpy and printed once a day.
    text = "".join(np.datetime_as_string(found.astype("datetime64[D]")).tolist()).encode()
    return np.frombuffer(text, np.uint8).reshape(-1, 10)[which]


def clocks(seconds: Integers) -> Bytes:
    """Seconds of a day as `09:12:00`."""
    text = np.full((len(seconds), 8), ord(":"), np.uint8)
    for place, number in ((0, seconds // 3600), (3, seconds // 60 % 60), (6, seconds % 60)):
        text[:, place], text[:, place + 1] = 48 + number // 10, 48 + number % 10
    return text


def thousandths(numbers: Integers) -> Bytes:
    """Three digits."""
    return np.stack([48 + numbers // 100, 48 + numbers // 10 % 10, 48 + numbers % 10], axis=1).astype(np.uint8)


def epoch_seconds(times: Times) -> pa.DictionaryArray:
    """Falcon's ContextTimeStamp: seconds since 1970 with three digits of the fraction."""
    found, codes = number_distinct(times.astype("datetime64[ms]").astype(np.int64))
    # Ten digits, a point, three digits: enough from 2001 to 2286.
    text = np.full((len(found), 14), ord("."), np.uint8)
    for place, power in zip([*range(10), 11, 12, 13], range(12, -1, -1), strict=True):
        text[:, place] = 48 + found // 10**power % 10
    return build_dictionary_array(codes, build_fixed_width_texts(text))


def is_ipv6(address: str) -> bool:
    """Whether it is an address of version 6."""
    return ":" in address


def long_ipv6(address: str) -> str:
    """Sysmon's and Falcon's spelling: all eight groups of an IPv6 address without leading zeros; IPv4 as it is."""
    if not is_ipv6(address):
        return address
    # Not IPv6Address.exploded, which keeps leading zeros; Sysmon writes 0:0:0:0:0:0:0:1 (telemetry.md 1.4).
    number = int(IPv6Address(address.partition("%")[0]))
    return ":".join(f"{number >> shift & 0xFFFF:x}" for shift in range(112, -1, -16))


def parse_address(address: str) -> IPv4Address | IPv6Address:
    """The address behind a text."""
    return ip_address(address.partition("%")[0])
