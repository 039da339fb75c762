"""The study of a rule's numbers as a JSON document."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from harness.report.json_document import VERSION
from harness.report.studies.tune import values_tried
from harness.verdict.tune.allowlist import AllowlistEntry
from harness.verdict.tune.choice import Choice, name_values
from harness.verdict.tune.margins import Margin
from harness.verdict.tune.numbers_in_text import NumberInText
from harness.verdict.tune.observations import Estimate, Point
from harness.verdict.tune.regularity import Opinion
from harness.verdict.tune.result import CaseShare, Explored, Knob, Tuning
from harness.verdict.tune.thresholds import Threshold


def finite(value: float) -> float | None:
    """A number for JSON, which has neither NaN nor infinity."""
    return value if math.isfinite(value) else None


def estimate_object(estimate: Estimate) -> dict[str, Any]:
    """An estimate for machines."""
    return {"value": finite(estimate.value), "low": finite(estimate.low), "high": finite(estimate.high)}


def encode_tuning(tuning: Tuning) -> dict[str, Any]:
    """The study for machines."""
    watched, wanted = tuning.population, tuning.objective
    return {
        "document": "tune",
        "version": VERSION,
        "rule": tuning.rule.name,
        "seconds": round(tuning.seconds, 3),
        "grid_seconds": round(tuning.grid_seconds, 6),
        "combinations": tuning.combinations,
        "groups": tuning.groups,
        "hosts": len(watched.days),
        "host_days": watched.host_days,
        "attacks": len(watched.attacks),
        "confidence": tuning.confidence,
        "thresholds": [threshold_object(t, tuning) for t in tuning.thresholds],
        "numbers": [number_object(i, tuning) for i in range(len(tuning.varied))],
        "explored": exploration_object(tuning.explored),
        "published": point_object(tuning.published, tuning.varied),
        "objective": {"budget": wanted.budget, "recall": wanted.recall, "cost": wanted.cost_ratio},
        "recommended": point_object(tuning.recommended, tuning.varied) if tuning.recommended else None,
        "chosen_on": choice_object(tuning.choice, 0),
        "held_out": choice_object(tuning.choice, 1),
        "front": [point_object(p, tuning.varied) for p in tuning.front],
        "knee": tuning.knee,
        "cases": [share_object(s) for s in tuning.shares],
        "margins": [margin_object(m) for m in tuning.margins],
        "exclusions": [exclusion_object(e) for e in tuning.exclusions],
        "opinions": [opinion_object(o) for o in tuning.opinions],
        "diff": tuning.diff,
        "remarks": list(tuning.remarks),
    }


def exploration_object(found: Explored) -> dict[str, Any]:
    """How many edited texts were run, for machines."""
    return {
        "runs": found.runs,
        "left": found.left,
        "failed": found.failed,
        "seconds": round(found.seconds, 3),
        "allowed_seconds": found.allowed,
    }


def exclusion_object(e: AllowlistEntry) -> dict[str, Any]:
    """One exclusion for machines."""
    return {"field": e.field, "pattern": e.pattern, "removed": e.removed, "lost": e.lost, **point_object(e.point, ())}


def opinion_object(o: Opinion) -> dict[str, Any]:
    """One second opinion for machines."""
    return {"name": o.name, "caught": o.caught, "false_alerts": o.false_alerts, "area": finite(o.area)}


def number_object(place: int, tuning: Tuning) -> dict[str, Any]:
    """One varied number for machines."""
    knob = tuning.varied[place]
    line, column = knob.place.position if knob.place else (None, None)
    return {
        "name": knob.name,
        "text": str(knob),
        "role": str(knob.role) if isinstance(knob, NumberInText) else "threshold",
        "line": line,
        "column": column,
        "published": knob.published,
        "values": list(values_tried(tuning, place)),
        "same_alerts": list(tuning.ranges[place]) if place < len(tuning.ranges) else None,
    }


def choice_object(choice: Choice | None, side: int) -> dict[str, Any] | None:
    """One part of a choice for machines."""
    point = None if choice is None else (choice.on, choice.held_out)[side]
    if choice is None or point is None:
        return None
    return {"attacks": choice.attacks[side], "hosts": choice.hosts[side], **point_object(point, ())}


def share_object(share: CaseShare) -> dict[str, Any]:
    """One case for machines."""
    return {
        "name": share.name,
        "host_days": share.host_days,
        "attacks": share.attacks,
        "caught": share.caught,
        "false_alerts": share.false_alerts,
    }


def threshold_object(threshold: Threshold, tuning: Tuning) -> dict[str, Any]:
    """One threshold for machines."""
    axes = tuning.surface.grid.axes
    at = next((i for i, t in enumerate(tuning.varied[: len(axes)]) if t is threshold), None)
    place = threshold.place
    line, column = place.position if place else (None, None)
    return {
        "name": threshold.name,
        "comparison": str(threshold),
        "operation": threshold.operation.name,
        "published": threshold.published,
        "line": line,
        "column": column,
        "values": list(axes[at]) if at is not None else [],
        "not_varied_because": threshold.fixed or None,
    }


def point_object(point: Point, varied: Sequence[Knob]) -> dict[str, Any]:
    """One point for machines; literals by the published comparison."""
    # Not strict: points of exclusions are shown without literals.
    literals = name_values([str(k) for k, _ in zip(varied, point.values, strict=False)], point.values) if varied else {}
    return {
        **({"literals": literals} if varied else {}),
        "alerts": point.alerts,
        "false_alerts": point.false_alerts,
        "caught": point.caught,
        "precision": estimate_object(point.precision),
        "recall": estimate_object(point.recall),
        "alerts_a_day_and_1000_hosts": estimate_object(point.alerts_a_day),
        "false_alerts_a_day_and_1000_hosts": estimate_object(point.false_alerts_a_day),
    }


def margin_object(margin: Margin) -> dict[str, Any]:
    """One attack's margin for machines."""
    return {
        "attack": margin.attack.name,
        "host": margin.attack.host,
        "caught": margin.caught,
        "groups": margin.groups,
        "edges": [
            {
                "threshold": str(e.threshold),
                "reached": e.reached,
                "change": "catches" if e.gain else "loses",
                "tie": e.threshold.is_tie(e.reached),
            }
            for e in margin.edges
        ],
    }
