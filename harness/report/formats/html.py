"""One HTML file without anything from elsewhere: the tables of a run, each verdict's steps behind its row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from harness.report.console import Paper, escape_controls, format_count, one_line
from harness.report.query_steps import verdict_lines
from harness.report.report import BENIGN, Chapter, Report, ReportRow, chapters
from harness.report.sentences import (
    OUTCOME_STYLES,
    OUTCOME_WORDS,
    broken_promise,
    fault,
    format_verdict_label,
    lenient,
    notes_of,
    promise,
)
from harness.verdict.verdict import Verdict

STYLE = """
body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid #d8dee4}
.good{color:#116329}.warn{color:#8a4600}.bad{color:#a40e26;font-weight:600}.dim,.note{color:#57606a}.note{font-size:.9em}
pre{overflow-x:auto;background:#f6f8fa;padding:.7rem;font-size:12.5px}summary{cursor:pointer}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}th,td{border-color:#30363d}
.good{color:#56d364}.warn{color:#e3b341}.bad{color:#ff7b72}.dim,.note{color:#9198a1}}
"""
# Even if something were not escaped it could neither run nor load anything.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


@dataclass(frozen=True, slots=True)
class Html:
    """The run as one page; whatever comes from rules, scenarios and events is escaped."""

    suffix: str = "html"

    def write(self, report: Report) -> str:
        """The whole page."""
        return "\n".join(self.lines(report)) + "\n"

    def lines(self, report: Report) -> Iterator[str]:
        """Head, summary, chapters, failures."""
        outcomes = report.outcomes
        yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        yield f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        yield '<meta name="viewport" content="width=device-width"><title>detlab</title>'
        yield f"<style>{STYLE}</style></head><body>"
        style = "good" if outcomes.as_expected else "bad"
        fine = len(outcomes.verdicts) - len(report.differing)
        yield f'<h1 class="{style}">{format_count(fine, "verdict")} as expected, {len(report.differing)} differ</h1>'
        origins = ", ".join(sorted({str(v.origin) for v in outcomes.verdicts}))
        chosen = ", ".join(f"{n}={v}" for n, v in report.chosen) or "defaults"
        facts = f"detlab {report.version}; {format_count(outcomes.scenarios, 'scenario')}; telemetry {origins}; "
        yield f"<p>{escape_html(facts)}engine {escape_html(report.engine)}; conditions {escape_html(chosen)}</p>"
        for verdict in {v.rule.path: v for v in outcomes.verdicts if v.deviations}.values():
            yield f'<p class="note">{escape_html(lenient(verdict.rule.name, verdict.deviations))}</p>'
        for broken in outcomes.broken:
            title = f"{escape_html(broken.path)} cannot be judged"
            yield f'<h2 class="bad">{title}</h2><pre>{escape_html(fault(broken))}</pre>'
        for chapter in chapters(outcomes):
            yield from self.chapter(chapter)
        yield "</body></html>"

    def chapter(self, chapter: Chapter) -> Iterator[str]:
        """One table: scenarios down, rules across; for benign software what the pages list."""
        heads = "".join(f"<th>{escape_html(rule)}</th>" for rule in chapter.rules)
        title = f"{escape_html(chapter.technique)} {escape_html(chapter.title)}"
        yield f"<h2>{title}</h2><table><tr><th>scenario</th>{heads}</tr>"
        for row in chapter.rows:
            cells = "".join(format_verdict_word(row.verdicts.get(rule)) for rule in chapter.rules)
            yield f"<tr><td>{self.title(row, chapter)}</td>{cells}</tr>"
        yield "</table>"
        if chapter.title == BENIGN:
            for rule in chapter.rules:
                entries = next(chapter.of(rule)).rule.page.false_positives
                listed = "".join(f"<li>{escape_html(e)}</li>" for e in entries)
                yield f'<p class="note">False positives that the page of {escape_html(rule)} lists</p>'
                yield f'<ul class="note">{listed}</ul>'

    def title(self, row: ReportRow, chapter: Chapter) -> str:
        """A scenario, its notes, and everything else folded away."""
        special = f" [{row.setting}]" if row.setting else ""
        notes = [
            f"{name}{place} {sentence}"
            for name, verdict in row.verdicts.items()
            for place, sentence in notes_of(verdict, verbose=True)
        ]
        signals = [v for v in chapter.visibilities if v.scenario.path == row.scenario.path]
        notes += [promise(v) for v in signals if broken_promise(v) or not v.as_expected]
        shown = "".join(f'<div class="note">{escape_html(n)}</div>' for n in notes)
        # Wider than a terminal, since the page scrolls; chosen, no source.
        steps = "\n\n".join("\n".join(verdict_lines(v, Paper(width=120))) for v in row.verdicts.values())
        summary = f"<summary class=note>{escape_html(str(row.scenario.path))}</summary>"
        folded = f"<details>{summary}<pre>{escape_html(steps)}</pre></details>"
        return f"{escape_html(one_line(row.scenario.body.title) + special)}{shown}{folded}"


def format_verdict_word(verdict: Verdict | None) -> str:
    """One word for what a rule said."""
    if verdict is None:
        return '<td class="dim">-</td>'
    style = OUTCOME_STYLES[verdict.observed] if verdict.as_expected else "bad"
    note = "" if verdict.as_expected else f" (expected {OUTCOME_WORDS[verdict.expectation.outcome]})"
    # The word is short; its full name shows when somebody points at it.
    full = f"{format_verdict_label(verdict)}: {verdict.observed}"
    return f'<td class="{style}" title="{escape_html(full)}">{OUTCOME_WORDS[verdict.observed]}{note}</td>'


def escape_html(value: str) -> str:
    """Text of strangers, made harmless."""
    return escape(escape_controls(value), quote=True)


FORMAT = Html()
