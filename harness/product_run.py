"""Scenarios and rules on a real Splunk or LogScale: events are sent there, the rule's own text is searched there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from time import perf_counter
from types import TracebackType
from typing import Self

import pyarrow.compute as pc

from harness.detection.enclosure import Enclosure
from harness.detection.engine import ResultRows
from harness.detection.language import (
    Language,
    Step,
    find_product_language,
    language,
)
from harness.detection.product_journal import MadeThere, forget_made, note_made
from harness.detection.remote_engine import ProductAnswer, ProductChoice, ProductStore
from harness.diagnostics import Finding, HarnessError, Severity, Source, UnreachableError, explain_failure
from harness.product_comparison import EMPTY_PLAN, Local, SentQuery, compare_verdicts, read_as_sent
from harness.record import record
from harness.run import Bench, ScenarioResult
from harness.run_options import RunOptions
from harness.scenario.foreign_tests import expand_expectations, has_tests, scenarios_of
from harness.scenario.pack import find_scenarios, split_on_request
from harness.scenario.scenario import Scenario, judged_by, read_scenario
from harness.telemetry.events.event import TIME, Telemetry
from harness.telemetry.platform import platform
from harness.telemetry.simulation.world.simulate_world import ProgressCallback
from harness.telemetry.store.reader import TimeStretch
from harness.verdict.engine_differences import EngineDifference
from harness.verdict.expected_case import ExpectedCase, broken_at, verdict
from harness.verdict.judge import Trial, TrialResult
from harness.verdict.product_alerts import BENIGN_PART, SentParts, build_alerts, is_row_by_row, split_by_cause
from harness.verdict.store import TelemetryStore
from harness.verdict.verdict import Broken, Outcomes, Verdict, Visibility, outcome

# Epoch seconds in the year 2096, which both products take.
END_OF_TIME = 4e9


@dataclass(slots=True, kw_only=True)
class ProductRun:
    """What a run on a product found out: outcomes, what they differ in, what is still to be told.

    `left_out` expectations are of rules in other languages; `chosen` ones ask for a meaning by `switches:`, and a
    product has its own.
    """

    product: str
    results: list[ScenarioResult] = field(default_factory=list)
    differences: list[EngineDifference] = field(default_factory=list)
    compared: int = 0
    left_out: int = 0
    chosen: int = 0
    remarks: dict[str, None] = field(default_factory=dict)
    scenarios: int = 0
    seconds: float = 0.0

    @property
    def outcomes(self) -> Outcomes:
        """The outcomes as those of any engine."""
        return Outcomes(
            verdicts=tuple(r for r in self.results if isinstance(r, Verdict)),
            visibilities=tuple(r for r in self.results if isinstance(r, Visibility)),
            broken=tuple(r for r in self.results if isinstance(r, Broken)),
            seconds=self.seconds,
            scenarios=self.scenarios,
        )


class ProductBench:
    """A product, and what is sent to it and taken away again; `engine` is its name, `local` plans rules here."""

    def __init__(self, engine: str, local: Bench, choice: ProductChoice) -> None:
        """Connects. Raises HarnessError for a connection that is not named, UnreachableError for one that is dead."""
        module = import_module(f"harness.detection.engines.{engine}.store")
        self.engine, self.local = engine, local
        self.choice = choice
        self.store: ProductStore = module.open_product_store(choice)
        self.language: Language = find_product_language(engine)
        self.run = ProductRun(product=self.store.version())
        self.name = f"detlab_{token_hex(5)}"
        self.sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.sent:
            self.remove()

    @contextmanager
    def deposit(self, parts: SentParts) -> Iterator[Enclosure]:
        """A trial's events on the product, for the block at least; a note on the disk outlives any crash."""
        if not self.sent:
            self.note()
        self.sent += 1
        made = Enclosure(name=f"{self.name}_{self.sent}")
        count = sum(self.store.send(made.only(part), views) for part, views in parts.views.items())
        if count:
            self.store.wait(made, count)
        yield made
        if self.store.removes_each:
            self.store.remove(f"{made.name}-")

    def note(self) -> None:
        """Notes that something will be made there."""
        made = MadeThere(
            engine=self.engine,
            address=self.store.address,
            name=self.name,
            repository=self.choice.repository,
            ca=str(self.choice.ca.resolve()) if self.choice.ca else "",
        )
        note_made(made)

    def remove(self) -> None:
        """Takes away what was made; what could not be is told and stays noted."""
        try:
            self.store.remove(f"{self.name}_")
        except HarnessError as error:
            if error.code != "stays-there":
                self.run.remarks[f"{self.name} is not removed ({error.message}): `detlab cleanup` does"] = None
                return
            self.run.remarks[error.message] = None
        forget_made(self.name)

    def prepare(self, trial: Trial) -> SentQuery:
        """A trial's rule as it is sent. Raises HarnessError where the product lacks what the rule needs."""
        sent = read_as_sent(trial)
        text = sent.query.source.text
        used = [n for n in sent.settings.lookups if re.search(rf"(?<![\w.]){re.escape(n)}(?![\w])", text)]
        missing = self.store.name_missing_content(used) if used else []
        if missing:
            message = f"{self.store.product} does not have what the rule looks up: {', '.join(missing)}"
            raise HarnessError("cannot-supply", message, help=self.store.lookup_hint)
        return sent

    def search(self, sent: SentQuery, enclosure: Enclosure, trial: Trial, until: int | None = None) -> ProductAnswer:
        """The rows of a rule, or of its text up to a place, on the events of an enclosure."""
        text = sent.query.confine(enclosure, until)
        # All of the trial's events, whatever of them a rule's own time bounds leave.
        answer = self.store.search(text, find_first_second(trial), trial.now or END_OF_TIME)
        for remark in answer.remarks:
            self.run.remarks[f"{trial.rule.name}: {remark}"] = None
        return answer

    def judge(self, case: ExpectedCase, parts: SentParts, enclosure: Enclosure, sent: SentQuery) -> Verdict:
        """What the rule says there, and whether that is expected."""
        trial = case.trial
        answer = self.search(sent, enclosure, trial)
        alone = None
        if len(parts.views) > 1 and not is_row_by_row(sent.plan):
            alone = self.search(sent, enclosure.only(BENIGN_PART), trial).rows
        alerts = tuple(build_alerts(answer.rows, parts, alone, sent.plan))
        said = [describe_remark(remark, trial.rule.query) for remark in answer.remarks]
        finding = TrialResult(
            plan=replace(sent.plan or EMPTY_PLAN, findings=tuple(said)),
            alerts=alerts,
            observed=outcome(case.scenario.body.activity, alerts),
            flips=(),
            absent=(),
            explanation=None,
        )
        # Where an attack is lost is asked of plans; a product says only what is left.
        asked = replace_expectation(case)
        return verdict(asked, finding, self.run.product)


def replace_expectation(case: ExpectedCase) -> ExpectedCase:
    """The case without what only a plan can tell."""
    fields = {name: getattr(case.expectation, name) for name in case.expectation.__struct_fields__}
    asked = type(case.expectation)(**{**fields, "lost_at": "", "nearest": {}})
    return replace(case, expectation=asked)


def describe_remark(text: str, rule: Source) -> Finding:
    """What a product says about a search."""
    return Finding(code="product", span=rule.span(0, 0), message=text, severity=Severity.WARNING)


def collect_parts(trial: Trial) -> SentParts:
    """A trial's events as its platform has them, text included, in parts by who caused them."""
    telemetry = trial.store.telemetry(trial.conditions)
    views = platform(trial_platform(trial)).present(telemetry, trial.conditions, raw=True)
    return split_by_cause(views, telemetry.causes)


def find_first_second(trial: Trial) -> float:
    """The whole second of a trial's first event in epoch seconds."""
    tables = trial.store.telemetry(trial.conditions).events
    firsts = [pc.min(events.columns.column(TIME)).cast("int64").as_py() for events in tables if len(events)]
    known = [first for first in firsts if first is not None]
    return float(min(known) // 1_000_000) if known else 0.0


def trial_platform(trial: Trial) -> str:
    """The name of the platform that shows events as a trial's rule sees them."""
    return language(trial.rule.language).platform


def reach_product(engine: str, choice: ProductChoice) -> str:
    """The name and version of a product. Raises HarnessError where it is not named, does not answer or refuses."""
    store: ProductStore = import_module(f"harness.detection.engines.{engine}.store").open_product_store(choice)
    return store.version()


def run_on_product(
    paths: Sequence[Path],
    options: RunOptions,
    engine: str,
    choice: ProductChoice,
    local: Local | None = None,
    progress: ProgressCallback | None = None,
) -> ProductRun:
    """Judges scenarios on a product; with `local` each verdict and its rows are held against those of an engine here.

    Raises UnreachableError as soon as the product does not answer: nothing that follows could be judged.
    """
    began = perf_counter()
    found = find_scenarios(paths, has_tests) if paths else split_on_request(find_scenarios(paths, has_tests))[0]
    with Bench(options) as bench, ProductBench(engine, bench, choice) as there:
        for number, path in enumerate(found):
            for scenario in read_scenarios(path, options, there.run):
                judge_scenario(there, scenario, local)
            if progress:
                progress(str(path), number + 1, len(found))
    there.run.seconds = perf_counter() - began
    return there.run


def read_scenarios(path: Path, options: RunOptions, run: ProductRun) -> list[Scenario]:
    """The scenarios of a file; one that cannot be read is broken."""
    own = options.rules
    try:
        read = scenarios_of(path, options.attack_data, options.sigma) or [
            read_scenario(path) if own else expand_expectations(read_scenario(path), options.sigma)
        ]
        return [judged_by(scenario, own) if own else scenario for scenario in read]
    except Exception as error:
        run.results.append(Broken(path=str(path), error=explain_failure(error)))
        return []


def judge_scenario(there: ProductBench, scenario: Scenario, local: Local | None) -> None:
    """Judges what a scenario expects of rules in the product's language; events are sent once for equal conditions."""
    there.run.scenarios += 1
    try:
        seen, cases = there.local.prepared(scenario, there.run.scenarios)
    except Exception as error:
        there.run.results.append(Broken(path=str(scenario.path), error=explain_failure(error)))
        return
    there.run.results += seen
    grouped: dict[str, list[ExpectedCase]] = {}
    for _, case in cases:
        # A product's answers are never taken from a run before.
        assert isinstance(case, ExpectedCase)
        if case.trial.rule.language != there.language.name:
            there.run.left_out += 1
        elif case.expectation.switches:
            there.run.chosen += 1
        else:
            grouped.setdefault(str(sorted(case.trial.conditions.items())), []).append(case)
    for members in grouped.values():
        parts = collect_parts(members[0].trial)
        with there.deposit(parts) as enclosure:
            for case in members:
                judge_case(there, case, parts, enclosure, local)


def judge_case(
    there: ProductBench, case: ExpectedCase, parts: SentParts, enclosure: Enclosure, local: Local | None
) -> None:
    """One verdict there, and what differs from the one here."""
    try:
        sent = there.prepare(case.trial)
        found = there.judge(case, parts, enclosure, sent)
    except UnreachableError:
        raise
    except HarnessError as error:
        there.run.results.append(broken_at(case.scenario, case.number, error))
        return
    there.run.results.append(found)
    own = local.get((str(case.scenario.path), str(case.expectation))) if local is not None else None
    if own is not None:
        there.run.compared += 1

        def ask(step: Step) -> ResultRows:
            return there.search(sent, enclosure, case.trial, step.span.end).rows

        difference = compare_verdicts(own, found, case.trial, sent, ask)
        if difference is not None:
            there.run.differences.append(difference)


@record(kw_only=True)
class ProductRows:
    """The rows of a rule on a product, of `events` that were sent to it, None where it was asked for its own."""

    rule: Path
    product: str
    rows: ResultRows
    events: int | None
    remarks: tuple[str, ...]


def build_sent_trial(there: ProductBench, rule: Path, store: TelemetryStore, options: RunOptions) -> Trial:
    """A rule set against events for a product. Raises HarnessError where it is in another language."""
    trial = there.local.trial(rule, "lenient", store, there.local.conditions(rule), options.switches)
    if trial.rule.language != there.language.name:
        message = f"{there.store.product} does not run rules in {trial.rule.language.upper()}"
        raise HarnessError("usage", message, help=f"name a rule in {there.language.name.upper()}")
    return trial


def query_own_events(
    rule: Path, options: RunOptions, engine: str, choice: ProductChoice, stretch: TimeStretch
) -> ProductRows:
    """Searches what a product holds itself by the rule's text, macros written out; nothing is made or changed there."""
    with Bench(options) as bench, ProductBench(engine, bench, choice) as there:
        # Its schema is unknown here: the text alone goes there.
        trial = build_sent_trial(there, rule, TelemetryStore(bench.engine, lambda _: Telemetry()), options)
        sent = there.prepare(trial)
        answer = there.store.search(sent.query.source.text, stretch.begin / 1e6, stretch.end / 1e6)
        return ProductRows(
            rule=rule, product=there.run.product, rows=answer.rows, events=None, remarks=tuple(answer.remarks)
        )


def query_product(
    rule: Path, events: Sequence[Path], options: RunOptions, engine: str, choice: ProductChoice
) -> ProductRows:
    """Sends recorded events, searches them by the rule's text, and takes them away again."""
    with Bench(options) as bench, ProductBench(engine, bench, choice) as there:
        store = bench.stored(events)
        if store.streamed:
            message = f"a store of events is not sent to {there.store.product}"
            raise HarnessError("cannot-supply", message, help="name the files that it was made of")
        trial = build_sent_trial(there, rule, store, options)
        sent = there.prepare(trial)
        with there.deposit(collect_parts(trial)) as enclosure:
            answer = there.search(sent, enclosure, trial)
        size = store.size(trial.conditions)
    # After the events are removed, which there may be something to tell of.
    return ProductRows(
        rule=rule,
        product=there.run.product,
        rows=answer.rows,
        events=size,
        remarks=tuple(there.run.remarks),
    )
