"""Numbers and verdicts of studies in words, the same in every format."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from harness.report.console import Paper, format_count, shorten_line
from harness.report.json_document import VERSION
from harness.verdict.tune.observations import Estimate, Point
from harness.verdict.tune.thresholds import Threshold, number_in_rule
from harness.verdict.tune.tune import Margin, Tuning


def short_number(value: float) -> str:
    """A number with at most three digits that count."""
    if math.isnan(value):
        return "-"
    # The upper end where one host says nothing about others.
    if math.isinf(value):
        return "any"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    # Three digits: intervals from resampling are not better known.
    return f"{value:.3g}"


def format_proportion(estimate: Estimate) -> str:
    """A proportion with its interval: `38 % (19-62)`."""
    if not estimate.known:
        return "-"
    return f"{100 * estimate.value:.0f} % ({100 * estimate.low:.0f}-{100 * estimate.high:.0f})"


def format_rate(estimate: Estimate) -> str:
    """A rate with its interval: `12 (4-31)`."""
    if not estimate.known:
        return "-"
    return f"{short_number(estimate.value)} ({short_number(estimate.low)}-{short_number(estimate.high)})"


def format_literal(value: float) -> str:
    """A literal as a rule would write it."""
    return number_in_rule(value)


def finite(value: float) -> float | None:
    """A number for JSON, which has neither NaN nor infinity."""
    return value if math.isfinite(value) else None


def estimate_object(estimate: Estimate) -> dict[str, Any]:
    """An estimate for machines."""
    return {"value": finite(estimate.value), "low": finite(estimate.low), "high": finite(estimate.high)}


def format_tuning(tuning: Tuning, paper: Paper, *, diff: bool = False) -> Iterator[str]:
    """Thresholds, points, margins, exclusions, second opinions, remarks; with `diff` the patch."""
    watched = tuning.population
    head = f"{tuning.rule.name}: {format_count(tuning.combinations, 'combination')} of {len(tuning.varied)} thresholds"
    yield paper.paint(head, "strong")
    size = f"{format_count(tuning.groups, 'group')}, {format_count(len(watched.days), 'host')}"
    time = f"grid {tuning.grid_seconds * 1000:.0f} ms of {tuning.seconds:.1f} s"
    days = f"{short_number(watched.host_days)} host-days"
    yield f"{size}, {days}, {format_count(len(watched.attacks), 'attack')}; {time}"
    yield ""
    yield from thresholds_table(tuning, paper)
    yield ""
    yield from points_table(tuning, paper)
    yield ""
    yield from margins_table(tuning, paper)
    if tuning.exclusions:
        yield ""
        yield from exclusions_table(tuning, paper)
    if tuning.opinions:
        yield ""
        yield from opinions_table(tuning, paper)
    yield ""
    for remark in tuning.remarks:
        yield from paper.paragraph(remark, indent=6, first="note:")
    if diff:
        yield ""
        yield (
            tuning.diff.rstrip("\n")
            if tuning.changes
            else "nothing to change: the published literals are the recommended ones"
        )


def format_threshold_line(threshold: Threshold) -> str:
    """Where a threshold is written."""
    return str(threshold.place.source.position(threshold.place.start)[0]) if threshold.place else "-"


def thresholds_table(tuning: Tuning, paper: Paper) -> list[str]:
    """Every threshold with its place, the values tried and the one recommended."""
    chosen = tuning.recommended.values if tuning.recommended else tuning.published.values
    # By identity: two thresholds of a rule may be written alike.
    place = {id(t): i for i, t in enumerate(tuning.varied)}
    rows = []
    for threshold in tuning.thresholds:
        at = place.get(id(threshold))
        if at is None:
            rows.append(
                [
                    format_threshold_line(threshold),
                    str(threshold),
                    "-",
                    "-",
                    threshold.fixed or "too many others may fail",
                ]
            )
            continue
        axis = tuning.surface.grid.axes[at]
        span = f"{short_number(min(axis))} .. {short_number(max(axis))}"
        rows.append(
            [format_threshold_line(threshold), str(threshold), format_literal(chosen[at]), f"{len(axis)}: {span}", ""]
        )
    return paper.table(
        ["line", "threshold", "recommended", "values tried", "not varied because"], rows, right=frozenset({0})
    )


def points_table(tuning: Tuning, paper: Paper) -> Iterator[str]:
    """The published point, the recommended one, and the front; below, what each but the published one changes."""
    named = [("published", tuning.published)]
    if tuning.recommended is not None:
        budget = "" if tuning.budget is None else f" for {short_number(tuning.budget)} a day"
        named.append((f"recommended{budget}", tuning.recommended))
    named += [(f"front {n}", p) for n, p in enumerate(tuning.front, 1)]
    head = ["point", "caught", "false alerts", "precision", "recall", "false/day/1000 hosts"]
    yield from paper.table(head, [point_row(name, p) for name, p in named], right=frozenset({1, 2}))
    sure = f"{100 * tuning.confidence:.0f} %"
    yield paper.paint(f"in brackets: where the truth lies in {sure} of cases, from resampling hosts", "dim")
    if tuning.recommended is None and tuning.budget is not None:
        yield f"no combination stays within {short_number(tuning.budget)} false alerts a day and 1,000 hosts"
    for name, point in named[1:]:
        yield from paper.paragraph(f"{name}: {describe_changed_literals(point, tuning.varied)}", indent=4, first="  ")


def point_row(name: str, point: Point) -> list[str]:
    """Cells of a point: counts, proportions and the rate with their intervals."""
    return [
        name,
        str(point.caught),
        str(point.false_alerts),
        format_proportion(point.precision),
        format_proportion(point.recall),
        format_rate(point.false_alerts_a_day),
    ]


def describe_changed_literals(point: Point, varied: Sequence[Threshold]) -> str:
    """The literals of a point that are not the published ones."""
    pairs = zip(varied, point.values, strict=True)
    found = [
        f"{t.name} {t.sign} {format_literal(v)} (is {format_literal(t.published)})"
        for t, v in pairs
        if v != t.published
    ]
    return ", ".join(found) or "as published"


def margins_table(tuning: Tuning, paper: Paper) -> list[str]:
    """Each attack and its distance from the edge."""
    rows = [margin_row(m) for m in tuning.margins]
    return paper.table(["attack", "", "nearest edge"], rows) if rows else ["no attack in this telemetry"]


def margin_row(margin: Margin) -> list[str]:
    """Cells of an attack: name, caught or missed, nearest edge."""
    state = "caught" if margin.caught else "missed"
    return [shorten_line(margin.attack.name, 54), state, edge_text(margin)]


def edge_text(margin: Margin) -> str:
    """What would change an attack's fate."""
    if not margin.groups:
        # Two different repairs: the rule, or the sensor.
        return "never reaches the thresholds" if margin.attack.events else "left no event on this platform"
    if not margin.edges:
        return "no single threshold decides"
    edge = margin.edges[0]
    wanted = edge.threshold
    reached = f"{wanted.name} {short_number(edge.reached)}, needs {wanted.sign} {format_literal(wanted.published)}"
    return f"{reached}: a tie within rounding" if wanted.is_tie(edge.reached) else reached


def exclusions_table(tuning: Tuning, paper: Paper) -> list[str]:
    """The exclusions that were tried."""
    rows = [
        [
            str(e),
            str(e.removed),
            str(e.lost),
            format_proportion(e.point.recall),
            format_rate(e.point.false_alerts_a_day),
        ]
        for e in tuning.exclusions
    ]
    head = ["exclude (run with it)", "false alerts removed", "attacks lost", "recall", "false/day/1000 hosts"]
    return paper.table(head, rows, right=frozenset({1, 2}))


def opinions_table(tuning: Tuning, paper: Paper) -> list[str]:
    """The rule beside statistics of waits on the same events, at as many false alerts."""
    rows = [["the rule as published", str(tuning.published.caught), str(tuning.published.false_alerts), "-"]]
    rows += [[o.name, str(o.caught), str(o.false_alerts), short_number(o.area)] for o in tuning.opinions]
    return paper.table(["second opinion", "caught", "false alerts", "area under ROC"], rows, right=frozenset({1, 2, 3}))


def encode_tuning(tuning: Tuning) -> dict[str, Any]:
    """The study for machines."""
    watched = tuning.population
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
        "published": point_object(tuning.published, tuning.varied),
        "recommended": point_object(tuning.recommended, tuning.varied) if tuning.recommended else None,
        "budget": tuning.budget,
        "front": [point_object(p, tuning.varied) for p in tuning.front],
        "margins": [margin_object(m) for m in tuning.margins],
        "exclusions": [
            {"field": e.field, "pattern": e.pattern, "removed": e.removed, "lost": e.lost, **point_object(e.point, ())}
            for e in tuning.exclusions
        ],
        "opinions": [
            {"name": o.name, "caught": o.caught, "false_alerts": o.false_alerts, "area": finite(o.area)}
            for o in tuning.opinions
        ],
        "diff": tuning.diff,
        "remarks": list(tuning.remarks),
    }


def threshold_object(threshold: Threshold, tuning: Tuning) -> dict[str, Any]:
    """One threshold for machines."""
    at = next((i for i, t in enumerate(tuning.varied) if t is threshold), None)
    place = threshold.place
    line, column = place.source.position(place.start) if place else (None, None)
    return {
        "name": threshold.name,
        "comparison": str(threshold),
        "operation": threshold.operation.name,
        "published": threshold.published,
        "line": line,
        "column": column,
        "values": list(tuning.surface.grid.axes[at]) if at is not None else [],
        "not_varied_because": threshold.fixed or None,
    }


def point_object(point: Point, varied: Sequence[Threshold]) -> dict[str, Any]:
    """One point for machines; literals by the published comparison."""
    # Not strict: points of exclusions are shown without literals.
    literals = {str(t): v for t, v in zip(varied, point.values, strict=False)}
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
