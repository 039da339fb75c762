"""One rule against one store or many scenarios: alerts, switches that flip them, limits that cut them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from itertools import accumulate

from harness.detection.engine import Engine, ResultRows
from harness.detection.language import Cut, Plan, Query, Settings, Step, language
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Call, Column, Expression, Kind, Literal, Schema, is_hidden
from harness.detection.plan.nodes import (
    Derive,
    Filter,
    Node,
    Reverse,
    Scan,
    Select,
    Sort,
    is_same_plan,
    list_own_parts,
    walk_nodes,
)
from harness.detection.plan.passes.partitions import StoredPart, are_decided_alike
from harness.detection.plan.passes.provenance import trace_events
from harness.detection.plan.passes.requirements import collect_columns_by_node
from harness.detection.plan.schema import columns_of, most_rows
from harness.diagnostics import Finding
from harness.scenario.rule import Rule
from harness.scenario.scenario import Label, Outcome
from harness.supervisor import unit_of_work
from harness.telemetry.platform import View
from harness.verdict.alerts import Alert, alerts_of
from harness.verdict.explain import Explanation, Inquiry, Labels, events_behind, explain
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
from harness.verdict.ties import find_ties
from harness.verdict.verdict import Flip, outcome


def no_effect(plan: Plan, changed: Plan, views: Sequence[View], lost_at: int | None) -> bool:
    """Whether another reading of a rule surely gives the same outcome.

    It does if the plans are equal, if they first differ after the step that lost the attack, or if they differ only in
    conditions on fields that are constant in all events of a kind and hold alike there.
    """
    if is_same_plan(changed.node, plan.node):
        return True
    # Steps up to the loss are equal, so the attack is lost there in both readings.
    if lost_at is not None and lost_at < first_difference(plan, changed):
        return True
    # Each of a rule's other readings costs a statement; most differ only on kinds of events that nobody recorded.
    parts = [
        StoredPart(name="", constants=v.constants, columns=dict.fromkeys(v.columns.column_names, Kind.TEXT))
        for v in views
    ]
    ours, theirs = list(walk_nodes(plan.node)), list(walk_nodes(changed.node))
    return len(ours) == len(theirs) and all(is_same_subplan(a, b, parts) for a, b in zip(ours, theirs, strict=True))


def first_difference(plan: Plan, changed: Plan) -> int:
    """The number of the first step that is another."""
    pairs = zip(plan.steps, changed.steps, strict=False)
    return next(
        (i for i, (a, b) in enumerate(pairs) if not is_same_plan(a.node, b.node)),
        min(len(plan.steps), len(changed.steps)),
    )


def is_same_subplan(ours: Node, theirs: Node, parts: Sequence[StoredPart]) -> bool:
    """Whether two nodes do the same, whatever they read."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, Filter) and isinstance(theirs, Filter):
        return same_condition(ours.condition, theirs.condition, parts)
    return list_own_parts(ours) == list_own_parts(theirs)


def same_condition(ours: Expression, theirs: Expression, parts: Sequence[StoredPart]) -> bool:
    """Whether two conditions hold alike: equal ones, or such that each part's constants decide both alike."""
    if ours == theirs:
        return True
    match ours, theirs:
        case Call(ops.and_ | ops.or_ as a, left), Call(ops.and_ | ops.or_ as b, right) if a == b and len(left) == len(
            right
        ):
            return all(same_condition(x, y, parts) for x, y in zip(left, right, strict=True))
    return are_decided_alike(ours, theirs, parts)


# Ten years in seconds: no search looks further back than that and is meant.
LATER = 3.2e8


@dataclass(frozen=True, slots=True, kw_only=True)
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
            first = set().union(*events_behind([plan.steps[0].node], self.engine)[0])
            events = first & self.store.truth.malicious or first
        return self.store.absent(expected, events)


def find_reached_limits(plan: Plan, events: int, returned: int, more: Callable[[Node], bool]) -> tuple[Finding, ...]:
    """The findings of the product's limits that were reached over so many events, by a plan that returned so many rows.

    `more` says whether a plan has a row; it is asked only where the numbers leave it open.
    """
    return tuple(c.finding for c in plan.cuts if may_cut(c, plan.node, events, returned) and more(c.more))


def may_cut(cut: Cut, root: Node, events: int, returned: int) -> bool:
    """Whether a limit can have been reached: there are enough events, and enough rows where all of them come out."""
    if cut.rows is not None and most_rows(cut.rows, events) <= cut.most:
        return False
    # Bounds told from the plan spare most queries a statement of their own.
    return returned >= cut.most or cut.kept is None or not is_row_for_row(root, cut.kept)


def is_row_for_row(root: Node, kept: Node) -> bool:
    """Whether every row of a relation comes out of a plan that stands on it."""
    while root is not kept:
        if not isinstance(root, Derive | Select | Sort | Reverse):
            return False
        root = root.source
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What a rule said in one trial, what that hangs on, and why there is no alert."""

    plan: Plan
    alerts: tuple[Alert, ...]
    observed: Outcome
    flips: tuple[Flip, ...]
    absent: tuple[str, ...]
    explanation: Explanation | None


class TrialSet:
    """Trials of one query, whose telemetry an engine holds together; `labels` says of each whether it is an attack."""

    def __init__(self, engine: Engine, trials: Sequence[Trial], labels: Sequence[Label]) -> None:
        self.engine, self.trials, self.labels = engine, tuple(trials), tuple(labels)
        first = trials[0]
        platform = language(first.rule.language).platform
        lots = [Lot(telemetry=t.store.telemetry(t.conditions), conditions=t.conditions) for t in trials]
        self.batch = Batch(engine, platform, lots, raw=first.query.raw)
        ends = list(accumulate(len(lot.telemetry) for lot in lots))
        self.own = [range(e - len(lot.telemetry), e) for e, lot in zip(ends, lots, strict=True)]

    @cached_property
    def cases(self) -> tuple[Labels, ...]:
        """Each trial's events, and which of them are the attack's."""
        bad = sorted(self.batch.truth.malicious)
        return tuple(
            Labels(malicious=frozenset(e for e in bad if e in own), total=len(own), own=own) for own in self.own
        )

    def findings(self) -> Iterator[TrialResult]:
        """What each trial found, in their order. Raises InseparableError if one statement cannot keep them apart."""
        found: dict[int, TrialResult] = {}
        for plan, numbers in self.meanings():
            # Trials that mean the same share every statement.
            found |= self.judged(plan, numbers)
        yield from (found[i] for i in range(len(self.trials)))

    def meanings(self) -> list[tuple[Plan, list[int]]]:
        """What the rule means, and for which trials it means that: their switches may differ, and their times."""
        known: dict[tuple[object, ...], tuple[Plan, list[int]]] = {}
        for number, trial in enumerate(self.trials):
            key: tuple[object, ...] = tuple(sorted(trial.settings.switches.items()))
            if self.timed:
                key = (*key, self.now(trial))
            if key not in known:
                known[key] = (self.plan(number, {}), [])
            known[key][1].append(number)
        # Columns named by values are each case's own; the bench then runs the trials one by one.
        if len(self.trials) > 1 and any(plan.asked for plan, _ in known.values()):
            raise InseparableError("inseparable", "what the rule means hangs on the events of each case")
        # A rule over all fields would see the columns of the other cases.
        if len(self.trials) > 1 and not all(named_only(plan) for plan, _ in known.values()):
            raise InseparableError("inseparable", "the rule looks at all fields that there are")
        return list(known.values())

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

    def judged(self, plan: Plan, numbers: Sequence[int]) -> dict[int, TrialResult]:
        """The findings of the trials in which the rule means this."""
        alerts = self.batch.alerts(plan.node)
        observed = {i: outcome(self.labels[i], alerts[i]) for i in numbers}
        quiet = [i for i in numbers if not alerts[i]]
        missed = [i for i in numbers if observed[i] is Outcome.FALSE_NEGATIVE]
        explanations = self.explained(plan, missed)
        flips = self.flips(plan, numbers, observed, explanations)
        looked_at = self.looked_at(plan, quiet)
        meant = self.cut(plan, {i: len(alerts[i]) for i in numbers})
        ties = find_ties(plan, self.batch.run)
        for i in numbers:
            if alerts[i]:
                looked_at[i] = {e for a in alerts[i] for e in a.events}
        return {
            i: TrialResult(
                plan=replace(meant[i], findings=(*meant[i].findings, *ties.get(i, ()))),
                alerts=alerts[i],
                observed=observed[i],
                flips=tuple(flips[i]),
                absent=find_absent_fields(
                    collect_expected_fields(plan) - list_alert_fields(alerts[i]), looked_at[i], self.batch.views
                ),
                explanation=explanations.get(i),
            )
            for i in numbers
        }

    def cut(self, plan: Plan, returned: Mapping[int, int]) -> dict[int, Plan]:
        """For each trial, by the number of its rows, the plan with the findings of limits that were reached."""
        meant = dict.fromkeys(returned, plan)
        for limit in plan.cuts:
            if any(may_cut(limit, plan.node, len(self.own[i]), rows) for i, rows in returned.items()):
                found = {int(float(str(case))) for case in self.batch.run(limit.more).column(CASE_COLUMN)}
                for i in found & returned.keys():
                    meant[i] = replace(meant[i], findings=(*meant[i].findings, limit.finding))
        return meant

    def explained(self, plan: Plan, numbers: Sequence[int]) -> dict[int, Explanation]:
        """What became of the attacks of these trials."""
        if not numbers:
            return {}
        cases = {i: self.cases[i] for i in numbers}
        return Inquiry(plan=self.apart(plan, numbers), engine=self.engine, cases=cases).explanations()

    def apart(self, plan: Plan, numbers: Iterable[int]) -> Plan:
        """The plan on the events of some trials, each kept to itself; parts that steps share stay shared."""
        if len(self.trials) == 1:
            return plan
        known: dict[int, Node] = {}
        condition = ops.in_(Column(CASE_COLUMN), *(Literal(float(i)) for i in numbers))
        isolate = Isolation()
        steps = [Step(s.span, filter_scans(isolate(s.node), [condition], known), s.name) for s in plan.steps]
        return replace(plan, node=steps[-1].node if steps else isolate(plan.node), steps=tuple(steps))

    def looked_at(self, plan: Plan, numbers: Sequence[int]) -> dict[int, set[int]]:
        """For trials without alerts the events that pass the rule's first step, the attack's only if there are some."""
        if not numbers or not plan.steps:
            return {i: set() for i in numbers}
        first = self.apart(replace(plan, steps=plan.steps[:1]), numbers)
        cases = {i: self.cases[i] for i in numbers}
        inquiry = Inquiry(plan=first, engine=self.engine, cases=cases)
        groups = inquiry.apart(events_behind([first.steps[0].node], self.engine)[0])
        passed = {i: set().union(*groups[i]) for i in numbers}
        # Of a missed attack its own events tell what is absent; background events have other fields.
        return {i: passed[i] & self.cases[i].malicious or passed[i] for i in numbers}

    def flips(
        self,
        plan: Plan,
        numbers: Sequence[int],
        observed: Mapping[int, Outcome],
        explanations: Mapping[int, Explanation],
    ) -> dict[int, list[Flip]]:
        """For each trial the switches of the plan whose other values change its outcome."""
        found: dict[int, list[Flip]] = {i: [] for i in numbers}
        known = {s.name: s for s in language(self.trials[0].rule.language).switches}
        for name, used in plan.switches.items():
            for other in known[name].values:
                changed = self.plan(numbers[0], {name: other}) if other != used else plan
                losses = {i: explanations[i].loss for i in explanations}
                steps = {i: loss.step if loss else None for i, loss in losses.items()}
                # A statement for each other value of each switch would be most of a run's time.
                open_ = [i for i in numbers if not no_effect(plan, changed, self.batch.views, steps.get(i))]
                alerts = self.batch.alerts(changed.node) if open_ else ()
                for i in open_:
                    there = outcome(self.labels[i], alerts[i])
                    if there != observed[i]:
                        found[i].append(Flip(switch=name, used=used, other=other, outcome=there))
        return found


def named_only(plan: Plan) -> bool:
    """Whether the plan needs of the events only fields that the rule names, so that others may come and go."""
    shapes: dict[int, Schema] = {}
    columns_of(plan.node, shapes)
    read = collect_columns_by_node(plan.node, shapes)
    scans = [n for n in walk_nodes(plan.node) if isinstance(n, Scan)]
    return all({n for n in read[id(s)] if not is_hidden(n)} <= plan.reads for s in scans)
