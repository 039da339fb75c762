"""Numbers, times and addresses as dictionary-encoded text, written for whole columns at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.telemetry.identity import Bytes, Integers, build_fixed_width_texts

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
