"""Simulated events held against recorded ones of the same kind: every difference, with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from harness.diagnostics import HarnessError
from harness.record import record
from harness.telemetry.events.event import Events, Telemetry
from harness.telemetry.events.input import Stream
from harness.telemetry.events.text_columns import encode_text, list_event_fields
from harness.telemetry.events.windows_event import is_windows
from harness.telemetry.format import find_event_files, read_telemetry, reader_of
from harness.telemetry.simulation.realism_classifier import Classification, classify_kind
from harness.telemetry.simulation.realism_measures import Notation, RealismMeasure, foreign, measure_rates, notations
from harness.telemetry.simulation.realism_relations import compare_relations

ENVELOPE = ("Provider_Name", "Provider_Guid", "Version", "Level", "Task", "Opcode", "Keywords", "Channel")
# JSON shippers sort fields and change case, so nothing structural follows from theirs.
NATIVE_SUFFIXES = (".xml", ".evtx", ".raw")
"""Files whose order of fields and case of digits are those of the log itself, not of what shipped it."""
FALCON_PLATFORM = "event_platform"


@record(kw_only=True)
class RealismDifference:
    """Something in which simulated events are not as recorded ones: its place, and both sides of it.

    `structural` ones a parser or a rule could trip over; a `relation` is between values of fields, or a value that
    should vary; the others say what was not seen.
    """

    kind: str
    field: str
    message: str
    recorded: str = ""
    simulated: str = ""
    structural: bool = True
    relation: bool = False


@record(kw_only=True)
class RealismComparison:
    """What was compared: kinds with their numbers of events on both sides, differences, and measures of each kind."""

    kinds: Mapping[str, tuple[int, int]]
    only_recorded: Mapping[str, int]
    differences: tuple[RealismDifference, ...]
    measures: Mapping[str, tuple[RealismMeasure, ...]]
    classifications: tuple[Classification, ...] = ()

    @property
    def structural(self) -> tuple[RealismDifference, ...]:
        """The differences that a parser or a rule could trip over."""
        return tuple(d for d in self.differences if d.structural)

    @property
    def relations(self) -> tuple[RealismDifference, ...]:
        """The differences between values of fields."""
        return tuple(d for d in self.differences if d.relation)


@record(kw_only=True)
class RecordedKind:
    """Recorded events of one kind in one file."""

    file: str
    native: bool
    events: Events


def compare_with_recorded(
    paths: Sequence[Path],
    simulated: Telemetry,
    known: Mapping[str, frozenset[str]] | None = None,
    *,
    classify: bool = False,
) -> RealismComparison:
    """Holds simulated events against all that were recorded in these files.

    `known` has more fields that events of a kind (`falcon DnsRequest`) are known to have, and values: `Version=1`. With
    `classify` a classifier says how well events of each kind are told apart, and by what.
    """
    found: dict[str, list[RecordedKind]] = {}
    for path in paths:
        for file in find_event_files(path):
            for events in recorded_in(file, alone=file == path):
                kind = f"{events.sensor} {events.kind}"
                native = file.suffix in NATIVE_SUFFIXES or events.sensor == "falcon"
                found.setdefault(kind, []).append(RecordedKind(file=file.name, native=native, events=events))
    mine: dict[str, list[Events]] = {}
    for events in simulated.events:
        mine.setdefault(f"{events.sensor} {events.kind}", []).append(events)
    both = {k: (keep_simulated_platforms(found[k], mine[k]), mine[k]) for k in found if k in mine}
    both = {k: (real, made) for k, (real, made) in both.items() if real}
    return RealismComparison(
        kinds={k: (sum(len(r.events) for r in a), sum(map(len, b))) for k, (a, b) in both.items()},
        only_recorded={k: sum(len(r.events) for r in v) for k, v in found.items() if k not in mine},
        differences=tuple(
            d
            for k, (real, made) in both.items()
            for d in find_differences(k, real, made, (known or {}).get(k, frozenset()))
        ),
        measures={k: measure_largest_tables(real, made) for k, (real, made) in both.items()},
        classifications=tuple(classify_kinds(both)) if classify else (),
    )


def classify_kinds(both: Mapping[str, tuple[list[RecordedKind], list[Events]]]) -> Iterator[Classification]:
    """What a classifier says of each kind with enough events."""
    for kind, (real, made) in both.items():
        found = classify_kind(kind, [r.events for r in real], made)
        if found is not None:
            yield found


def of_relations(
    kind: str, recorded: Sequence[RecordedKind], simulated: Sequence[Events]
) -> Iterator[RealismDifference]:
    """Relations between values of fields that no recorded event has, and constants that should vary."""
    for broken in compare_relations([r.events for r in recorded], simulated):
        yield RealismDifference(
            kind=kind,
            field=broken.field,
            message=broken.message,
            recorded=broken.recorded,
            simulated=broken.simulated,
            structural=False,
            relation=True,
        )


def recorded_in(file: Path, *, alone: bool) -> Iterator[Events]:
    """The events of a file; one among many that is no log, or of which nothing can be read, is passed over."""
    if alone:
        yield from read_telemetry(file).events
    elif is_readable_file(file):
        try:
            yield from read_telemetry(file).events
        except HarnessError as error:
            if error.code != "no-events":
                raise


def is_readable_file(file: Path) -> bool:
    """Whether a file's beginning has a format that can be read."""
    return reader_of(Stream(file, file.name, lambda *_: None)) is not None


def keep_simulated_platforms(recorded: Sequence[RecordedKind], simulated: Sequence[Events]) -> list[RecordedKind]:
    """Recorded events of the platforms that are simulated: Falcon's events of other systems have other fields."""
    wanted = {e.constants.get(FALCON_PLATFORM) for e in simulated} - {None}
    # Events without a platform, of Windows' channels, are all of one.
    if not wanted:
        return list(recorded)
    found = []
    for each in recorded:
        held = list_event_fields(each.events).get(FALCON_PLATFORM)
        if held is None or (isinstance(held, str) and held in wanted):
            found.append(each)
        elif not isinstance(held, str):
            mask = pc.is_in(held.cast(pa.string()), pa.array(sorted(str(w) for w in wanted)))
            events = each.events.with_columns(each.events.columns.filter(mask))
            if len(events):
                found.append(RecordedKind(file=each.file, native=each.native, events=events))
    return found


def measure_largest_tables(recorded: Sequence[RecordedKind], simulated: Sequence[Events]) -> tuple[RealismMeasure, ...]:
    """Measures of the largest table of each side."""
    largest = max(recorded, key=lambda r: len(r.events))
    return tuple(measure_rates(largest.events, max(simulated, key=len)))


def find_differences(
    kind: str, recorded: Sequence[RecordedKind], simulated: Sequence[Events], known: frozenset[str]
) -> Iterator[RealismDifference]:
    """Every difference of one kind, each once."""
    yield from dict.fromkeys(
        (
            *of_field_sets(kind, recorded, simulated, known),
            *(d for made in simulated for real in recorded if real.native for d in of_order(kind, real, made)),
            *of_values(kind, recorded, simulated, known),
            *of_relations(kind, recorded, simulated),
        )
    )


def of_field_sets(
    kind: str, recorded: Sequence[RecordedKind], simulated: Sequence[Events], known: frozenset[str]
) -> Iterator[RealismDifference]:
    """Fields that only one side has; shippers leave some out, so that theirs say nothing of what is not there."""
    # Only a log's own text proves that a field is not there: shippers drop empty ones.
    told_by_log = any(r.native for r in recorded)
    present = [set(list_own_fields(r.events)) for r in recorded]
    # Of fields that every recorded event has, a simulated one may lack none.
    ever, always = set().union(*present), set.intersection(*[always_there(r.events) for r in recorded])
    for made in simulated:
        own = set(list_own_fields(made))
        for name in sorted(own - ever - known):
            yield RealismDifference(
                kind=kind,
                field=name,
                message="no recorded event has this field",
                simulated=example(made, name),
                structural=told_by_log,
            )
        for name in sorted(always - own):
            told = example(recorded[0].events, name)
            yield RealismDifference(kind=kind, field=name, message="every recorded event has this field", recorded=told)
    made_ever = {n for made in simulated for n in list_own_fields(made)}
    for name in sorted(ever - always - made_ever):
        told = next(example(r.events, name) for r in recorded if name in list_own_fields(r.events))
        yield RealismDifference(
            kind=kind, field=name, message="some recorded events have this field", recorded=told, structural=False
        )


NOT_COMPARED = frozenset(
    {"SystemTime", "EventRecordID", "fdr_event_type", "index", "source", "sourcetype", "host", "@timestamp"}
)
"""What readers and shippers add, or what is a time or number of the recording itself."""


def list_own_fields(events: Events) -> list[str]:
    """Names of the fields that are the log's own."""
    return [n for n in events.fields if n not in NOT_COMPARED and not n.startswith(("Correlation_", "#", "@", "_"))]


def always_there(events: Events) -> set[str]:
    """Names of fields that every one of the events has."""
    fields = list_event_fields(events)
    held = ((n, fields[n]) for n in list_own_fields(events))
    return {n for n, field in held if isinstance(field, str) or not field.null_count}


def of_order(kind: str, real: RecordedKind, made: Events) -> Iterator[RealismDifference]:
    """Fields that follow one another otherwise than in the log."""
    if not is_windows(made):
        return
    own = data_fields(made)
    theirs = [n for n in data_fields(real.events) if n in own]
    common = [n for n in own if n in theirs]
    for mine, there in zip(common, theirs, strict=True):
        if mine != there:
            message = f"stands where {real.file} has {there}"
            yield RealismDifference(
                kind=kind, field=mine, message=message, recorded=", ".join(theirs[:6]), simulated=", ".join(common[:6])
            )
            return


def data_fields(events: Events) -> list[str]:
    """Names of the fields of event data, in order."""
    envelope = {*ENVELOPE, "EventID", "Computer", "Security_UserID", "Execution_ProcessID", "Execution_ThreadID"}
    return [n for n in list_own_fields(events) if n not in envelope]


def of_values(
    kind: str, recorded: Sequence[RecordedKind], simulated: Sequence[Events], known: frozenset[str]
) -> Iterator[RealismDifference]:
    """Values of System fields that no recorded event has, and values in another notation."""
    for name in dict.fromkeys(n for made in simulated for n in list_own_fields(made)):
        real = [r for r in recorded if name in r.events.fields]
        made = {v for e in simulated if name in e.fields for v in list_distinct_values(e, name)}
        there = {v for r in real for v in list_distinct_values(r.events, name)}
        if not real or not there:
            continue
        if name in ENVELOPE:
            # Case aside: keywords and GUIDs are in upper or lower case by the shipper.
            seen_here = {v.lower() for v in there} | {
                n.partition("=")[2].lower() for n in known if n.startswith(f"{name}=")
            }
            for value in sorted(v for v in made if v.lower() not in seen_here):
                yield RealismDifference(
                    kind=kind,
                    field=name,
                    message="no recorded event has this value",
                    recorded=", ".join(sorted(there)[:4]),
                    simulated=value,
                )
            continue
        seen: dict[Notation, str] = notations(sorted(there))
        for other, value in foreign(notations(sorted(made)), seen, cased=any(r.native for r in real)):
            told = ", ".join(f"{n} ({v[:60]})" for n, v in seen.items())
            yield RealismDifference(
                kind=kind, field=name, message=f"is written as {other}", recorded=told, simulated=value[:80]
            )


def list_distinct_values(events: Events, name: str) -> list[str]:
    """The distinct values of a field."""
    field = list_event_fields(events)[name]
    if isinstance(field, str):
        return [field]
    found = pc.unique(encode_text(field).cast(pa.string())).to_pylist()
    return [v for v in found if v is not None]


def example(events: Events, name: str) -> str:
    """A value of a field, cut to 80 characters; empty where there is none."""
    return next((v[:80] for v in list_distinct_values(events, name)), "")
