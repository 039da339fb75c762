"""Behaviours yield what happens, every sensor records what it would; time order and record numbers last."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.diagnostics import HarnessError, did_you_mean
from harness.record import record
from harness.telemetry.events.event import TIME, Cause, Events, Telemetry, TelemetryOrigin, group_tables
from harness.telemetry.events.text_columns import decimal
from harness.telemetry.platform import sensor_names
from harness.telemetry.sensor import ActivityRows, Sensor, Setup, sensor
from harness.telemetry.simulation.activity import Activity, NetworkConnection, Text
from harness.telemetry.simulation.attack import AtomicAttack
from harness.telemetry.simulation.behaviour import Behaviour, guard_foreign_code
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.host import Host, host_named
from harness.telemetry.simulation.identity import Integers, hash_to_number

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


MOST_EVENTS_AT_ONCE = 3_000_000
"""Things that happen in one simulation: each takes some 650 bytes until all sensors have recorded it."""


@record(kw_only=True)
class ScheduledAction:
    """One thing that is done: a behaviour on a host with its parameters, `at` after the start.

    `attack` is the atomic whose command it runs, if it is one.
    """

    behaviour: str
    host: str = "WS01"
    given: Mapping[str, object] = field(default_factory=dict)
    at: timedelta = timedelta(0)
    malicious: bool = False
    detail: str = ""
    attack: AtomicAttack | None = None


def simulate(
    steps: Sequence[ScheduledAction],
    *,
    behaviours: Mapping[str, Behaviour],
    start: datetime,
    seed: int = 0,
    conditions: Mapping[str, str] | None = None,
    hosts: Mapping[str, Host] | None = None,
    sensors: Sequence[str] | None = None,
) -> Telemetry:
    """What all sensors record of these steps; each step is a cause of its own.

    `start` without a zone is UTC. Conditions that belong to no sensor are not looked at. A host that `hosts` does not
    describe follows from its name and the seed. The same arguments give the same telemetry, byte for byte.
    """
    # numpy's times have no zone; ours are UTC.
    begin = np.datetime64((start.astimezone(UTC) if start.tzinfo else start).replace(tzinfo=None), "us")
    known = dict(hosts or {})
    happened: list[tuple[int, Activity]] = []
    total = 0
    for number, step in enumerate(steps):
        host = known.setdefault(step.host, host_named(step.host, start=begin, seed=seed))
        for activity in activities(step, host, behaviours, begin, [seed, number]):
            total += len(activity)
            if total > MOST_EVENTS_AT_ONCE:
                message = f"behaviour `{step.behaviour}` makes it more than {MOST_EVENTS_AT_ONCE} things that happen"
                raise HarnessError("too-much", message, help="make `times` smaller")
            # Counted while they come: a behaviour that yields without end is stopped, not waited for.
            happened.append((number, activity))
    chosen = [sensor(name) for name in (sensor_names() if sensors is None else sensors)]
    recorded = record_activities(happened, chosen, conditions or {}, seed)
    causes = tuple(
        Cause(name=s.behaviour, malicious=s.malicious, host=known[s.host].name, detail=s.detail) for s in steps
    )
    return Telemetry(events=recorded, causes=causes, origin=TelemetryOrigin.SIMULATED)


def activities(
    step: ScheduledAction, host: Host, behaviours: Mapping[str, Behaviour], begin: np.datetime64, seed: Sequence[int]
) -> Iterator[Activity]:
    """What happens in a step, nothing left open; it begins within the second it is due, as nothing real is punctual."""
    behaviour = behaviours[step.behaviour]
    arguments = behaviour.arguments(step.given)
    # Chance of its own for each action: one more in a scenario leaves the others as they were.
    random = np.random.default_rng(list(seed))
    # Less than a second, so that clock minutes of a scenario stay as written.
    fraction = hash_to_number("fraction", *seed) % 900_000
    start = begin + np.timedelta64(round(step.at.total_seconds() * 1e6) + fraction, "us")
    with guard_foreign_code(f"behaviour `{step.behaviour}` ({behaviour.path.name})"):
        for activity in behaviour.function(host.starting(start, step.attack), start, random, **arguments):
            if len(activity):
                yield complete_connection(activity, random) if isinstance(activity, NetworkConnection) else activity


def complete_connection(call: NetworkConnection, random: np.random.Generator) -> NetworkConnection:
    """The connection with its source, and with the name that a host has for its own addresses."""
    ports = call.source_port
    if ports is None:
        # Ports rise, as Windows gives them: by 1 in 1,965 of 2,244 recorded steps; 1 to 6 leaves room for other
        # programs. 49152 to 65535 are 97 % of 2,488 recorded outbound ports.
        steps = random.integers(1, 7, len(call)).cumsum()
        ports = 49152 + (int(random.integers(0, 16384)) + steps) % 16384
    name = call.destination_hostname
    # Recorded events 3 have the machine's own name for 127.0.0.1 (telemetry.md 1.4).
    if name is None and call.destination_ip in call.host.own_addresses:
        name = call.host.computer
    source = source_of(call) if call.source_ip is None else call.source_ip
    return replace(call, source_ip=source, source_port=ports, destination_hostname=name)


def source_of(call: NetworkConnection) -> Text:
    """The address from which the host makes this call."""
    destination = call.destination_ip
    if destination is None or isinstance(destination, str):
        return call.host.source_for(destination or "")
    if isinstance(destination, TextColumn):
        return TextColumn(values=call.host.sources_for(destination.texts()), codes=destination.codes)
    return call.host.sources_for(destination)


def record_activities(
    happened: Iterable[tuple[int, Activity]],
    sensors: Sequence[Sensor],
    conditions: Mapping[str, str],
    seed: int,
    counters: dict[tuple[str, str], int] | None = None,
    fleet: Fleet | None = None,
) -> tuple[Events, ...]:
    """The events of each sensor, in time order, records of a Windows channel numbered.

    `counters` goes from piece to piece of one recording, so that numbers rise through all of them. `fleet` has the
    conditions that differ from host to host.
    """
    kinds: dict[type[Activity], tuple[list[Activity], list[int]]] = {}
    for cause, activity in happened:
        batch, causes = kinds.setdefault(type(activity), ([], []))
        batch.append(activity)
        causes.append(cause)
    rows = {kind: ActivityRows(batch, causes) for kind, (batch, causes) in kinds.items()}
    events: list[Events] = []
    for each in sensors:
        setting = resolve_sensor_conditions(each, conditions)
        differing = {c.name: fleet[c.name] for c in each.conditions if c.name in fleet} if fleet else {}
        for kind, function in each.records.items():
            if kind in rows:
                # By names of sensor and activity: leaving out a sensor changes no other
                # one's events. Renaming an activity does.
                random = np.random.default_rng([seed, hash_to_number(each.name, kind.__name__, size=4)])
                for own, part in split_fleet(rows[kind], differing):
                    events += function(part, Setup(conditions={**setting, **own}, random=random))
    return order_and_number_events(group_tables(events), counters)


Fleet = Mapping[str, Mapping[str, float]]
"""Conditions that differ from host to host: the share of each value."""


def split_fleet(rows: ActivityRows[Any], fleet: Fleet) -> Iterator[tuple[dict[str, str], ActivityRows[Any]]]:
    """What happened on hosts that are set up alike, for each set-up; all of it where nothing differs."""
    if not fleet:
        yield {}, rows
        return
    hosts = {a.host.aid: a.host for a in rows.activities}
    alike: dict[tuple[str, ...], set[str]] = {}
    for aid, host in hosts.items():
        alike.setdefault(tuple(draw_setup(host, *each) for each in fleet.items()), set()).add(aid)
    for values, some in sorted(alike.items()):
        yield dict(zip(fleet, values, strict=True)), rows.where(partial(is_on, some))


def is_on(hosts: Container[str], activity: Activity) -> bool:
    """Whether something happened on one of these hosts."""
    return activity.host.aid in hosts


def draw_setup(host: Host, condition: str, shares: Mapping[str, float]) -> str:
    """How a host is set up: the same all along, whoever asks."""
    drawn = hash_to_number("fleet", condition, host.aid, size=4) / 2**32 * sum(shares.values())
    for value, share in shares.items():
        drawn -= share
        if drawn < 0:
            return value
    return list(shares)[-1]


def resolve_sensor_conditions(sensor: Sensor, conditions: Mapping[str, str]) -> dict[str, str]:
    """A sensor's conditions, each with the given value or its default. Raises HarnessError for a value it has not."""
    chosen = {}
    for condition in sensor.conditions:
        value = conditions.get(condition.name, condition.default)
        if value not in condition.values:
            hint = did_you_mean(value, condition.values) or f"it has {', '.join(condition.values)}"
            message = f"condition `{condition.name}` has no value `{value}`"
            raise HarnessError("unknown-condition-value", message, help=hint)
        chosen[condition.name] = value
    return chosen
