"""Gates of a project: which scenarios each rule has to have, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator

from harness.scenario.scenario import Outcome
from harness.scenario.settings import Gates
from harness.verdict.verdict import Outcomes


def list_gate_failures(outcomes: Outcomes, gates: Gates) -> Iterator[str]:
    """A sentence for each rule that lacks a scenario which a gate asks for; only verdicts that hold count."""
    seen: dict[str, set[Outcome]] = {}
    for verdict in outcomes.verdicts:
        held = seen.setdefault(str(verdict.rule.path), set())
        if verdict.as_expected:
            held.add(verdict.expectation.outcome)
    for rule, held in sorted(seen.items()):
        if gates.true_positive and Outcome.TRUE_POSITIVE not in held:
            yield f"gate true_positive: no scenario has an attack that {rule} sees"
        if gates.benign_twin and Outcome.TRUE_NEGATIVE not in held:
            yield f"gate benign_twin: no benign scenario shows that {rule} is quiet"
