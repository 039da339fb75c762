"""SARIF 2.1.0 for code scanning: what differs, lint findings and surviving mutants on the rule's own line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness import __version__
from harness.diagnostics import Edit, Severity
from harness.record import record
from harness.report.annotation import MEANINGS, Annotation, FilePlace, annotate_report, locate_span, shorten_to_folder
from harness.report.console import escape_controls
from harness.report.report import Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
SARIF_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
# Chosen: some viewers show no more of a code's meaning.
LONGEST_MEANING = 200


@record
class Sarif:
    """One run of the tool with a result for each annotation; known gaps are as expected and have none."""

    suffix: str = "sarif"

    def write(self, report: Report) -> str:
        """The whole log."""
        return encode_sarif(list(annotate_report(report)), report.version)


def encode_sarif(annotations: Sequence[Annotation], version: str = __version__) -> str:
    """Annotations as a SARIF log."""
    codes = list(dict.fromkeys(a.code for a in annotations))
    meanings = {a.code: a.meaning for a in reversed(annotations)}
    driver = {
        "name": "detlab",
        "version": version,
        "semanticVersion": version,
        "rules": [code_object(code, meanings[code]) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "the folder in which detlab was run"}}},
        "results": [result_object(a, codes.index(a.code)) for a in annotations],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def code_object(code: str, meaning: str) -> dict[str, Any]:
    """A code and what it means."""
    text = escape_controls(MEANINGS.get(code) or meaning or code)[:LONGEST_MEANING]
    return {"id": code, "shortDescription": {"text": text}}


def result_object(annotation: Annotation, index: int) -> dict[str, Any]:
    """One annotation."""
    # Without the line, so that a remark stays the same one when lines are added above it.
    own = "\0".join((annotation.code, shorten_to_folder(annotation.place.path), annotation.subject))
    found: dict[str, Any] = {
        "ruleId": annotation.code,
        "ruleIndex": index,
        "level": SARIF_LEVELS[annotation.severity],
        "message": {"text": escape_controls(annotation.message)},
        "locations": [location_object(annotation.place)],
        "partialFingerprints": {"detlab/v1": sha256(own.encode("utf-8", "surrogatepass")).hexdigest()},
    }
    if annotation.related:
        related = {"id": 0, **location_object(annotation.related), "message": {"text": "the scenario"}}
        found["relatedLocations"] = [related]
    if annotation.edits:
        found["fixes"] = [fix_object(annotation.place.path, annotation.edits)]
    return found


def location_object(place: FilePlace) -> dict[str, Any]:
    """A place; files below the working folder are relative to it."""
    return {"physicalLocation": {"artifactLocation": artifact_object(place.path), "region": region_object(place)}}


def artifact_object(path: str) -> dict[str, Any]:
    """A file as an address."""
    shown = shorten_to_folder(path)
    if Path(shown).is_absolute():
        return {"uri": f"file://{quote(shown, errors='replace')}"}
    # A relative address must not begin with what looks like a scheme.
    address = quote(shown, errors="replace")
    return {"uri": f"./{address}" if ":" in address.partition("/")[0] else address, "uriBaseId": "%SRCROOT%"}


def region_object(place: FilePlace) -> dict[str, Any]:
    """Lines and columns."""
    region = {"startLine": place.line, "startColumn": place.column, "endLine": place.end_line}
    return region | ({} if place.end_column is None else {"endColumn": place.end_column})


def fix_object(path: str, edits: Iterable[Edit]) -> dict[str, Any]:
    """How a finding is mended."""
    replacements = [
        {
            "deletedRegion": region_of_edit(edit),
            "insertedContent": {"text": escape_controls(edit.replacement)},
        }
        for edit in edits
    ]
    changes = [{"artifactLocation": artifact_object(path), "replacements": replacements}]
    return {"description": {"text": "as `detlab lint --fix` mends it"}, "artifactChanges": changes}


def region_of_edit(edit: Edit) -> dict[str, Any]:
    """The text that an edit takes out, which may be none and may have many lines."""
    end_line, end_column = edit.span.source.position(edit.span.end)
    start = locate_span(edit.span)
    return {
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end_line,
        "endColumn": end_column,
    }


FORMAT = Sarif()
