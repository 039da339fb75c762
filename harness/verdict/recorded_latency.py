"""How long until an attack of a world or of recorded events is told, each by itself, and by which run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from time import perf_counter

from harness.detection.language import Plan
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Column, Expression, Kind, Literal
from harness.detection.plan.nodes import Aggregate, Filter, Node, Scan, is_same_plan
from harness.diagnostics import HarnessError
from harness.telemetry.platform import UNITS_PER_SECOND
from harness.verdict.latency import Delay, Detection, Latency, Schedule
from harness.verdict.study.batch import ATTACK, Batch
from harness.verdict.study.emptiness import require_alerts
from harness.verdict.study.ensemble import Ensemble, LabelledTrial
from harness.verdict.study.isolation import filter_scans
from harness.verdict.study.population import AttackInBatch
from harness.verdict.study.world import WorldBatch

FIRST_EVENT, LAST_EVENT = "@first", "@last"
ATTACK_LIST = {ATTACK: ops.gather}


def measure_recorded_latency(subject: LabelledTrial, schedule: Schedule) -> Latency:
    """Replays the rule's schedule over recorded events; each attack in them is a case that began when it did.

    Raises HarnessError where none of the events is an attack's.
    """
    began = perf_counter()
    with Ensemble([subject]) as ensemble:
        attacks = ensemble.watched.attacks
        if not attacks:
            hint = "say with --malicious FIELD=VALUE which events are"
            raise HarnessError("no-attacks", "none of the events is an attack's", help=hint)
        spans = find_attack_spans(ensemble.batch)
        if not spans:
            raise HarnessError("no-attacks", "no attack left an event on this rule's platform")
        runs = schedule.runs(min(low for low, _ in spans.values()), max(high for _, high in spans.values()))
        alerting = replay_attacks(ensemble, subject, schedule, runs)
        unlimited = attacks_behind(ensemble.batch, ensemble.plan.node)
        if not unlimited and not alerting:
            require_alerts(ensemble, ensemble.alerts()[0])
        remarks = ensemble.world_gaps
    delays = tuple(build_delay(a, spans, alerting, unlimited, runs) for a in attacks)
    rule = subject.trial.rule.query
    seconds = perf_counter() - began
    return Latency(rule=rule, schedule=schedule, delays=delays, seconds=seconds, recorded=True, remarks=remarks)


def build_delay(
    attack: AttackInBatch,
    spans: dict[int, tuple[float, float]],
    alerting: dict[int, list[float]],
    unlimited: frozenset[int],
    runs: Sequence[float],
) -> Delay:
    """One attack: from its first event on the platform to the first run that alerts on it."""
    mine = alerting.get(attack.number, [])
    begins = spans.get(attack.number)
    seconds = min(mine) - begins[0] if mine and begins else None
    found = Detection(later=timedelta(0), seconds=seconds, runs=len(runs), alerts=len(mine))
    name = f"{attack.name} on {attack.host}" if attack.host else attack.name
    return Delay(name=name, detections=(found,), unlimited=int(attack.number in unlimited))


def require_time_column(batch: Batch) -> str:
    """The column that says when. Raises HarnessError where the events have none."""
    name = next((n for n in UNITS_PER_SECOND if n in batch.columns), None)
    if name is None:
        raise HarnessError("no-time", "these events have no time, so no schedule can be replayed on them")
    return name


def find_attack_spans(batch: Batch) -> dict[int, tuple[float, float]]:
    """For each attack the seconds of its first and last event."""
    name = require_time_column(batch)
    labelled = batch.isolation({ATTACK: ops.minimum})(Scan(columns={name: Kind.NUMBER}))
    held = Filter(source=labelled, condition=ops.not_(ops.is_null(Column(ATTACK))))
    seconds = ops.divide(Column(name), Literal(UNITS_PER_SECOND[name]))
    measures = tuple(
        (n, Aggregation(how, (seconds,))) for n, how in ((FIRST_EVENT, ops.minimum), (LAST_EVENT, ops.maximum))
    )
    rows = batch.rows(Aggregate(source=held, keys=((ATTACK, Column(ATTACK)),), measures=measures))
    return {
        int(float(str(attack))): (float(str(low)), float(str(high)))
        for attack, low, high in rows.rows
        if low is not None
    }


def replay_attacks(
    ensemble: Ensemble, subject: LabelledTrial, schedule: Schedule, runs: Sequence[float]
) -> dict[int, list[float]]:
    """For each attack the runs whose alerts rest on it."""
    batch, trial = ensemble.batch, subject.trial

    def meaning(now: float) -> Plan:
        return ensemble.meaning(trial, replace(trial.settings, now=now), batch.rows)

    first = meaning(runs[0])
    # A rule that reads the time of the search means something else in every run.
    lasting = not first.asked and is_same_plan(first.node, meaning(runs[-1]).node)
    if isinstance(batch, WorldBatch):
        batch.expect([filter_scans(first.node, conditions_of(batch, schedule.window(runs[0])))])
    found: dict[int, list[float]] = {}
    for at in runs:
        node = (first if lasting else meaning(at)).node
        for attack in attacks_behind(batch, filter_scans(node, conditions_of(batch, schedule.window(at)))):
            found.setdefault(attack, []).append(at)
    return found


def conditions_of(batch: Batch, window: tuple[float, float]) -> list[Expression]:
    """Conditions on the events that a run sees, on the stored column itself, so that a store can skip the others."""
    name = require_time_column(batch)
    low, high = (Literal(at * UNITS_PER_SECOND[name]) for at in window)
    return [ops.greater_equal(Column(name), low), ops.less(Column(name), high)]


def attacks_behind(batch: Batch, node: Node) -> frozenset[int]:
    """The attacks that the rows of a plan rest on."""
    rows = batch.rows(batch.isolation(ATTACK_LIST)(node))
    cells = rows.column(ATTACK) if ATTACK in rows.columns else ()
    found: set[int] = set()
    for cell in cells:
        if cell is not None:
            found.update(int(float(v)) for v in (cell if isinstance(cell, list) else [cell]))
    return frozenset(found)
