"""Recording -> detection -> verdict: scenarios judged on what real hosts recorded, in place of simulation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
import pyarrow as pa

from harness.diagnostics import HarnessError
from harness.record import record
from harness.run import Bench, ScenarioResult
from harness.run_options import RunOptions
from harness.scenario.pack import find_scenarios
from harness.scenario.pack import resolve_beside as rule_beside
from harness.scenario.rule import read_rule
from harness.scenario.scenario import Expectation, Scenario, judged_by, read_scenario
from harness.telemetry.events.event import CAUSE, UNLABELLED, Telemetry
from harness.telemetry.events.windows_event import map_windows_sensors
from harness.telemetry.platform import sensor_names
from harness.telemetry.recording import RecordedTest, Recording
from harness.telemetry.sensor import sensor
from harness.verdict.store import TelemetryStore
from harness.verdict.verdict import Broken, Outcomes, Verdict, Visibility, measure_signal


@record(kw_only=True)
class Judged:
    """The outcomes of a run on a recording, and the reasons of expectations and signals that were left out."""

    outcomes: Outcomes
    left_out: tuple[str, ...] = ()


class RecordedBench(Bench):
    """A bench whose scenarios have the telemetry of a recording."""

    def __init__(self, recording: Recording, options: RunOptions | None = None) -> None:
        """Reads the events of a test when they are needed."""
        super().__init__(options)
        self.recording = recording

    def store(self, scenario: Scenario) -> TelemetryStore:
        """What was recorded of the scenario's test."""
        return TelemetryStore(self.engine, lambda _: self.recorded(scenario))

    def recorded(self, scenario: Scenario) -> Telemetry:
        """The telemetry of the scenario's test on all hosts of the recording."""
        return self.recording.telemetry(scenario.body.technique, scenario.body.atomic_test)

    def judge(self, scenario: Scenario) -> Iterator[ScenarioResult]:
        """Expectations as ever; of the signals only what the test itself caused counts: a real host is never silent."""
        body = scenario.body
        try:
            own = keep_caused_events(self.recorded(scenario))
        except HarnessError as error:
            yield Broken(path=str(scenario.path), error=error)
            return
        for signal in body.telemetry:
            yield measure_signal(scenario, signal, own)
        if not body.expect:
            return
        # The signals were counted above, so the bench must not count them over all events again.
        bare = msgspec.structs.replace(scenario, body=msgspec.structs.replace(body, telemetry=()))
        yield from super().judge(bare)


def keep_caused_events(telemetry: Telemetry) -> Telemetry:
    """The telemetry's labelled events."""

    def own(table: pa.Table) -> pa.Table:
        # Through numpy: comparing in Arrow needs pyarrow.compute, which is slow to import.
        return table.filter(pa.array(table.column(CAUSE).to_numpy() != UNLABELLED))

    events = tuple(e.with_columns(own(e.columns)) for e in telemetry.events)
    return Telemetry(events=events, causes=telemetry.causes, origin=telemetry.origin, damages=telemetry.damages)


def judge_recording(
    recording: Recording,
    paths: Sequence[Path],
    options: RunOptions | None = None,
    *,
    listener: bool = True,
    beside: Sequence[Scenario] = (),
) -> Judged:
    """Judges those scenarios under these paths whose test is in the recording with the same server and port.

    `listener` is whether something answered there: scenarios say for which case they are. `beside` are scenarios that
    only expect signals, as files beside atomics do.
    """
    began = perf_counter()
    results: list[ScenarioResult] = []
    left_out: list[str] = []
    scenarios = 0
    with RecordedBench(recording, options) as bench:
        for scenario in (*find_fitting_scenarios(recording, paths, results, listener=listener), *beside):
            scenarios += 1
            try:
                if bench.options.rules and scenario.body.expect:
                    scenario = judged_by(scenario, bench.options.rules)
                scenario, reasons = keep_answerable_part(scenario, bench.recorded(scenario))
                left_out += reasons
                results += bench.judge(scenario)
            except HarnessError as error:
                results.append(Broken(path=str(scenario.path), error=error))
    outcomes = Outcomes(
        verdicts=tuple(r for r in results if isinstance(r, Verdict)),
        visibilities=tuple(r for r in results if isinstance(r, Visibility)),
        broken=tuple(r for r in results if isinstance(r, Broken)),
        seconds=perf_counter() - began,
        scenarios=scenarios,
    )
    return Judged(outcomes=outcomes, left_out=tuple(dict.fromkeys(left_out)))


def find_fitting_scenarios(
    recording: Recording, paths: Sequence[Path], results: list[ScenarioResult], *, listener: bool
) -> Iterator[Scenario]:
    """The scenarios that are about the recording; those that cannot be read are broken."""
    for path in find_scenarios(paths):
        try:
            scenario = read_scenario(path)
        except HarnessError as error:
            results.append(Broken(path=str(path), error=error))
            continue
        if is_about_recording(scenario, recording, listener=listener):
            yield scenario


def is_about_recording(scenario: Scenario, recording: Recording, *, listener: bool) -> bool:
    """Whether a scenario is about a test of the recording, as it was run."""
    body = scenario.body
    if not body.technique or body.atomic_test is None:
        return False
    given: dict[str, Any] = {}
    for step in body.simulate:
        given.update(step.given)
    # A scenario is for a server that answers or for none, and only one of both was recorded.
    if bool(given.get("listener", True)) != listener:
        return False
    return any(
        has_same_server(given, test) for test in recording.tests(body.technique, body.atomic_test) if test.events
    )


def has_same_server(given: Mapping[str, Any], test: RecordedTest) -> bool:
    """Whether a recorded test had the server that the simulated one has."""
    return "server" not in given or test.arguments.get("server", given["server"]) == given["server"]


def keep_answerable_part(scenario: Scenario, telemetry: Telemetry) -> tuple[Scenario, list[str]]:
    """The scenario without expectations and signals of sensors that the recording has not, and the reasons."""
    body, there, reasons = scenario.body, {e.sensor for e in telemetry.events}, []
    # A signal of these counts as none where its channel is not recorded: every Windows host could have it.
    recorded_by_windows = map_windows_sensors().keys()
    for signal in body.telemetry:
        if signal.sensor not in there | recorded_by_windows:
            reasons.append(f"{scenario.name}: {signal.sensor} {signal.event} (no {signal.sensor} on this host)")
    kept = []
    for expectation in body.expect:
        missing = sensors_of(scenario, expectation) - there
        if missing:
            reasons.append(
                f"{scenario.name}: {expectation.rule} (it reads {', '.join(missing)}, which is not recorded)"
            )
        else:
            kept.append(expectation)
    signals = tuple(s for s in body.telemetry if s.sensor in there | recorded_by_windows)
    body = msgspec.structs.replace(body, telemetry=signals, expect=tuple(kept))
    return msgspec.structs.replace(scenario, body=body), reasons


def sensors_of(scenario: Scenario, expectation: Expectation) -> set[str]:
    """Sensors that a rule's page says it needs and that a Windows host alone does not have."""
    page = read_rule(rule_beside(scenario.path, expectation.rule)).page
    words = " ".join((page.platform, *page.requires, *page.data_sources)).lower()
    return {name for name in sensor_names() if any(word in words for word in sensor(name).page_words)}
