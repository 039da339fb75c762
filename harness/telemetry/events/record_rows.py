"""Records of event logs of which few are alike: values of many forms are printed together, rows are made of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from harness.record import record
from harness.telemetry.events.binary_records import AlikeRecords
from harness.telemetry.events.binary_values import (
    EPOCH_TICKS,
    is_possible_time,
    print_binary_values,
    print_ticks,
)
from harness.telemetry.events.input import MEMBERS_OF_RECORD, EventTables
from harness.telemetry.events.kind_table import Placed
from harness.telemetry.events.record_layout import RecordLayout
from harness.telemetry.events.text_slices import Places, gather_numbers
from harness.telemetry.events.windows_event import sensor_of
from harness.telemetry.simulation.identity import Bytes


@record
class RareRecords:
    """Some records that are alike, how they are read, the number of the value with their time, times of writing."""

    alike: AlikeRecords
    layout: RecordLayout
    time: int
    written: Places


@record
class RecordRow:
    """One record: its number in the batch, time in microseconds and fields."""

    row: int
    time: int
    fields: dict[str, str]
    keep: bool

    @property
    def rows(self) -> list[int]:
        """The number alone."""
        return [self.row]

    def add(self, tables: EventTables, places: Places, records: Places) -> None:
        """Hands it to the tables; `places` and `records` are those of all records of the batch."""
        placed = Placed(int(places[self.row]), int(records[self.row]) * MEMBERS_OF_RECORD if self.keep else None)
        sensor = sensor_of(self.fields.get("Channel"))
        tables.add(sensor, self.fields.get("EventID", ""), self.time, self.fields, placed)


def read_rare_records(groups: Sequence[RareRecords], data: Bytes) -> Iterator[RecordRow]:
    """All records of the groups that are read here; others are left to the package."""
    if not groups:
        return
    texts = print_all_values(groups, data)
    own = np.concatenate([gather_numbers(data, group.alike.values[group.time].at, "<i8") for group in groups])
    written = np.concatenate([group.written for group in groups])
    possible = is_possible_time(own) & is_possible_time(written)
    # The event's own time counts where a forwarded record has another one in its header.
    ticks = np.where(own // 10 == written // 10, written, own // 10 * 10)
    printed = print_ticks(np.where(possible, ticks, 0), 9)
    distinct = printed.dictionary.to_pylist()
    times = [distinct[code] for code in printed.indices.to_pylist()]
    at = 0
    for number, group in enumerate(groups):
        for row, place in enumerate(group.alike.rows.tolist()):
            fields: dict[str, str | None] = {
                name: held if isinstance(held, str) else texts[number, held][row]
                for name, held in group.layout.fields.items()
            }
            fields["SystemTime"] = times[at]
            whole = {name: text for name, text in fields.items() if text is not None}
            if possible[at] and len(whole) == len(fields):
                yield RecordRow(place, (int(ticks[at]) - EPOCH_TICKS) // 10, whole, group.layout.keep)
            at += 1


def print_all_values(groups: Sequence[RareRecords], data: Bytes) -> dict[tuple[int, int], list[str | None]]:
    """The text of each value of each group, None for those that are left to the package; those of a kind together."""
    kinds: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, group in enumerate(groups):
        for held in {held for held in group.layout.fields.values() if isinstance(held, int)}:
            kinds[group.alike.values[held].kind].append((number, held))
    found: dict[tuple[int, int], list[str | None]] = {}
    for kind, keys in kinds.items():
        values = [groups[number].alike.values[held] for number, held in keys]
        at, sizes = np.concatenate([v.at for v in values]), np.concatenate([v.sizes for v in values])
        (column,) = print_binary_values(data, kind, [at], [sizes])
        distinct = column.texts.dictionary.to_pylist()
        codes = column.texts.indices.to_pylist()
        texts: list[str | None] = [None if code is None else distinct[code] for code in codes]
        for odd in column.odd.tolist():
            texts[odd] = None
        done = 0
        for key, value in zip(keys, values, strict=True):
            found[key] = texts[done : done + len(value.at)]
            done += len(value.at)
    return found
