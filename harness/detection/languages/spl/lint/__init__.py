"""What Splunk rejects in a search, and what it silently gets wrong."""

from __future__ import annotations

from harness.detection.language import Settings
from harness.detection.languages.spl.lexer import ExpandedText
from harness.detection.languages.spl.lint.conditions import CONDITION_RULES, EXPRESSION_RULES
from harness.detection.languages.spl.lint.pipelines import PIPELINE_RULES
from harness.detection.languages.spl.planner import plan
from harness.detection.languages.spl.syntax import Pipeline
from harness.detection.plan.expressions import Kind
from harness.diagnostics import Finding, Severity, SourceError

OURS = ("unsupported", "unknown-lookup", "too-many-patterns")
"""Errors that tell of a limit of this engine rather than of the search."""


def lint_pipeline(
    pipeline: Pipeline, text: ExpandedText, names: frozenset[str], deviations: tuple[Finding, ...], settings: Settings
) -> tuple[Finding, ...]:
    """All findings in the order of the text, each once."""
    found = list(deviations)
    for rule in (*CONDITION_RULES, *EXPRESSION_RULES, *PIPELINE_RULES):
        found.extend(rule(pipeline))
    found += lint_by_planning(pipeline, text, names, settings)
    seen: dict[tuple[str, int, str], Finding] = {}
    for finding in found:
        seen.setdefault((finding.code, finding.span.start, finding.message), finding)
    return tuple(sorted(seen.values(), key=lambda f: (f.span.start, f.span.end, f.code)))


def lint_by_planning(
    pipeline: Pipeline, text: ExpandedText, names: frozenset[str], settings: Settings
) -> list[Finding]:
    """What comes to light when the search is planned over events that have every field it names."""
    columns = {n: Kind.TEXT for n in sorted(names) if "*" not in n and not n.startswith("@")}
    columns |= {"_time": Kind.NUMBER, "_raw": Kind.TEXT, **dict.fromkeys(("source", "host", "sourcetype"), Kind.TEXT)}
    try:
        findings = plan(pipeline, text, names, columns, settings).findings
    except SourceError as error:
        return [] if error.code in OURS else [error.finding()]
    return [f for f in findings if f.severity is Severity.WARNING]
