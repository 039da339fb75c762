"""One JSON document: every verdict, signal and failure with its place; `version` rises when a field changes or goes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from harness.detection.engine import CellValue, ResultRows
from harness.diagnostics import Span
from harness.record import record
from harness.report.json_document import VERSION, dumps
from harness.report.report import Report, chapter_title
from harness.report.sigma_opinion import encode_opinion
from harness.scenario.rule import Rule
from harness.scenario.scenario import Scenario
from harness.verdict.alerts import Alert
from harness.verdict.evidence import Evidence
from harness.verdict.explain import Clause, Explanation, Miss
from harness.verdict.verdict import Broken, Verdict, Visibility

# Chosen, no source: an alert may rest on a million events, and their count is there in full.
MOST_EVENT_NUMBERS = 1000


@record
class Json:
    """The run as one document of kind `run`."""

    suffix: str = "json"

    def write(self, report: Report) -> str:
        """The whole report."""
        return dumps(run_document(report))


def run_document(report: Report) -> dict[str, Any]:
    """A run as the document `run`."""
    outcomes = report.outcomes
    return {
        "document": "run",
        "version": VERSION,
        "detlab": report.version,
        "engine": report.engine,
        "chosen": dict(report.chosen),
        "as_expected": outcomes.as_expected,
        "summary": {
            "scenarios": outcomes.scenarios,
            "left_out": list(outcomes.left_out),
            "unselected": outcomes.unselected,
            "began": report.began,
            "same_telemetry": outcomes.list_same_telemetry(),
            "verdicts": len(outcomes.verdicts),
            "verdicts_differing": len(report.differing),
            "verdicts_cached": outcomes.cached,
            "signals": len(outcomes.visibilities),
            "signals_differing": len(report.unseen),
            "broken": len(outcomes.broken),
            "seconds": round(outcomes.seconds, 3),
        },
        "verdicts": [verdict_object(v) for v in outcomes.verdicts],
        "signals": [signal_object(v) for v in outcomes.visibilities],
        "broken": [broken_object(b) for b in outcomes.broken],
        "gates": [{"rule": str(g.rule), "gate": g.gate, "message": g.message} for g in report.gates],
    }


def scenario_object(scenario: Scenario) -> dict[str, Any]:
    """Which scenario something is about."""
    body = scenario.body
    return {
        "path": str(scenario.path),
        "title": body.title,
        "technique": body.technique,
        "atomic_test": body.atomic_test,
        "activity": str(body.activity),
        "chapter": chapter_title(scenario),
    }


def rule_object(rule: Rule) -> dict[str, Any]:
    """A rule, whose it is, and under which licence."""
    own = {"path": str(rule.path), "language": rule.language, "title": rule.page.title}
    said = {"id": rule.page.id, "author": rule.page.author, "license": rule.page.license}
    return {**own, **{name: value for name, value in said.items() if value}}


def verdict_object(verdict: Verdict) -> dict[str, Any]:
    """One verdict with all that led to it."""
    expectation = verdict.expectation
    return {
        "scenario": scenario_object(verdict.scenario),
        "rule": rule_object(verdict.rule),
        "expected": str(expectation.outcome),
        "observed": str(verdict.observed),
        "as_expected": verdict.as_expected,
        "cached": verdict.cached,
        "because": expectation.because,
        "complaints": list(verdict.complaints),
        "origin": str(verdict.origin),
        "engine": verdict.engine,
        "dialect": expectation.dialect,
        "conditions": dict(verdict.conditions),
        "switches": dict(verdict.switches),
        "flips": [
            {"switch": f.switch, "used": f.used, "other": f.other, "outcome": str(f.outcome)} for f in verdict.flips
        ],
        "absent": list(verdict.absent),
        "deviations": [d.as_json() for d in verdict.deviations],
        "findings": [f.as_json() for f in verdict.findings],
        "damages": [{"place": d.place, "message": d.message} for d in verdict.damages],
        "explanation": explanation_object(verdict.explanation) if verdict.explanation else None,
        "sigma": encode_opinion(verdict.opinion) if verdict.opinion else None,
        "alerts": [alert_object(a) for a in verdict.alerts],
    }


def signal_object(visibility: Visibility) -> dict[str, Any]:
    """One kind of event: promised, wanted and counted."""
    signal = visibility.signal
    return {
        "scenario": scenario_object(visibility.scenario),
        "sensor": signal.sensor,
        "event": str(signal.event),
        "where": signal.where,
        "exactly": signal.exactly,
        "at_least": signal.at_least,
        "at_most": signal.at_most,
        "apart": signal.apart,
        "promised": signal.promised,
        "because": signal.because,
        "recorded": visibility.counted,
        "pauses": visibility.pauses,
        "as_expected": visibility.as_expected,
        "cached": visibility.cached,
    }


def broken_object(broken: Broken) -> dict[str, Any]:
    """What could not be judged."""
    return {"path": broken.path, "place": place_object(broken.place), "error": broken.error.as_json()}


def alert_object(alert: Alert) -> dict[str, Any]:
    """One row that a rule returned; at most `MOST_EVENT_NUMBERS` events are named."""
    return {
        "fields": {n: encode_json_value(v) for n, v in alert.fields.items()},
        "malicious": alert.malicious,
        "causes": [
            {"name": c.name, "malicious": c.malicious, "host": c.host, "detail": c.detail} for c in alert.causes
        ],
        "event_count": len(alert.events),
        "events": list(alert.events[:MOST_EVENT_NUMBERS]),
    }


def evidence_object(event: Evidence) -> dict[str, Any]:
    """One recorded event behind an alert; `time` is in epoch seconds."""
    return {"event": event.number, "time": event.at, "fields": dict(event.fields)}


def explanation_object(explanation: Explanation) -> dict[str, Any]:
    """A query step by step."""
    loss = explanation.loss
    return {
        "recorded": explanation.recorded,
        "malicious": explanation.malicious,
        "steps": [
            {"place": place_object(s.span), "rows": s.rows, "malicious": s.malicious, "benign": s.benign}
            for s in explanation.steps
        ],
        "loss": None
        if loss is None
        else {
            "step": loss.step,
            "place": place_object(loss.span),
            "reason": loss.reason,
            "clauses": [clause_object(c) for c in loss.clauses],
            "misses": [miss_object(m) for m in loss.misses],
        },
    }


def clause_object(clause: Clause) -> dict[str, Any]:
    """A clause that lost events of the attack."""
    return {
        "place": place_object(clause.span),
        "lost": clause.lost,
        "excluded": clause.excluded,
        "held": {n: [encode_json_value(v) for v in some] for n, some in clause.held.items()},
    }


def miss_object(miss: Miss) -> dict[str, Any]:
    """A threshold that was not reached."""
    return {
        "column": miss.column,
        "best": encode_json_value(miss.best),
        "operator": miss.operator,
        "needed": encode_json_value(miss.needed),
        "place": place_object(miss.span),
    }


def place_object(span: Span | None) -> dict[str, Any] | None:
    """A place in a text; lines and columns count from 1."""
    if span is None:
        return None
    line, column = span.position
    return {"file": span.file, "line": line, "column": column, "text": span.text}


def row_objects(rows: ResultRows) -> Iterable[dict[str, Any]]:
    """Rows as objects without absent fields."""
    # Column by column, since most have no number in them and nothing to encode.
    columns = [
        list(map(encode_json_value, values)) if any(type(v) is float for v in values) else values
        for values in zip(*rows.rows, strict=True)
    ]
    for row in zip(*columns, strict=True):
        yield {n: v for n, v in zip(rows.columns, row, strict=True) if v is not None}


def encode_json_value(value: CellValue) -> Any:
    """A value that JSON has: numbers without a fraction as integers, those it cannot write as text."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        # Above 2^53 a double is no exact integer any more, and readers in JavaScript round.
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value


FORMAT = Json()
