"""What a sensor is: a file in `sensors/` that turns batches of activity into the events it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.diagnostics import HarnessError, did_you_mean
from harness.record import record
from harness.telemetry.events.event import CAUSE, TIME, TIME_TYPE, Events
from harness.telemetry.events.text_columns import Times, build_dictionary_array, encode_codes, take_rows
from harness.telemetry.platform import Condition, sensor_names
from harness.telemetry.simulation.activity import Activity, BooleanArray, Integers
from harness.telemetry.simulation.coded_column import PooledTexts, TextColumn
from harness.telemetry.simulation.host import Process

Causes = npt.NDArray[np.int32]
EventColumns = dict[str, Any]
"""The columns of one kind of event while a sensor makes them: arrays by the log's own field names."""

A = TypeVar("A", bound=Activity)


class ActivityRows(Generic[A]):
    """Many batches of one kind of activity laid end to end, one row for each time that it happened."""

    def __init__(self, activities: Sequence[A], causes: Sequence[int]) -> None:
        self.activities = activities
        # Batches lie end to end so that a sensor writes whole columns: a million events cost about a second.
        self.counts = np.fromiter((len(a) for a in activities), np.int64, len(activities))
        self.which = np.repeat(np.arange(len(activities)), self.counts)
        self.cause: Causes = np.repeat(np.asarray(causes, np.int32), self.counts)
        # Copies of a host share its ledger: what follows from a host is worked out once a boot, not once a batch.
        hosts: dict[int, int] = {}
        of_batch = [hosts.setdefault(id(a.host.ledger), len(hosts)) for a in activities]
        first = dict(zip(reversed(of_batch), reversed(activities), strict=True))
        self.hosts = [first[number] for number in range(len(hosts))]
        self.of_host = np.asarray(of_batch, np.int64)[self.which]
        # The host's clock error goes in here, once: sensors that have a clock of their own take it out again.
        skews = np.array([a.host.clock_skew for a in self.hosts], "timedelta64[us]")
        times = [np.atleast_1d(np.asarray(a.at, "datetime64[us]")) for a in activities]
        self.at: Times = np.concatenate(times) + skews[self.of_host] if times else np.empty(0, "datetime64[us]")

    def __len__(self) -> int:
        return len(self.at)

    def each(self, value: Callable[[A], str | None]) -> pa.DictionaryArray:
        """A column of one text a batch; None is an absent field."""
        return encode_codes(self.which, [value(a) for a in self.activities])

    def each_host(self, value: Callable[[A], str | None]) -> pa.DictionaryArray:
        """A column of one text a host and boot; `value` sees one activity of each."""
        return encode_codes(self.of_host, [value(a) for a in self.hosts])

    def number(self, value: Callable[[A], int | Integers]) -> Integers:
        """Numbers, given for a batch or for each of its rows."""
        numbers: Integers = self._laid_out(value, np.int64)
        return numbers

    def flag(self, value: Callable[[A], bool | BooleanArray]) -> BooleanArray:
        """Truth, given for a batch or for each of its rows."""
        flags: BooleanArray = self._laid_out(value, np.bool_)
        return flags

    def _laid_out(self, value: Callable[[A], Any], kind: Any) -> Any:
        found = [value(a) for a in self.activities]
        # One repeat for all batches: views of single values took half of the time of small batches.
        if all(np.ndim(v) == 0 for v in found):
            return np.repeat(np.asarray(found, kind), self.counts)
        return np.concatenate(
            [of_length(np.asarray(v, kind), n) for v, n in zip(found, self.counts.tolist(), strict=True)]
        )

    def text(
        self, value: Callable[[A], Any], spell: Callable[[str, A], str | None] | None = None
    ) -> pa.DictionaryArray:
        """Text, given for a batch or for each of its rows; `spell` sees each distinct value of a batch once."""
        parts: list[FieldValues] = []
        codes = []
        for activity, count in zip(self.activities, self.counts.tolist(), strict=True):
            few, own = encode_field(value(activity), count)
            if spell is not None:
                few, own = few.pick(own) if isinstance(few, PooledTexts) else (few, own)
                few = few.to_pylist() if isinstance(few, pa.Array) else few
                few = [v if v is None else spell(v, activity) for v in few]
            codes.append(own)
            parts.append(few)
        return encode_parts(codes, parts)

    def processes(self, value: Callable[[A], Process | None] | None = None) -> Processes:
        """The processes of the rows: the actor, or those of `value` (parent, service, listener)."""
        return Processes([value(a) if value else a.process for a in self.activities], self.counts)

    def where(self, chosen: Callable[[A], bool]) -> ActivityRows[A]:
        """The batches that `chosen` accepts, with their causes."""
        kept = [i for i, a in enumerate(self.activities) if chosen(a)]
        starts = np.cumsum(self.counts) - self.counts
        # Every row of a batch has the batch's cause; an empty batch has none to read.
        causes = [int(self.cause[starts[i]]) if self.counts[i] else -1 for i in kept]
        return ActivityRows([self.activities[i] for i in kept], causes)


def of_length(values: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """The values, a single one as often as there are rows."""
    return values if values.ndim and len(values) == count else np.full(count, values)


FieldValues: TypeAlias = "Sequence[str | None] | pa.StringArray | PooledTexts"
"""The few values of a coded field."""


def encode_parts(codes: Sequence[Integers], parts: Sequence[FieldValues]) -> pa.DictionaryArray:
    """Batches of codes into values of their own as one column: equal values share one entry."""
    if not codes:
        return encode_codes(np.empty(0, np.int64), [])
    shifted, blocks = lay_out_values(codes, parts)
    if not any(isinstance(b, pa.Array) for b in blocks):
        return encode_codes(shifted, [v for block in blocks for v in block])
    # Neighbours that are lists become one array: an array a batch costs more than its values.
    arrays: list[pa.Array] = []
    held: list[str | None] = []
    for block in blocks:
        if isinstance(block, pa.Array):
            if held:
                arrays.append(pa.array(held, pa.string()))
                held = []
            arrays.append(block)
        else:
            held.extend(block)
    distinct = pa.concat_arrays([*arrays, pa.array(held, pa.string())]).dictionary_encode()
    places = distinct.indices
    if places.null_count:
        absent = len(distinct.dictionary)
        values = pa.concat_arrays([distinct.dictionary, pa.nulls(1, pa.string())])
        return build_dictionary_array(places.fill_null(absent).to_numpy()[shifted], values)
    return build_dictionary_array(places.to_numpy()[shifted], distinct.dictionary)


def lay_out_values(
    codes: Sequence[Integers], parts: Sequence[FieldValues]
) -> tuple[Integers, list[Sequence[str | None] | pa.StringArray]]:
    """Codes of all batches as one, into their values laid end to end; texts that batches share are there once."""
    moved = list(codes)
    blocks: list[Sequence[str | None] | pa.StringArray] = []
    pools: dict[int, tuple[PooledTexts, list[int]]] = {}
    begins: dict[int, int] = {}
    size = 0
    for place, part in enumerate(parts):
        if isinstance(part, PooledTexts):
            pools.setdefault(id(part), (part, []))[1].append(place)
            continue
        begin = begins.setdefault(id(part), size)
        # Each batch's codes are shifted behind the values of the batches before; parts of one batch share its values.
        if begin:
            moved[place] = codes[place] + begin
        if begin == size:
            size += len(part)
            blocks.append(part)
    for pool, places in pools.values():
        values, own = pool.pick(np.concatenate([codes[p] for p in places]))
        ends = np.cumsum([len(codes[p]) for p in places])[:-1]
        for place, some in zip(places, np.split(own + size, ends), strict=True):
            moved[place] = some
        size += len(values)
        blocks.append(values)
    return np.concatenate(moved), blocks


def encode_field(value: Any, count: int) -> tuple[FieldValues, Integers]:
    """A field as few values and a code for each row."""
    if value is None or isinstance(value, str):
        return (value,), np.zeros(count, np.int64)
    if isinstance(value, TextColumn):
        return value.values, np.asarray(value.codes, np.int64)
    return list(value), np.arange(count)


class Processes:
    """The processes of many rows: each different one once, and which of them a row has."""

    def __init__(self, found: Sequence[Process | None], counts: Integers) -> None:
        self.distinct: list[Process] = []
        first: dict[int, int] = {}
        size, rows = 0, []
        for process, count in zip(found, counts.tolist(), strict=True):
            if process is None:
                rows.append(np.full(count, -1))
                continue
            # By identity: a process is compared by nothing, since arrays in it have no single truth.
            whole = process.origin or process
            at = first.get(id(whole))
            if at is None:
                at = first[id(whole)] = size
                self.distinct.append(whole)
                size += len(whole)
            if process.places is not None:
                rows.append(at + process.places)
            else:
                # One process did all of a batch, or an array of processes has one element a row.
                alone = not isinstance(process.started, np.ndarray) or not process.started.ndim
                rows.append(np.full(count, at) if alone else np.arange(at, at + count))
        self.sizes = np.array([len(p) for p in self.distinct], np.int64)
        laid_out = np.concatenate(rows) if rows else np.empty(0, np.int64)
        # Of an array some processes may be in no row: their texts would be in the column's dictionary for nothing.
        wanted = np.zeros(size + 1, bool)
        wanted[laid_out] = True
        self.wanted = wanted[:size]
        self.kept: Integers = np.flatnonzero(self.wanted)
        moved = np.cumsum(wanted) - 1
        moved[size] = -1
        self.rows: Integers = moved[laid_out]

    def each(self, value: Callable[[Process], str | None]) -> pa.DictionaryArray:
        """A column of one text a process; rows without a process have none."""
        places = np.repeat(np.arange(len(self.distinct)), self.sizes)[self.kept]
        return self.column(encode_codes(places, [value(p) for p in self.distinct]))

    def texts(self, value: Callable[[Process], str | TextColumn]) -> pa.DictionaryArray:
        """A column of a text for each process of an array, or one for all of them; rows without a process have none."""
        found = [value(p) for p in self.distinct]
        if all(isinstance(each, str) for each in found):
            return self.each(lambda p: str(value(p)))
        fields = [encode_field(each, size) for each, size in zip(found, self.sizes.tolist(), strict=True)]
        codes = [own for _, own in fields]
        if len(self.kept) < len(self.wanted):
            parts = np.split(self.wanted, np.cumsum(self.sizes)[:-1])
            codes = [own[some] for own, some in zip(codes, parts, strict=True)]
        return self.column(encode_parts(codes, [few for few, _ in fields]))

    def numbers(self, value: Callable[[Process], Integers | int]) -> Integers:
        """A number for each different process, before it is spelled and given to `column`."""
        found = [value(p) for p in self.distinct]
        if all(isinstance(v, int) for v in found):
            return np.repeat(np.array(found, np.int64), self.sizes)[self.kept]
        parts = [of_length(np.asarray(v, np.int64), n) for v, n in zip(found, self.sizes.tolist(), strict=True)]
        return np.concatenate(parts)[self.kept] if parts else np.empty(0, np.int64)

    def starts(self) -> Times:
        """Start time of each different process, on its host's clock."""
        if not self.distinct:
            return np.empty(0, "datetime64[us]")
        skews = np.array([p.host.clock_skew for p in self.distinct], "timedelta64[us]")
        found: Times = (np.concatenate([p.starts for p in self.distinct]) + np.repeat(skews, self.sizes))[self.kept]
        return found

    def column(self, values: pa.DictionaryArray | pa.StringArray) -> pa.DictionaryArray:
        """A column of texts that are given for each different process; rows without a process have none."""
        by_process = values if isinstance(values, pa.DictionaryArray) else values.dictionary_encode()
        missing = self.rows < 0
        if not missing.any():
            return take_rows(by_process, self.rows)
        # Arrow takes no negative index: rows without a process point anywhere and are masked.
        rows = pa.array(np.maximum(self.rows, 0), mask=missing)
        return pa.DictionaryArray.from_arrays(by_process.indices.take(rows), by_process.dictionary)


@record(kw_only=True)
class Setup:
    """How a sensor is set up in one run, and its chance."""

    conditions: Mapping[str, str]
    random: np.random.Generator

    def on(self, condition: str) -> bool:
        """Whether a switch is on."""
        return self.conditions[condition] == "on"


RecordFunction = Callable[[Any, Setup], Iterator[Events]]


@record(kw_only=True)
class WindowsChannel:
    """A channel of the event log and the provider that writes it; source and sourcetype follow from its name."""

    provider: str
    name: str


@record(kw_only=True)
class SplunkInput:
    """What Splunk calls events that come from no Windows channel."""

    index: str
    source: str
    sourcetype: str


@record(kw_only=True)
class Sensor:
    """A sensor: its conditions and one function an activity. An activity that is not in `records` leaves no event.

    The functions give events with their own time, cause and fields, in any order; who calls them sorts them by time and
    numbers the records of each Windows channel. `origin`, which has to be given, is where its events come from. By
    `page_words` a rule's page asks for a sensor that a Windows host alone does not have.
    """

    name: str
    meaning: str
    origin: WindowsChannel | SplunkInput | None = None
    conditions: tuple[Condition, ...] = ()
    records: Mapping[type[Activity], RecordFunction]
    page_words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses a sensor that is silent about its origin, whose events no platform could name."""
        if self.origin is None:
            help = "give a WindowsChannel, or the index, source and sourcetype of a SplunkInput"
            raise HarnessError("registration", f"the sensor `{self.name}` does not say its `origin`", help=help)


def sensor(name: str) -> Sensor:
    """The sensor of that name. Raises HarnessError when there is none."""
    if name not in sensor_names():
        hint = did_you_mean(name, sensor_names()) or f"there are {', '.join(sensor_names())}"
        raise HarnessError("unknown-sensor", f"no sensor is called `{name}`", help=hint)
    # On demand: a replay needs no sensor, and importing all of them costs its start.
    found: Sensor = import_module(f"harness.telemetry.sensors.{name}").SENSOR
    return found


@cache
def find_field_hint(name: str) -> str | None:
    """Which condition of a sensor gives its events this field, where not all of them do."""
    for each in sensor_names():
        for condition in sensor(each).conditions:
            if values := condition.fields.get(name):
                choices = " or ".join(f"`{condition.name}={value}`" for value in values)
                return f"events of {choices} have it (`--condition`)"
    return None


def build_events(
    sensor: str,
    kind: str,
    *,
    at: Times,
    cause: Causes,
    constants: Mapping[str, str],
    columns: Mapping[str, Any],
) -> Events:
    """Events of one kind from columns of text; a column given as one text becomes a constant field."""
    fixed = {**constants, **{name: v for name, v in columns.items() if isinstance(v, str)}}
    varying = {name: v for name, v in columns.items() if not isinstance(v, str)}
    time = pa.array(at.astype("datetime64[us]"), pa.timestamp("us")).cast(TIME_TYPE)
    table = pa.table({TIME: time, CAUSE: pa.array(cause, pa.int32()), **varying})
    return Events(sensor=sensor, kind=kind, constants=fixed, columns=table)


def take_column_rows(columns: Mapping[str, Any], rows: Integers) -> dict[str, Any]:
    """These rows of every column, in this order and as often as they are named."""
    return {name: c if isinstance(c, str) else take_rows(c, rows) for name, c in columns.items()}
