"""A table in AsciiDoc: one line a verdict."""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.report import Report


@dataclass(frozen=True)
class AsciiDoc:
    """One table."""

    suffix: str = "adoc"

    def write(self, report: Report) -> str:
        """The whole report."""
        lines = [f"|{v.scenario.body.title} |{v.rule.name} |{v.observed}" for v in report.outcomes.verdicts]
        return "\n".join(["|===", *lines, "|==="]) + "\n"


FORMAT = AsciiDoc()
