"""A scenario's telemetry: what it simulates and replays, under the conditions that it may state."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.diagnostics import HarnessError, SourceError, Span, did_you_mean
from harness.scenario.atomic import Atomic
from harness.scenario.atomic_library import Library, is_technique
from harness.scenario.pack import behaviour_folders, find_pack_root
from harness.scenario.scenario import Label, Scenario
from harness.telemetry.events.event import CAUSE, TIME, Cause, Events, Telemetry, merge_telemetry, parse_microseconds
from harness.telemetry.events.text_columns import Field, encode_text, list_event_fields
from harness.telemetry.format import read_telemetry
from harness.telemetry.indexing.plain_text import Input
from harness.telemetry.platform import Condition, platform, platform_names, sensor_names
from harness.telemetry.recording import is_recording, open_recording
from harness.telemetry.sensor import sensor
from harness.telemetry.simulation.activity import BooleanArray
from harness.telemetry.simulation.attack import AtomicAttack
from harness.telemetry.simulation.behaviour import Behaviours, ParameterError, convert_to_annotation, load_behaviours
from harness.telemetry.simulation.simulate import ScheduledAction, simulate

BEFORE, AFTER = "before", "after"
"""Keys of a filter that bound the time; every other key is a field's name."""


# Windows' and Falcon's clocks count from 1970 on; ten years of a scenario's delays before FARTHEST_TIME.
FIRST_YEAR, LAST_YEAR = 1970, 2240


def replay(path: Path, malicious: Mapping[str, Any] | bool | None = None, plain: Input | None = None) -> Telemetry:
    """The recording in a file or folder; events that the filter matches are the attack's, the others benign.

    A filter has fields and values that must all hold; in a value `*` stands for any text, a list holds alternatives,
    case does not count. `after` and `before` bound the time, both included. True and False label all events alike.
    `plain` says how files of plain text are read. Without a filter nobody is said to have caused anything, unless the
    recording itself says who did. Raises HarnessError for a filter that matches nothing.
    """
    recorded = open_recording(path).telemetry() if is_recording(path) else read_telemetry(path, plain)
    # A detonated recording labels its own events; a bare `malicious: true` of a scenario must not undo that.
    if malicious is None or malicious == {} or (isinstance(malicious, bool) and recorded.causes):
        return recorded
    background = Cause(name=f"background of {path.name}", malicious=False, detail=str(path))
    if malicious is False:
        # One cause and no attack: a study would count one that no event is left of.
        events = tuple(label_attack_events(e, np.ones(len(e), bool)) for e in recorded.events)
        return replace(recorded, events=events, causes=(background,))
    if isinstance(malicious, bool):
        labels = [np.full(len(events), malicious) for events in recorded.events]
    else:
        labels = [matches(events, malicious) for events in recorded.events]
        if not any(label.any() for label in labels):
            raise no_match(recorded, malicious, path)
    causes = (Cause(name=f"attack in {path.name}", malicious=True, detail=str(path)), background)
    events = tuple(label_attack_events(e, label) for e, label in zip(recorded.events, labels, strict=True))
    return replace(recorded, events=events, causes=causes)


def label_attack_events(events: Events, attack: BooleanArray) -> Events:
    """The events with cause 0 where the attack left them and 1 where it did not."""
    causes = pa.array(np.where(attack, 0, 1), pa.int32())
    at = events.columns.schema.get_field_index(CAUSE)
    return events.with_columns(events.columns.set_column(at, CAUSE, causes))


def matches(events: Events, wanted: Mapping[str, Any]) -> BooleanArray:
    """A flag for each event that has all of the wanted values."""
    found: BooleanArray = np.ones(len(events), dtype=np.bool_)
    fields = list_event_fields(events)
    for name, value in wanted.items():
        if name in (AFTER, BEFORE):
            found &= find_events_in_time(events, name, value)
        # A filter is a conjunction: a kind of events that lacks a field cannot fit.
        elif name not in fields:
            return np.zeros(len(events), dtype=np.bool_)
        else:
            found &= holds(fields[name], compile_filter_pattern(value), len(events))
    return found


def find_events_in_time(events: Events, side: str, value: Any) -> BooleanArray:
    """Which events are not before, or not after, a time."""
    bound = parse_microseconds(str(value))
    if bound is None:
        message = f"`{side}: {value}` of the filter is no time"
        raise HarnessError("wrong-filter", message, help="write it as 2026-03-03T09:12:00Z")
    times = events.columns.column(TIME).cast(pa.int64())
    within = pc.greater_equal(times, bound) if side == AFTER else pc.less_equal(times, bound)
    return decode_truth(within)


def holds(field: Field, wanted: re.Pattern[str], rows: int) -> BooleanArray:
    """Which events' field has a wanted value; each distinct value is looked at once."""
    if isinstance(field, str):
        return np.full(rows, wanted.fullmatch(field) is not None)
    parts = []
    for chunk in encode_text(field).chunks:
        # Each distinct value once, then by code: a filter over a million rows is one over some hundred texts.
        good = pa.array([bool(v is not None and wanted.fullmatch(v)) for v in chunk.dictionary.to_pylist()], pa.bool_())
        parts.append(good.take(chunk.indices))
    return decode_truth(pa.chunked_array(parts, pa.bool_()))


def compile_filter_pattern(value: Any) -> re.Pattern[str]:
    """A filter's value as a pattern: `*` is any text, a list its alternatives, case does not count."""
    alternatives = value if isinstance(value, (list, tuple)) else [value]
    texts = ("true" if v is True else "false" if v is False else str(v) for v in alternatives)
    # Runs of stars count as one, or `**********` would make the pattern try every split.
    either = "|".join(re.sub(r"(\\\*)+", ".*", re.escape(text)) for text in texts)
    return re.compile(either, re.I | re.S)


def decode_truth(truth: pa.ChunkedArray) -> BooleanArray:
    """A column of truth as an array; null is false."""
    return np.asarray(truth.fill_null(False).to_numpy(), np.bool_)


def no_match(recorded: Telemetry, wanted: Mapping[str, Any], path: Path) -> HarnessError:
    """The error of a filter that matches nothing: an unknown field, or no such values."""
    known = {name for events in recorded.events for name in events.fields}
    for name in wanted:
        if name not in known and name not in (AFTER, BEFORE):
            message = f"no event in {path} has the field `{name}` of the filter"
            return HarnessError("no-such-field", message, help=did_you_mean(name, known))
    shown = ", ".join(f"{name}: {value}" for name, value in wanted.items())
    return HarnessError("no-match", f"no event in {path} matches the filter {{{shown}}}")


def record_scenario(
    scenario: Scenario, conditions: Mapping[str, str], *, seed: int | None = None, sensors: Sequence[str] = ()
) -> Telemetry:
    """Everything that the scenario leaves behind under these conditions; `seed` takes the place of the scenario's.

    Of `sensors`, if any are given, simulated hosts have no others.

    Raises SourceError at the part of the scenario that cannot be.
    """
    parts: list[Telemetry] = []
    if scenario.body.simulate:
        seeded = scenario.body.seed if seed is None else seed
        parts.append(simulate_scenario(scenario, conditions, seeded, sensors))
    for i, recording in enumerate(scenario.body.replay):
        try:
            path = scenario.file(recording.path)
            parts.append(replay(path, malicious=recording.malicious or scenario.body.activity is Label.MALICIOUS))
        # It has a place already, within the scenario.
        except SourceError:
            raise
        except HarnessError as error:
            raise locate_error(error, scenario.place("replay", i, "path")) from error
    return merge_telemetry(parts)


def simulate_scenario(
    scenario: Scenario, conditions: Mapping[str, str], seed: int, sensors: Sequence[str]
) -> Telemetry:
    """What the scenario's actions leave behind. Raises SourceError at the list of actions for what goes wrong later."""
    behaviours = load_behaviours(*behaviour_folders(scenario.path))
    steps = [step(scenario, i, behaviours) for i in range(len(scenario.body.simulate))]
    start = resolve_scenario_start(scenario)
    try:
        return simulate(
            steps, behaviours=behaviours, start=start, seed=seed, conditions=conditions, sensors=sensors or None
        )
    except HarnessError as error:
        raise locate_error(error, scenario.document.key(("simulate",))) from error


def step(scenario: Scenario, number: int, behaviours: Behaviours) -> ScheduledAction:
    """One action of the scenario. Raises SourceError at a behaviour, parameter or delay that cannot be."""
    written = scenario.body.simulate[number]
    try:
        # Tried here although simulate() does it again: here the place of a wrong parameter is known.
        behaviours[written.behaviour].arguments(written.given)
    except ParameterError as error:
        at = ("simulate", number, "given", error.parameter)
        place = scenario.document.key(at) if error.code == "unknown-parameter" else scenario.place(*at)
        raise locate_error(error, place) from error
    except HarnessError as error:
        raise locate_error(error, scenario.place("simulate", number, "behaviour")) from error
    try:
        delay: timedelta = convert_to_annotation(written.at, timedelta)
    except ValueError as error:
        raise SourceError("wrong-parameter", f"`at` is {error}", scenario.place("simulate", number, "at")) from error
    activity = written.activity or scenario.body.activity
    return ScheduledAction(
        behaviour=written.behaviour,
        host=written.host,
        given=written.given,
        at=delay,
        malicious=activity is Label.MALICIOUS,
        detail=scenario.body.title,
        attack=find_attack(scenario, number),
    )


def find_attack(scenario: Scenario, number: int) -> AtomicAttack | None:
    """The atomic whose command an action runs, if it names one. Raises SourceError for one that there is not."""
    written = scenario.body.simulate[number]
    if written.atomic is None:
        return None
    address = str(written.atomic)
    if isinstance(written.atomic, int) or address.isdecimal():
        address = f"{scenario.body.technique}-{address}"
    try:
        found = find_atomic(find_atomics_folder(scenario.path), address)
    except HarnessError as error:
        raise locate_error(error, scenario.place("simulate", number, "atomic")) from error
    return AtomicAttack(atomic=found, launched=written.launched)


def find_atomic(folder: Path, address: str) -> Atomic:
    """The one test at an address in a folder. Raises HarnessError where there is none, or are several."""
    files = tuple(Library((folder,)).files())
    return find_atomic_once(folder, address, tuple((p, p.stat().st_mtime_ns) for p in files))


@lru_cache(64)
def find_atomic_once(folder: Path, address: str, stamps: tuple[tuple[Path, int], ...]) -> Atomic:
    """The same, once for files as they are now: many scenarios of a pack name few tests, and YAML takes long."""
    found = Library((folder,)).find(address)
    if len(found) != 1:
        raise HarnessError("several-atomics", f"`{address}` names {len(found)} tests", help="name one by its number")
    return found[0]


def find_atomics_folder(path: Path) -> Path:
    """The folder with atomics for a scenario: the nearest of a technique that holds it, else that of its pack."""
    root = find_pack_root(path)
    above = [p for p in path.resolve().parents if p.is_relative_to(root)]
    return next((p for p in above if is_technique(p)), root / "atomics")


def locate_error(error: HarnessError, span: Span) -> SourceError:
    """The same error with its place in the scenario."""
    return SourceError(error.code, error.message, span, help=error.help)


def resolve_scenario_start(scenario: Scenario) -> datetime:
    """When the scenario begins; a time without a zone is UTC."""
    try:
        found = datetime.fromisoformat(scenario.body.start)
    except ValueError as error:
        message = "`start` is a time such as 2026-03-03T09:12:00Z"
        raise SourceError("wrong-start", message, scenario.place("start")) from error
    zoned = found if found.tzinfo else found.replace(tzinfo=UTC)
    # By the year, since a zone can lead the first and the last year out of what a datetime holds.
    if not FIRST_YEAR <= zoned.year <= LAST_YEAR:
        message = f"`start` lies between the years {FIRST_YEAR} and {LAST_YEAR}, not in {zoned.year}"
        raise SourceError("wrong-start", message, scenario.place("start"))
    return zoned


@cache
def list_conditions_by_name() -> dict[str, Condition]:
    """Every condition of every sensor and platform by name."""
    sensors = (c for name in sensor_names() for c in sensor(name).conditions)
    platforms = (c for name in platform_names() for c in platform(name).conditions)
    return {c.name: c for c in (*sensors, *platforms)}


def check_conditions(given: Mapping[str, str]) -> None:
    """Raises HarnessError for an unknown condition or value, with the nearest known one."""
    # Importing all sensors and platforms only where there is something to check.
    conditions = list_conditions_by_name() if given else {}
    for name, value in given.items():
        of_each, colon, owner = name.partition(":")
        if colon and owner and of_each in conditions and conditions[of_each].of_each_input:
            continue
        if name not in conditions:
            hint = did_you_mean(name, conditions) or "`detlab list conditions` shows them"
            raise HarnessError("unknown-condition", f"no condition is called `{name}`", help=hint)
        condition = conditions[name]
        if value not in condition.values and not condition.free:
            hint = did_you_mean(value, condition.values) or f"it has {', '.join(condition.values)}"
            raise HarnessError("unknown-condition-value", f"condition `{name}` has no value `{value}`", help=hint)


def check_scenario_conditions(scenario: Scenario) -> None:
    """Raises SourceError at an unknown condition or sensor of the scenario."""
    at: list[tuple[tuple[str | int, ...], Mapping[str, str]]] = [(("conditions",), scenario.body.conditions)]
    at += [(("expect", i, "conditions"), e.conditions) for i, e in enumerate(scenario.body.expect)]
    for keys, given in at:
        # One by one: the error has to point at its own line.
        for name, value in given.items():
            try:
                check_conditions({name: value})
            except HarnessError as error:
                place = (*keys, name)
                span = scenario.document.key(place) if error.code == "unknown-condition" else scenario.place(*place)
                raise SourceError(error.code, error.message, span, help=error.help) from error
    for i, signal in enumerate(scenario.body.telemetry):
        try:
            sensor(signal.sensor)
        except HarnessError as error:
            span = scenario.place("telemetry", i, "sensor")
            raise SourceError(error.code, error.message, span, help=error.help) from error
