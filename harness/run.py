"""Scenario -> telemetry -> detection -> verdict: the whole program on one page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib import import_module
from itertools import chain
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Self

from harness.chosen_rules import ChosenRules, RuleSetting
from harness.detection.engine import Engine, ResultRows, import_engine, most_processes, open_engine
from harness.detection.language import (
    Plan,
    Query,
    Strictness,
    check_scenario_switches,
    check_switches,
    language,
    list_languages,
)
from harness.diagnostics import Finding, HarnessError, SourceError, explain_failure
from harness.garbage import collect_nothing
from harness.kept_results import KeptResults
from harness.record import record
from harness.run_options import RunOptions
from harness.scenario.foreign_tests import expand_expectations, has_tests, scenarios_of
from harness.scenario.pack import find_scenarios, list_generators, split_on_request
from harness.scenario.rule import Rule
from harness.scenario.scenario import Expectation, Scenario, judged_by, read_scenario
from harness.supervised_run import WHOLE, Failures, SupervisedRun
from harness.supervisor import can_supervise, mark_place, unit_of_work
from harness.telemetry.events.event import Damage
from harness.telemetry.scenario_telemetry import check_conditions, check_scenario_conditions, record_scenario
from harness.telemetry.simulation.behaviour import announce_foreign_python
from harness.telemetry.store.reader import TimeStretch
from harness.verdict.alerts import Alert
from harness.verdict.event_stores import EventStores
from harness.verdict.expected_case import ExpectedCase, broken_at, verdict
from harness.verdict.judge import Trial, TrialSet
from harness.verdict.reached_limits import find_reached_limits
from harness.verdict.store import TelemetryStore
from harness.verdict.ties import find_ties
from harness.verdict.verdict import Broken, Outcomes, Verdict, Visibility, count_scenarios, measure_signal
from harness.workers import workers_for

if TYPE_CHECKING:
    from harness.telemetry.simulation.world.simulate_world import ProgressCallback

ScenarioResult = Verdict | Visibility | Broken

FEW_FILES = 8
"""Files that are looked at for the languages of their rules."""
# What a person or the system ends a run with is no fault of a scenario.
Interruption = (KeyboardInterrupt, GeneratorExit)


@record(kw_only=True)
class Answer:
    """The rows of a rule on recorded events, with plan, deviations, damages and absent fields.

    `find_alerts` gives the rows with the events behind them; of events in files it runs the rule once more.
    """

    rule: Rule
    rows: ResultRows
    find_alerts: Callable[[], tuple[Alert, ...]]
    plan: Plan
    deviations: tuple[Finding, ...]
    damages: tuple[Damage, ...]
    events: int
    absent: tuple[str, ...]
    trial: Trial

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The rows as alerts, each with the events behind it and who caused them."""
        return self.find_alerts()


class Bench(ChosenRules):
    """One engine, and everything read once: rules and parsed queries."""

    def __init__(self, options: RunOptions | None = None, failures: Failures | None = None) -> None:
        """Connects to the engine when it is first needed. Raises HarnessError for a choice that there is not.

        `failures` are what is known to break its process, by place; given, if empty, each case is judged by itself.
        """
        super().__init__(options or RunOptions())
        self.failures = failures
        check_conditions({**self.options.usual, **self.options.conditions})
        check_switches(self.options.switches)
        self.queries: dict[tuple[Path, Strictness], Query] = {}
        self.connected: Engine | None = None
        self.recordings = EventStores(self.options.plain, self.options.limits.memory)
        self.kept = KeptResults(self.options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.connected:
            self.connected.close()
        self.recordings.close()

    @property
    def engine(self) -> Engine:
        """The engine, connected at the first use."""
        # Late, since reading and checking scenarios needs no engine, and DuckDB takes 0.13 s to import.
        self.connected = self.connected or open_engine(self.options.engine, self.options.limits.seconds)
        return self.connected

    def store(self, scenario: Scenario) -> TelemetryStore:
        """The scenario's telemetry, made when it is needed."""
        return TelemetryStore(
            self.engine,
            lambda conditions: record_scenario(
                scenario, conditions, seed=self.options.seed, sensors=self.options.sensors
            ),
        )

    def judge(self, scenario: Scenario) -> Iterator[ScenarioResult]:
        """Every signal and every expectation of a scenario, judged; what cannot be is broken, never negative."""
        yield from self.judge_all([scenario])[0]

    def judge_all(self, scenarios: Sequence[Scenario]) -> list[list[ScenarioResult]]:
        """The same for each of many scenarios; all expectations of one rule are judged together."""
        results: dict[tuple[int, int], ScenarioResult] = {}
        # By the parsed query and the rule: the same text read strictly is another query.
        panels: dict[tuple[object, ...], list[tuple[tuple[int, int], ExpectedCase]]] = {}
        for i, scenario in enumerate(scenarios):
            try:
                with self.unit(i, WHOLE):
                    seen, cases = self.prepared(scenario, i)
            except Interruption:
                raise
            # Whatever it is, a behaviour's sys.exit included: the other scenarios are judged all the same.
            except BaseException as error:
                results[i, 0] = Broken(path=str(scenario.path), error=explain_failure(error))
                continue
            for k, result in enumerate(seen):
                results[i, k] = result
            for k, case in cases:
                if isinstance(case, Verdict):
                    results[i, len(seen) + k] = case
                    continue
                key = (id(case.trial.query), case.trial.rule.path, None if self.failures is None else (i, k))
                panels.setdefault(key, []).append(((i, len(seen) + k), case))
        for members in panels.values():
            judged = self.together([case for _, case in members], members[0][0][0])
            for (place, case), result in zip(members, judged, strict=True):
                results[place] = result
                if isinstance(result, Verdict):
                    self.kept.keep((place[0], "expect", case.number), result)
        found: list[list[ScenarioResult]] = [[] for _ in scenarios]
        for i, k in sorted(results):
            found[i].append(results[i, k])
        return found

    @contextmanager
    def unit(self, *place: int) -> Iterator[None]:
        """Work within the limits; raises HarnessError at once where it is known to break its process."""
        if self.failures and place in self.failures:
            raise self.failures[place]
        with unit_of_work(self.options.limits.seconds, *place):
            yield

    def prepared(
        self, scenario: Scenario, at: int
    ) -> tuple[list[ScenarioResult], list[tuple[int, ExpectedCase | Verdict]]]:
        """A scenario's signals counted, and its expectations as cases; one that cannot be is among the results."""
        if not scenario.body.expect and not scenario.body.telemetry:
            message = "a scenario without `expect:` and `telemetry:` proves nothing"
            hint = "say which rule should see it, or which events it must leave"
            raise SourceError("nothing-to-judge", message, scenario.place("title"), help=hint)
        check_scenario_conditions(scenario)
        check_scenario_switches(scenario)
        known = self.kept.find(at, scenario, lambda expectation: self.setting_of(scenario, expectation))
        if len(known) == len(scenario.body.expect) + len(scenario.body.telemetry):
            # Nothing is recorded, and no engine is needed.
            seen = [r for r in known.values() if isinstance(r, Visibility)]
            return list[ScenarioResult](seen), [(n, r) for (_, n), r in known.items() if isinstance(r, Verdict)]
        store = self.store(scenario)
        seen = self.measured(scenario, at, store, known)
        cases: list[tuple[int, ExpectedCase | Verdict]] = []
        broken: list[ScenarioResult] = []
        for number, expectation in enumerate(scenario.body.expect):
            kept = known.get(("expect", number))
            if isinstance(kept, Verdict):
                cases.append((number, kept))
                continue
            try:
                mark_place(at, number)
                if self.failures and (at, number) in self.failures:
                    raise self.failures[at, number]
                trial = self.trial_of(scenario, expectation, store)
                cases.append(
                    (number, ExpectedCase(scenario=scenario, expectation=expectation, number=number, trial=trial))
                )
            except Exception as error:
                broken.append(broken_at(scenario, number, explain_failure(error)))
        return [*seen, *broken], cases

    def measured(
        self, scenario: Scenario, at: int, store: TelemetryStore, known: Mapping[tuple[str, int], ScenarioResult]
    ) -> list[Visibility]:
        """What was recorded of each signal that is not known yet, and what is known of the others."""
        began = perf_counter()
        telemetry = store.telemetry({**self.options.usual, **scenario.body.conditions, **self.options.conditions})
        found: list[Visibility] = []
        for number, signal in enumerate(scenario.body.telemetry):
            kept = known.get(("telemetry", number))
            found.append(kept if isinstance(kept, Visibility) else measure_signal(scenario, signal, telemetry))
            self.kept.keep((at, "telemetry", number), found[-1])
        seconds = (perf_counter() - began) / max(1, len(found))
        return [v if v.cached else replace(v, seconds=seconds) for v in found]

    def together(self, cases: Sequence[ExpectedCase], at: int) -> list[ScenarioResult]:
        """What a rule says in all cases; if one statement cannot tell, or fails, what it says in each."""
        labels = [case.scenario.body.activity for case in cases]
        try:
            with self.unit(at, cases[0].number):
                began = perf_counter()
                trials = [case.trial for case in cases]
                findings = list(TrialSet(self.engine, trials, labels, detailed=self.options.detailed).findings())
                seconds = (perf_counter() - began) / len(cases)
                pairs = zip(cases, findings, strict=True)
                return [replace(verdict(c, f, self.engine.name), seconds=seconds) for c, f in pairs]
        except Interruption:
            raise
        except BaseException as error:
            if len(cases) == 1:
                return [broken_at(cases[0].scenario, cases[0].number, explain_failure(error))]
            # One scenario that breaks the statement must not take the verdicts of the others with it.
            return [result for case in cases for result in self.together([case], at)]

    def verdict(self, scenario: Scenario, expectation: Expectation, store: TelemetryStore) -> Verdict:
        """What one rule says of one scenario."""
        trial = self.trial_of(scenario, expectation, store)
        (finding,) = TrialSet(self.engine, [trial], [scenario.body.activity]).findings()
        return verdict(
            ExpectedCase(scenario=scenario, expectation=expectation, number=0, trial=trial), finding, self.engine.name
        )

    def trial_of(self, scenario: Scenario, expectation: Expectation, store: TelemetryStore) -> Trial:
        """The rule of an expectation set against a scenario."""
        return self.trial_in(self.setting_of(scenario, expectation), store)

    def trial(
        self,
        path: Path,
        dialect: str,
        store: TelemetryStore,
        conditions: Mapping[str, str],
        switches: Mapping[str, str],
    ) -> Trial:
        """A rule set against a store."""
        return self.trial_in(self.setting(path, dialect, conditions, switches), store)

    def trial_in(self, chosen: RuleSetting, store: TelemetryStore) -> Trial:
        """A rule set against a store; its text is parsed once."""
        rule, key = chosen.rule, (chosen.rule.path, chosen.dialect)
        if key not in self.queries:
            self.queries[key] = language(rule.language).parse(rule.query, chosen.dialect, chosen.settings)
        query = self.queries[key]
        return Trial(rule=rule, query=query, store=store, conditions=chosen.conditions, settings=chosen.settings)

    def stored(self, events: Sequence[Path], window: TimeStretch | None = None) -> TelemetryStore:
        """What was recorded: a lake or store is read where it lies, what is large becomes one, all else is at hand."""
        if self.options.lake is not None:
            # Imported by name: few have a lake.
            return import_module("harness.verdict.lake_store").LakeStore(self.engine, self.options.lake)  # type: ignore[no-any-return]
        return self.recordings.open(self.engine, events, window)

    def query(
        self, path: Path, events: Sequence[Path], window: TimeStretch | None = None, *, traced: bool = True
    ) -> Answer:
        """The rows of a rule on recorded events; of a world only on those of a window, if one is given.

        If not `traced`, the events behind rows are looked for when they are asked for, which has to be while the bench
        is open.
        """
        store = self.stored(events, window)
        trial = self.trial(path, "lenient", store, self.conditions(path), self.options.switches)
        plan = trial.plan()
        # A world reads from its files what the plan needs, so the plan comes first.
        store.prepare(plan.node)
        rows, find_alerts = trial.rows_and_alerts(plan, traced=traced or not store.streamed)
        size = store.size(trial.conditions)
        cut = find_reached_limits(plan, size, len(rows), lambda node: len(self.engine.run(node)) > 0)
        ties = find_ties(plan, self.engine.run).get(0, ())
        return Answer(
            rule=trial.rule,
            rows=rows,
            find_alerts=find_alerts,
            plan=replace(plan, findings=(*plan.findings, *cut, *ties)),
            deviations=trial.query.deviations,
            damages=store.telemetry(trial.conditions).damages,
            events=size,
            absent=trial.absent(plan, rows, find_alerts),
            trial=trial,
        )

    def count_rows(self, path: Path, events: Sequence[Path]) -> int:
        """How many rows a rule has on recorded events, and nothing else of what `query` says."""
        store = self.stored(events)
        trial = self.trial(path, "lenient", store, self.conditions(path), self.options.switches)
        plan = trial.plan()
        store.prepare(plan.node)
        return len(self.engine.run(plan.node))


def judge_files(
    options: RunOptions | None,
    found: Sequence[Path],
    failures: Failures | None = None,
    progress: ProgressCallback | None = None,
) -> list[list[ScenarioResult]]:
    """What is found out of each file; one that cannot be read is broken."""
    scenarios: list[tuple[int, Scenario]] = []
    results: list[list[ScenarioResult]] = [[] for _ in found]
    with Bench(options, failures) as bench:
        own = bench.options.rules
        for number, path in enumerate(found):
            try:
                with bench.unit(WHOLE, WHOLE):
                    sigma = bench.options.sigma
                    read = scenarios_of(path, bench.options.attack_data, sigma) or [
                        read_scenario(path) if own else expand_expectations(read_scenario(path), sigma)
                    ]
                scenarios += ((number, judged_by(scenario, own) if own else scenario) for scenario in read)
            except Exception as error:
                results[number].append(Broken(path=str(path), error=explain_failure(error)))
            if progress:
                progress(str(path), number + 1, len(found))
        judged = bench.judge_all([scenario for _, scenario in scenarios])
    for (number, _), own_results in zip(scenarios, judged, strict=True):
        results[number] += own_results
    return results


def import_ahead(options: RunOptions, found: Sequence[Path]) -> None:
    """Imports what the scenarios will need, so that it is done once for all processes and outside their limits."""
    import_engine(options.engine)
    texts = [str(rule).encode() for rule in options.rules]
    # A few tell which languages there are; whoever meets another one imports it then.
    for path in () if texts else found[:FEW_FILES]:
        with suppress(OSError):
            texts.append(path.read_bytes())
    for name in list_languages():
        if any(f".{name}".encode() in text for text in texts):
            language(name)


def lost_file(path: Path, error: HarnessError) -> ScenarioResult:
    """A file of which nothing could be judged."""
    return Broken(path=str(path), error=error)


def run_scenarios(
    paths: Sequence[Path], options: RunOptions | None = None, progress: ProgressCallback | None = None
) -> Outcomes:
    """Judges all scenarios under these paths, many of them in several processes at once."""
    began = perf_counter()
    found, left_out = (
        (find_scenarios(paths, has_tests), []) if paths else split_on_request(find_scenarios(paths, has_tests))
    )
    every = len(found)
    options = options or RunOptions()
    if options.since or options.shard:
        # Imported by name: git is asked only by who wants it.
        found = import_module("harness.scenario.selection").select_scenarios(found, options.since, options.shard)
    workers = workers_for(len(found), most_processes(options.engine) or options.jobs)
    # Here, so that it is said once and not by each child.
    for folder in list_generators(found):
        announce_foreign_python(folder)
    limits = replace(options.limits, network=most_processes(options.engine) is not None)
    with collect_nothing():
        import_ahead(options, found)
    if can_supervise() and (workers > 1 or limits.isolated):
        judged = SupervisedRun(found, limits, partial(judge_files, options), lost_file, progress).judge(workers)
    else:
        judged = judge_files(options, found, progress=progress)
    results = list(chain.from_iterable(judged))
    KeptResults(options).bound()
    return Outcomes(
        verdicts=tuple(r for r in results if isinstance(r, Verdict)),
        visibilities=tuple(r for r in results if isinstance(r, Visibility)),
        broken=tuple(r for r in results if isinstance(r, Broken)),
        seconds=perf_counter() - began,
        scenarios=sum(count_scenarios(part) for part in judged),
        left_out=tuple(str(folder) for folder in left_out),
        unselected=every - len(found),
    )
