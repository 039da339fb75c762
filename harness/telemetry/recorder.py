"""Time order of events, and record numbers that rise along each Windows channel."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.telemetry.event import TIME, Events
from harness.telemetry.identity import Integers, hash_to_number
from harness.telemetry.spelling import decimal

Counters = dict[tuple[str, str], int]
"""Channel and host to how many records of theirs have been numbered already."""


def order_and_number_events(events: Iterable[Events], counters: Counters | None = None) -> tuple[Events, ...]:
    """The events of each kind in order of time; those of one channel on one host numbered without gaps.

    With `counters` the numbers go on where those of an earlier piece of the same recording ended.
    """
    numbered = {} if counters is None else counters
    ordered = [in_time_order(e) for e in events]
    channels: dict[tuple[str, str], list[int]] = {}
    for place, e in enumerate(ordered):
        if "Channel" in e.constants:
            channels.setdefault((e.sensor, e.constants["Channel"]), []).append(place)
    for (_, channel), places in channels.items():
        for place, numbers in zip(places, record_numbers([ordered[p] for p in places], channel, numbered), strict=True):
            e = ordered[place]
            # Behind @time and @cause, which are the first two of every simulated table.
            columns = e.columns.add_column(2, "EventRecordID", pa.chunked_array([decimal(numbers)]))
            ordered[place] = e.with_columns(columns)
    return tuple(ordered)


def list_event_microseconds(events: Events) -> Integers:
    """The time of each event in microseconds."""
    times: Integers = events.columns.column(TIME).cast(pa.int64()).to_numpy()
    return times


def in_time_order(events: Events) -> Events:
    """The same events, the earliest first; equal times stay in the order in which they came."""
    times = list_event_microseconds(events)
    # Batches mostly come in order; looking costs a fraction of a sort.
    if (np.diff(times) >= 0).all():
        return events.with_columns(events.columns.combine_chunks())
    order = pa.array(np.argsort(times, kind="stable"))
    return events.with_columns(events.columns.combine_chunks().take(order))


def record_numbers(events: list[Events], channel: str, counters: Counters) -> list[Integers]:
    """EventRecordID of each event of a channel: hosts count apart, each from a number of its own."""
    names: dict[str, int] = {}
    hosts = np.concatenate([host_numbers(e, names) for e in events])
    times = np.concatenate([list_event_microseconds(e) for e in events])
    # Over all kinds of a channel at once: a channel numbers its records, not the kinds of them.
    order = np.lexsort((times, hosts))
    # A log in use does not begin at 1. 1,000 to 401,000 is within what is recorded (10,014 records: 30 at the first,
    # 826,000 at the 50th percentile); no source for more.
    first = np.array(
        [1000 + hash_to_number(channel, n) % 400_000 + counters.get((channel, n), 0) for n in names], np.int64
    )
    sizes = np.bincount(hosts, minlength=len(names))
    counters.update({(channel, n): counters.get((channel, n), 0) + int(sizes[i]) for n, i in names.items()})
    before = np.repeat(np.cumsum(sizes) - sizes, sizes)
    numbers = np.empty(len(times), np.int64)
    numbers[order] = np.repeat(first, sizes) + np.arange(len(times)) - before
    ends = np.cumsum([len(e) for e in events])[:-1]
    return np.split(numbers, ends)


def host_numbers(events: Events, names: dict[str, int]) -> npt.NDArray[np.int64]:
    """For each event the number of its Computer in `names`, which grows."""
    if "Computer" in events.constants:
        number = names.setdefault(events.constants["Computer"], len(names))
        return np.full(len(events), number, np.int64)
    column = events.columns.column("Computer").combine_chunks()
    places = np.array([names.setdefault(n, len(names)) for n in column.dictionary.to_pylist()], np.int64)
    found: npt.NDArray[np.int64] = places[column.indices.to_numpy()]
    return found
