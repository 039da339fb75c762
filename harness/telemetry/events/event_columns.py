"""Rows of a table read by their columns: what a shape does to events is asked once for each combination of few values.

How an event is read hangs on which of its fields are there and on the values of a few of them, as the channel. Rows
that agree in both are read alike, so one of them is read as an object, and the others take its columns over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.record import record
from harness.telemetry.events.event import parse_plain_microseconds
from harness.telemetry.events.event_layout import EventLayout
from harness.telemetry.events.iso_times import print_iso_times, read_iso_times
from harness.telemetry.events.kind_table import repeat_text
from harness.telemetry.events.text_columns import print_floats

# Below it building columns costs more than reading row by row: 20 us a column against 12 us a row.
FEWEST_ROWS = 40
# Columns that miss values; each set of them found is another look at all rows.
MOST_LACKING = 6
# Fields that a shape asks for one after the other; chosen, the longest chain seen is provider, channel, number.
MOST_ROUNDS = 6

Rows: TypeAlias = npt.NDArray[np.int64]
Texts: TypeAlias = Mapping[str, pa.DictionaryArray]


class WatchedFields(dict[str, str]):
    """Fields of an event that note which were looked at and which set; `all` says that no list of names would do."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(fields)
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.all = False

    def __setitem__(self, name: str, value: str) -> None:
        self.written.add(name)
        super().__setitem__(name, value)

    def setdefault(self, name: str, default: Any = "") -> Any:
        """Sets a field that is not there; the same in all events that have the same fields."""
        if name not in self:
            self[name] = default
        return self[name]

    def update(self, *given: Any, **named: Any) -> None:
        """Sets several fields."""
        for name, value in dict(*given, **named).items():
            self[name] = value

    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field, which the outcome then hangs on."""
        self.read.add(name)
        return super().get(name, default)

    def pop(self, *arguments: Any) -> Any:
        """Takes a field away, which moves a value that may be another in each event."""
        self.all = True
        return super().pop(*arguments)

    def items(self) -> Any:
        """All fields."""
        self.all = True
        return super().items()

    def values(self) -> Any:
        """All values."""
        self.all = True
        return super().values()


class RowsDifferError(Exception):
    """What is asked of an event hangs on more than a few of its values."""


@record(kw_only=True)
class RowReading:
    """How some rows are read: sensor, kind, the fields of the event that are columns, and the others with their value.

    `names` are old and new names, `watched` fields that all this hangs on, by either.
    """

    sensor: str
    kind: str
    names: Mapping[str, str]
    constants: Mapping[str, str]
    nameless: str
    watched: frozenset[str] = frozenset()


def encode_column(column: pa.Array) -> pa.DictionaryArray | None:
    """A column as distinct texts; None for values that have parts, which become several fields."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind):
        return None
    encoded = column if pa.types.is_dictionary(column.type) else encode_values(column)
    values = print_values(encoded.dictionary)
    if values is None:
        return None
    codes = encoded.indices.cast(pa.int32())
    if values.null_count:
        # Arrow allows a null in a dictionary too, but then readers of the codes take it for a text.
        there = pc.cast(values.is_valid(), pa.int32())
        moved = pc.if_else(values.is_valid(), pc.subtract(pc.cumulative_sum(there), 1), None)
        codes, values = moved.take(codes), values.drop_null()
    return pa.DictionaryArray.from_arrays(codes, values)


def encode_values(column: pa.Array) -> pa.DictionaryArray:
    """A column as its distinct values; times mostly rise, and then nothing has to be looked up."""
    if pa.types.is_floating(column.type) and not column.null_count and len(column):
        values = column.to_numpy()
        steps = np.diff(values)
        if (steps >= 0).all():
            first = np.concatenate([[True], steps > 0])
            codes = np.cumsum(first, dtype=np.int32) - 1
            return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(values[first], column.type))
    return column.dictionary_encode()


# Of 12 digits and of 14.
LEAST_MILLISECONDS, MOST_MILLISECONDS = 1e11, 1e13


def count_milliseconds(column: pa.Array) -> pa.Array:
    """Whole numbers that may all be milliseconds since 1970 as the doubles that they are; any other column as it is."""
    if not pa.types.is_int64(column.type) or column.null_count or not len(column):
        return column
    bounds = pc.min_max(column).as_py()
    fitting = LEAST_MILLISECONDS <= bounds["min"] <= bounds["max"] < MOST_MILLISECONDS
    return column.cast(pa.float64()) if fitting else column


def find_epoch_micros(numbers: pa.Array) -> pa.Array | None:
    """Microseconds of numbers that are all times since 1970; else None.

    Seconds have six digits of a fraction at most, milliseconds none.
    """
    if not pa.types.is_float64(numbers.type) or numbers.null_count or not len(numbers):
        return None
    values = numbers.to_numpy()
    # What `from_epoch` makes of their texts: 12 or 13 digits are milliseconds.
    if ((values >= LEAST_MILLISECONDS) & (values < MOST_MILLISECONDS)).all():
        return pa.array(values.astype(np.int64) * 1_000) if (np.trunc(values) == values).all() else None
    # Of 11 digits before the point at most it takes seconds.
    if not ((values >= 1) & (values < 1e10)).all():
        return None
    micros = np.rint(values * 1e6)
    return pa.array(micros.astype(np.int64)) if (micros / 1e6 == values).all() else None


def print_values(values: pa.Array) -> pa.StringArray | None:
    """Distinct values as text, as they would be in JSON; None for a kind that JSON spells otherwise."""
    kind = values.type
    if pa.types.is_string(kind):
        return values
    if pa.types.is_boolean(kind):
        return pc.if_else(values, "true", "false")
    if pa.types.is_timestamp(kind):
        return print_timestamps(values)
    if pa.types.is_floating(kind):
        return print_floats(values)
    if pa.types.is_integer(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_null(kind):
        return pa.array([], pa.string())
    return None


# Of the years 1 to 9999, which have four digits.
FIRST_PRINTED, LAST_PRINTED = -62_135_596_800_000_000, 253_402_300_799_999_999


def print_timestamps(values: pa.TimestampArray) -> pa.StringArray:
    """Times with microseconds, in UTC whatever zone they are shown in."""
    micros = values.cast(pa.timestamp("us", values.type.tz), safe=False)
    numbers = micros.cast(pa.int64()).fill_null(0).to_numpy()
    if ((numbers < FIRST_PRINTED) | (numbers > LAST_PRINTED)).any():
        return pc.strftime(micros, format="%Y-%m-%dT%H:%M:%SZ")
    texts = print_iso_times(numbers, 6, 6)
    return pc.if_else(values.is_valid(), texts, None) if values.null_count else texts


def list_rows_by_presence(texts: Texts, size: int) -> Iterator[Rows]:
    """The numbers of rows that have the same fields, for each such set of fields."""
    bits = [np.asarray(column.indices.is_null()) for column in texts.values() if column.null_count]
    if not bits:
        yield np.arange(size)
        return
    if len(bits) <= MOST_LACKING:
        # Few columns lack a value somewhere: a number for each set of them, and no sorting.
        key = np.zeros(size, np.uint16)
        for place, missing in enumerate(bits):
            key |= missing.astype(np.uint16) << np.uint16(place)
        found = np.flatnonzero(np.bincount(key))
        yield from (np.flatnonzero(key == each) for each in found)
        return
    packed = np.packbits(np.column_stack(bits), axis=1)
    yield from split_rows(
        np.unique(packed.view([("", packed.dtype)] * packed.shape[1]), return_inverse=True)[1].ravel()
    )


def split_rows(group: Rows) -> Iterator[Rows]:
    """The numbers of the rows of each group, in their order."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    yield from np.split(order, starts[1:])


def list_row_fields(texts: Texts, rows: Rows) -> Iterator[dict[str, str | None]]:
    """Rows as fields, absent ones as None."""
    columns = {name: take_texts(column, rows).to_pylist() for name, column in texts.items()}
    for row in range(len(rows)):
        yield {name: values[row] for name, values in columns.items()}


def row_fields(texts: Texts, row: int) -> dict[str, str]:
    """One row as fields."""
    return {name: column[row].as_py() for name, column in texts.items()}


def list_readings(texts: Texts, rows: Rows, layout: EventLayout) -> Iterator[tuple[Rows, RowReading]]:
    """Rows that are read alike, and how; raises RowsDifferError where that hangs on too many values."""
    old = {new: name for name, new in layout.names}
    keys: frozenset[str] = frozenset()
    for _ in range(MOST_ROUNDS):
        found = []
        wanted = keys
        for some in split_by_values(texts, rows, sorted(keys)):
            made, read = read_row(layout, row_fields(texts, int(some[0])))
            wanted |= {name if name in texts else old[name] for name in read if name in texts or name in old}
            found.append((some, made))
        if wanted == keys:
            yield from found
            return
        keys = wanted
    raise RowsDifferError


def split_by_values(texts: Texts, rows: Rows, names: Sequence[str]) -> Iterator[Rows]:
    """The rows by the values of some of their fields."""
    group = np.zeros(len(rows), np.int64)
    for name in names:
        # Mostly a channel or a number that all rows have.
        if len(texts[name].dictionary) == 1 and not texts[name].null_count:
            continue
        codes = texts[name].indices.take(pa.array(rows)).to_numpy(zero_copy_only=False).astype(np.int64)
        group = np.unique(group * (len(texts[name].dictionary) + 1) + codes, return_inverse=True)[1].ravel()
    if not group.any():
        yield rows
        return
    if int(group.max()) >= max(1, len(rows) // FEWEST_ROWS):
        raise RowsDifferError
    yield from (rows[some] for some in split_rows(group))


def read_row(layout: EventLayout, flat: dict[str, str]) -> tuple[RowReading, set[str]]:
    """How one row is read, and the names of all fields that this hangs on, old or new."""
    event = WatchedFields(flat)
    fields = WatchedFields({new: flat[name] for name, new in layout.names})
    nameless = layout.finish(fields, event) if layout.finish is not None else ""
    sensor, kind = layout.sensor(fields), layout.kind(fields)
    if fields.all or event.all:
        raise RowsDifferError
    constants = {n: v for n, v in dict.items(fields) if n in fields.written}
    names = {name: new for name, new in layout.names if new in fields and new not in constants}
    watched = fields.read | event.read
    made = RowReading(
        sensor=sensor, kind=kind, names=names, constants=constants, nameless=nameless, watched=frozenset(watched)
    )
    return made, watched


def build_columns(texts: Texts, rows: Rows, read: RowReading) -> dict[str, pa.DictionaryArray]:
    """The fields of rows that are read alike."""
    columns = {new: take_texts(texts[name], rows) for name, new in read.names.items()}
    return columns | {name: repeat_text(value, len(rows)) for name, value in read.constants.items()}


def take_texts(column: pa.DictionaryArray, rows: Rows) -> pa.DictionaryArray:
    """Some rows of a column, with the texts that are in them."""
    if len(rows) == len(column):
        return column
    taken = column.indices.take(pa.array(rows))
    # Without the texts of other rows: a part of the table is looked at by its distinct values.
    used = taken.dictionary_encode()
    return pa.DictionaryArray.from_arrays(used.indices, column.dictionary.take(used.dictionary))


def find_times(texts: Texts, rows: Rows, layout: EventLayout) -> tuple[pa.Array, int]:
    """The times of rows in microseconds, and of how many the zone had to be assumed."""
    name = next((n for n in layout.time_names if n in texts), None)
    if name is None:
        return pa.nulls(len(rows), pa.int64()), 0
    column = take_texts(texts[name], rows)
    times = parse_times(column.dictionary).take(column.indices)
    left = np.flatnonzero(np.asarray(times.is_null()))
    if not len(left):
        return times, 0
    # What the first field does not spell, the others or other looks may.
    values = times.to_pylist()
    unzoned = 0
    for at in map(int, left):
        values[at], assumed = layout.time(row_fields(texts, int(rows[at])))
        unzoned += assumed
    return pa.array(values, pa.int64()), unzoned


def parse_times(texts: pa.StringArray) -> pa.Array:
    """Microseconds of distinct texts; null for what spells no time."""
    if (counted := parse_epoch_numbers(texts)) is not None:
        return counted
    micros, read = read_iso_times(texts)
    if read.all():
        return pa.array(micros)
    others = np.flatnonzero(~read)
    times = pa.array(micros, mask=~read)
    plain = [parse_plain_microseconds(text) for text in texts.take(pa.array(others)).to_pylist()]
    return pc.replace_with_mask(times, pa.array(~read), pa.array(plain, pa.int64()))


def parse_epoch_numbers(texts: pa.StringArray) -> pa.Array | None:
    """Microseconds of texts that are all seconds since 1970, with up to six digits of a fraction, or all whole
    milliseconds; else None.
    """
    if not len(texts) or texts.null_count or texts[0].as_py()[4:5] == "-":
        return None
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    held = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    written = held[bounds[0] : bounds[-1]]
    # By the bytes of all texts at once. A first digit of its own: what begins with 0 may count in other units.
    digits = (written >= ord("0")) & (written <= ord("9"))
    if not (digits | (written == ord("."))).all() or (np.diff(bounds) == 0).any():
        return None
    first = held[bounds[:-1]]
    if ((first < ord("1")) | (first > ord("9"))).any():
        return None
    # 12 or 13 digits are milliseconds, as `from_epoch` has it: what LogScale exports.
    if digits.all() and np.isin(np.diff(bounds), (12, 13)).all():
        return pc.multiply(texts.cast(pa.int64()), 1_000)
    try:
        # 11 digits, as `from_epoch` has it; a longer fraction is an error here.
        return pc.multiply(texts.cast(pa.decimal128(17, 6)), 1_000_000).cast(pa.int64())
    except pa.ArrowInvalid:
        return None
