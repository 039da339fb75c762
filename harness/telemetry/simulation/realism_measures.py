"""How events are spread (shares, rates, waits) and how values are written (notations)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.record import record
from harness.telemetry.events.event import TIME, Events, parse_microseconds
from harness.telemetry.events.text_columns import Times, encode_text, list_event_fields
from harness.telemetry.events.windows_event import SYSTEM_FIELDS
from harness.telemetry.simulation.schedule import FloatArray

# Below that the shares of ten values are chance; 20 numbers give a middle half. Both chosen.
FEWEST = 100
"""Events of which shares and rates are told."""
MOST_SHARE_VALUES = 12
FLOW = ("ProcessGuid", "ContextProcessId", "DestinationIp", "RemoteAddressIP4", "DestinationPort", "RemotePort")
PROCESS_FIELDS = ("ProcessGuid", "ContextProcessId", "TargetProcessId")
# Names and identifiers of a laboratory, whose shares say nothing about another.
NOT_SHARES = frozenset({*SYSTEM_FIELDS, "User", "ParentUser", "aid", "cid", "aip", "ConfigStateHash"})
LONGEST_LAG = 60.0
"""Seconds; what lies further apart was recorded with a wrong clock or written in another time zone."""


@record(kw_only=True)
class RealismMeasure:
    """One number of recorded and of simulated events; `distance` is from 0, alike, to 1, nothing in common.

    It is the largest difference of the cumulated shares (Kolmogorov and Smirnov) of a distribution, and the total
    variation of shares. `interval` holds 95 of 100 distances of samples drawn anew, where that was worked out.
    """

    name: str
    recorded: str
    simulated: str
    distance: float
    interval: tuple[float, float] | None = None


def measure_rates(recorded: Events, simulated: Events) -> Iterator[RealismMeasure]:
    """Everything measured of two tables of one kind; of few events nothing."""
    if min(len(recorded), len(simulated)) < FEWEST:
        return
    yield from measure_shares(recorded, simulated)
    for name, of in (
        ("events of a process", per_process),
        ("seconds between calls of a process to one endpoint", waits),
        ("seconds from event to record", lags),
    ):
        mine, theirs = of(simulated), of(recorded)
        if len(mine) >= 20 and len(theirs) >= 20:
            yield RealismMeasure(
                name=name,
                recorded=describe_middle_half(theirs),
                simulated=describe_middle_half(mine),
                distance=measure_distance(theirs, mine),
                interval=bootstrap_interval(theirs, mine, measure_distance),
            )


def measure_shares(recorded: Events, simulated: Events) -> Iterator[RealismMeasure]:
    """Shares of the values of fields that have few: protocols, directions, integrity levels."""
    for name in recorded.fields:
        if name in NOT_SHARES or name not in simulated.fields:
            continue
        mine, theirs = measure_value_shares(simulated, name), measure_value_shares(recorded, name)
        if 1 <= len(theirs) <= MOST_SHARE_VALUES and 1 <= len(mine) <= MOST_SHARE_VALUES and len({*mine, *theirs}) > 1:
            distance = sum(abs(mine.get(v, 0.0) - theirs.get(v, 0.0)) for v in {*mine, *theirs}) / 2
            yield RealismMeasure(
                name=f"share of {name}",
                recorded=describe_shares(theirs),
                simulated=describe_shares(mine),
                distance=distance,
            )


def measure_value_shares(events: Events, name: str) -> dict[str, float]:
    """The share of each value of a field; empty where it has many."""
    field = list_event_fields(events).get(name)
    if field is None:
        return {}
    if isinstance(field, str):
        return {field: 1.0}
    counts = pc.value_counts(encode_text(field).cast(pa.string()))
    if len(counts) > MOST_SHARE_VALUES:
        return {}
    return {str(c["values"]): c["counts"] / len(events) for c in counts.to_pylist() if c["values"] is not None}


def describe_shares(found: dict[str, float]) -> str:
    """Shares in words, the largest first."""
    largest = sorted(found.items(), key=lambda pair: -pair[1])[:4]
    return ", ".join(f"{value or '(empty)'} {share:.0%}" for value, share in largest)


def number_events_by_group(events: Events, names: tuple[str, ...]) -> npt.NDArray[np.int64] | None:
    """For each event the number of its group by those of the fields that there are; None without any."""
    fields = list_event_fields(events)
    codes = np.zeros(len(events), np.int64)
    used = False
    for name in names:
        field = fields.get(name)
        if field is None or isinstance(field, str):
            continue
        column = encode_text(field).combine_chunks()
        chunk = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        indices = chunk.indices.fill_null(len(chunk.dictionary)).to_numpy()
        # Numbered anew after each field, so that the product of their sizes never overflows.
        codes = np.unique(codes * (len(chunk.dictionary) + 1) + indices, return_inverse=True)[1].astype(np.int64)
        used = True
    return codes if used else None


def per_process(events: Events) -> FloatArray:
    """How many events of this kind each process has."""
    found = number_events_by_group(events, PROCESS_FIELDS)
    return np.empty(0) if found is None else np.bincount(found).astype(np.float64)


def waits(events: Events) -> FloatArray:
    """Seconds between one call and the next of the same process to the same address and port."""
    found = number_events_by_group(events, FLOW)
    if found is None or not any(n in events.fields for n in ("DestinationIp", "RemoteAddressIP4")):
        return np.empty(0)
    at = list_event_times(events)
    order = np.lexsort((at, found))
    # Sorted by group and time: neighbours of one group are its waits.
    same = np.diff(found[order]) == 0
    apart_by: FloatArray = np.diff(at[order])[same] / np.timedelta64(1, "s")
    return apart_by


def lags(events: Events) -> FloatArray:
    """Seconds between what happened, as the event says, and when it was written."""
    happened = list_event_fields(events).get("UtcTime")
    if happened is None or isinstance(happened, str):
        return np.empty(0)
    at = [parse_microseconds(v) for v in encode_text(happened).cast(pa.string()).to_pylist()]
    written = list_event_times(events).astype(np.int64)
    known = np.array([v is not None for v in at], bool)
    found: FloatArray = (written[known] - np.array([v for v in at if v is not None], np.int64)) / 1e6
    return found[np.abs(found) < LONGEST_LAG]


def list_event_times(events: Events) -> Times:
    """When each event was written; unknown times count as 1970."""
    found: Times = events.columns.column(TIME).cast(pa.int64()).fill_null(0).to_numpy().astype("datetime64[us]")
    return found


def describe_middle_half(values: FloatArray) -> str:
    """`median (lower quartile to upper quartile)`, three digits each."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.3g} ({low:.3g} to {high:.3g})"


def measure_distance(first: FloatArray, second: FloatArray) -> float:
    """How far two distributions are from each other at most (Kolmogorov and Smirnov)."""
    every = np.sort(np.concatenate([first, second]))
    one = np.searchsorted(np.sort(first), every, side="right") / len(first)
    other = np.searchsorted(np.sort(second), every, side="right") / len(second)
    return float(np.abs(one - other).max())


def bootstrap_interval(
    first: FloatArray, second: FloatArray, distance: Callable[[FloatArray, FloatArray], float]
) -> tuple[float, float]:
    """Between which values 95 of 100 distances lie when both sides are drawn again from themselves."""
    random = np.random.default_rng(1)
    # A hundred draws of at most 2,000 values: an interval to the second digit within a tenth of a second.
    one, other = (random.choice(side, min(len(side), 2000), replace=False) for side in (first, second))
    drawn = [distance(random.choice(one, len(one)), random.choice(other, len(other))) for _ in range(100)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


MISSING, TEXT = "missing", "text"
MOST_SHAPE_VALUES = 20_000
"""Distinct values of a field that are looked at."""

GUID_SHAPE = "[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}"

# The first that fits counts: narrow ones stand before wide ones.
NOTATIONS: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (family, notation, re.compile(pattern))
    for family, notation, pattern in (
        (MISSING, "empty", r""),
        (MISSING, "dash", r"-"),
        ("guid", "upper case in braces", rf"\{{{GUID_SHAPE}\}}"),
        ("guid", "lower case in braces", rf"\{{{GUID_SHAPE.replace('A-F', 'a-f')}\}}"),
        ("guid", "upper case, bare", GUID_SHAPE),
        ("guid", "lower case, bare", GUID_SHAPE.replace("A-F", "a-f")),
        ("time", "date and clock with milliseconds", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"),
        ("time", "ISO 8601 with a zone", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
        ("time", "ISO 8601 without a zone", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?"),
        ("number", "decimal", r"-?\d+"),
        ("fraction", "decimal fraction", r"-?\d+\.\d+"),
        ("hexadecimal", "0x and lower case", r"0x[0-9a-f]+"),
        ("hexadecimal", "0x and upper case", r"0x[0-9A-F]+"),
        ("message", "%% and number", r"%%\d+"),
        ("sid", "S-1-", r"S-1-\d+(-\d+)*"),
        ("ipv4", "dotted", r"\d{1,3}(\.\d{1,3}){3}"),
        ("ipv6", "eight groups", r"[0-9a-f]{1,4}(:[0-9a-f]{1,4}){7}"),
        ("ipv6", "compressed", r"(?=.*::)[0-9a-fA-F:.]+(%\w+)?"),
        ("truth", "lower-case word", r"true|false"),
        ("truth", "capitalised word", r"True|False"),
        ("hashes", "names and upper-case hex", r"[A-Z0-9]+=[0-9A-F]+(,[A-Z0-9]+=[0-9A-F]+)*"),
        ("hashes", "names and lower-case hex", r"[A-Z0-9]+=[0-9a-f]+(,[A-Z0-9]+=[0-9a-f]+)*"),
        ("digest", "lower-case hex", r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}"),
        ("digest", "upper-case hex", r"[0-9A-F]{32}|[0-9A-F]{40}|[0-9A-F]{64}"),
        ("path", "device", r"(?s)\\Device\\.+"),
        ("path", "drive", r"(?s)[A-Za-z]:\\.*"),
        ("list", "entries ended by semicolons", r"(?s)([^;]*;)+"),
    )
)
ALIKE = (frozenset({"ipv4", "ipv6"}),)
"""Families of notations that one field may have both of."""


@record
class Notation:
    """How a value is written: what it is, and in which of the ways to write that."""

    family: str
    name: str

    def __str__(self) -> str:
        return self.name if self.family == self.name else f"{self.family}, {self.name}"


FREE = Notation(TEXT, TEXT)


def notation(value: str) -> Notation:
    """The notation of a value; what has none of its own is free text."""
    for family, name, pattern in NOTATIONS:
        if pattern.fullmatch(value):
            return Notation(family, name)
    return FREE


def notations(values: Iterable[str | None]) -> dict[Notation, str]:
    """Each notation among the values, with an example."""
    found: dict[Notation, str] = {}
    for number, value in enumerate(values):
        if number >= MOST_SHAPE_VALUES:
            break
        if value is not None:
            found.setdefault(notation(value), value)
    return found


def foreign(
    simulated: Mapping[Notation, str], recorded: Collection[Notation], *, cased: bool
) -> list[tuple[Notation, str]]:
    """The notations of simulated values that recorded ones never have, each with an example.

    Free text on either side says nothing, and a missing value may be missing. With `cased` false the case of hex digits
    does not count: shippers change it.
    """
    families = {n.family for n in recorded} - {MISSING}
    # Once free text was recorded any notation may be.
    if not families or TEXT in families:
        return []
    known = {key(n, cased) for n in recorded}
    found = []
    for each, example in simulated.items():
        if each.family in (MISSING, TEXT) or key(each, cased) in known:
            continue
        if each.family not in families and any(each.family in group and group & families for group in ALIKE):
            continue
        found.append((each, example))
    return found


def key(each: Notation, cased: bool) -> tuple[str, str]:
    """The identity of a notation, without the case of hex digits where `cased` is false."""
    name = each.name if cased else each.name.replace("upper", "lower").replace("braces", "").replace("in ", "").strip()
    return each.family, name.replace(", bare", "").replace(" case", "") if not cased else name
