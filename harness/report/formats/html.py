"""One HTML file without anything from elsewhere: the tables of a run, each verdict's steps behind its row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from harness.report.notes import broken_promise, notes_of, promise
from harness.report.paper import Paper, clean, count, one_line
from harness.report.report import BENIGN, Chapter, Report, Row, chapters
from harness.report.steps import verdict_lines
from harness.report.wording import STYLES, WORDS, fault, label, lenient
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
        yield f'<h1 class="{style}">{count(fine, "verdict")} as expected, {len(report.differing)} differ</h1>'
        origins = ", ".join(sorted({str(v.origin) for v in outcomes.verdicts}))
        chosen = ", ".join(f"{n}={v}" for n, v in report.chosen) or "defaults"
        facts = f"detlab {report.version}; {count(outcomes.scenarios, 'scenario')}; telemetry {origins}; "
        yield f"<p>{text(facts)}engine {text(report.engine)}; conditions {text(chosen)}</p>"
        for verdict in {v.rule.path: v for v in outcomes.verdicts if v.deviations}.values():
            yield f'<p class="note">{text(lenient(verdict.rule.name, verdict.deviations))}</p>'
        for broken in outcomes.broken:
            yield f'<h2 class="bad">{text(broken.path)} cannot be judged</h2><pre>{text(fault(broken))}</pre>'
        for chapter in chapters(outcomes):
            yield from self.chapter(chapter)
        yield "</body></html>"

    def chapter(self, chapter: Chapter) -> Iterator[str]:
        """One table."""
        heads = "".join(f"<th>{text(rule)}</th>" for rule in chapter.rules)
        yield f"<h2>{text(chapter.technique)} {text(chapter.title)}</h2><table><tr><th>scenario</th>{heads}</tr>"
        for row in chapter.rows:
            cells = "".join(cell(row.verdicts.get(rule)) for rule in chapter.rules)
            yield f"<tr><td>{self.title(row, chapter)}</td>{cells}</tr>"
        yield "</table>"
        if chapter.title == BENIGN:
            for rule in chapter.rules:
                entries = next(chapter.of(rule)).rule.page.false_positives
                listed = "".join(f"<li>{text(e)}</li>" for e in entries)
                yield f'<p class="note">False positives that the page of {text(rule)} lists</p>'
                yield f'<ul class="note">{listed}</ul>'

    def title(self, row: Row, chapter: Chapter) -> str:
        """A scenario, its notes, and everything else folded away."""
        special = f" [{row.setting}]" if row.setting else ""
        notes = [
            f"{name}{place} {sentence}"
            for name, verdict in row.verdicts.items()
            for place, sentence in notes_of(verdict, verbose=True)
        ]
        signals = [v for v in chapter.visibilities if v.scenario.path == row.scenario.path]
        notes += [promise(v) for v in signals if broken_promise(v) or not v.as_expected]
        shown = "".join(f'<div class="note">{text(n)}</div>' for n in notes)
        steps = "\n\n".join("\n".join(verdict_lines(v, Paper(width=120))) for v in row.verdicts.values())
        folded = (
            f"<details><summary class=note>{text(str(row.scenario.path))}</summary><pre>{text(steps)}</pre></details>"
        )
        return f"{text(one_line(row.scenario.body.title) + special)}{shown}{folded}"


def cell(verdict: Verdict | None) -> str:
    """One word for what a rule said."""
    if verdict is None:
        return '<td class="dim">-</td>'
    style = STYLES[verdict.observed] if verdict.as_expected else "bad"
    note = "" if verdict.as_expected else f" (expected {WORDS[verdict.expectation.outcome]})"
    full = f"{label(verdict)}: {verdict.observed}"
    return f'<td class="{style}" title="{text(full)}">{WORDS[verdict.observed]}{note}</td>'


def text(value: str) -> str:
    """Text of strangers, made harmless."""
    return escape(clean(value), quote=True)


FORMAT = Html()
