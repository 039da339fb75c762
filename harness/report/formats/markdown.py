"""A summary in Markdown, as pull requests and workflow runs show it: numbers, what differs, the matrix folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.late_pattern import late_pattern
from harness.record import record
from harness.report.annotation import annotate_report, describe_annotated_place
from harness.report.console import clip_line, format_count, one_line
from harness.report.report import Chapter, Report, chapters
from harness.report.sentences import OUTCOME_WORDS
from harness.report.tally import ChapterTally, States, count_states, tally_chapters
from harness.verdict.verdict import Verdict

MARKS = late_pattern(r"([\\`*_{}\[\]()#+!|~-])")
# A name after @ would call somebody, a number after # link something.
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}
# Both chosen: GitHub cuts a summary at 1 MiB.
MOST_DIFFERENCES = 100
MOST_ROWS = 2_000
LONGEST_TITLE = 120
SIGNS = {"seen": "✅", "missed": "❌", "quiet": "➖", "flagged": "⚠️"}


@record
class Markdown:
    """The summary; whatever comes from rules and scenarios is escaped."""

    suffix: str = "md"

    def write(self, report: Report) -> str:
        """The whole summary."""
        return "\n".join(self.lines(report)) + "\n"

    def lines(self, report: Report) -> Iterator[str]:
        """Headline, numbers, differences, matrix."""
        every = chapters(report.outcomes)
        tallies, states = tally_chapters(every), count_states(report)
        yield f"## Detection: {headline_words(tallies)}"
        yield ""
        yield state_sentence(states)
        yield ""
        yield from tally_table(tallies)
        differences = list(annotate_report(report))
        if differences:
            yield from ("", "### What differs", "")
            for each in differences[:MOST_DIFFERENCES]:
                place = escape_markdown(describe_annotated_place(each.place))
                yield f"- **{place}** {escape_markdown(each.message)}"
            if len(differences) > MOST_DIFFERENCES:
                yield f"- and {len(differences) - MOST_DIFFERENCES} more"
        yield from matrix_lines(every)
        yield ""
        seconds = f"{report.outcomes.seconds:.1f} s"
        told = f"detlab {report.version}, engine {report.engine}, {format_count(report.outcomes.scenarios, 'scenario')}"
        yield f"<sub>{escape_markdown(told)}, {seconds}{f', {report.began}' if report.began else ''}</sub>"


def headline_words(tallies: Sequence[ChapterTally]) -> str:
    """The numbers in a line."""
    parts = [f"{escape_markdown(t.chapter.title)} {t.word} {t.together}" for t in tallies[:4]]
    return ", ".join(parts) or "nothing judged"


def state_sentence(states: States) -> str:
    """Failures apart from known gaps."""
    head = f"**{states.failures} differ**" if states.failures else "**Nothing differs**"
    broken = f", {states.broken} cannot be judged" if states.broken else ""
    gaps = f"{format_count(states.missed, 'missed attack')} and {format_count(states.flagged, 'false positive')}"
    return f"{head}{broken}; known gaps on record: {gaps}."


def tally_table(tallies: Sequence[ChapterTally]) -> Iterator[str]:
    """Chapters by rules."""
    rules = list(dict.fromkeys(rule for t in tallies for rule in t.rules))
    if not rules:
        return
    yield f"| tests | {' | '.join(escape_markdown(r) for r in rules)} | together |"
    yield f"|---|{'---|' * (len(rules) + 1)}"
    for tally in tallies:
        cells = [str(tally.rules[r]) if r in tally.rules else "–" for r in rules]
        title = escape_markdown(f"{tally.chapter.technique} {tally.chapter.title}, {tally.word}".strip())
        yield f"| {title} | {' | '.join(cells)} | {tally.together} |"


def matrix_lines(every: Sequence[Chapter]) -> Iterator[str]:
    """Tests by rules, folded."""
    left = MOST_ROWS
    for chapter in every:
        if not chapter.rows or left <= 0:
            continue
        yield ""
        title = escape_markdown(f"{chapter.technique} {chapter.title}".strip())
        yield f"<details><summary>{title}: {format_count(len(chapter.rows), 'test')}</summary>"
        yield ""
        yield f"| scenario | {' | '.join(escape_markdown(r) for r in chapter.rules)} |"
        yield f"|---|{'---|' * len(chapter.rules)}"
        for row in chapter.rows[:left]:
            special = f" [{row.setting}]" if row.setting else ""
            name = escape_markdown(clip_line(f"{row.scenario.body.title}{special}", LONGEST_TITLE))
            yield f"| {name} | {' | '.join(verdict_cell(row.verdicts.get(r)) for r in chapter.rules)} |"
        left -= len(chapter.rows)
        yield from ("", "</details>")
    if left < 0:
        yield from ("", f"Only the first {MOST_ROWS:,} tests are listed.")


def verdict_cell(verdict: Verdict | None) -> str:
    """A word and a sign; what differs says what was expected."""
    if verdict is None:
        return "–"
    word = OUTCOME_WORDS[verdict.observed]
    if not verdict.as_expected:
        return f"**{word}, expected {OUTCOME_WORDS[verdict.expectation.outcome]}**"
    return f"{SIGNS[word]} {word}{' (known gap)' if verdict.observed.gap else ''}"


def escape_markdown(text: str) -> str:
    """Text of strangers on one line, without any meaning for Markdown or HTML."""
    plain = "".join(ENTITIES.get(c, c) for c in one_line(text))
    # The sign of an entity's number is not the text's own.
    return MARKS.sub(r"\\\1", plain).replace("&\\#64;", "&#64;")


FORMAT = Markdown()
