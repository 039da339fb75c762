"""Which events a rule could see at all: kinds whose constant fields it does not exclude, and fields that it finds."""

from __future__ import annotations

from dataclasses import dataclass

from harness.detection.plan.expressions import Kind
from harness.detection.plan.passes.partitions import StoredPart, parts_needed
from harness.verdict.judge import Trial
from harness.verdict.store import collect_expected_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How many events of which kinds come past a rule's conditions on constant fields; `absent` none of them has."""

    events: int
    kinds: tuple[str, ...]
    absent: tuple[str, ...]


def measure_reach(trial: Trial) -> Reach:
    """What a rule could see of the events of its store, without being run."""
    plan = trial.plan()
    views = trial.store.views
    parts = [
        StoredPart(name=str(i), constants=v.constants, columns=dict.fromkeys(v.columns.column_names, Kind.TEXT))
        for i, v in enumerate(views)
    ]
    needed = {int(part.name) for found in parts_needed(plan.node, {"events": parts}).values() for part in found}
    seen = [views[i] for i in sorted(needed)]
    reads = collect_expected_fields(plan)
    present = {name for view in seen for name in (*view.constants, *view.columns.column_names)}
    telemetry = trial.store.telemetry(trial.conditions).events
    kinds = dict.fromkeys(f"{telemetry[i].sensor} {telemetry[i].kind}".strip() for i in sorted(needed))
    return Reach(
        events=sum(view.columns.num_rows for view in seen),
        kinds=tuple(kinds),
        absent=tuple(sorted(reads - present)) if seen else (),
    )
