"""A run by ATT&CK technique: attacks seen (detection) apart from signals recorded (visibility)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field

from harness.late_pattern import late_pattern
from harness.record import record
from harness.report.console import format_count
from harness.report.report import Report
from harness.report.tally import Share
from harness.scenario.scenario import Label, Outcome
from harness.verdict.verdict import Verdict, Visibility

# What is no technique of ATT&CK has no place in its matrix.
TECHNIQUE_NUMBER = late_pattern(r"T\d{4}(\.\d{3})?")


@record(kw_only=True)
class TechniqueResult:
    """The verdicts and signals of one technique."""

    number: str
    verdicts: list[Verdict] = field(default_factory=list)
    signals: list[Visibility] = field(default_factory=list)

    @property
    def detection(self) -> Share:
        """Attack verdicts that are true positives; a rule that is always silent must not look half good."""
        attacks = [v for v in self.verdicts if v.scenario.body.activity is Label.MALICIOUS]
        return Share(good=sum(v.observed is Outcome.TRUE_POSITIVE for v in attacks), total=len(attacks))

    @property
    def visibility(self) -> Share:
        """Kinds of events of which a host recorded at least one; those that should be absent do not count."""
        wanted = [v for v in self.signals if v.signal.exactly != 0 and v.signal.at_most != 0]
        return Share(good=sum(v.counted > 0 for v in wanted), total=len(wanted))

    @property
    def false_positives(self) -> int:
        """How many benign verdicts are flagged."""
        return sum(v.observed is Outcome.FALSE_POSITIVE for v in self.verdicts)

    @property
    def sentence(self) -> str:
        """The numbers in a line."""
        seen = f"{self.detection.good} of {format_count(self.detection.total, 'attack verdict')} seen"
        return f"{seen}; {format_count(self.false_positives, 'false positive')}"


def group_by_technique(report: Report) -> Iterator[TechniqueResult]:
    """The techniques of a run in their order; a scenario without one belongs to its rule's."""
    found: dict[str, TechniqueResult] = {}

    def result(number: str) -> TechniqueResult | None:
        known = TECHNIQUE_NUMBER.fullmatch(number)
        return found.setdefault(number, TechniqueResult(number=number)) if known else None

    for verdict in report.outcomes.verdicts:
        own = result(verdict.scenario.body.technique or verdict.rule.page.technique)
        if own:
            own.verdicts.append(verdict)
    for visibility in report.outcomes.visibilities:
        own = result(visibility.scenario.body.technique)
        if own and visibility.scenario.body.activity is Label.MALICIOUS:
            own.signals.append(visibility)
    yield from (found[number] for number in sorted(found))
