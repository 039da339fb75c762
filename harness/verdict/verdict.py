"""Contract: what a rule said of a scenario against what it should have said; was it recorded at all?."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from harness.diagnostics import Finding, HarnessError, Span
from harness.record import record
from harness.scenario.rule import Rule
from harness.scenario.scenario import Expectation, Label, Outcome, Scenario, Signal
from harness.telemetry.events.event import TIME, Damage, Events, Telemetry, TelemetryOrigin
from harness.telemetry.simulation.activity import BooleanArray
from harness.verdict.alerts import Alert, describe_field_differences
from harness.verdict.explain import Explanation

if TYPE_CHECKING:
    from harness.verdict.evidence import VerdictDetail
    from harness.verdict.sigma.opinion import SigmaOpinion


@record(kw_only=True)
class Flip:
    """A switch whose other value gives another outcome, so that the verdict rests on an unsettled meaning."""

    switch: str
    used: str
    other: str
    outcome: Outcome


@record(kw_only=True)
class Verdict:
    """What one rule said of one scenario. `findings` are deviations of lenient reading and remarks on the schema.

    `opinion` is what the Sigma rule behind one that missed an attack finds by its own text, `detail` what a page shows.
    `seconds` is an equal share of the time that its rule took on all scenarios that were judged with it, `days` how
    long its telemetry is from the first event to the last. One that is `cached` was found by a run before.
    """

    scenario: Scenario
    rule: Rule
    expectation: Expectation
    observed: Outcome
    alerts: tuple[Alert, ...]
    origin: TelemetryOrigin
    engine: str
    conditions: Mapping[str, str]
    switches: Mapping[str, str]
    deviations: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()
    flips: tuple[Flip, ...] = ()
    absent: tuple[str, ...] = ()
    explanation: Explanation | None = None
    damages: tuple[Damage, ...] = ()
    complaints: tuple[str, ...] = ()
    opinion: SigmaOpinion | None = None
    detail: VerdictDetail | None = None
    seconds: float = 0.0
    days: float = 0.0
    cached: bool = False

    @property
    def as_expected(self) -> bool:
        """Whether the outcome is the expected one and every other statement of the expectation holds."""
        return self.observed == self.expectation.outcome and not self.complaints


@record(kw_only=True)
class Visibility:
    """Whether a host recorded what it should have, apart from whether a rule flagged it.

    `pauses` are the fewest and the most seconds from one event to the next; None of fewer than two with times.
    `seconds` is an equal share of the time that recording its scenario's telemetry took.
    """

    scenario: Scenario
    signal: Signal
    counted: int
    pauses: tuple[float, float] | None = None
    seconds: float = 0.0
    cached: bool = False

    @property
    def as_expected(self) -> bool:
        """Whether the count is within the signal's bounds; without bounds at least one event is needed."""
        signal = self.signal
        bounds = (signal.exactly, signal.at_least, signal.at_most)
        if signal.apart is not None and not self.in_rhythm(*signal.apart):
            return False
        # A signal without a number asks whether it is recorded at all.
        if all(b is None for b in bounds):
            return self.counted > 0
        return (
            signal.exactly in (None, self.counted)
            and (signal.at_least is None or self.counted >= signal.at_least)
            and (signal.at_most is None or self.counted <= signal.at_most)
        )

    def in_rhythm(self, least: float, most: float) -> bool:
        """Whether every pause between two events is within bounds; without a pause nobody can say."""
        return self.pauses is not None and least <= self.pauses[0] and self.pauses[1] <= most


@record(kw_only=True)
class Broken:
    """A scenario or an expectation that could not be judged: never a true negative."""

    path: str
    error: HarnessError
    place: Span | None = None


@record(kw_only=True)
class Outcomes:
    """Everything a run found out; `left_out` are folders that are judged only when they are named.

    `unselected` files were left to other shards, or are not touched by what changed.
    """

    verdicts: tuple[Verdict, ...] = ()
    visibilities: tuple[Visibility, ...] = ()
    broken: tuple[Broken, ...] = ()
    seconds: float = 0.0
    scenarios: int = 0
    left_out: tuple[str, ...] = ()
    unselected: int = 0

    @property
    def as_expected(self) -> bool:
        """Whether everything was judged and nothing differs."""
        return (
            not self.broken
            and all(v.as_expected for v in self.verdicts)
            and all(v.as_expected for v in self.visibilities)
        )

    @property
    def cached(self) -> int:
        """How many verdicts a run before had found."""
        return sum(v.cached for v in self.verdicts)

    def list_same_telemetry(self) -> list[list[str]]:
        """Paths of scenarios that record the same and hold the same rules to it: only one of them says something."""
        found: dict[object, list[str]] = {}
        scenarios = [*(v.scenario for v in self.verdicts), *(v.scenario for v in self.visibilities)]
        for scenario in {s.path: s for s in scenarios}.values():
            found.setdefault(identify_recorded(scenario), []).append(str(scenario.path))
        return [paths for paths in found.values() if len(paths) > 1]


def identify_recorded(scenario: Scenario) -> object:
    """What tells whether two scenarios record the same for the same rules: everything but what people read."""
    body = scenario.body
    actions = [(a.behaviour, a.host, str(a.given), a.at, a.atomic, a.launched) for a in body.simulate]
    replayed = [(str(scenario.path.parent / r.path), str(r.malicious)) for r in body.replay]
    rules = sorted((e.rule, str(e.conditions), str(e.switches), e.dialect) for e in body.expect)
    return str((actions, replayed, body.start, body.seed, sorted(body.conditions.items()), rules))


def outcome(activity: Label, alerts: tuple[Alert, ...]) -> Outcome:
    """The cell of the confusion matrix: for an attack an alert that it contributed to counts, else any alert."""
    if activity is Label.MALICIOUS:
        # An alert on benign events alone does not detect an attack, however well it is timed.
        return Outcome.TRUE_POSITIVE if any(a.malicious for a in alerts) else Outcome.FALSE_NEGATIVE
    return Outcome.FALSE_POSITIVE if alerts else Outcome.TRUE_NEGATIVE


def list_expectation_faults(verdict: Verdict) -> Iterator[str]:
    """What an expectation says beside the outcome and does not hold, a sentence each."""
    expectation = verdict.expectation
    loss = verdict.explanation.loss if verdict.explanation else None
    if expectation.lost_at:
        texts = [*(c.span.text for c in loss.clauses), loss.span.text] if loss else []
        # A part of the clause is enough, so that a scenario survives a reformatted rule.
        if not any(expectation.lost_at in text for text in texts):
            yield f"it is lost at `{texts[0] if texts else 'no step'}`, not at `{expectation.lost_at}`"
    misses = {m.column: m.best for m in loss.misses} if loss else {}
    for name, value in expectation.nearest.items():
        if misses.get(name) != value:
            yield f"the nearest {name} is {misses.get(name)}, not {value}"
    if expectation.at_least is not None and len(verdict.alerts) < expectation.at_least:
        yield f"it raises {len(verdict.alerts)} alerts, not at least {expectation.at_least}"
    if expectation.alert:
        # The alert that differs least is the one that was meant.
        differences = sorted((list(describe_field_differences(a, expectation.alert)) for a in verdict.alerts), key=len)
        if all(differences):
            nearest = "; ".join(differences[0]) if differences else "there is no alert"
            yield f"no alert has these fields: {nearest}"


def count_signal(telemetry: Telemetry, signal: Signal) -> int:
    """How many recorded events are of the signal's kind and have its fields."""
    kinds = telemetry.of(signal.sensor, str(signal.event))
    return sum(int(np.count_nonzero(matches_fields(events, signal.where))) for events in kinds)


def measure_signal(scenario: Scenario, signal: Signal, telemetry: Telemetry) -> Visibility:
    """What was recorded of a signal."""
    pauses = find_pauses(telemetry, signal) if signal.apart is not None else None
    return Visibility(scenario=scenario, signal=signal, counted=count_signal(telemetry, signal), pauses=pauses)


def find_pauses(telemetry: Telemetry, signal: Signal) -> tuple[float, float] | None:
    """The shortest and the longest time in seconds between two events of a signal that follow one another."""
    kinds = telemetry.of(signal.sensor, str(signal.event))
    moments = [e.columns.column(TIME).filter(pa.array(matches_fields(e, signal.where))).drop_null() for e in kinds]
    micros = np.sort(np.concatenate([np.empty(0, np.int64), *(m.cast(pa.int64()).to_numpy() for m in moments)]))
    pauses = np.diff(micros) / 1e6
    return (float(pauses.min()), float(pauses.max())) if len(pauses) else None


MICROSECONDS_A_DAY = 86_400e6


def measure_days(telemetry: Telemetry) -> float:
    """The days from the first event to the last; 0 of fewer than two events with times."""
    # As numbers, since not every moment that a file can hold is one that Python has.
    bounds = [pc.min_max(e.columns.column(TIME).cast(pa.int64())).as_py() for e in telemetry.events if len(e)]
    known = [(b["min"], b["max"]) for b in bounds if b["min"] is not None]
    days: float = (max(b for _, b in known) - min(a for a, _ in known)) / MICROSECONDS_A_DAY if known else 0.0
    return days


def matches_fields(events: Events, where: Mapping[str, Any]) -> BooleanArray:
    """Which events have all these values: whole, but for case, * for any run; a list is one of them, null absent."""
    mask: BooleanArray = np.ones(len(events), dtype=bool)
    for name, wanted in where.items():
        mask &= has_field_value(events, name, wanted)
    return mask


def has_field_value(events: Events, name: str, wanted: Any) -> BooleanArray:
    """Which events have one of the wanted values in a field."""
    if name in events.constants:
        return np.full(len(events), matches_value(events.constants[name], wanted))
    if name not in events.columns.column_names:
        return np.full(len(events), wanted is None)
    column = events.columns.column(name).combine_chunks()
    if not pa.types.is_dictionary(column.type):
        # A pattern is tried once for each distinct value, not for each event.
        column = pc.dictionary_encode(column.cast(pa.string()))
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    # One entry more than the dictionary has: nulls get its code.
    good = np.array([matches_value(v, wanted) for v in column.dictionary.to_pylist()] + [wanted is None], dtype=bool)
    codes = pc.fill_null(column.indices, len(good) - 1).to_numpy(zero_copy_only=False)
    result: BooleanArray = good[codes]
    return result


def matches_value(value: str | None, wanted: Any) -> bool:
    """Whether one value is what is wanted."""
    if isinstance(wanted, list | tuple):
        return any(matches_value(value, w) for w in wanted)
    if value is None or wanted is None:
        return value is None and wanted is None
    if isinstance(wanted, bool):
        # YAML reads a bare true as a boolean, the event holds the word.
        wanted = "true" if wanted else "false"
    return compile_wildcard(str(wanted)).fullmatch(value) is not None


def compile_wildcard(pattern: str) -> re.Pattern[str]:
    """A pattern with * as a regular expression for the whole value."""
    return re.compile(".*".join(re.escape(part) for part in re.split(r"\*+", pattern)), re.IGNORECASE | re.DOTALL)


def count_scenarios(results: Sequence[Verdict | Visibility | Broken]) -> int:
    """How many scenarios a file's results are of: one, unless it held several."""
    return max(1, len({id(r.scenario) for r in results if not isinstance(r, Broken)}))
