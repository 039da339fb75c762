"""All that is wrong with a query: lint's findings, and behind the first error those of the other stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from time import monotonic

from harness.detection.language import Language, Settings, Strictness, language
from harness.detection.text_token import TokenTable, find_stage, find_token_table
from harness.diagnostics import Finding, Severity, Source, SourceError

# Chosen, no source: somebody mends one error after the other, and each further one costs another reading.
MOST_READINGS = 8
SECONDS_FOR_OTHERS = 0.5
"""How long errors behind the first are looked for."""


def find_all(name: str, source: Source, settings: Settings, strictness: Strictness) -> list[Finding]:
    """The findings of a query in the order of its text, read as the project reads it."""
    spoken = language(name)
    # An empty file is one that is being begun.
    if not source.text.strip():
        return []
    found = list(spoken.lint(source, settings))
    began = monotonic()
    table = find_token_table(name)
    if table is not None and any(f.severity is Severity.ERROR for f in found):
        found += find_behind(spoken, table, source, settings, found, began)
    if strictness is Strictness.LENIENT:
        found = forgive(spoken, source, settings, found)
    seen: dict[tuple[str, int, str], Finding] = {}
    for finding in found:
        seen.setdefault((finding.code, finding.span.start, finding.message), finding)
    return sorted(seen.values(), key=lambda f: (f.span.start, f.span.end, f.code))


def find_behind(
    spoken: Language, table: TokenTable, source: Source, settings: Settings, found: list[Finding], began: float
) -> Iterator[Finding]:
    """Errors that show once the stages of those that are known are taken out, and what else lint then says."""
    errors = [f for f in found if f.severity is Severity.ERROR]
    known = {(f.code, f.span.start) for f in found}
    text = source.text
    for _ in range(MOST_READINGS):
        blanked = blank_stages(table, text, errors)
        if blanked == text or not blanked.strip(" \n\r*") or monotonic() - began > SECONDS_FOR_OTHERS:
            return
        text = blanked
        fresh = [f for f in spoken.lint(Source(source.name, text), settings) if (f.code, f.span.start) not in known]
        known |= {(f.code, f.span.start) for f in fresh}
        for finding in fresh:
            if finding.edits:
                edits = tuple(replace(e, span=source.span(e.span.start, e.span.end)) for e in finding.edits)
                finding = replace(finding, edits=edits)
            yield replace(finding, span=source.span(finding.span.start, finding.span.end))
        errors = [f for f in fresh if f.severity is Severity.ERROR]
        if not errors:
            return


def blank_stages(table: TokenTable, text: str, errors: list[Finding]) -> str:
    """The text with blanks in place of the stages of these errors, so that all else stays where it is."""
    tokens = table.scan(text)
    made = text
    for error in errors:
        # What is missing before a pipe is missing in the stage that ends there.
        at = error.span.start - (text[error.span.start : error.span.start + 1] == "|")
        start, end = find_stage(tokens, text, max(0, at))
        blanks = "".join(c if c in "\r\n" else " " for c in made[start:end])
        # The first stage says what is searched: without one some commands have nothing to work on.
        if not made[:start].strip() and blanks.startswith(" "):
            blanks = table.first + blanks[len(table.first) :]
        made = made[:start] + blanks + made[end:]
    return made


def forgive(spoken: Language, source: Source, settings: Settings, found: list[Finding]) -> list[Finding]:
    """The findings where a rule is run as its author meant it: what lenient reading forgives is a warning."""
    if not any(f.severity is Severity.ERROR for f in found):
        return found
    try:
        deviations = spoken.parse(source, Strictness.LENIENT, settings).deviations
    except SourceError:
        return found
    forgiven = {(f.code, f.span.start) for f in deviations}
    return [
        replace(f, severity=Severity.WARNING, message=f"{spoken.product} rejects this: {f.message}")
        if f.severity is Severity.ERROR and (f.code, f.span.start) in forgiven
        else f
        for f in found
    ]
