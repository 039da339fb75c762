"""What a project asks of each of its rules beside its expectations: alerts a day at most, which scenarios it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.record import record
from harness.scenario.scenario import Label, Outcome
from harness.verdict.verdict import Verdict


@record(kw_only=True)
class GateLimits:
    """`max_alerts_per_day` is of benign scenarios; the others ask for a scenario that each rule passes.

    `true_positive` asks for an attack that it sees, `benign_twin` for benign software that it is quiet about.
    """

    max_alerts_per_day: float | None = None
    true_positive: bool = False
    benign_twin: bool = False


@record(kw_only=True)
class GateFailure:
    """A rule that does not reach what is asked for."""

    rule: Path
    gate: str
    message: str


def check_gates(verdicts: Sequence[Verdict], limits: GateLimits) -> tuple[GateFailure, ...]:
    """Each gate that each rule of a run fails."""
    by_rule: dict[Path, list[Verdict]] = {}
    for verdict in verdicts:
        by_rule.setdefault(verdict.rule.path, []).append(verdict)
    return tuple(failure for path, own in by_rule.items() for failure in check_rule(path, own, limits))


def check_rule(path: Path, verdicts: Sequence[Verdict], limits: GateLimits) -> Iterator[GateFailure]:
    """The gates that one rule fails."""
    observed = {v.observed for v in verdicts}
    if limits.true_positive and Outcome.TRUE_POSITIVE not in observed:
        yield GateFailure(rule=path, gate="true-positive", message=f"{path.name} sees no attack of any scenario")
    if limits.benign_twin and Outcome.TRUE_NEGATIVE not in observed:
        message = f"{path.name} is quiet about no benign scenario"
        yield GateFailure(rule=path, gate="benign-twin", message=message)
    benign = [v for v in verdicts if v.scenario.body.activity is Label.BENIGN]
    days = sum(v.days for v in benign)
    alerts = sum(len(v.alerts) for v in benign)
    if limits.max_alerts_per_day is not None and days and alerts / days > limits.max_alerts_per_day:
        rate = f"{alerts / days:.3g} a day, more than {limits.max_alerts_per_day:g}"
        message = f"{path.name} raises {alerts} alerts in {days:.3g} days of benign scenarios: {rate}"
        yield GateFailure(rule=path, gate="max-alerts-per-day", message=message)
