"""Print what detlab does of each language: supported, diverging and refused, with evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import click

from harness.cli import options
from harness.cli.screen import out, paper
from harness.detection.language import ReferenceEntry, SupportState, list_languages
from harness.detection.reference import Reference, reference
from harness.diagnostics import HarnessError, did_you_mean
from harness.report.console import Paper, format_count
from harness.report.error_manual import ErrorPage, list_error_pages
from harness.report.json_document import VERSION, dumps


@click.command("docs")
@click.argument("name", required=False, metavar="[COMMAND|FUNCTION|ERROR]")
@click.option("--language", "wanted", type=click.Choice(list_languages()), help="Only this language.")
@click.option("--state", type=click.Choice([str(s) for s in SupportState]), help="Only what is in this state.")
@options.json_option
def command(name: str | None, wanted: str | None, state: str | None, as_json: bool) -> int:
    r"""Prints for every command and function of each language what becomes of a rule that uses it; explains an error.

    What the product has and detlab lacks is listed and counted. States are what runs of the conformance pages through
    `detlab query` showed, none is declared. Evidence is the number of cases that use it and are right, by how well each
    is known: documented, observed on the product, or assumed.

    \b
    detlab docs
    detlab docs --language spl --state refused
    detlab docs groupBy
    detlab docs unknown-aggregate
    """
    if name is not None and (pages := find_error(name)):
        out(dumps(encode_error(pages[0])) if as_json else format_error(pages[0]))
        return 0
    if name is not None:
        check_name(name, [wanted] if wanted else list_languages())
    found = [reference(each) for each in ([wanted] if wanted else list_languages())]
    if as_json:
        out(dumps({"document": "docs", "version": VERSION, "languages": [encode_reference(r) for r in found]}))
        return 0
    sheet = paper()
    for number, each in enumerate(found):
        out(([""] if number else []) + list(format_reference(each, sheet, name, state)))
    return 0


def find_error(name: str) -> list[ErrorPage]:
    """The page of an error's code, also as `error[CODE]`; none for the name of a command or a function."""
    code = re.sub(r"^(?:error|warning|note)\[(.*)\]$", r"\1", name)
    known = {entry.name for language in list_languages() for entry in reference(language, None).entries}
    return [] if name in known else list_error_pages(code)


def format_error(page: ErrorPage) -> list[str]:
    """What is said under a code, and what shows it, for people."""
    lines = [f"error[{page.code}]"]
    for said in page.sentences:
        hint = [f"    = help: {said.help}"] if said.help else []
        lines += [f"  {said.message}", *hint, f"    {said.file}:{said.line}"]
    if page.query is not None and page.answer is not None:
        lines += ["for example", *(f"  {line}" for line in (*page.query.splitlines(), "", *page.answer.splitlines()))]
    return lines


def encode_error(page: ErrorPage) -> dict[str, Any]:
    """The same for machines."""
    said = [{"message": s.message, "help": s.help, "file": s.file, "line": s.line} for s in page.sentences]
    example = {"query": page.query, "answer": page.answer} if page.query is not None else None
    return {"document": "error", "version": VERSION, "code": page.code, "sentences": said, "example": example}


def check_name(name: str, languages: Iterable[str]) -> None:
    """Raises HarnessError for what no language calls a command or a function."""
    known = {entry.name for language in languages for entry in reference(language, None).entries}
    if name not in known:
        meant = next((k for k in sorted(known) if k.lower() == name.lower()), None)
        hint = f"did you mean `{meant}`?" if meant else did_you_mean(name, known)
        raise HarnessError("unknown-name", f"no command, function or error is called `{name}`", help=hint)


def format_reference(found: Reference, sheet: Paper, name: str | None, state: str | None) -> Iterator[str]:
    """One language for people."""
    shown = [e for e in found.entries if name in (None, e.name) and state in (None, str(e.state))]
    rows = [(e.kind, e.name, str(e.state), describe_evidence(e), e.because or e.summary) for e in shown]
    if rows:
        yield from sheet.table(("kind", "name", "state", "evidence", "meaning, or why not"), rows)
    if name:
        return
    states = ", ".join(
        f"{found.count(s):,} {s}" for s in SupportState if s is not SupportState.UNTESTED or found.count(s)
    )
    yield from sheet.paragraph(
        f"{found.product} ({found.language}): {format_count(len(found.entries), 'entry', 'entries')}: {states}"
    )
    cases = ", ".join(f"{number:,} {word}" for word, number in found.cases.items())
    yield from sheet.paragraph(f"cases run through the command: {cases}")
    for switch in found.switches if state is None else ():
        values = " | ".join(switch.values)
        yield from sheet.paragraph(f"{switch.name} = {values}: {switch.question}", indent=11, first="left open")


def describe_evidence(entry: ReferenceEntry) -> str:
    """The cases of an entry by how well they are known."""
    return ", ".join(f"{number} {word}" for word, number in sorted(entry.evidence.items())) or "none"


def encode_reference(found: Reference) -> dict[str, Any]:
    """One language for machines."""
    entries = [
        {
            "kind": e.kind,
            "name": e.name,
            "state": str(e.state),
            "summary": e.summary,
            "because": e.because,
            "reference": e.reference,
            "evidence": dict(e.evidence),
        }
        for e in found.entries
    ]
    switches = [
        {"name": s.name, "values": list(s.values), "question": s.question, "settle": s.settle} for s in found.switches
    ]
    counts = {str(s): found.count(s) for s in SupportState}
    cases = dict(found.cases)
    return {
        "language": found.language,
        "product": found.product,
        **counts,
        "cases": cases,
        "entries": entries,
        "switches": switches,
    }
