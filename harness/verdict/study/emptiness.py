"""Why a rule has nothing to say of some events: a study of nothing is an error with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.detection.plan import operations as ops
from harness.detection.plan.nodes import Aggregate
from harness.diagnostics import HarnessError
from harness.verdict.alerts import Alert
from harness.verdict.study.ensemble import Ensemble


def require_alerts(ensemble: Ensemble, alerts: Sequence[Alert]) -> None:
    """Raises HarnessError where a rule returned nothing on recorded events."""
    if not alerts:
        name = ensemble.subjects[0].trial.rule.name
        raise HarnessError("no-rows", f"{name} returns no row on these events: {describe_emptiness(ensemble)}")


def describe_emptiness(ensemble: Ensemble) -> str:
    """After which step of the rule no row is left, which fields no event has, what a world could not have produced."""
    findings = [f for f in ensemble.plan.findings if f.code == "absent-field"]
    absent = [f"{f.message}; {f.help}" if f.help else f.message for f in findings]
    return "; ".join((find_last_step(ensemble), *absent, *ensemble.world_gaps))


def find_last_step(ensemble: Ensemble) -> str:
    """After which step of the rule no row is left."""
    for step in ensemble.plan.steps:
        counted = Aggregate(source=step.node, keys=(), measures=())
        rows = ensemble.batch.rows(replace(counted, measures=(("@n", ops.count()),)))
        if not rows.rows or not rows.rows[0][0]:
            line = step.span.position[0]
            return f"none is left after line {line}, `{first_line(step.span.text)}`"
    return "its literals leave none"


def first_line(text: str) -> str:
    """The first line of a step, shortened."""
    line = " ".join(text.strip().splitlines()[0].split()) if text.strip() else ""
    return line if len(line) <= 60 else line[:57] + "..."
