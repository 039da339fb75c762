"""One rule against one store or many scenarios: alerts, switches that flip them, limits that cut them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property, partial
from itertools import accumulate

from harness.detection.engine import Engine, ResultRows
from harness.detection.language import Plan, Query, Settings, Step, language
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal, Schema, is_hidden
from harness.detection.plan.nodes import (
    Node,
    Scan,
    is_same_plan,
    walk_nodes,
)
from harness.detection.plan.passes.partitions import StoredPart
from harness.detection.plan.passes.provenance import trace_events
from harness.detection.plan.passes.requirements import collect_columns_by_node
from harness.detection.plan.passes.shared_nodes import SharedNodes
from harness.detection.plan.schema import columns_of
from harness.diagnostics import Finding
from harness.record import record
from harness.scenario.rule import Rule
from harness.scenario.scenario import Label, Outcome
from harness.supervisor import unit_of_work
from harness.verdict.alerts import Alert, alerts_of
from harness.verdict.evidence import EventLog, VerdictDetail
from harness.verdict.explain import Explanation, Inquiry, explain
from harness.verdict.plan_differences import no_effect
from harness.verdict.reached_limits import may_cut
from harness.verdict.rows_behind import NO_ROWS, Labels, find_rows_behind
from harness.verdict.store import (
    TelemetryStore,
    collect_expected_fields,
    compute_search_now,
    find_absent_fields,
    list_alert_fields,
    list_shown_fields,
)
from harness.verdict.study.batch import Batch, Lot
from harness.verdict.study.isolation import CASE_COLUMN, InseparableError, Isolation, filter_scans
from harness.verdict.ties import collect_ties, find_tie_nodes
from harness.verdict.verdict import Flip, outcome

# Ten years in seconds: no search looks further back than that and is meant.
LATER = 3.2e8


@record(kw_only=True)
class Trial:
    """A rule, the events it is run on, and under which conditions."""

    rule: Rule
    query: Query
    store: TelemetryStore
    conditions: Mapping[str, str]
    settings: Settings

    @property
    def engine(self) -> Engine:
        """The engine that holds the events."""
        return self.store.engine

    def plan(self, settings: Settings | None = None) -> Plan:
        """What the rule means over these events, which are loaded for it; its "now" is when they end."""
        columns = self.store.load(language(self.rule.language).platform, self.conditions, raw=self.query.raw)
        chosen = settings or self.settings
        with unit_of_work(self.engine.patience):
            return self.query.plan(columns, replace(chosen, now=chosen.now or self.now, ask=self.store.ask))

    @property
    def now(self) -> float:
        """The time of the search in epoch seconds."""
        # A search over recorded events is run when they end; the day of the test would give other answers tomorrow.
        return self.settings.now or self.store.end(self.conditions)

    def asks_for_time(self, plan: Plan) -> bool:
        """Whether what the rule means depends on when it is run."""
        # Years apart: if the plans are equal, the rule does not ask for the time.
        later = replace(self.settings, now=self.now + LATER, ask=self.store.ask)
        return not is_same_plan(self.plan(later).node, plan.node)

    def alerts(self, plan: Plan) -> tuple[Alert, ...]:
        """The rows of the rule and who caused them."""
        return alerts_of(self.engine.run(trace_events(plan.node)), self.store.truth)

    def rows_and_alerts(self, plan: Plan, *, traced: bool) -> tuple[ResultRows, Callable[[], tuple[Alert, ...]]]:
        """The rows as the rule itself gives them, and what gives the alerts: where they are `traced`, the same run."""
        if not traced:
            # A list of the events behind each group costs more than the groups.
            return self.engine.run(plan.node), cache(partial(self.alerts, plan))
        rows = self.engine.run(trace_events(plan.node))
        return rows.select(tuple(columns_of(plan.node))), cache(lambda: alerts_of(rows, self.store.truth))

    def explanation(self, plan: Plan) -> Explanation:
        """What became of the attack's events at each step."""
        truth = self.store.truth
        total = self.store.size(self.conditions)
        return explain(plan, self.engine, Labels(malicious=truth.malicious, total=total))

    def absent(self, plan: Plan, rows: ResultRows, find_alerts: Callable[[], tuple[Alert, ...]]) -> tuple[str, ...]:
        """Fields that the rule reads but none of the events has that it looks at.

        Those are the events behind its alerts, or where there are none the attack's that pass its first step.
        """
        # Events of a world are gone after a query; its schema says what no kind has.
        expected = collect_expected_fields(plan) - list_shown_fields(rows)
        if self.store.streamed:
            return self.store.absent(expected, ())
        events = {e for a in find_alerts() for e in a.events}
        if not events and plan.steps:
            everything = Labels(malicious=frozenset(), total=0)
            (passed,) = find_rows_behind([plan.steps[0].node], self.engine, {0: everything})
            first = set(passed.get(0, NO_ROWS).events)
            events = first & self.store.truth.malicious or first
        return self.store.absent(expected, events)


@record(kw_only=True)
class TrialResult:
    """What a rule said in one trial, what that hangs on, and why there is no alert."""

    plan: Plan
    alerts: tuple[Alert, ...]
    observed: Outcome
    flips: tuple[Flip, ...]
    absent: tuple[str, ...]
    explanation: Explanation | None
    detail: VerdictDetail | None = None


def count_from(alert: Alert, first: int) -> Alert:
    """An alert whose events have the numbers that they have in their own telemetry, which begins at `first`."""
    # Else a report would tell which other scenarios were judged in the same process.
    return replace(alert, events=tuple([event - first for event in alert.events])) if first else alert


Meaning = tuple[Plan, list[int]]
"""What a rule means, and the trials for which it means that."""
AlertsByCase = tuple[tuple[Alert, ...], ...]
RuleSaid = tuple[AlertsByCase, Mapping[int, tuple[Finding, ...]]]
"""The alerts of each case, and for each case what to tell of ties."""
# Chosen, no source: statements share what is equal, but their plans grow with the square of their length.
MOST_MEANINGS = 4
"""Meanings of a rule that share a statement."""


class TrialSet:
    """Trials of one query, whose telemetry an engine holds together; `labels` says of each whether it is an attack.

    With `detailed` each result has what a page shows: every step, the events in time, those behind alerts.
    """

    def __init__(
        self, engine: Engine, trials: Sequence[Trial], labels: Sequence[Label], *, detailed: bool = False
    ) -> None:
        self.engine, self.trials, self.labels, self.detailed = engine, tuple(trials), tuple(labels), detailed
        first = trials[0]
        platform = language(first.rule.language).platform
        lots = [Lot(telemetry=t.store.telemetry(t.conditions), conditions=t.conditions) for t in trials]
        self.batch = Batch(engine, platform, lots, raw=first.query.raw)
        ends = list(accumulate(len(lot.telemetry) for lot in lots))
        self.own = [range(e - len(lot.telemetry), e) for e, lot in zip(ends, lots, strict=True)]

        # The alerts of plans that were run, since one trial's switches are often another one's other values.
        self.known: list[tuple[Node, AlertsByCase]] = []

    @cached_property
    def cases(self) -> tuple[Labels, ...]:
        """Each trial's events, and which of them are the attack's."""
        bad = sorted(self.batch.truth.malicious)
        return tuple(
            Labels(
                malicious=frozenset(bad[bisect_left(bad, own.start) : bisect_left(bad, own.stop)]),
                total=len(own),
                own=own,
            )
            for own in self.own
        )

    @cached_property
    def parts(self) -> list[StoredPart]:
        """The kinds of events that there are, for questions about their constants."""
        return [
            StoredPart(name="", constants=v.constants, columns=dict.fromkeys(v.columns.column_names, Kind.TEXT))
            for v in self.batch.views
        ]

    def findings(self) -> Iterator[TrialResult]:
        """What each trial found, in their order. Raises InseparableError if one statement cannot keep them apart."""
        meanings = self.meanings()
        found: dict[int, TrialResult] = {}
        for at in range(0, len(meanings), MOST_MEANINGS):
            found.update(self.judged(meanings[at : at + MOST_MEANINGS]))
        yield from (found[i] for i in range(len(self.trials)))

    def meanings(self) -> list[Meaning]:
        """What the rule means, and for which trials it means that: their switches may differ, and their times."""
        known: dict[tuple[object, ...], Meaning] = {}
        for number, trial in enumerate(self.trials):
            key: tuple[object, ...] = tuple(sorted(trial.settings.switches.items()))
            if self.timed:
                key = (*key, self.now(trial))
            if key not in known:
                plan = self.plan(number, {})
                # A switch that is set to its default, or that the rule does not depend on, changes nothing.
                known[key] = next((m for m in known.values() if is_same_meaning(m[0], plan)), (plan, []))
            known[key][1].append(number)
        # Columns named by values are each case's own; the bench then runs the trials one by one.
        meanings = list({id(numbers): (plan, numbers) for plan, numbers in known.values()}.values())
        if len(self.trials) > 1 and any(plan.asked for plan, _ in meanings):
            raise InseparableError("inseparable", "what the rule means hangs on the events of each case")
        # A rule over all fields would see the columns of the other cases.
        if len(self.trials) > 1 and not all(named_only(plan) for plan, _ in meanings):
            raise InseparableError("inseparable", "the rule looks at all fields that there are")
        return meanings

    @cached_property
    def timed(self) -> bool:
        """Whether the rule's meaning depends on when it is run."""
        trial = self.trials[0]
        # Two times years apart: if the plans are equal, the rule does not ask for the time.
        at = [trial.query.plan(self.batch.columns, replace(trial.settings, now=now)).node for now in (1e9, 1.1e9)]
        return not is_same_plan(*at)

    def plan(self, number: int, switches: Mapping[str, str]) -> Plan:
        """What the rule means in one trial, some switches changed."""
        trial = self.trials[number]
        settings = replace(
            trial.settings,
            now=self.now(trial),
            switches={**trial.settings.switches, **switches},
            ask=self.engine.run if len(self.trials) == 1 else None,
        )
        return trial.query.plan(self.batch.columns, settings)

    @staticmethod
    def now(trial: Trial) -> float:
        """A trial's search time in epoch seconds: the end of its telemetry, unless the settings give one."""
        return trial.settings.now or compute_search_now(trial.store.telemetry(trial.conditions))

    def judged(self, meanings: Sequence[Meaning]) -> Iterator[tuple[int, TrialResult]]:
        """The findings of the trials in which the rule means one of these; they share every statement."""
        said = self.said(meanings)
        alerts = {i: said[place][0][i] for place, (_, numbers) in enumerate(meanings) for i in numbers}
        observed = {i: outcome(self.labels[i], own) for i, own in alerts.items()}
        explanations, passed = self.followed(meanings, alerts, observed)
        missed = {i: e for i, e in explanations.items() if observed[i] is Outcome.FALSE_NEGATIVE}
        flips = self.flips(meanings, observed, missed)
        for (plan, numbers), (_, ties) in zip(meanings, said, strict=True):
            meant = self.cut(plan, {i: len(alerts[i]) for i in numbers})
            expected = collect_expected_fields(plan)
            for i in numbers:
                behind = {e for a in alerts[i] for e in a.events} if alerts[i] else passed[i]
                missing = expected - list_alert_fields(alerts[i])
                result = TrialResult(
                    plan=replace(meant[i], findings=(*meant[i].findings, *ties.get(i, ()))),
                    alerts=tuple(count_from(a, self.own[i].start) for a in alerts[i]),
                    observed=observed[i],
                    flips=tuple(flips[i]),
                    absent=find_absent_fields(missing, behind, self.batch.views),
                    explanation=missed.get(i),
                    detail=self.log.detail(self.cases[i], alerts[i], plan.reads, explanations.get(i))
                    if self.log
                    else None,
                )
                yield i, result

    @cached_property
    def log(self) -> EventLog | None:
        """The times and fields of all events, where results are detailed."""
        return EventLog(self.batch.views) if self.detailed else None

    def said(self, meanings: Sequence[Meaning]) -> list[RuleSaid]:
        """For each meaning the alerts of each case, and what to tell of ties."""
        plans = [plan.node for plan, _ in meanings]
        sought = [find_tie_nodes(node) for node in plans]
        rows = iter(self.batch.run_jointly([*plans, *(node for own in sought for node, _ in own)]))
        alerts = [self.batch.alerts_by_case(next(rows)) for _ in plans]
        self.known += zip(plans, alerts, strict=True)
        return [(own, collect_ties(ties, [next(rows) for _ in ties])) for own, ties in zip(alerts, sought, strict=True)]

    def cut(self, plan: Plan, returned: Mapping[int, int]) -> dict[int, Plan]:
        """For each trial, by the number of its rows, the plan with the findings of limits that were reached."""
        meant = dict.fromkeys(returned, plan)
        for limit in plan.cuts:
            if any(may_cut(limit, plan.node, len(self.own[i]), rows) for i, rows in returned.items()):
                found = {int(float(str(case))) for case in self.batch.run(limit.more).column(CASE_COLUMN)}
                for i in found & returned.keys():
                    meant[i] = replace(meant[i], findings=(*meant[i].findings, limit.finding))
        return meant

    def followed(
        self,
        meanings: Sequence[Meaning],
        alerts: Mapping[int, Sequence[Alert]],
        observed: Mapping[int, Outcome],
    ) -> tuple[dict[int, Explanation], dict[int, Collection[int]]]:
        """What became of missed attacks, and for trials without alerts the events that pass the rule's first step.

        Of these the attack's only, if there are some: background events have other fields.
        """
        missed = [
            [i for i in numbers if self.detailed or observed[i] is Outcome.FALSE_NEGATIVE] for _, numbers in meanings
        ]
        quiet = [[i for i in numbers if not alerts[i]] for _, numbers in meanings]
        shortened = []
        for (plan, _), lost, silent in zip(meanings, missed, quiet, strict=True):
            # Where nothing was missed, nobody asks for more than the first step.
            steps = plan.steps if lost else plan.steps[: 1 if silent else 0]
            shortened.append(replace(plan, steps=steps))
        cases = [{i: self.cases[i] for i in sorted({*a, *b})} for a, b in zip(missed, quiet, strict=True)]
        apart, whole = self.apart(shortened, sorted(i for own in cases for i in own))
        inquiry = Inquiry(self.engine, list(zip(apart, cases, strict=True)), whole)
        passed: dict[int, Collection[int]] = {}
        for followed, silent in zip(inquiry.followed, quiet, strict=True):
            for i in silent:
                events = followed.find_passed(0, i) if followed.plan.steps else frozenset()
                passed[i] = events & self.cases[i].malicious or events
        return {i: e for own in inquiry.explanations(missed) for i, e in own.items()}, passed

    def apart(self, plans: Sequence[Plan], numbers: Sequence[int]) -> tuple[list[Plan], frozenset[int]]:
        """Plans on the events of some trials, each kept to itself, and the nodes that only leave out other trials.

        Parts that the plans share stay shared.
        """
        if len(self.trials) == 1:
            return list(plans), frozenset()
        known: dict[int, Node] = {}
        condition = ops.in_(Column(CASE_COLUMN), *(Literal(float(i)) for i in numbers))
        isolate, share = Isolation(), SharedNodes()
        made = [[(s, isolate(share(s.node))) for s in plan.steps] for plan in plans]
        apart = [
            replace(plan, steps=tuple(Step(s.span, filter_scans(n, [condition], known), s.name) for s, n in steps))
            for plan, steps in zip(plans, made, strict=True)
        ]
        scans = {id(n) for steps in made for _, node in steps for n in walk_nodes(node) if isinstance(n, Scan)}
        return apart, frozenset(id(n) for scan in scans for n in walk_nodes(known[scan]))

    def flips(
        self,
        meanings: Sequence[Meaning],
        observed: Mapping[int, Outcome],
        explanations: Mapping[int, Explanation],
    ) -> dict[int, list[Flip]]:
        """For each trial the switches of its plan whose other values change its outcome."""
        losses = {i: e.loss.step for i, e in explanations.items() if e.loss}
        tried: list[tuple[str, str, str, Plan, list[int]]] = []
        for plan, numbers in meanings:
            for name, used, other in self.list_other_values(plan):
                changed = self.plan(numbers[0], {name: other})
                # A plan for each other value of each switch would be most of a run's time.
                steps = {losses.get(i) for i in numbers}
                moot = {step: no_effect(plan, changed, self.parts, step) for step in steps}
                if open_ := [i for i in numbers if not moot[losses.get(i)]]:
                    tried.append((name, used, other, changed, open_))
        found: dict[int, list[Flip]] = {i: [] for i in observed}
        said = self.find_alerts([changed for *_, changed, _ in tried])
        for (name, used, other, _, open_), alerts in zip(tried, said, strict=True):
            for i in open_:
                there = outcome(self.labels[i], alerts[i])
                if there != observed[i]:
                    found[i].append(Flip(switch=name, used=used, other=other, outcome=there))
        return found

    def list_other_values(self, plan: Plan) -> Iterator[tuple[str, str, str]]:
        """Each switch of a plan, the value used, and each other value that it has."""
        values = {s.name: s.values for s in language(self.trials[0].rule.language).switches}
        for name, used in plan.switches.items():
            yield from ((name, used, other) for other in values[name] if other != used)

    def find_alerts(self, plans: Sequence[Plan]) -> list[AlertsByCase]:
        """For each plan the alerts of each case, without their fields unless they are known; by one statement."""
        found = [next((a for node, a in self.known if is_same_plan(node, plan.node)), None) for plan in plans]
        unknown = [plan.node for plan, alerts in zip(plans, found, strict=True) if alerts is None]
        made = iter(self.batch.count_alerts(unknown))
        return [next(made) if alerts is None else alerts for alerts in found]


def is_same_meaning(plan: Plan, other: Plan) -> bool:
    """Whether two plans of one query say the same."""
    told = (plan.switches, plan.findings) == (other.switches, other.findings)
    return told and is_same_plan(plan.node, other.node)


def named_only(plan: Plan) -> bool:
    """Whether the plan needs of the events only fields that the rule names, so that others may come and go."""
    shapes: dict[int, Schema] = {}
    columns_of(plan.node, shapes)
    read = collect_columns_by_node(plan.node, shapes)
    scans = [n for n in walk_nodes(plan.node) if isinstance(n, Scan)]
    return all({n for n in read[id(s)] if not is_hidden(n)} <= plan.reads for s in scans)
