"""What Splunk rejects in a search, and what it silently gets wrong."""

from __future__ import annotations

from dataclasses import replace

from harness.detection.languages.spl.syntax import Pipeline
from harness.detection.languages.spl.text import Text
from harness.diagnostics import Finding, Severity


def lint(pipeline: Pipeline, text: Text, deviations: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """All findings in the order of the text."""
    found = [replace(f, severity=Severity.ERROR) for f in deviations]
    return tuple(sorted(found, key=lambda f: (f.span.start, f.span.end)))
