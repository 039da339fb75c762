"""What the page of a run shows, as plain data for its templates and its script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from harness.diagnostics import Source, Span
from harness.late_pattern import late_pattern
from harness.record import record
from harness.report.console import Paper, escape_controls, format_count, one_line
from harness.report.query_steps import loss_lines, remark_lines
from harness.report.report import PUBLISHED, Chapter, Report, ReportRow, chapters, usual_conditions
from harness.report.sentences import (
    OUTCOME_WORDS,
    broken_promise,
    describe_differences,
    find_line_number,
    format_verdict_label,
    name_rule_line,
    notes_of,
    promise,
    variants_note,
)
from harness.verdict.alerts import Alert
from harness.verdict.evidence import Evidence, Timeline
from harness.verdict.explain import EventLoss, Explanation, format_value
from harness.verdict.verdict import Verdict

# A page wraps by itself; this only keeps sentences whole.
ENDLESS = Paper(width=1_000_000)
# All chosen, no source: a value of 400 characters shows a command line whole, and a slug stays a readable address.
LONGEST_SHOWN_VALUE = 400
LONGEST_ANCHOR = 80
MOST_NAMED_CAUSES = 9
MOST_NAMED_PLACES, MOST_NOTES = 3, 6
SLUG_GAP = late_pattern(r"[^a-z0-9]+")


class Slugs:
    """Stable addresses in a page: the same name gives the same address in every run, a second one a number."""

    def __init__(self) -> None:
        self.given: Counter[str] = Counter()

    def __call__(self, *names: str) -> str:
        """The address of something by its names."""
        parts = [SLUG_GAP.sub("-", name.lower()).strip("-")[-LONGEST_ANCHOR:] or "x" for name in names if name]
        slug = "--".join(parts)
        self.given[slug] += 1
        return slug if self.given[slug] == 1 else f"{slug}-{self.given[slug]}"


@record(kw_only=True)
class PageCell:
    """What a rule said of a scenario, in a word; `address` opens all that is known of it."""

    address: str
    word: str
    differs: str
    gap: bool
    label: str
    verdict: Verdict


@record(kw_only=True)
class PageRow:
    """A scenario under one setting: its title, notes, and a cell for each rule of the chapter (None where not run)."""

    address: str
    number: str
    title: str
    setting: str
    path: str
    notes: tuple[str, ...]
    cells: tuple[PageCell | None, ...]


@record(kw_only=True)
class PageChapter:
    """One table of the matrix."""

    address: str
    technique: str
    title: str
    rules: tuple[str, ...]
    rows: tuple[PageRow, ...]


def build_page_chapters(report: Report) -> list[PageChapter]:
    """The chapters of a run as tables; only chapters with verdicts."""
    every = chapters(report.outcomes)
    usual = usual_conditions(report)
    slugs = Slugs()
    return [
        PageChapter(
            address=slugs(chapter.technique, chapter.title),
            technique=chapter.technique,
            title=chapter.title,
            rules=chapter.rules,
            rows=tuple(build_page_row(row, chapter, every, usual, slugs) for row in chapter.rows),
        )
        for chapter in every
        if chapter.rows
    ]


def build_page_row(
    row: ReportRow, chapter: Chapter, every: Sequence[Chapter], usual: dict[str, str], slugs: Slugs
) -> PageRow:
    """A scenario's row."""
    body = row.scenario.body
    address = slugs(str(row.scenario.path.with_suffix("")), row.setting)
    published = chapter.title == PUBLISHED
    variants = variants_note(row, chapter, every) if published else None
    unusual = ", ".join(f"{n}={v}" for n, v in body.conditions.items() if usual.get(n, "") != v)
    return PageRow(
        address=address,
        number=str(body.atomic_test) if published and body.atomic_test is not None else "",
        title=one_line(body.title),
        setting=", ".join(filter(None, (row.setting, unusual))),
        path=str(row.scenario.path),
        notes=(*list_row_notes(row, chapter), *([variants] if variants else [])),
        cells=tuple(build_page_cell(row.verdicts.get(rule), slugs, address) for rule in chapter.rules),
    )


def list_row_notes(row: ReportRow, chapter: Chapter) -> Iterator[str]:
    """Why a row is as it is: losses and switches by rule, promises of the page that are not kept."""
    found: dict[str, list[str]] = {}
    for verdict in row.verdicts.values():
        for line, sentence in notes_of(verdict, verbose=False):
            found.setdefault(sentence, []).append(name_rule_line(verdict.rule, line))
    reasons = [f"{name_places(places)} {sentence}" for sentence, places in found.items()]
    yield from reasons[:MOST_NOTES]
    if len(reasons) > MOST_NOTES:
        yield f"and {format_count(len(reasons) - MOST_NOTES, 'more reason')}, behind the cells"
    for visibility in chapter.visibilities:
        told = visibility.scenario.path == row.scenario.path
        if told and (broken_promise(visibility) or not visibility.as_expected):
            yield promise(visibility)


def name_places(places: Sequence[str]) -> str:
    """Rules and lines that share a reason: three by name, of more the number."""
    if len(places) <= MOST_NAMED_PLACES:
        return ", ".join(places)
    return f"{places[0]} and {len(places) - 1} more rules:"


def build_page_cell(verdict: Verdict | None, slugs: Slugs, row: str) -> PageCell | None:
    """A cell of the matrix."""
    if verdict is None:
        return None
    differs = "" if verdict.as_expected else f"expected {OUTCOME_WORDS[verdict.expectation.outcome]}"
    if differs and verdict.observed == verdict.expectation.outcome:
        differs = "differs"
    return PageCell(
        address=slugs(row, verdict.rule.name),
        word=OUTCOME_WORDS[verdict.observed],
        differs=differs,
        gap=verdict.as_expected and verdict.observed.gap,
        label=format_verdict_label(verdict),
        verdict=verdict,
    )


class SharedTexts:
    """Texts that many verdicts show, each once: the steps of a rule are the same whatever it is run on."""

    def __init__(self) -> None:
        self.places: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        """The place of a text among all."""
        return self.places.setdefault(text, len(self.places))


def encode_page_verdict(cell: PageCell, row: PageRow, share: SharedTexts) -> dict[str, Any]:
    """All that the page shows of one verdict; texts of its steps are places among the shared ones."""
    verdict = cell.verdict
    detail = verdict.detail
    explanation = (detail.explanation if detail else None) or verdict.explanation
    shown = {s.place: s.events for s in detail.shown} if detail else {}
    order = list(shown) or list(range(min(len(verdict.alerts), 5)))
    return {
        "title": row.title,
        "setting": row.setting,
        "path": row.path,
        "rule": verdict.rule.name,
        "word": cell.word,
        "outcome": str(verdict.observed),
        "differs": list(describe_differences(verdict)) if cell.differs else [],
        "because": one_line(verdict.expectation.because),
        "gap": cell.gap,
        "notes": [f"line {n}: {s}" if n else s for n, s in notes_of(verdict, verbose=False)],
        "funnel": encode_funnel(explanation, verdict.rule.query, share) if explanation else None,
        "timeline": encode_timeline(detail.timeline) if detail and detail.timeline else None,
        "alerts": [encode_page_alert(i, verdict.alerts[i], shown.get(i, ())) for i in order],
        "alert_count": len(verdict.alerts),
        "remarks": [line.strip() for line in remark_lines(verdict, ENDLESS)],
        "facts": list_verdict_facts(verdict),
    }


def list_verdict_facts(verdict: Verdict) -> list[list[str]]:
    """Under what a verdict came about, name and value."""
    pairs = {"telemetry": str(verdict.origin), "engine": verdict.engine, "read": verdict.expectation.dialect}
    pairs |= {"conditions": ", ".join(f"{n}={v}" for n, v in verdict.conditions.items())}
    pairs |= {"switches": ", ".join(f"{n}={v}" for n, v in verdict.switches.items())}
    return [[name, value] for name, value in pairs.items() if value]


def encode_funnel(explanation: Explanation, query: Source, share: SharedTexts) -> dict[str, Any]:
    """A query's own text piece by piece: what no step has is there without counts."""
    steps: list[dict[str, Any]] = []
    at = 0
    for number, step in enumerate(explanation.steps):
        own = step.span.source.text == query.text
        if own and step.span.start > at:
            steps += list_bare_text(query, at, step.span.start)
        loss = explanation.loss if explanation.loss and explanation.loss.step == number else None
        steps.append(
            {
                "line": find_line_number(step.span) if own else 0,
                "text": cut_indent(step.span),
                "from": "" if own else step.span.source.name,
                "rows": step.rows,
                "attack": step.malicious,
                "other": step.benign,
                "lost": [line.strip() for line in loss_lines(loss, ENDLESS)] if loss else [],
                "marks": find_loss_marks(loss, step.span) if loss else [],
            }
        )
        at = max(at, step.span.end) if own else at
    steps += list_bare_text(query, at, len(query.text))
    for each in steps:
        each["text"] = share(each["text"])
    return {
        "recorded": explanation.recorded,
        "attack": explanation.malicious,
        "other": explanation.recorded - explanation.malicious,
        "steps": steps,
    }


def list_bare_text(query: Source, start: int, end: int) -> Iterator[dict[str, Any]]:
    """A piece of a query that belongs to no step, such as a comment; nothing where only pipes stand."""
    text = query.text[start:end].strip().strip("|").strip()
    if text:
        place = query.text.index(text, start)
        yield {"line": find_line_number(query.span(place, place)), "text": text}


def cut_indent(span: Span) -> str:
    """The text of a step; lines after the first keep their indentation."""
    return span.text.strip("\n")


def find_loss_marks(loss: EventLoss, step: Span) -> list[list[int]]:
    """Which characters of a step's text are the clauses that lost the attack."""
    telling = [c.span for c in loss.clauses] + [m.span for m in loss.misses if m.span]
    inside = [s for s in telling if s.source.text == step.source.text and step.start <= s.start < step.end]
    text = step.text
    ahead = len(text) - len(text.lstrip("\n"))
    # The step as a whole tells nothing.
    begun = step.start + ahead
    # A threshold is a clause and a miss.
    ends = {(s.start, min(s.start + len(s.text.rstrip()), step.end)) for s in inside if s.text != text}
    return [[start - begun, end - begun] for start, end in sorted(ends)]


def encode_timeline(timeline: Timeline) -> dict[str, Any]:
    """Events in buckets, and when alerts could be known."""
    return {
        "start": timeline.start,
        "width": timeline.width,
        "attack": list(timeline.attack),
        "other": list(timeline.other),
        "alerts": [[round(at, 3), bad] for at, bad in timeline.alerts],
    }


def encode_page_alert(place: int, alert: Alert, events: Sequence[Evidence]) -> dict[str, Any]:
    """An alert with its fields and its first events; what all of these have in common is said once."""
    same = {n: v for n, v in events[0].fields.items() if all(e.fields.get(n) == v for e in events)} if events else {}
    causes = (f"{c.name}{'' if c.malicious else ' (benign)'} on {c.host}" for c in alert.causes)
    return {
        "number": place + 1,
        "malicious": alert.malicious,
        "by": list(dict.fromkeys(causes))[:MOST_NAMED_CAUSES],
        "fields": [[n, clip_shown_value(format_value(v))] for n, v in alert.fields.items()],
        "count": len(alert.events),
        "same": [[n, clip_shown_value(v)] for n, v in same.items()] if len(events) > 1 else [],
        "events": [
            [e.when, [[n, clip_shown_value(v)] for n, v in e.fields.items() if len(events) == 1 or n not in same]]
            for e in events
        ],
    }


def clip_shown_value(text: str) -> str:
    """A value without control characters, its end left out where it is very long."""
    clean = escape_controls(text)
    return clean if len(clean) <= LONGEST_SHOWN_VALUE else f"{clean[:LONGEST_SHOWN_VALUE]} .."
