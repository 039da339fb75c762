"""Sigma rules: converted by pySigma for Splunk and for LogScale, each language for itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.diagnostics import Finding, HarnessError, Severity, SourceError
from harness.late_pattern import late_pattern
from harness.scenario.foreign_rule import Published, as_texts_tuple
from harness.scenario.sigma.choice import SigmaChoice
from harness.scenario.sigma.collection import SigmaSubject, read_sigma_subjects
from harness.scenario.sigma.converter_faults import find_converter_faults
from harness.scenario.sigma.rule import is_sigma

TECHNIQUE_TAG = late_pattern(r"attack\.(t\d{4}(?:\.\d{3})?)", re.I)
# The licence asks that author and licence go with the rule and with what it finds.
LICENCE = "DRL-1.1 (SigmaHQ) unless the rule says otherwise"
WINDOWS_CONDITIONS = {"source": "WinEventLog", "system_names": "sigma"}
"""How hosts are set up that pySigma's pipelines for Windows convert for."""

WINDOWS_PIPELINES = frozenset({"splunk_windows", "windows_logsources"})


def recognises(content: Any) -> bool:
    """Whether a document, or one of several, is a rule, a correlation or a filter of Sigma."""
    return any(map(is_sigma, content)) if isinstance(content, tuple) else is_sigma(content)


def read(path: Path, content: Any, choice: SigmaChoice) -> tuple[Published, ...]:
    """Each rule in both languages. Raises SourceError at the place of the file that is wrong."""
    subjects = read_sigma_subjects(path, choice)
    if not subjects:
        hint = "--filter takes it along with a rule"
        raise HarnessError("no-rules", f"{path} holds filters and no rule", help=hint)
    try:
        conversion = import_module("harness.scenario.sigma.conversion")
    except ImportError as error:
        hint = "pip install 'detlab[sigma]'"
        raise HarnessError("needs-extra", f"{path} is a Sigma rule, and pySigma is not installed", help=hint) from error
    conversion.check_choice(choice)
    found: list[Published] = []
    for subject in subjects:
        made = conversion.convert_subject(subject, choice)
        refused = tuple(build_refusal_note(subject, n, c.error) for n, c in made.items() if c.error)
        found += (
            Published(
                name=subject.title,
                language=language,
                text=each.text,
                page=build_sigma_page(subject),
                subject=subject,
                error=each.error,
                findings=(*subject.findings, *refused, *find_converter_faults(subject, language, each.text)),
                fields=each.fields,
                conditions=WINDOWS_CONDITIONS if WINDOWS_PIPELINES & set(each.pipelines) else {},
            )
            for language, each in made.items()
        )
    return tuple(found)


def build_refusal_note(subject: SigmaSubject, language: str, error: HarnessError) -> Finding:
    """What is said beside the languages that a rule has of one that it has not."""
    span = error.span if isinstance(error, SourceError) else subject.rule.span
    message = f"there is no {language.upper()} of it: {error.message}"
    return Finding(code="sigma-not-converted", span=span, message=message, severity=Severity.NOTE)


def build_sigma_page(subject: SigmaSubject) -> Mapping[str, Any]:
    """The page of a Sigma rule; author and licence stay with it."""
    content = subject.rule.document.value
    techniques = [m[1].upper() for m in map(TECHNIQUE_TAG.fullmatch, as_texts_tuple(content.get("tags"))) if m]
    source = content.get("logsource")
    return {
        "title": subject.title,
        "id": subject.rule.id,
        "description": str(content.get("description") or ""),
        "author": ", ".join(as_texts_tuple(content.get("author"))),
        "license": str(content.get("license") or LICENCE),
        "technique": techniques[0] if techniques else "",
        "level": str(content.get("level") or ""),
        "data_sources": tuple(f"{k}: {v}" for k, v in source.items()) if isinstance(source, dict) else (),
        "false_positives": as_texts_tuple(content.get("falsepositives")),
        "references": as_texts_tuple(content.get("references")),
    }
