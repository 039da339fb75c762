"""What there is to say of a document: where its rules are, and every finding with its place."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.diagnostics import Finding, HarnessError, Severity, Source, SourceError, explain_failure
from harness.editor.document_findings import check_scenario, check_settings, find_misfits
from harness.editor.placed_rule import (
    YAML_SUFFIXES,
    PlacedRule,
    find_language,
    place_published,
    place_whole,
)
from harness.editor.project_view import Projects, ProjectView
from harness.editor.rule_findings import find_all
from harness.late_pattern import late_pattern
from harness.record import record
from harness.scenario.document import Document, load_all
from harness.scenario.foreign_rule import Published, format_of, read_published_rules
from harness.scenario.project import SETTINGS_FILE
from harness.scenario.rule import Metadata
from harness.scenario.sigma.choice import DEFAULT_CHOICE
from harness.scenario.sigma.rule import is_sigma

LONGEST_DOCUMENT = 1 << 20
"""Characters of a document that is looked at; a published rule has some thousand."""
# Files beside a correlation that its rules may be in; chosen, no source.
MOST_FILES_BESIDE = 200
SCENARIO_KEYS = late_pattern(r"^(?:simulate|replay|detonate):", re.M)
ACTIVITY_KEY = late_pattern(r"^activity:", re.M)
PAGE_NAME = late_pattern(r"\.[a-z]+\.ya?ml$")


class DocumentKind(StrEnum):
    """What a document is."""

    RULE = "rule"
    RULES = "rules in YAML"
    SIGMA = "sigma"
    SCENARIO = "scenario"
    SETTINGS = "settings"
    PAGE = "page of a rule"
    OTHER = "other"


@record(kw_only=True)
class PlacedEdit:
    """A replacement in the document."""

    start: int
    end: int
    text: str


@record(kw_only=True)
class PlacedFinding:
    """A finding with its place in the document, and edits that can be made there."""

    start: int
    end: int
    severity: Severity
    code: str
    message: str
    help: str | None = None
    edits: tuple[PlacedEdit, ...] = ()


@record(kw_only=True)
class Analysis:
    """A document's kind, its rules and its findings in the order of the text."""

    kind: DocumentKind
    rules: tuple[PlacedRule, ...] = ()
    findings: tuple[PlacedFinding, ...] = ()
    documents: tuple[Document, ...] = field(default=(), repr=False)


def analyse(path: Path, text: str, language_id: str, projects: Projects, *, findings: bool = True) -> Analysis:
    """Everything about a document as it is in the editor, saved or not; only its rules without `findings`."""
    found = recognise(path, text, language_id)
    if not findings:
        return replace(found, rules=() if len(text) > LONGEST_DOCUMENT else found.rules)
    if len(text) > LONGEST_DOCUMENT:
        message = f"the document has more than {LONGEST_DOCUMENT:,} characters and is not looked at"
        size = PlacedFinding(start=0, end=1, severity=Severity.NOTE, code="document-too-large", message=message)
        return replace(found, findings=(size,) if found.kind is not DocumentKind.OTHER else ())
    project = projects.find(path)
    placed = [*found.findings]
    if found.kind not in (DocumentKind.OTHER, DocumentKind.SETTINGS) and project.error is not None:
        placed.append(place_failure(project.error, text))
    for rule in found.rules:
        placed += place_rule_findings(rule, project)
    placed += check_document(found, path, text)
    return replace(found, findings=tuple(sorted(placed, key=lambda f: (f.start, f.end, f.code))))


def recognise(path: Path, text: str, language_id: str) -> Analysis:
    """What a document is, and its rules; a YAML text that cannot be read has one finding where it is one of ours."""
    language = find_language(path, language_id)
    if language is not None:
        return Analysis(kind=DocumentKind.RULE, rules=(place_whole(path, text, language),))
    if path.suffix not in YAML_SUFFIXES and language_id != "yaml":
        return Analysis(kind=DocumentKind.OTHER)
    kind = guess_kind(path, text)
    if len(text) > LONGEST_DOCUMENT:
        return Analysis(kind=kind)
    try:
        documents = tuple(load_all(Source(str(path), text)))
    except SourceError as error:
        # Other YAML in a repository is not for us to find fault with.
        findings = () if kind is DocumentKind.OTHER else (place_finding(error.finding()),)
        return Analysis(kind=kind, findings=findings)
    if kind in (DocumentKind.OTHER, DocumentKind.RULES):
        return find_published(path, documents)
    return Analysis(kind=kind, documents=documents)


def guess_kind(path: Path, text: str) -> DocumentKind:
    """What a YAML document is by its name and the beginnings of its lines, whether it can be read or not."""
    if path.name == SETTINGS_FILE:
        return DocumentKind.SETTINGS
    if PAGE_NAME.search(path.name) and find_language(Path(path.stem), ""):
        return DocumentKind.PAGE
    if ACTIVITY_KEY.search(text) and SCENARIO_KEYS.search(text):
        return DocumentKind.SCENARIO
    looks = re.search(r"^(?:detection|search|queryString|query|correlation):", text, re.M)
    return DocumentKind.RULES if looks and re.search(r"^(?:name|title|logsource):", text, re.M) else DocumentKind.OTHER


def find_published(path: Path, documents: tuple[Document, ...]) -> Analysis:
    """The rules of a document in one of the formats of others."""
    content: Any = documents[0].value if len(documents) == 1 else tuple(d.value for d in documents)
    if is_sigma(content) or (isinstance(content, tuple) and any(map(is_sigma, content))):
        return Analysis(kind=DocumentKind.SIGMA, documents=documents)
    try:
        shape = format_of(content)
        published = shape.read(path, content, DEFAULT_CHOICE) if shape is not None else ()
    except HarnessError as error:
        return Analysis(kind=DocumentKind.RULES, findings=(place_failure(error, documents[0].source.text),))
    rules = tuple(place_published(documents, published))
    return Analysis(kind=DocumentKind.RULES if rules else DocumentKind.OTHER, rules=rules, documents=documents)


def check_document(found: Analysis, path: Path, text: str) -> Iterator[PlacedFinding]:
    """The findings of a document beside those of queries in it."""
    if not found.documents:
        return
    document = found.documents[0]
    if found.kind is DocumentKind.SCENARIO:
        yield from map(place_finding, check_scenario(document, path))
    elif found.kind is DocumentKind.SETTINGS:
        yield from map(place_finding, check_settings(document, path))
    elif found.kind is DocumentKind.PAGE:
        yield from map(place_finding, find_misfits(document, Metadata)[0])
    elif found.kind is DocumentKind.SIGMA:
        yield from check_sigma(path, text, found.documents)


def place_finding(finding: Finding) -> PlacedFinding:
    """A finding whose places are those of the document."""
    return PlacedFinding(
        start=finding.span.start,
        end=finding.span.end,
        severity=finding.severity,
        code=finding.code,
        message=finding.message,
        help=finding.help,
    )


def place_failure(error: HarnessError, text: str) -> PlacedFinding:
    """A failure as a finding: at its place if that is in this text, else in the first line."""
    if isinstance(error, SourceError) and error.span.source.text == text:
        return place_finding(error.finding())
    end = len(text.split("\n", 1)[0])
    where = f"{error.span}: " if isinstance(error, SourceError) else ""
    return PlacedFinding(
        start=0, end=end, severity=Severity.ERROR, code=error.code, message=where + error.message, help=error.help
    )


def place_rule_findings(rule: PlacedRule, project: ProjectView) -> Iterator[PlacedFinding]:
    """The findings of one rule at their places in the document."""
    for finding in find_all(rule.language, rule.source, project.settings, project.strictness):
        start, end = rule.locate(finding.span.start, finding.span.end)
        edits = []
        for edit in finding.edits:
            # Within quotes and folded lines an edit would have to be written otherwise than in a query.
            if rule.is_verbatim(edit.span.start, edit.span.end) and (not rule.places or "\n" not in edit.replacement):
                first, last = rule.locate(edit.span.start, edit.span.end)
                edits.append(PlacedEdit(start=first, end=last, text=edit.replacement))
        whole = len(edits) == len(finding.edits)
        placed = place_finding(finding)
        yield replace(placed, start=start, end=end, edits=tuple(edits) if whole else ())


def check_sigma(path: Path, text: str, documents: Sequence[Document]) -> Iterator[PlacedFinding]:
    """What reading and converting a Sigma file finds, and what its conversions are said of."""
    try:
        with TemporaryDirectory(prefix="detlab-sigma-") as folder:
            own = write_copy(path, text, Path(folder))
            published = [rule for _, rule in read_published_rules(own, DEFAULT_CHOICE)]
    except Exception as error:
        # A converter's failure is a finding like any other.
        failure = explain_failure(error)
        if failure.code != "no-rules":
            yield place_failure(failure, text)
        return
    place = documents[0].key(("detection",)) if documents[0].root.child("detection") else documents[0].span(())
    told: set[tuple[str, int, str]] = set()
    for rule in published:
        failures = [place_failure(rule.error, text)] if rule.error else []
        for placed in (*failures, *map(place_finding, rule.findings), *check_conversion(rule, place.start, place.end)):
            key = (placed.code, placed.start, placed.message)
            if key not in told:
                told.add(key)
                yield replace(placed, end=min(placed.end, placed.start + len(text[placed.start :].split("\n", 1)[0])))


def write_copy(path: Path, text: str, folder: Path) -> Path:
    """The document as a file, with those beside it that a correlation may refer to."""
    if "correlation:" in text and path.is_absolute() and path.parent.is_dir():
        for each in sorted(p for p in path.parent.glob("*.y*ml") if p.name != path.name)[:MOST_FILES_BESIDE]:
            if each.is_file() and each.stat().st_size <= LONGEST_DOCUMENT:
                shutil.copyfile(each, folder / each.name)
    own = folder / (path.name if path.suffix in YAML_SUFFIXES else f"{path.name}.yml")
    own.write_bytes(text.encode("utf-8", "surrogatepass"))
    return own


def check_conversion(rule: Published, start: int, end: int) -> Iterator[PlacedFinding]:
    """What is wrong with the query that a Sigma rule becomes, told once a kind where its detection begins."""
    if rule.error is not None:
        return
    seen: set[str] = set()
    query = Source(rule.name, rule.text)
    for finding in find_all(rule.language, query, ProjectView().settings, ProjectView().strictness):
        if finding.severity is not Severity.NOTE and finding.code not in seen:
            seen.add(finding.code)
            message = f"as {rule.language.upper()}: {finding.message}"
            placed = place_finding(finding)
            yield replace(placed, start=start, end=end, severity=Severity.NOTE, message=message)
