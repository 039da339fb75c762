"""One HTML file without anything from elsewhere: what is detected, tests by rules, and each verdict on demand."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.record import record
from harness.report.console import escape_controls, format_count
from harness.report.page_document import PageChapter, SharedTexts, build_page_chapters, encode_page_verdict
from harness.report.report import (
    BENIGN,
    Report,
    chapters,
    describe_bounds,
    describe_fields,
    describe_setting,
    describe_signal_kind,
    usual_conditions,
)
from harness.report.sentences import OUTCOME_WORDS, fault, lenient, promise
from harness.report.tally import count_states, tally_report
from harness.scenario.rule import Rule
from harness.scenario.scenario import Outcome

# Chosen, no source: what a heading holds.
MOST_NAMED_TECHNIQUES = 3
TEMPLATES = Path(__file__).parent / "page"


@record
class Html:
    """The run as one page; whatever comes from rules, scenarios and events is escaped."""

    suffix: str = "html"

    def write(self, report: Report) -> str:
        """The whole page."""
        every = build_page_chapters(report)
        style, script = read_page_part("page.css"), read_page_part("page.js")
        share = SharedTexts()
        return render_page(
            "run.html.j2",
            report=report,
            heading=name_techniques(report),
            facts=list_run_facts(report),
            legend=LEGEND,
            chapters=every,
            details=[(cell.address, encode_page_verdict(cell, row, share)) for row, cell in list_cells(every)],
            texts=list(share.places),
            tallies=tally_report(report),
            states=count_states(report),
            rules=list_rule_facts(report),
            false_positives=compare_false_positives(report),
            signals=list_signal_rows(report),
            faults=[(b.path, fault(b)) for b in report.outcomes.broken],
            style=Markup(style),
            script=Markup(script),
            policy=build_policy(style, script),
        )


def name_techniques(report: Report) -> str:
    """What the page is about: the techniques of its scenarios."""
    known = list(
        dict.fromkeys(v.scenario.body.technique for v in report.outcomes.verdicts if v.scenario.body.technique)
    )
    if len(known) > MOST_NAMED_TECHNIQUES:
        return f"Detection of {len(known)} techniques"
    return f"Detection of {', '.join(known)}" if known else "Detection report"


def list_run_facts(report: Report) -> list[str]:
    """When and under what a run was made."""
    outcomes = report.outcomes
    usual = describe_setting(usual_conditions(report), dict(report.chosen))
    seed = f"seed {report.seed}" if report.seed is not None else "each scenario's own seed"
    return [
        *([f"run {report.began}"] if report.began else []),
        format_count(outcomes.scenarios, "scenario"),
        format_count(len(outcomes.verdicts), "verdict"),
        f"telemetry {', '.join(sorted({str(v.origin) for v in outcomes.verdicts})) or 'none'}",
        f"engine {report.engine}",
        f"conditions {usual} unless a row says otherwise" if usual else "conditions as each scenario says",
        seed,
        f"{outcomes.seconds:.1f} s",
    ]


def render_study(**facts: Any) -> str:
    """A study's plot and table as a page of its own."""
    style = read_page_part("page.css")
    return render_page("study.html.j2", style=Markup(style), policy=build_static_policy(style), **facts)


def build_static_policy(style: str) -> str:
    """The same for a page without a script."""
    return f"default-src 'none'; style-src '{hash_part(style)}'; img-src data:; base-uri 'none'; form-action 'none'"


def list_cells(every: list[PageChapter]) -> list[tuple[Any, Any]]:
    """Every row with each of its cells that has a verdict."""
    return [(row, cell) for chapter in every for row in chapter.rows for cell in row.cells if cell]


def build_policy(style: str, script: str) -> str:
    """The page's own style and script and nothing else: what is not escaped could neither run nor load anything."""
    return (
        f"default-src 'none'; style-src '{hash_part(style)}'; script-src '{hash_part(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def hash_part(text: str) -> str:
    """A style or script as a content security policy names it."""
    return f"sha256-{b64encode(sha256(text.encode('utf-8')).digest()).decode('ascii')}"


@cache
def read_page_part(name: str) -> str:
    """A style or script of the page."""
    return "\n" + (TEMPLATES / name).read_text("utf-8")


@cache
def page_templates() -> Environment:
    """The templates: everything is escaped, and control characters of strangers are spelled out."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: value if isinstance(value, Markup) or not isinstance(value, str) else clean(value),
    )
    made.filters |= {"embedded": embed_json, "counted": format_count}
    return made


def clean(text: str) -> str:
    """Text without control characters."""
    return escape_controls(text)


def render_page(template: str, **facts: Any) -> str:
    """A page from its template."""
    return page_templates().get_template(template).render(**facts)


def embed_json(value: Any) -> Markup:
    """A value as JSON that no HTML parser takes for markup."""
    text = json.dumps(clean_values(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def clean_values(value: Any) -> Any:
    """A value of JSON whose texts have no control characters."""
    match value:
        case str():
            return escape_controls(value)
        case dict():
            return {name: clean_values(own) for name, own in value.items()}
        case list() | tuple():
            return [clean_values(own) for own in value]
        case _:
            return value


def list_rule_facts(report: Report) -> list[dict[str, Any]]:
    """Each rule once: what its page says, and how it was read."""
    found: dict[Path, tuple[Rule, str]] = {}
    for verdict in report.outcomes.verdicts:
        told = lenient(verdict.rule.name, verdict.deviations) if verdict.deviations else ""
        if verdict.rule.path not in found or told:
            found[verdict.rule.path] = (verdict.rule, told)
    return [
        {
            "name": rule.name,
            "title": rule.page.title,
            "path": str(rule.path),
            "language": rule.language.upper(),
            "level": rule.page.level or rule.page.confidence,
            "author": rule.page.author,
            "lenient": told,
        }
        for rule, told in found.values()
    ]


def compare_false_positives(report: Report) -> list[dict[str, Any]]:
    """For each rule what benign software it flags, with the number of alerts, and what its page lists."""
    return [
        {
            "rule": rule,
            "technique": chapter.technique,
            "flagged": [
                (v.scenario.body.title, len(v.alerts)) for v in verdicts if v.observed is Outcome.FALSE_POSITIVE
            ],
            "total": len(verdicts),
            "listed": verdicts[0].rule.page.false_positives,
        }
        for chapter in chapters(report.outcomes)
        if chapter.title == BENIGN
        for rule in chapter.rules
        if (verdicts := list(chapter.of(rule)))
    ]


def list_signal_rows(report: Report) -> list[dict[str, Any]]:
    """What each host should have recorded, and what it did."""
    return [
        {
            "title": v.scenario.body.title,
            "kind": describe_signal_kind(v.signal),
            "fields": describe_fields(v.signal),
            "promised": "" if v.signal.promised is None else str(v.signal.promised),
            "wanted": describe_bounds(v.signal),
            "counted": v.counted,
            "as_expected": v.as_expected,
            "because": v.signal.because,
            "sentence": promise(v),
        }
        for v in report.outcomes.visibilities
    ]


LEGEND = (
    (OUTCOME_WORDS[Outcome.TRUE_POSITIVE], "an alert of the rule rests on the attack's events"),
    (OUTCOME_WORDS[Outcome.FALSE_NEGATIVE], "the attack happened and no alert rests on it"),
    (OUTCOME_WORDS[Outcome.TRUE_NEGATIVE], "benign software ran and the rule raised no alert"),
    (OUTCOME_WORDS[Outcome.FALSE_POSITIVE], "benign software ran and the rule raised an alert on it"),
)
"""The words of the matrix and what they mean."""


FORMAT = Html()
