"""How long until somebody is told: a rule replayed as its schedule would run it, on what had arrived by then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from math import ceil, floor
from time import perf_counter

import numpy as np

from harness.detection.engine import Engine, open_engine
from harness.detection.language import Ask, Plan, language
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Filter, Join, JoinKind, Node, Scan, Select, Values, is_same_plan, walk_nodes
from harness.detection.plan.operations import all_of
from harness.detection.plan.passes.provenance import trace_events
from harness.diagnostics import HarnessError, Source
from harness.record import record
from harness.telemetry.platform import UNITS_PER_SECOND
from harness.verdict.alerts import as_events
from harness.verdict.explain import Explanation, explain
from harness.verdict.rows_behind import Labels
from harness.verdict.study.batch import Batch, Lot
from harness.verdict.study.ensemble import LabelledTrial, Variant, lot
from harness.verdict.study.isolation import CASE_COLUMN, InseparableError, Isolation, filter_scans

RUN = "@run"
OPENS, CLOSES, FIRST = "@opens", "@closes", "@first"
# Chosen, no source: two weeks of a run a minute; an event stands once in every run that sees it.
MOST_RUNS = 20_000

PlanAtTime = Callable[[float, Ask | None], Plan]
"""What a rule means when it is run at a time in epoch seconds, given whom it can ask about the events."""


@record(kw_only=True)
class Schedule:
    """How a rule is run: every so often, over so much time back, on events that take so long to arrive.

    Runs are due at whole multiples of `every` since midnight UTC, `offset` later. A run at T sees events whose time is
    in [T - `back`, T) and that had arrived by T. Without `back` it sees all that had arrived.
    """

    every: timedelta
    back: timedelta | None
    delay: timedelta = timedelta(0)
    offset: timedelta = timedelta(0)

    def runs(self, first: float, last: float) -> list[float]:
        """When the rule runs, from the first event on until no event is left to see; epoch seconds."""
        step, offset = self.every.total_seconds(), self.offset.total_seconds()
        reach = self.back.total_seconds() if self.back is not None else 0.0
        # A run at the very second of an event does not see it: its window ends before.
        begin = floor((first - offset) / step) + 1
        end = max(begin, ceil((last + max(reach, self.delay.total_seconds()) - offset) / step) + 1)
        if end - begin >= MOST_RUNS:
            message = f"a run every {step:g} seconds makes more than {MOST_RUNS} runs"
            raise HarnessError("too-many-runs", message, help="run the rule less often, or use shorter telemetry")
        return [offset + step * n for n in range(begin, end + 1)]

    def window(self, at: float) -> tuple[float, float]:
        """The times of the events that a run sees; the second is not included."""
        opens = at - self.back.total_seconds() if self.back is not None else 0.0
        # A microsecond more: an event that arrives just at the run has arrived. Without a
        # delay `at` itself is left out.
        return opens, min(at, at - self.delay.total_seconds() + 1e-6)


@record(kw_only=True)
class Detection:
    """One start of an attack: how much later than the scenario's, and how long until the first alert; None for never.

    `seconds` count from its first event on the platform to the run that alerts; `alerts` are the runs that do.
    """

    later: timedelta
    seconds: float | None
    runs: int
    alerts: int


@record(kw_only=True)
class Delay:
    """A scenario under a schedule: each start, for how many the rule alerts without a window, why it never does."""

    name: str
    detections: tuple[Detection, ...]
    unlimited: int
    why: Explanation | None = None

    @property
    def caught(self) -> int:
        """For how many starts there is an alert."""
        return sum(d.seconds is not None for d in self.detections)

    def quantile(self, fraction: float) -> float | None:
        """Seconds until the first alert within which so many starts are caught; None where so many never are."""
        found = sorted(d.seconds for d in self.detections if d.seconds is not None)
        place = ceil(fraction * len(self.detections)) - 1
        # Attacks never caught stand at the end of the order, so a quantile among them has no value.
        return found[max(0, place)] if place < len(found) else None


@record(kw_only=True)
class Latency:
    """What a schedule does to a rule; `recorded` attacks happened when they did, others begin at several moments."""

    rule: Source
    schedule: Schedule
    delays: tuple[Delay, ...]
    seconds: float
    recorded: bool = False
    remarks: tuple[str, ...] = ()


def measure_latency(subjects: Sequence[LabelledTrial], schedule: Schedule, starts: Sequence[timedelta]) -> Latency:
    """Replays the rule on each scenario, begun at each of these moments after its own start."""
    began = perf_counter()
    delays = []
    for subject in subjects:
        # An engine of its own: the bench's holds the telemetry of other trials.
        connected = open_engine(subject.trial.engine.name)
        try:
            delays.append(delay(subject, schedule, starts, connected))
        finally:
            connected.close()
    rule = subjects[0].trial.rule.query
    return Latency(rule=rule, schedule=schedule, delays=tuple(delays), seconds=perf_counter() - began)


def delay(subject: LabelledTrial, schedule: Schedule, starts: Sequence[timedelta], connected: Engine) -> Delay:
    """One scenario under the schedule."""
    trial = subject.trial
    moments, lots = shift_scenario_starts(subject, starts)
    batch = Batch(connected, language(trial.rule.language).platform, lots, raw=trial.query.raw)
    spans = times_of(batch)
    if not spans:
        return Delay(name=subject.name, detections=tuple(never(m) for m in moments), unlimited=0)
    runs = schedule.runs(min(low for low, _, _ in spans.values()), max(high for _, high, _ in spans.values()))

    def meaning(now: float, ask: Ask | None = None) -> Plan:
        return trial.query.plan(batch.columns, replace(trial.settings, now=now, ask=ask))

    alerting = replay_runs(meaning, batch, schedule, runs)
    detections = tuple(detection(m, spans.get(i), alerting.get(i, []), runs) for i, m in enumerate(moments))
    unlimited = sum(any(a.malicious for a in alerts) for alerts in batch.judged(partial(meaning, runs[-1])))
    caught = any(d.seconds is not None for d in detections)
    why = nearest(batch, meaning, schedule, runs) if unlimited and not caught else None
    return Delay(name=subject.name, detections=detections, unlimited=unlimited, why=why)


def shift_scenario_starts(
    subject: LabelledTrial, starts: Sequence[timedelta]
) -> tuple[tuple[timedelta, ...], list[Lot]]:
    """The moments at which a scenario is begun, each a case; recorded events happened when they did."""
    scenario = subject.scenario
    # Recorded events happened when they did; only simulated ones can be begun later.
    if scenario is None or not scenario.body.simulate or scenario.body.replay:
        return (timedelta(0),), [subject.lot]
    variants = [Variant(scenario=scenario, later=later) for later in starts]
    return tuple(starts), [lot(variants, subject.trial.conditions)]


def never(later: timedelta) -> Detection:
    """An attack that nothing was recorded of."""
    return Detection(later=later, seconds=None, runs=0, alerts=0)


def detection(
    later: timedelta, span: tuple[float, float, float] | None, alerting: Sequence[float], runs: Sequence[float]
) -> Detection:
    """One start, given when its events were and which runs alert on it."""
    if span is None:
        return never(later)
    seconds = min(alerting) - span[2] if alerting else None
    return Detection(later=later, seconds=seconds, runs=len(runs), alerts=len(set(alerting)))


def times_of(batch: Batch) -> dict[int, tuple[float, float, float]]:
    """For each case the seconds of its first and last event, and of the first that an attack left."""
    found: dict[int, tuple[float, float, float]] = {}
    # One more, so that no event at all is no special case.
    bad = np.zeros(batch.truth.size + 1, bool)
    bad[list(batch.truth.malicious)] = True
    for view in batch.views:
        name = next((n for n in UNITS_PER_SECOND if n in view.columns.column_names), None)
        if name is None or not len(view.columns):
            continue
        seconds = view.columns.column(name).to_numpy() / UNITS_PER_SECOND[name]
        cases = view.columns.column(CASE_COLUMN).to_numpy()
        attack = bad[view.columns.column("@event").to_numpy()]
        for case in np.unique(cases).tolist():
            own = seconds[cases == case]
            mine = seconds[(cases == case) & attack]
            low, high, start = found.get(case, (np.inf, -np.inf, np.inf))
            start = min(start, float(mine.min())) if len(mine) else start
            found[case] = (min(low, float(own.min())), max(high, float(own.max())), start)
    return {c: (a, b, s if np.isfinite(s) else a) for c, (a, b, s) in found.items()}


def replay_runs(meaning: PlanAtTime, batch: Batch, schedule: Schedule, runs: Sequence[float]) -> dict[int, list[float]]:
    """For each case the runs whose alerts rest on its attack; in one statement where the rule does not ask for now."""
    first = meaning(runs[0], None)
    # A rule that reads the time of the search means something else in every run.
    if not first.asked and is_same_plan(first.node, meaning(runs[-1], None).node):
        try:
            return replay_in_one_statement(batch, first.node, schedule, runs)
        except InseparableError:
            pass
    found: dict[int, list[float]] = {}
    for at in runs:
        window = build_run_conditions(first.node, schedule.window(at))
        for plan, cases in batch.meanings(partial(meaning, at), range(batch.size), window):
            alerts = batch.alerts(filter_scans(plan.node, window))
            for case in cases:
                if any(a.malicious for a in alerts[case]):
                    found.setdefault(case, []).append(at)
    return found


def replay_in_one_statement(
    batch: Batch, node: Node, schedule: Schedule, runs: Sequence[float]
) -> dict[int, list[float]]:
    """All runs in one statement: each event stands in every run that sees it, and runs are kept apart like cases."""
    rows = tuple((float(i), *schedule.window(at)) for i, at in enumerate(runs))
    kinds = {RUN: Kind.NUMBER, OPENS: Kind.NUMBER, CLOSES: Kind.NUMBER}
    table = Values(columns=kinds, rows=rows)

    def windowed(scan: Scan) -> Node:
        source = replace(scan, columns={**scan.columns, CASE_COLUMN: Kind.NUMBER})
        name = time_column(scan)
        seconds = ops.divide(Column(name), Literal(UNITS_PER_SECOND[name]))
        within = (ops.less_equal(Column(OPENS), seconds), ops.less(seconds, Column(CLOSES)))
        taken = tuple((n, Column(n)) for n in kinds)
        joined = Join(left=source, right=table, kind=JoinKind.CROSS, columns=taken)
        kept = Filter(source=joined, condition=all_of(within))
        return Select(source=kept, columns=tuple((n, Column(n)) for n in (*scan.columns, CASE_COLUMN, RUN)))

    found: dict[int, list[float]] = {}
    result = batch.engine.run(trace_events(Isolation(by=(CASE_COLUMN, RUN), scan=windowed)(node)))
    at = {n: i for i, n in enumerate(result.columns)}
    malicious = batch.truth.malicious
    for row in result.rows:
        if not malicious.isdisjoint(as_events(row[at["@event"]])):
            found.setdefault(decode_case_number(row[at[CASE_COLUMN]]), []).append(
                runs[decode_case_number(row[at[RUN]])]
            )
    return found


def decode_case_number(value: object) -> int:
    """The number of a case or of a run."""
    return int(float(str(value)))


def time_column(scan: Scan) -> str:
    """The column of a scan that says when."""
    name = next((n for n in UNITS_PER_SECOND if n in scan.columns), None)
    if name is None:
        raise HarnessError("no-time", "these events have no time, so no schedule can be replayed on them")
    return name


def build_run_conditions(node: Node, window: tuple[float, float]) -> list[Expression]:
    """Conditions on the events that a run sees."""
    scan = next(n for n in walk_nodes(node) if isinstance(n, Scan))
    name = time_column(scan)
    seconds = ops.divide(Column(name), Literal(UNITS_PER_SECOND[name]))
    return [ops.greater_equal(seconds, Literal(window[0])), ops.less(seconds, Literal(window[1]))]


def nearest(batch: Batch, meaning: PlanAtTime, schedule: Schedule, runs: Sequence[float]) -> Explanation | None:
    """Why the run that sees most of the first attack's events does not alert."""
    malicious = batch.truth.malicious
    best: tuple[int, float] | None = None
    for view in batch.views:
        name = next((n for n in UNITS_PER_SECOND if n in view.columns.column_names), None)
        if name is None:
            continue
        events = view.columns.column("@event").to_numpy()
        cases = view.columns.column(CASE_COLUMN).to_numpy()
        mine = np.array([int(e) in malicious for e in events.tolist()], bool) & (cases == 0)
        seconds = view.columns.column(name).to_numpy()[mine] / UNITS_PER_SECOND[name]
        for at in runs:
            opens, closes = schedule.window(at)
            seen = int(((seconds >= opens) & (seconds < closes)).sum())
            if best is None or seen > best[0]:
                best = (seen, at)
    if best is None or best[0] == 0:
        return None
    window = build_run_conditions(meaning(runs[-1], None).node, schedule.window(best[1]))
    ((plan, _),) = batch.meanings(partial(meaning, runs[-1]), [0], window)
    # One start stands for all: they differ in the clock only.
    chosen = [ops.equal(Column(CASE_COLUMN), Literal(0.0)), *window]
    steps = tuple(replace(s, node=n) for s, n in zip(plan.steps, restrict_steps(plan, chosen), strict=True))
    own = replace(plan, node=steps[-1].node if steps else plan.node, steps=steps)
    return explain(own, batch.engine, Labels(malicious=malicious, total=batch.events))


def restrict_steps(plan: Plan, chosen: Sequence[Expression]) -> list[Node]:
    """Every step's relation on those events alone; a step still contains the one before it."""
    made: dict[int, Node] = {}
    return [filter_scans(step.node, chosen, made) for step in plan.steps]
