"""Recorded events as columns, who caused them, and times as logs write them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.late_module import make_first_array
from harness.record import record
from harness.telemetry.events.time_looks import read_written_time

make_first_array()

# Names that no log has; @timestamp and @version, which Elastic's have, are fields like others.
TIME = "@time"
CAUSE = "@cause"
UNLABELLED = -1

RECORD_NUMBER = "@record"
"""Which record of its file an event is; null where the file holds no more of it than its fields say."""
RECORD_FILE = "@file"
"""The path of the file that an event's text is kept in."""

NO_FIELDS = frozenset({TIME, CAUSE, RECORD_NUMBER, RECORD_FILE})
"""Columns of events that are none of their fields."""

# What Splunk keeps of each event beside its text.
METADATA_FIELDS = ("index", "source", "sourcetype", "host")

# Microseconds, as DuckDB's timestamps are; the seventh digit of Windows' 100 ns stays in SystemTime.
TIME_TYPE = pa.timestamp("us", tz="UTC")
# Events repeat themselves: most columns have few distinct texts, and everything is computed on those.
TEXT_TYPE = pa.dictionary(pa.int32(), pa.string())


class TelemetryOrigin(StrEnum):
    """Where telemetry came from; every report says so."""

    SIMULATED = "simulated"
    REPLAYED = "replayed"
    DETONATED = "detonated"


@record(kw_only=True)
class Cause:
    """The person or program behind events: the truth that a verdict is measured against."""

    name: str
    malicious: bool
    host: str = ""
    detail: str = ""


@record(kw_only=True)
class Events:
    """Events of one kind from one sensor: a column a field, in the order in which the sensor writes them.

    `sensor` is the folder's word (`sysmon`, `windows_security`, `falcon`); `kind` the sensor's own (`3`,
    `NetworkConnectIP4`). `constants` are fields with one value in all of these events (Channel, Provider_Name,
    EventID). `columns` are the others, text as `TEXT_TYPE`; a null is an absent field, "" an empty one. Some columns
    are not fields: `@time` (`TIME_TYPE`, when the event was written, null where
    nobody can say) and `@cause` (int32, index into `Telemetry.causes`,
    `UNLABELLED` where nobody said), and of events that were read from text `@record` (int64) and `@file`
    (`TEXT_TYPE`), by which `telemetry/recorded_text.py` finds their text again.

    Windows System fields have the names Provider_Name, Provider_Guid, EventID, Version, Level, Task, Opcode, Keywords,
    SystemTime, EventRecordID, Correlation_ActivityID, Execution_ProcessID, Execution_ThreadID, Channel, Computer and
    Security_UserID; every other column is event data under its own name. All values are text as recorded.
    """

    sensor: str
    kind: str
    constants: Mapping[str, str] = field(default_factory=dict)
    columns: pa.Table

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of all fields, constant ones first."""
        return (*self.constants, *(n for n in self.columns.column_names if n not in NO_FIELDS))

    def with_columns(self, columns: pa.Table) -> Events:
        """The same kind of events with other rows or fields."""
        return replace(self, columns=columns)

    def with_constants(self, constants: Mapping[str, str]) -> Events:
        """The same events with these fields in all of them, in place of what they had."""
        kept = [n for n in self.columns.column_names if n not in constants]
        return replace(self, constants={**self.constants, **constants}, columns=self.columns.select(kept))


@record(kw_only=True)
class Damage:
    """A part of an input that could not be read, and its place: `capture.evtx: record 17`.

    With `misread` it was read, but not for sure as what it is: a rule may not see it.
    """

    place: str
    message: str
    misread: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@record(kw_only=True)
class Telemetry:
    """All events of one scenario or one input, with causes, origin and damages."""

    events: tuple[Events, ...] = ()
    causes: tuple[Cause, ...] = ()
    origin: TelemetryOrigin = TelemetryOrigin.SIMULATED
    damages: tuple[Damage, ...] = ()

    def __len__(self) -> int:
        return sum(len(e) for e in self.events)

    def of(self, sensor: str, kind: str | None = None) -> tuple[Events, ...]:
        """The events of one sensor, or of one kind of it."""
        return tuple(e for e in self.events if e.sensor == sensor and kind in (None, e.kind))


def merge_telemetry(parts: Iterable[Telemetry]) -> Telemetry:
    """Several recordings as one; causes are renumbered, events of one kind with equal fields share a table."""
    events: list[Events] = []
    causes: list[Cause] = []
    damages: list[Damage] = []
    origins: list[TelemetryOrigin] = []
    for part in parts:
        events += (shift_causes(e, len(causes)) for e in part.events)
        causes += part.causes
        damages += part.damages
        origins.append(part.origin)
    # A scenario that simulates and replays counts as simulated; a folder of several origins is settled by EventTables.
    origin = origins[0] if origins else TelemetryOrigin.SIMULATED
    return Telemetry(events=group_tables(events), causes=tuple(causes), origin=origin, damages=tuple(damages))


def shift_causes(events: Events, by: int) -> Events:
    """The events with each cause's number raised by `by`; unlabelled ones stay so."""
    if by == 0:
        return events
    at = events.columns.schema.get_field_index(CAUSE)
    causes = events.columns.column(at).to_numpy()
    moved = pa.array(np.where(causes == UNLABELLED, UNLABELLED, causes + by), pa.int32())
    return events.with_columns(events.columns.set_column(at, CAUSE, moved))


def group_tables(events: Sequence[Events]) -> tuple[Events, ...]:
    """Tables of the same sensor, kind, constants and fields put together, in order of first appearance."""
    groups: dict[tuple[object, ...], list[Events]] = {}
    for e in events:
        if len(e):
            # The order of fields is part of the key: it is the order in which the sensor writes them.
            key = (e.sensor, e.kind, tuple(e.constants.items()), tuple(e.columns.column_names))
            groups.setdefault(key, []).append(e)
    return tuple(
        # One dictionary a column afterwards, which all that works on distinct values relies on.
        same[0].with_columns(pa.concat_tables([e.columns for e in same]).unify_dictionaries())
        for same in groups.values()
    )


# Rules compute with doubles, which hold microseconds exactly up to 2^53: 1684-07-28 to 2255-06-05.
FARTHEST_TIME = 2**53
"""Microseconds before or after 1970; an event that claims a time beyond has none that can be."""

EARLIEST_ARRIVAL = 0
"""When events arrived of which none has a time: 1970-01-01, which nobody takes for a real one."""


def drop_impossible_times(times: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times in microseconds, null where they lie farther from 1970 than FARTHEST_TIME."""
    micros = times.cast(pa.int64())
    far = pc.or_(pc.less(micros, -FARTHEST_TIME), pc.greater(micros, FARTHEST_TIME))
    return pc.if_else(far, pa.scalar(None, TIME_TYPE), times) if pc.any(far).as_py() else times


def find_arrival(telemetry: Telemetry) -> int:
    """When events without a time arrived, in microseconds: with the last of the others, else EARLIEST_ARRIVAL."""
    latest = [pc.max(e.columns.column(TIME).cast(pa.int64())).as_py() for e in telemetry.events if len(e)]
    return max((t for t in latest if t is not None), default=EARLIEST_ARRIVAL)


def fill_times(times: pa.ChunkedArray, arrival: int) -> pa.ChunkedArray:
    """Times, and the arrival where an event has none: a product's time of ingest."""
    return times.fill_null(pa.scalar(arrival, TIME_TYPE)) if times.null_count else times


# `1/2/11 1:02` and what is longer.
SHORTEST_WRITTEN_TIME = 11
MOMENT_ORIGIN = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def parse_microseconds(text: str | None) -> int | None:
    """An ISO time, an epoch number (seconds, milliseconds, micro- or nanoseconds), or another look with a year.

    A time without a zone is UTC: every log that writes one so means it.
    """
    found = parse_plain_microseconds(text)
    # Last, since it looks for everything.
    if found is None and text and len(text) >= SHORTEST_WRITTEN_TIME:
        written = read_written_time(text)
        return None if written is None else written.micros
    return found


def parse_plain_microseconds(text: str | None) -> int | None:
    """An ISO time or an epoch number; None for all else."""
    if not text:
        return None
    try:
        # Cheaper than trying both: an ISO time has its first dash there, an epoch number never.
        if text[4:5] == "-":
            moment = datetime.fromisoformat(text)
            zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            return (zoned - MOMENT_ORIGIN) // MICROSECOND
        return from_epoch(text)
    except (ValueError, OverflowError):
        return None


def from_epoch(text: str) -> int | None:
    """An epoch number as microseconds; its size tells its unit: seconds up to the year 5138, else a thousandth part."""
    whole, _, fraction = text.partition(".")
    if not whole.isdecimal() or len(whole) > 19 or (fraction and not fraction.isdecimal()):
        return None
    # 11 digits of seconds reach the year 5138; 14 of milliseconds the same, 17 of microseconds too.
    digits = len(whole)
    # Milliseconds of 14 digits lie beyond FARTHEST_TIME: it is a date and a clock, 20110331105626.
    if digits == 14:
        return None
    unit = 1_000_000 if digits <= 11 else 1_000 if digits <= 14 else 1
    number = int(whole)
    if digits > 17:
        return number // 1000
    return number * unit + (int(fraction.ljust(6, "0")[:6]) * unit // 1_000_000 if fraction else 0)


def parse_times(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of texts as times; null for what is none, or none that can be."""
    try:
        # Arrow reads a whole column or none: one unreadable time sends all of them through Python.
        times = texts.cast(pa.timestamp("us")).cast(TIME_TYPE)
    except pa.ArrowInvalid:
        micros = [parse_microseconds(text) for text in texts.to_pylist()]
        times = pa.chunked_array([pa.array(micros, pa.int64()).cast(TIME_TYPE)])
    return drop_impossible_times(times)


def digest_telemetry(telemetry: Telemetry) -> str:
    """A digest of all events, whoever caused them: equal for telemetry that no rule can tell apart."""
    found = hashlib.sha256()
    for events in sorted(telemetry.events, key=lambda e: (e.sensor, e.kind, sorted(e.constants.items()))):
        columns = events.columns.drop_columns([CAUSE])
        found.update(repr((events.sensor, events.kind, sorted(events.constants.items()))).encode())
        for name in columns.column_names:
            found.update(repr((name, columns.column(name).to_pylist())).encode())
    return found.hexdigest()
