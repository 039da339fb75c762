"""Say what the real product would reject in a rule, or silently get wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from harness.cli import options
from harness.cli.project_settings import is_strict_project
from harness.cli.review_options import ReviewChoice, add_review_options
from harness.cli.rule_argument import add_rule_argument
from harness.cli.rule_options import build_settings, complete, contents
from harness.cli.screen import DIFFERS, out, paper
from harness.cli.sigma_options import add_sigma_options, expand_rules
from harness.detection.content import Content, read_content_of
from harness.detection.language import language
from harness.diagnostics import Finding, HarnessError, Severity, explain_failure, mend
from harness.output_file import write_file
from harness.record import record
from harness.report.console import Paper, escape_controls, format_count
from harness.report.json_document import VERSION, dumps
from harness.scenario.foreign_rule import container
from harness.scenario.inline_rule import INLINE_RULES
from harness.scenario.rule import Rule, read_rule
from harness.scenario.sigma.choice import SigmaChoice
from harness.supervisor import Limits, unit_of_work

SEVERITY_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.NOTE: "dim"}


ContentOf = Callable[[Path], Content]
"""Gives what rules of a folder have beside them and from the options."""


@record(kw_only=True)
class Linted:
    """A rule, what was found in it, and how many of that has been mended in its file."""

    rule: Rule
    findings: tuple[Finding, ...]
    mended: int = 0

    @property
    def left(self) -> tuple[Finding, ...]:
        """What has not been mended."""
        return tuple(f for f in self.findings if not (self.mended and mendable(f)))

    def fails(self, *, strict: bool) -> bool:
        """Whether something is left that the product rejects, or with `strict` that it gets wrong."""
        worst = (Severity.ERROR, Severity.WARNING) if strict else (Severity.ERROR,)
        return any(f.severity in worst for f in self.left)


@click.command("lint")
@add_rule_argument(several=True, name="rules")
@click.option("--fix", is_flag=True, help="Mend in the files what can be mended without changing what is meant.")
@click.option("--strict", is_flag=True, default=is_strict_project, help="Warnings fail as well as errors.")
@contents
@add_sigma_options
@add_review_options
@options.add_limits
@options.json_option
def command(
    rules: tuple[Path, ...],
    content: Content,
    sigma: SigmaChoice,
    fix: bool,
    strict: bool,
    review: ReviewChoice,
    limits: Limits,
    as_json: bool,
) -> int:
    """Says what the product that RULE was published for would reject (error) or silently get wrong (warning).

    The exit code is 1 where an error is left.
    """
    limits = complete(limits)
    code = options.in_child(limits, whole=False)
    if code is not None:
        return code
    content_of = cache(lambda folder: content.over(read_content_of(folder)))
    by_path = [(path, each) for path in rules for each in try_rules(path, content_of, limits, sigma, fix=fix)]
    review.write(annotate_linted(by_path) if review else [])
    tried = [each for _, each in by_path]
    linted = [each for each in tried if isinstance(each, Linted)]
    errors = [each for each in tried if isinstance(each, HarnessError)]
    # One alone is the command's own failure.
    if len(rules) == 1 and errors and not linted:
        raise errors[0]
    if as_json:
        findings, failed = [encode_findings(each) for each in linted], [each.as_json() for each in errors]
        out(dumps({"document": "lint", "version": VERSION, "rules": findings, "errors": failed}))
    else:
        sheet = paper()
        for each in tried:
            out(format_findings(each, sheet) if isinstance(each, Linted) else escape_controls(each.render()))
    differs = DIFFERS if any(each.fails(strict=strict) for each in linted) else 0
    return max((each.exit_code for each in errors), default=differs)


def annotate_linted(tried: Iterable[tuple[Path, Linted | HarnessError]]) -> list[Any]:
    """What is left in each rule, as code review shows it."""
    # Imported by name: it knows everything that is ever told at a line.
    annotation = import_module("harness.report.annotation")
    found: list[Any] = []
    for path, each in tried:
        if isinstance(each, Linted):
            found += annotation.annotate_findings(each.left, each.rule)
        else:
            found.append(annotation.annotate_error(each, path))
    return found


def try_rules(
    path: Path, content_of: ContentOf, limits: Limits, sigma: SigmaChoice, *, fix: bool
) -> Iterator[Linted | HarnessError]:
    """What is found in each rule of a path; one that cannot be looked at says why, and the others are all the same."""
    try:
        with unit_of_work(limits.seconds):
            forms = expand_rules([path], sigma)
    except Exception as error:
        yield explain_failure(error)
        return
    for own in forms:
        try:
            yield lint_rule(own, content_of, limits, sigma, fix=fix)
        except Exception as error:
            yield explain_failure(error)


def mendable(finding: Finding) -> bool:
    """Whether --fix mends it: what the product rejects or gets wrong; notes are for the author to decide."""
    # A limit that the product documents is no mistake, even where it could be written out.
    return bool(finding.written_edits) and finding.severity is not Severity.NOTE


def lint_rule(path: Path, content_of: ContentOf, limits: Limits, sigma: SigmaChoice, *, fix: bool) -> Linted:
    """What is found in one rule; with `fix` its file is mended."""
    with unit_of_work(limits.seconds):
        rule = read_rule(path, choice=sigma)
        settings = build_settings(content_of(path.resolve().parent))
        own = language(rule.language).lint(rule.query, settings)
    if rule.subject:
        # A converted text is no file: what it says is mended in the Sigma rule.
        return Linted(rule=rule, findings=(*rule.findings, *(replace(f, edits=()) for f in own)))
    findings = own
    edits = [edit for f in findings if mendable(f) for edit in f.written_edits]
    if fix and path in INLINE_RULES:
        raise HarnessError("usage", "--fix mends a file, and this rule is none", help="write it to a file")
    if not (fix and edits):
        return Linted(rule=rule, findings=findings)
    # Of a rule inside a document the document is mended. As bytes: text would get other line ends on Windows.
    write_file(container(path) or path, mend(edits[0].span.source, edits).encode("utf-8"))
    return Linted(rule=rule, findings=findings, mended=sum(mendable(f) for f in findings))


def format_findings(linted: Linted, sheet: Paper) -> Iterator[str]:
    """One rule's findings for people, and how many."""
    for finding in linted.left:
        head, _, rest = escape_controls(finding.render()).partition("\n")
        yield from (sheet.paint(head, SEVERITY_STYLES[finding.severity]), *([rest] if rest else []), "")
    kinds = [format_count(sum(f.severity is s for f in linted.left), str(s)) for s in Severity]
    product = language(linted.rule.language).product
    number = sum(mendable(f) for f in linted.left)
    hint = f"; `detlab lint --fix {linted.rule.path}` mends {number}" if number else ""
    done = f"; {linted.mended} mended" if linted.mended else ""
    yield f"{linted.rule.path} ({product}): {', '.join(kinds)}{done}{hint}"


def encode_findings(linted: Linted) -> dict[str, object]:
    """One rule's findings for machines."""
    findings = [{**f.as_json(), "mendable": mendable(f)} for f in linted.left]
    return {"path": str(linted.rule.path), "findings": findings, "mended": linted.mended}
