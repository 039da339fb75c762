"""Scenario -> telemetry -> detection -> verdict: the whole program on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import ClassVar, Self

from harness.detection import switches
from harness.detection.engine import Engine, Rows, engine
from harness.detection.language import Dialect, Plan, Query, Settings, language
from harness.diagnostics import Finding, HarnessError
from harness.scenario.pack import beside, find
from harness.scenario.rule import Rule, read_rule
from harness.scenario.scenario import Expectation, Label, Scenario, judged_by, read_scenario
from harness.telemetry.conditions import check, check_scenario
from harness.telemetry.event import Damage, merged
from harness.telemetry.record import record
from harness.telemetry.replay import replay
from harness.verdict.alerts import Alert
from harness.verdict.store import Store
from harness.verdict.trial import Trial
from harness.verdict.verdict import Broken, Outcomes, Verdict, Visibility, complaints, outcome
from harness.verdict.visibility import count
from harness.workers import spread, workers_for

Progress = Callable[[str, int, int], None]
Result = Verdict | Visibility | Broken


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may choose for a whole run; it comes before what a scenario says of its own.

    `rules`, if given, are judged in place of those that scenarios name.
    """

    engine: str = "duckdb"
    dialect: str | None = None
    conditions: Mapping[str, str] = field(default_factory=dict)
    switches: Mapping[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    seed: int | None = None
    rules: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a rule returned on recorded events, and everything that has to be said about it."""

    rule: Rule
    rows: Rows
    alerts: tuple[Alert, ...]
    plan: Plan
    deviations: tuple[Finding, ...]
    damages: tuple[Damage, ...]
    events: int
    absent: tuple[str, ...]
    trial: Trial


class Bench:
    """One engine, and everything read once: rules and parsed queries."""

    def __init__(self, options: Options | None = None) -> None:
        """Connects to the engine when it is first needed. Raises HarnessError for a choice that there is not."""
        self.options = options or Options()
        check(self.options.conditions)
        switches.check(self.options.switches)
        self.rules: dict[Path, Rule] = {}
        self.queries: dict[tuple[Path, Dialect], Query] = {}
        self.connected: Engine | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.connected:
            self.connected.close()

    @property
    def engine(self) -> Engine:
        """The engine, connected."""
        self.connected = self.connected or engine(self.options.engine)
        return self.connected

    def store(self, scenario: Scenario) -> Store:
        """The scenario's telemetry, made when it is needed."""
        return Store(self.engine, lambda conditions: record(scenario, conditions, seed=self.options.seed))

    def judge(self, scenario: Scenario) -> Iterator[Result]:
        """Every signal and every expectation of a scenario, judged; what cannot be is broken, never negative."""
        store = self.store(scenario)
        chosen = {**scenario.body.conditions, **self.options.conditions}
        try:
            check_scenario(scenario)
            switches.check_scenario(scenario)
            telemetry = store.telemetry(chosen)
        except HarnessError as error:
            yield Broken(path=str(scenario.path), error=error)
            return
        for signal in scenario.body.telemetry:
            yield Visibility(scenario=scenario, signal=signal, counted=count(telemetry, signal))
        for number, expectation in enumerate(scenario.body.expect):
            try:
                yield self.verdict(scenario, expectation, store)
            except HarnessError as error:
                yield Broken(path=str(scenario.path), error=error, place=scenario.place("expect", number, "rule"))

    def verdict(self, scenario: Scenario, expectation: Expectation, store: Store) -> Verdict:
        """What one rule says of one scenario."""
        trial = self.trial_of(scenario, expectation, store)
        conditions = trial.conditions
        plan = trial.plan()
        alerts = trial.alerts(plan)
        activity = scenario.body.activity
        missed = activity is Label.MALICIOUS and not any(a.malicious for a in alerts)
        explanation = trial.explanation(plan) if missed else None
        verdict = Verdict(
            scenario=scenario,
            rule=trial.rule,
            expectation=expectation,
            observed=outcome(activity, alerts),
            alerts=alerts,
            origin=store.origin(conditions),
            engine=self.engine.name,
            conditions=conditions,
            switches=plan.switches,
            deviations=trial.query.deviations,
            findings=plan.findings,
            explanation=explanation,
            absent=trial.absent(plan, alerts),
            flips=tuple(trial.flips(plan, alerts, activity, explanation)),
            damages=store.telemetry(conditions).damages,
        )
        return replace(verdict, complaints=tuple(complaints(verdict)))

    def trial_of(self, scenario: Scenario, expectation: Expectation, store: Store) -> Trial:
        """The rule of an expectation set against a scenario, under the conditions and switches that hold for it."""
        conditions = {**scenario.body.conditions, **expectation.conditions, **self.options.conditions}
        switches = {**expectation.switches, **self.options.switches}
        given = Path(expectation.rule)
        path = given if given in self.options.rules else beside(scenario.path, expectation.rule)
        return self.trial(path, expectation.dialect, store, conditions, switches)

    def trial(
        self, path: Path, dialect: str, store: Store, conditions: Mapping[str, str], switches: Mapping[str, str]
    ) -> Trial:
        """A rule set against a store; its text is read and parsed once."""
        rule = self.rules[path] if path in self.rules else self.rules.setdefault(path, read_rule(path))
        how = Dialect(self.options.dialect or dialect)
        settings = replace(self.options.settings, switches=switches)
        if (path, how) not in self.queries:
            self.queries[path, how] = language(rule.language).parse(rule.query, how, settings)
        query = self.queries[path, how]
        return Trial(rule=rule, query=query, store=store, conditions=conditions, settings=settings)

    def query(self, path: Path, events: Sequence[Path]) -> Answer:
        """The rows of a rule on recorded events."""
        telemetry = merged(replay(p) for p in events)
        store = Store(self.engine, lambda _: telemetry)
        trial = self.trial(path, "lenient", store, self.options.conditions, self.options.switches)
        plan = trial.plan()
        alerts = trial.alerts(plan)
        return Answer(
            rule=trial.rule,
            rows=self.engine.run(plan.node),
            alerts=alerts,
            plan=plan,
            deviations=trial.query.deviations,
            damages=telemetry.damages,
            events=len(telemetry),
            absent=trial.absent(plan, alerts),
            trial=trial,
        )


class Worker:
    """The bench of a process that judges files of a run."""

    bench: ClassVar[Bench]

    @classmethod
    def prepare(cls, options: Options | None) -> None:
        """Called once in each process."""
        cls.bench = Bench(options)

    @classmethod
    def judge(cls, path: Path) -> list[Result]:
        """Everything that is found out of one file."""
        return judged(path, cls.bench)


def judged(path: Path, bench: Bench) -> list[Result]:
    """Everything that is found out of one scenario file; what cannot be read is broken."""
    try:
        scenario = read_scenario(path)
        return list(bench.judge(judged_by(scenario, bench.options.rules) if bench.options.rules else scenario))
    except HarnessError as error:
        return [Broken(path=str(path), error=error)]


def judged_all(found: Sequence[Path], options: Options | None) -> Iterator[list[Result]]:
    """What is found out of each file, in their order."""
    workers = workers_for(len(found))
    if workers > 1:
        yield from spread(Worker.judge, found, workers, Worker.prepare, options)
        return
    with Bench(options) as bench:
        yield from (judged(path, bench) for path in found)


def run(paths: Sequence[Path], options: Options | None = None, progress: Progress | None = None) -> Outcomes:
    """Judges all scenarios under these paths."""
    began = perf_counter()
    found = find(paths)
    results: list[Result] = []
    for number, part in enumerate(judged_all(found, options)):
        results += part
        if progress:
            progress(str(found[number]), number + 1, len(found))
    return Outcomes(
        verdicts=tuple(r for r in results if isinstance(r, Verdict)),
        visibilities=tuple(r for r in results if isinstance(r, Visibility)),
        broken=tuple(r for r in results if isinstance(r, Broken)),
        seconds=perf_counter() - began,
        scenarios=len(found),
    )
