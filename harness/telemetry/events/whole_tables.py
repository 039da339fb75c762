"""Tables of which all rows are events of one kind: taken as they are, whatever fields some of them lack.

Rows that lack a field are read as a set of fields of their own. Where all sets are read alike but for what they lack,
the columns are the events' own, and no row has to be taken apart and put back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from harness.record import record
from harness.telemetry.events.event_columns import (
    RowReading,
    Rows,
    RowsDifferError,
    Texts,
    count_milliseconds,
    encode_column,
    find_epoch_micros,
    find_times,
    list_readings,
    list_rows_by_presence,
)
from harness.telemetry.events.event_layout import EventLayout
from harness.telemetry.events.kind_table import repeat_text
from harness.telemetry.events.text_columns import print_floats
from harness.telemetry.events.windows_event import SYSTEM_FIELDS
from harness.telemetry.shape import list_fitting_envelopes

# Each is looked at by itself; rows of a table of many kinds lack fields in hundreds of ways. Chosen.
MOST_SETS = 16


@record(kw_only=True)
class ReadSet:
    """Rows that have the same fields, how they are read, and the fields that this hangs on."""

    rows: Rows
    texts: Texts
    layout: EventLayout
    reading: RowReading
    watched: frozenset[str]


@record(kw_only=True)
class WholeTable:
    """A table whose rows are read alike: sensor and kind, times in microseconds, all fields by their new names.

    Fields are texts, or numbers that have not been printed.
    """

    sets: Sequence[ReadSet]
    sensor: str
    kind: str
    times: pa.Array
    unzoned: int
    columns: Mapping[str, pa.Array]
    constants: Mapping[str, str]


def read_whole_table(
    texts: Texts,
    sets: Sequence[Rows],
    numbers: Mapping[str, pa.Array],
    find_layout: Callable[[dict[str, str]], EventLayout],
) -> WholeTable | None:
    """How all rows of a table are read; None where not all are read alike.

    `sets` are rows with the same fields, `numbers` columns that were no texts before.
    """
    if len(sets) > MOST_SETS:
        return None
    try:
        read = [read_set(texts, rows, find_layout) for rows in sets]
    except RowsDifferError:
        return None
    names = join_names(read)
    clock = find_time_name(read[0])
    if names is None or any(find_time_name(each) != clock for each in read):
        return None
    times, unzoned = find_epoch_micros(numbers[clock]) if clock is not None and clock in numbers else None, 0
    if times is None:
        times, unzoned = find_times(read[0].texts, np.arange(sum(map(len, sets))), read[0].layout)
    if times.null_count:
        return None
    # In the table's own order, which does not hang on which rows came first.
    columns = {names[old]: texts[old] for old in texts if old in names}
    kind = read[0].reading
    return WholeTable(
        sets=read,
        sensor=kind.sensor,
        kind=kind.kind,
        times=times,
        unzoned=unzoned,
        columns=columns,
        constants=kind.constants,
    )


def join_names(read: Sequence[ReadSet]) -> Mapping[str, str] | None:
    """The new name of each field of rows that are read alike; None where they are not."""
    names: dict[str, str] = {}
    for each in read:
        if any(names.setdefault(old, new) != new for old, new in each.reading.names.items()):
            return None
    kinds = {(r.reading.sensor, r.reading.kind, tuple(r.reading.constants.items()), r.reading.nameless) for r in read}
    if len(kinds) > 1 or len(set(names.values())) < len(names):
        return None
    # A field that some rows have of their own cannot be what all others are given.
    return names if read[0].reading.constants.keys().isdisjoint(names.values()) else None


def read_table_of_numbers(
    batch: pa.RecordBatch, find_layout: Callable[[dict[str, str]], EventLayout]
) -> WholeTable | None:
    """The same of a table whose times are numbers, which stay so: printing them costs more than all the rest."""
    columns = {name: count_milliseconds(column) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    numbers = {name: column for name, column in columns.items() if is_epoch_column(column)}
    if not numbers:
        return None
    # A number stands for all of its column: what a reading hangs on is no time.
    texts = {
        name: repeat_text(print_number(column), len(column)) if name in numbers else encode_column(column)
        for name, column in columns.items()
    }
    known = {name: column for name, column in texts.items() if column is not None}
    if len(known) < len(texts):
        return None
    found = read_whole_table(known, list(list_rows_by_presence(known, len(batch))), numbers, find_layout)
    if found is None or any(not each.watched.isdisjoint(numbers) for each in found.sets):
        return None
    clock = find_time_name(found.sets[0])
    if clock not in numbers:
        return None
    new = {old: name for each in found.sets for old, name in each.reading.names.items()}
    # Of those texts are made anew.
    if clock is None or new.get(clock, clock) in SYSTEM_FIELDS:
        return None
    held = {new[n]: c if n == clock else encode_column(c) for n, c in numbers.items() if n in new}
    return replace(found, columns={**found.columns, **held})


def is_epoch_column(column: pa.Array) -> bool:
    """Whether a column has nothing but seconds or milliseconds since 1970."""
    return len(column) > 0 and find_epoch_micros(column) is not None


def print_number(column: pa.Array) -> str:
    """The first number of a column as text."""
    return str(print_floats(column.slice(0, 1))[0].as_py())


def read_set(texts: Texts, rows: Rows, find_layout: Callable[[dict[str, str]], EventLayout]) -> ReadSet:
    """How rows with the same fields are read. Raises RowsDifferError where that is not one way."""
    there = {name: column for name, column in texts.items() if column.indices[int(rows[0])].is_valid}
    layout = find_layout({name: column.dictionary[0].as_py() for name, column in there.items()})
    # An event of our own names its sensor and kind itself, and an unknown one may hold an event in a text.
    own = "@sensor" in there or "@kind" in there
    if own or list_fitting_envelopes(tuple(there)) or layout.prefix or not layout.time_names or not layout.known:
        raise RowsDifferError
    found = list(list_readings(there, rows, layout))
    if len(found) != 1:
        raise RowsDifferError
    watched = {old for old, new in layout.names if new in found[0][1].watched} | found[0][1].watched
    return ReadSet(rows=rows, texts=there, layout=layout, reading=found[0][1], watched=frozenset(watched))


def find_time_name(read: ReadSet) -> str | None:
    """The field that the rows' times are in."""
    return next((name for name in read.layout.time_names if name in read.texts), None)
