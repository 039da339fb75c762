"""Simulated telemetry: behaviours yield what happens, every sensor records what it would."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from harness.diagnostics import HarnessError, did_you_mean
from harness.telemetry.activity import Activity, NetworkConnection, Text, TextColumn
from harness.telemetry.behaviour import Behaviour
from harness.telemetry.event import Cause, Events, Telemetry, TelemetryOrigin, group_tables
from harness.telemetry.host import Host, host_named
from harness.telemetry.identity import hash_to_number
from harness.telemetry.recorder import order_and_number_events
from harness.telemetry.sensor import ActivityRows, Sensor, Setup, sensor, sensor_names

MOST_EVENTS_AT_ONCE = 3_000_000
"""Things that happen in one simulation: each takes some 650 bytes until all sensors have recorded it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledAction:
    """One thing that is done: a behaviour on a host with its parameters, `at` after the start."""

    behaviour: str
    host: str = "WS01"
    given: Mapping[str, object] = field(default_factory=dict)
    at: timedelta = timedelta(0)
    malicious: bool = False
    detail: str = ""


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
    for activity in behaviour.function(host.starting(start), start, random, **arguments):
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
        return TextColumn(values=[call.host.source_for(v or "") for v in destination.values], codes=destination.codes)
    return [call.host.source_for(v) for v in destination]


def record_activities(
    happened: Iterable[tuple[int, Activity]],
    sensors: Sequence[Sensor],
    conditions: Mapping[str, str],
    seed: int,
    counters: dict[tuple[str, str], int] | None = None,
) -> tuple[Events, ...]:
    """The events of each sensor, in time order, records of a Windows channel numbered.

    `counters` goes from piece to piece of one recording, so that numbers rise through all of them.
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
        for kind, function in each.records.items():
            if kind in rows:
                # By names of sensor and activity: leaving out a sensor changes no other
                # one's events. Renaming an activity does.
                random = np.random.default_rng([seed, hash_to_number(each.name, kind.__name__, size=4)])
                events += function(rows[kind], Setup(conditions=setting, random=random))
    return order_and_number_events(group_tables(events), counters)


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
