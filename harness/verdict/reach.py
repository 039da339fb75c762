"""Which events a rule could see at all: kinds whose constant fields it does not exclude, and fields that it finds."""

from __future__ import annotations

from dataclasses import replace

from harness.detection.plan.expressions import Kind
from harness.detection.plan.passes.partitions import StoredPart, parts_needed
from harness.record import record
from harness.verdict.judge import Trial
from harness.verdict.store import collect_expected_fields


@record(kw_only=True)
class Reach:
    """How many events of which kinds come past a rule's conditions on constant fields; `absent` none of them has."""

    events: int
    kinds: tuple[str, ...]
    absent: tuple[str, ...]


def measure_reach(trial: Trial) -> Reach:
    """What a rule could see of the events of its store, without being run."""
    reads = collect_expected_fields(trial.plan())
    views = trial.store.views
    # A field that no event has is told beside: asking for it must not hide which kinds the rule is about, as it would
    # in a plan over the events' own columns, where it is null from the start.
    nowhere = dict.fromkeys(reads - trial.store.columns.keys(), Kind.TEXT)
    settings = replace(trial.settings, now=trial.store.end(trial.conditions), ask=trial.store.ask)
    plan = trial.query.plan({**trial.store.columns, **nowhere}, settings)
    parts = [
        StoredPart(
            name=str(i),
            constants=view.constants,
            columns={**dict.fromkeys(view.columns.column_names, Kind.TEXT), **nowhere},
        )
        for i, view in enumerate(views)
    ]
    needed = sorted({int(p.name) for found in parts_needed(plan.node, {"events": parts}).values() for p in found})
    present = {name for i in needed for name in (*views[i].constants, *views[i].columns.column_names)}
    telemetry = trial.store.telemetry(trial.conditions).events
    return Reach(
        events=sum(views[i].columns.num_rows for i in needed),
        kinds=tuple(dict.fromkeys(f"{telemetry[i].sensor} {telemetry[i].kind}".strip() for i in needed)),
        absent=tuple(sorted(reads - present)) if needed else (),
    )
