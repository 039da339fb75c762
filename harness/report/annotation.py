"""Remarks at places of files, as code review shows them: verdicts that differ, lint findings, surviving mutants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.diagnostics import Edit, Finding, HarnessError, RejectedError, Severity, SourceError, Span
from harness.record import record
from harness.report.console import escape_controls, one_line
from harness.report.report import Report, expectation_name, signal_name
from harness.report.sentences import describe_differences, format_verdict_label, lost_at, promise
from harness.scenario.foreign_rule import container
from harness.scenario.rule import Rule
from harness.scenario.scenario import Outcome
from harness.verdict.mutate.mutate import JudgedMutant, Mutation
from harness.verdict.verdict import Broken, Verdict

CODES = {
    Outcome.TRUE_POSITIVE: "closed-gap",
    Outcome.FALSE_NEGATIVE: "missed-attack",
    Outcome.TRUE_NEGATIVE: "closed-gap",
    Outcome.FALSE_POSITIVE: "false-positive",
}
"""What a verdict that differs is called, by what was observed."""
MEANINGS = {
    "closed-gap": "A gap on record is closed: the scenario expects one that is no longer there.",
    "missed-attack": "The rule raises no alert that rests on the attack's events.",
    "false-positive": "The rule raises an alert on benign software.",
    "other-alert": "The alert is not as the scenario describes it.",
    "not-recorded": "Hosts do not record the events that the scenario says they do.",
    "cannot-judge": "A scenario or rule cannot be judged.",
    "surviving-mutant": "No scenario notices when this part of the rule is changed.",
    "gate": "A rule does not reach what the project asks for.",
}
"""What each code of an annotation means that is not a finding's own."""


@record(kw_only=True)
class FilePlace:
    """A place in a file: lines and columns from 1 by code points; the end column is the first one after it."""

    path: str
    line: int = 1
    column: int = 1
    end_line: int = 1
    end_column: int | None = None


@record(kw_only=True)
class Annotation:
    """One remark; `subject` tells it from others of its code in one file, whatever line it stands in."""

    code: str
    severity: Severity
    message: str
    place: FilePlace
    title: str = ""
    subject: str = ""
    related: FilePlace | None = None
    edits: tuple[Edit, ...] = ()
    meaning: str = ""


def locate_span(span: Span) -> FilePlace:
    """The place of a span in the file that holds it."""
    span = span.written
    line, column = span.position
    end_line, end_column = span.source.position(span.end)
    # Of a clause over many lines the first is enough to find it.
    whole = end_line > line
    return FilePlace(
        path=span.source.name,
        line=line,
        column=column,
        end_line=line if whole else end_line,
        end_column=len(span.source.line(line)) + 1 if whole else max(end_column, column + 1),
    )


def locate_in_rule(rule: Rule, span: Span | None) -> FilePlace:
    """A place in the file that holds a rule; the rule's own beginning where there is none in its text."""
    # A macro's text is another one, as is a text from a command line.
    if span is None or span.source.text != rule.query.text:
        span = rule.query.span(0, 1)
        return locate_span(span) if rule.query.placement else FilePlace(path=str(rule.path))
    return locate_span(span)


def annotate_report(report: Report) -> Iterator[Annotation]:
    """What a run found other than expected, at the rule's own line where one is to blame."""
    yield from (annotate_verdict(v) for v in report.differing)
    for visibility in report.unseen:
        place = visibility.scenario.place("telemetry")
        yield Annotation(
            code="not-recorded",
            severity=Severity.ERROR,
            message=f"{one_line(visibility.scenario.body.title)}: {promise(visibility)}",
            place=locate_span(place),
            title="not recorded",
            subject=signal_name(visibility.signal),
        )
    yield from (annotate_broken(b) for b in report.outcomes.broken)
    for failure in report.gates:
        yield Annotation(
            code="gate",
            severity=Severity.ERROR,
            message=failure.message,
            place=locate_rule_file(failure.rule),
            title=failure.gate,
            subject=failure.gate,
        )


def annotate_verdict(verdict: Verdict) -> Annotation:
    """A verdict that differs: the clause that lost the attack, or the rule's beginning."""
    loss = verdict.explanation.loss if verdict.explanation else None
    span, why = lost_at(loss) if loss else (None, "")
    same = verdict.observed == verdict.expectation.outcome
    told = "; ".join([*map(one_line, describe_differences(verdict)), *([why] if why else [])])
    return Annotation(
        code="other-alert" if same else CODES[verdict.observed],
        severity=Severity.ERROR,
        message=f"{one_line(verdict.scenario.body.title)}: {told}",
        place=locate_in_rule(verdict.rule, span),
        title=f"{format_verdict_label(verdict)}: {verdict.observed}",
        subject=f"{verdict.scenario.path} {expectation_name(verdict.expectation)}",
        related=locate_span(verdict.scenario.place("title")),
    )


def annotate_broken(broken: Broken) -> Annotation:
    """What could not be judged, at the place of its cause."""
    error = broken.error
    place = locate_span(error.span) if isinstance(error, SourceError) else None
    if place is None or not Path(place.path).exists():
        place = locate_span(broken.place) if broken.place else FilePlace(path=broken.path)
    return Annotation(
        code="cannot-judge",
        severity=Severity.ERROR,
        message=describe_error_place(error),
        place=place,
        title=error.code,
        subject=f"{broken.path} {error.code}",
    )


def describe_error_place(error: HarnessError) -> str:
    """An error and its hint on one line."""
    said = error.message if not isinstance(error, RejectedError) else "; ".join(f.message for f in error.findings)
    return one_line(f"{said} ({error.help})" if error.help else said)


def annotate_findings(findings: Iterable[Finding], rule: Rule) -> Iterator[Annotation]:
    """Lint findings of a rule at their lines."""
    for finding in findings:
        hint = f" ({finding.help})" if finding.help else ""
        yield Annotation(
            code=finding.code,
            severity=finding.severity,
            message=one_line(finding.message + hint),
            place=locate_in_rule(rule, finding.span),
            title=finding.code,
            subject=f"{finding.span.text[:200]}",
            edits=finding.written_edits if rule.query.name == str(rule.path) else (),
            meaning=finding.message,
        )


def annotate_error(error: HarnessError, path: Path) -> Annotation:
    """A rule that cannot be looked at at all."""
    place = locate_span(error.span) if isinstance(error, SourceError) else locate_rule_file(path)
    return Annotation(
        code="cannot-judge",
        severity=Severity.ERROR,
        message=describe_error_place(error),
        place=place,
        title=error.code,
        subject=error.code,
    )


def annotate_mutation(found: Mutation, path: Path) -> Iterator[Annotation]:
    """Survivors at the lines of the rule in that file."""
    yield from (annotate_survivor(s, path) for s in found.survivors)


def annotate_survivor(survivor: JudgedMutant, path: Path) -> Annotation:
    """One change of a rule that no scenario notices."""
    killer = f"; a scenario that would: {survivor.killer.name}" if survivor.killer else ""
    place = survivor.mutant.place
    return Annotation(
        code="surviving-mutant",
        severity=Severity.WARNING,
        message=one_line(f"no scenario notices this change: {survivor.mutant.what}{killer}"),
        place=locate_span(place) if place and place.source.name == str(path) else locate_rule_file(path),
        title=f"surviving mutant ({survivor.mutant.kind})",
        subject=survivor.mutant.what,
    )


def locate_rule_file(path: Path) -> FilePlace:
    """The beginning of the file that holds a rule."""
    return FilePlace(path=str(container(path) or path))


SHOWN_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
"""GitHub's words."""


def format_workflow_commands(annotations: Iterable[Annotation]) -> Iterator[str]:
    """The annotations as commands that a GitHub workflow reads from what a step prints.

    Reference: GitHub Actions, Workflow commands, Setting an error message
    """
    for each in annotations:
        place = each.place
        facts: dict[str, object] = {"file": shorten_to_folder(place.path), "line": place.line}
        facts |= {"endLine": place.end_line, "col": place.column, "endColumn": place.end_column, "title": each.title}
        named = ",".join(f"{n}={escape_property(str(v))}" for n, v in facts.items() if v not in (None, ""))
        yield f"::{SHOWN_LEVELS[each.severity]} {named}::{escape_command(each.message)}"


def shorten_to_folder(path: str) -> str:
    """A path as seen from the working folder, where it lies below; with slashes."""
    given = Path(path)
    folder = Path.cwd()
    below = given.relative_to(folder) if given.is_absolute() and given.is_relative_to(folder) else given
    return below.as_posix()


def escape_command(text: str) -> str:
    """Text of a workflow command, which ends with its line."""
    return escape_controls(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """A property of a workflow command, which ends with a comma or the second colon."""
    return escape_command(text).replace(":", "%3A").replace(",", "%2C")


def describe_annotated_place(place: FilePlace) -> str:
    """A place for people."""
    return f"{shorten_to_folder(place.path)}:{place.line}"
