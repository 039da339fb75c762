"""Which rules run, and which construct keeps each of the others from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from harness.detection.content import Content
from harness.detection.engine import DEFAULT_ENGINE, Engine, open_engine
from harness.detection.filters.filter_set import Hits
from harness.detection.kept_plans import PlanCache
from harness.detection.language import Plan, Query, Settings, Strictness, language, list_languages
from harness.detection.plan.expressions import EVENT_COLUMN, Column
from harness.detection.plan.nodes import Scan, walk_nodes
from harness.detection.plan.schema import columns_of
from harness.diagnostics import HarnessError, SourceError, explain_failure
from harness.record import record
from harness.scenario.foreign_tests import converted_for
from harness.scenario.rule import Rule, read_rule
from harness.scenario.rule_library import LibraryRule
from harness.scenario.sigma.choice import DEFAULT_CHOICE, SigmaChoice
from harness.supervisor import Crew, Death, Limits, Send, can_supervise, default_memory, mark_place, unit_of_work
from harness.telemetry.events.event import CAUSE, Telemetry, merge_telemetry
from harness.telemetry.platform import View
from harness.telemetry.scenario_telemetry import replay
from harness.verdict.rule_set import Found, NewPlan, RuleSet, read_summary, summarize_rows
from harness.verdict.store import TelemetryStore
from harness.workers import NumberQueue, workers_for

# Characters; chosen, no source: constructs are counted, and whole conditions would each stand alone.
LONGEST_CONSTRUCT = 60
# A tenth of what a query may take (DEFAULT_PATIENCE): folders hold thousands of rules, and one must not hold up all.
LONGEST_RULE = 60.0
"""Seconds that a rule may run."""
RULE_LIMITS = Limits(seconds=LONGEST_RULE, memory=default_memory())


class CoverageStage(StrEnum):
    """How far a rule gets: the first of these that fails, or RUNS."""

    READ = "read"
    PARSE = "parse"
    PLAN = "plan"
    COMPILE = "compile"
    EMPTY = "run on an empty store"
    EVENTS = "run on the events"
    RUNS = "runs"


@record(kw_only=True)
class Covered:
    """How far one rule got; `hits` are those on the events; `deviations` count places that were read leniently."""

    subject: LibraryRule
    language: str
    stage: CoverageStage
    title: str = ""
    level: str = ""
    error: HarnessError | None = None
    hits: Hits | None = None
    deviations: int = 0
    seconds: float = 0.0

    @property
    def rows(self) -> int | None:
        """How many rows it returned on the events, if it was run on some."""
        return None if self.hits is None else self.hits.rows

    @property
    def runs(self) -> bool:
        """Whether the rule passed every stage that was tried."""
        return self.stage is CoverageStage.RUNS

    @property
    def parses(self) -> bool:
        """Whether its text could be read."""
        return self.stage not in (CoverageStage.READ, CoverageStage.PARSE)

    @property
    def construct(self) -> str:
        """What it failed on: the error's code and the text at its place, or the message where it has no place."""
        if self.error is None:
            return ""
        if isinstance(self.error, SourceError):
            text = " ".join(self.error.span.text.split())
            cut = text if len(text) <= LONGEST_CONSTRUCT else text[: LONGEST_CONSTRUCT - 1] + "…"
            return f"{self.error.code}: {cut}" if cut else self.error.code
        return f"{self.error.code}: {self.error.message.splitlines()[0][:LONGEST_CONSTRUCT]}"


@record(kw_only=True)
class Trying:
    """How rules are tried: on which engine and events, with what content, read how, within which limits each.

    `conditions` are those of the platform; `jobs` processes share the work, one a processor unless given; `cache` is
    where plans of former runs are kept, if they are.
    """

    engine: str = DEFAULT_ENGINE
    given: Content = field(default_factory=Content)
    dialect: Strictness = Strictness.LENIENT
    events: Sequence[Path] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = RULE_LIMITS
    sigma: SigmaChoice = DEFAULT_CHOICE
    jobs: int | None = None
    cache: Path | None = None


class Tries:
    """An engine with an empty store and one with events, and what rules refer to."""

    def __init__(self, how: Trying) -> None:
        """Reads the events; connects when an engine is first needed."""
        self.how = how
        self.events = merge_telemetry(replay(path) for path in how.events) if how.events else None
        self.cache = PlanCache(how.cache if self.events is not None else None)
        self.rules = RuleSet(self.events or Telemetry(), how.given, how.dialect, self.cache)
        self.connected: dict[str, Engine] = {}
        self.stores: dict[tuple[str, bool], TelemetryStore] = {}

    def prepare(self, subjects: Sequence[LibraryRule]) -> None:
        """Presents the events to the platforms of these rules, so that all processes forked from here share that."""
        if self.events is None:
            return
        for name in {each.path.suffix.lstrip("."): None for each in subjects}:
            if name in list_languages():
                first = next(each for each in subjects if each.path.suffix == f".{name}" or each.path.suffix == name)
                conditions = {**self.rules.content_for(first.path).content.inputs, **self.conditions(first.path)}
                self.rules.present(language(name).platform, conditions)

    def conditions(self, path: Path) -> Mapping[str, str]:
        """How the platform is set up for a rule: as it was converted for, unless something else was chosen."""
        return {**converted_for(path, self.how.sigma), **self.how.conditions}

    def connection(self, name: str) -> Engine:
        """The engine of one store."""
        if name not in self.connected:
            self.connected[name] = open_engine(self.how.engine, self.how.limits.seconds)
        return self.connected[name]

    def close(self) -> None:
        """Closes the engines of all stores."""
        for each in self.connected.values():
            each.close()

    def store(self, platform: str, raw: bool) -> TelemetryStore:
        """The events as one platform has them, with their own text if a rule may read it."""
        key = (platform, raw)
        if key not in self.stores:
            telemetry = self.events or Telemetry()
            self.stores[key] = TelemetryStore(self.connection(f"{platform} {raw}"), lambda _: telemetry)
        return self.stores[key]

    def cover(self, subject: LibraryRule) -> tuple[Covered, NewPlan | None]:
        """How far a rule gets, and its plan, if that is to be kept."""
        began = perf_counter()
        try:
            if subject.error:
                raise subject.error
            rule = read_rule(subject.path, choice=self.how.sigma)
            attempt = Attempt(self, rule)
            failure = attempt.failure()
        except Exception as error:
            name = subject.path.suffix.lstrip(".")
            return Covered(subject=subject, language=name, stage=CoverageStage.READ, error=explain_failure(error)), None
        covered = Covered(
            subject=subject,
            language=rule.language,
            title=rule.page.title,
            level=rule.page.level or subject.facts.get("level", ""),
            error=failure,
            stage=attempt.stage,
            hits=attempt.hits,
            deviations=attempt.deviations,
            seconds=perf_counter() - began,
        )
        return covered, attempt.new


class Attempt:
    """One rule on its way through parser, planner, compiler and engine."""

    def __init__(self, tries: Tries, rule: Rule) -> None:
        """A rule whose text has not been parsed yet; `stage` says where it is."""
        self.tries, self.rule = tries, rule
        self.language = language(rule.language)
        self.stage = CoverageStage.PARSE
        self.hits: Hits | None = None
        self.deviations = 0
        self.new: NewPlan | None = None

    def failure(self) -> HarnessError | None:
        """What ends the rule's way before it has run; None if nothing does."""
        try:
            with unit_of_work(self.tries.how.limits.seconds):
                self.run()
        except HarnessError as error:
            return error
        # Everything, since the next thousand rules have to be tried all the same.
        except Exception as error:
            return explain_failure(error)
        return None

    def reach(self, stage: CoverageStage) -> None:
        """Goes on to a stage, and says so to whoever may have to end the process there."""
        self.stage = stage
        mark_place(list(CoverageStage).index(stage))

    def run(self) -> None:
        """Goes through all stages; `stage` is where it is."""
        self.reach(CoverageStage.PARSE)
        tries, path = self.tries, self.rule.path
        # On the default engine alone: its answers are what tests hold those of filters against.
        shared = tries.events is not None and tries.how.engine == DEFAULT_ENGINE
        conditions = tries.conditions(path) if tries.events is not None else {}
        if shared and self.take(tries.rules.find_kept(path, self.rule.language, self.rule.query, conditions)):
            return
        content = tries.rules.content_for(path)
        settings = replace(content.settings, now=0.0)
        query = self.language.parse(self.rule.query, tries.how.dialect, settings)
        self.deviations = len(query.deviations)
        self.reach(CoverageStage.PLAN)
        # What a filter asks can all be evaluated, so it needs no run without events.
        if shared and self.take(tries.rules.find(path, self.rule.language, query, conditions)):
            return
        bare = query.plan({}, settings)
        # Without events first: what fails here fails for everybody's events.
        self.empty(query, bare, settings)
        if tries.events is not None:
            self.reach(CoverageStage.EVENTS)
            store = tries.store(self.language.platform, query.raw)
            columns = store.load(self.language.platform, {**content.content.inputs, **conditions}, raw=query.raw)
            node = query.plan(columns, replace(content.settings, ask=store.ask)).node
            (record,) = store.engine.run(summarize_rows(node)).records()
            self.hits = read_summary(record, columns_of(node))
        self.stage = CoverageStage.RUNS

    def take(self, found: Found | None) -> bool:
        """Notes what a filter finds, if it is one."""
        if found is None:
            return False
        self.hits, self.deviations, self.new = found.hits, found.deviations, found.new
        self.stage = CoverageStage.RUNS
        return True

    def empty(self, query: Query, bare: Plan, settings: Settings) -> None:
        """Compiles and runs a rule on a store that has its fields, as text, and no events."""
        target = self.tries.connection("empty")
        columns = target.load([blank(bare)])
        node = query.plan(columns, replace(settings, ask=target.run)).node
        self.reach(CoverageStage.COMPILE)
        target.sql(node)
        self.reach(CoverageStage.EMPTY)
        target.run(node)


def blank(bare: Plan) -> View:
    """An empty view with a plan's event fields: text, but numbers for the columns of its order."""
    scans = [node for node in walk_nodes(bare.node) if isinstance(node, Scan)]
    clocks = {k.expression.name for s in scans for k in s.order if isinstance(k.expression, Column)} - {EVENT_COLUMN}
    # Text: the kind that recorded fields have.
    fields = dict.fromkeys(sorted(bare.reads - clocks - {EVENT_COLUMN, CAUSE}), pa.string())
    fields |= dict.fromkeys(sorted(clocks), pa.float64()) | {EVENT_COLUMN: pa.int64(), CAUSE: pa.int32()}
    return View(columns=pa.table({name: pa.array([], kind) for name, kind in fields.items()}))


def cover(
    subjects: Sequence[LibraryRule], how: Trying, progress: Callable[[str, int, int], None] | None = None
) -> Iterator[tuple[int, Covered]]:
    """How far each rule gets, with its number, as it becomes known; the work is spread over processes where that pays.

    A rule's number is its place among the subjects.
    """
    workers = workers_for(len(subjects), how.jobs)
    if can_supervise() and (workers > 1 or how.limits.isolated):
        found = cover_behind_reader(subjects, how, workers) if how.events else cover_apart(subjects, how, workers)
    else:
        found = cover_here(subjects, how)
    for done, (number, each) in enumerate(found, 1):
        if progress:
            progress(each.subject.path.name, done, len(subjects))
        yield number, each


def cover_here(subjects: Sequence[LibraryRule], how: Trying) -> Iterator[tuple[int, Covered]]:
    """How far each rule gets, in this process."""
    tries = Tries(how)
    for number, subject in enumerate(subjects):
        covered, new = tries.cover(subject)
        if new is not None:
            tries.cache.add(*new)
        yield number, covered
    tries.cache.save()
    tries.close()


def cover_behind_reader(subjects: Sequence[LibraryRule], how: Trying, workers: int) -> Iterator[tuple[int, Covered]]:
    """The same by a child that reads the events once, and children of it that share what it has read."""
    crew = Crew(how.limits)
    crew.start(0, partial(read_and_cover, subjects, how, workers))
    for _, message in crew.messages():
        if isinstance(message, Death):
            raise message.error
        assert isinstance(message, tuple)
        yield message


def read_and_cover(subjects: Sequence[LibraryRule], how: Trying, workers: int, send: Send) -> None:
    """The work of the child that reads the events."""
    tries = Tries(how)
    tries.prepare(subjects)
    for number, covered, new in cover_in_children(subjects, how, workers, tries):
        if new is not None:
            tries.cache.add(*new)
        send((number, covered))
    tries.cache.save()


def cover_apart(subjects: Sequence[LibraryRule], how: Trying, workers: int) -> Iterator[tuple[int, Covered]]:
    """How far each rule gets without events, in several processes."""
    for number, covered, _ in cover_in_children(subjects, how, workers, None):
        yield number, covered


Sent = tuple[int, Covered, NewPlan | None]


def cover_in_children(
    subjects: Sequence[LibraryRule], how: Trying, workers: int, tries: Tries | None
) -> Iterator[Sent]:
    """How far each rule gets, by its number, as it becomes known, also of one that breaks its process."""
    crew = Crew(replace(how.limits, memory=how.limits.memory // workers))
    queue = NumberQueue(len(subjects))
    known: set[int] = set()
    work = partial(cover_some, subjects, how, queue, tries)
    for worker in range(workers):
        crew.start(worker, work)
    for worker, message in crew.messages():
        if isinstance(message, Death):
            stage, place = message.place
            number = place - 1
            # It may have died between two rules, of what it reads for all of them.
            if number < 0:
                raise message.error
            if number not in known:
                known.add(number)
                yield number, lose_rule(subjects[number], list(CoverageStage)[stage], message.error), None
            if not queue.is_empty():
                crew.start(worker, work)
        else:
            assert isinstance(message, tuple)
            known.add(message[0])
            yield message
    # A child can be killed between taking a number and saying so.
    for number in sorted(set(range(len(subjects))) - known):
        error = HarnessError("process-died", "the process that was to run it ended", help="please report it")
        yield number, lose_rule(subjects[number], CoverageStage.READ, error), None


def lose_rule(subject: LibraryRule, stage: CoverageStage, error: HarnessError) -> Covered:
    """What is known of a rule that broke its process."""
    return Covered(subject=subject, language=subject.path.suffix.lstrip("."), stage=stage, error=error)


def cover_some(
    subjects: Sequence[LibraryRule], how: Trying, queue: NumberQueue, read: Tries | None, send: Send
) -> None:
    """The work of a child: how far those rules get that it takes from the queue."""
    mark_place(0, 0)
    tries = read or Tries(how)
    while (number := queue.take()) is not None:
        mark_place(list(CoverageStage).index(CoverageStage.PARSE), number + 1)
        send((number, *tries.cover(subjects[number])))
