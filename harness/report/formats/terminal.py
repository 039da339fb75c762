"""The report for a terminal: a row a scenario, a column a rule, and under it why an attack is missed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.report.naming import kind, where
from harness.report.paper import Paper, beginning, beginning_kept, count, one_line
from harness.report.report import BENIGN, PUBLISHED, Chapter, Report, Row, chapters, variants_seen
from harness.report.steps import verdict_lines
from harness.report.wording import (
    STYLES,
    WORDS,
    broken_promise,
    fault,
    hangs_on,
    lenient,
    reads_absent,
    recorded,
    why_missed,
)
from harness.scenario.scenario import Label, Outcome, Scenario
from harness.verdict.verdict import Verdict, Visibility

PAPER = Paper()
NARROWEST_TITLE = 36
NOTE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """The report as lines of text; `verbose` adds every verdict in full, `quiet` keeps only what differs."""

    suffix: str = "txt"
    paper: Paper = PAPER
    verbose: bool = False
    quiet: bool = False

    def write(self, report: Report) -> str:
        """The whole report."""
        return "\n".join(self.lines(report)) + "\n"

    def lines(self, report: Report) -> Iterator[str]:
        """Header, chapters, what differs, what is broken, and the summary last."""
        every = chapters(report.outcomes)
        if not self.quiet:
            yield from self.header(report)
            for chapter in every:
                yield ""
                yield from self.chapter(chapter, every)
        yield from self.failures(report)
        yield from self.summary(report)

    def header(self, report: Report) -> Iterator[str]:
        """Where the telemetry came from, what ran, and what was chosen."""
        verdicts = report.outcomes.verdicts
        origins = ", ".join(sorted({str(v.origin) for v in verdicts})) or "none"
        chosen = ", ".join(f"{n}={v}" for n, v in report.chosen) or "defaults"
        dialects = ", ".join(sorted({v.expectation.dialect for v in verdicts})) or "lenient"
        text = f"detlab {report.version}: telemetry {origins}; engine {report.engine}; {dialects}; conditions {chosen}"
        yield from self.paper.paragraph(text)
        for verdict in {v.rule.path: v for v in verdicts if v.deviations}.values():
            text = f"{lenient(verdict)}; `detlab lint {verdict.rule.path}` says how to mend it"
            yield from self.paper.paragraph(text)

    def chapter(self, chapter: Chapter, every: Sequence[Chapter]) -> Iterator[str]:
        """One table of scenarios and rules, with notes under its rows."""
        rules = chapter.rules
        widths = [max(len(name), 8) for name in rules]
        room = self.paper.width - sum(widths) - 2 * len(widths) - 1
        heads = list(rules)
        if room < NARROWEST_TITLE:
            heads, widths = [f"[{i}]" for i in range(1, len(rules) + 1)], [8] * len(rules)
            room = max(NARROWEST_TITLE, self.paper.width - 10 * len(rules) - 1)
        title = f"{chapter.technique}  {chapter.title}".strip()
        cells = "  ".join(h.ljust(w) for h, w in zip(heads, widths, strict=True))
        yield self.paper.paint(f"{beginning(title, room).ljust(room)}  {cells}".rstrip(), "strong")
        if heads != list(rules):
            yield from self.paper.paragraph(", ".join(f"{h} {r}" for h, r in zip(heads, rules, strict=True)), indent=2)
        told: Scenario | None = None
        for row in chapter.rows:
            yield self.row(row, rules, widths, room, again=row.scenario is told)
            yield from self.notes(row, chapter, every, first=row.scenario is not told)
            told = row.scenario
        yield from self.signals_alone(chapter)
        if chapter.title == BENIGN:
            yield from self.false_positives(chapter)

    def row(self, row: Row, rules: Sequence[str], widths: Sequence[int], room: int, *, again: bool) -> str:
        """A scenario and one word for each rule; another setting of the same scenario tells only the setting."""
        cells = []
        for name, width in zip(rules, widths, strict=True):
            verdict = row.verdicts.get(name)
            word = WORDS[verdict.observed] if verdict else "-"
            style = "dim" if verdict is None else STYLES[verdict.observed] if verdict.as_expected else "bad"
            mark = "" if verdict is None or verdict.as_expected else " !"
            cells.append(self.paper.pad(self.paper.paint(word + mark, style), width))
        special = f" [{row.setting}]" if row.setting and not again else ""
        title = f"    {row.setting or 'as it is'}" if again else f"  {self.title(row.scenario)}{special}"
        return f"{beginning_kept(title, room).ljust(room)}  {'  '.join(cells)}".rstrip()

    def title(self, scenario: Scenario) -> str:
        """A scenario's title, with the number of its atomic test where it is the published one."""
        if chapter_is_published(scenario) and scenario.body.atomic_test is not None:
            return f"{scenario.body.atomic_test}  {one_line(scenario.body.title)}"
        return one_line(scenario.body.title)

    def notes(self, row: Row, chapter: Chapter, every: Sequence[Chapter], *, first: bool) -> Iterator[str]:
        """Why, under a row: losses, reasons of false positives, absent fields, switches that decide, promises."""
        found: dict[str, list[str]] = {}
        for name, verdict in row.verdicts.items():
            for place, sentence in notes_of(verdict, verbose=self.verbose):
                found.setdefault(sentence, []).append(f"{name}{place}")
        for sentence, places in found.items():
            yield from self.note(f"{', '.join(places)}  {sentence}")
        if not first:
            return
        signals = [v for v in chapter.visibilities if v.scenario is row.scenario]
        for visibility in signals:
            if broken_promise(visibility) or self.verbose:
                yield from self.note(promise(visibility))
        if chapter.title == PUBLISHED:
            yield from self.variants(row, every)
        if self.verbose:
            yield from self.note(f"{row.scenario.path}")
            for verdict in row.verdicts.values():
                yield from (f"{' ' * NOTE}{line}" for line in verdict_lines(verdict, self.narrower()))

    def narrower(self) -> Paper:
        """The paper inside a note."""
        return Paper(width=self.paper.width - NOTE, colour=self.paper.colour)

    def note(self, text: str) -> Iterator[str]:
        """One remark under a row."""
        for line in self.paper.paragraph(text, indent=NOTE + 2, first=" " * NOTE):
            yield self.paper.paint(line, "dim")

    def variants(self, row: Row, every: Sequence[Chapter]) -> Iterator[str]:
        """Which other form of a published test each rule can see."""
        for rule in row.verdicts:
            seen, run = variants_seen(row, rule, every)
            if seen:
                text = f"{rule} sees {len(seen)} of {count(run, 'variant')}, such as {seen[0].path}"
                yield from self.note(text)

    def signals_alone(self, chapter: Chapter) -> Iterator[str]:
        """Signals of scenarios without any verdict, which no row tells."""
        told = {id(row.scenario) for row in chapter.rows}
        for visibility in chapter.visibilities:
            if id(visibility.scenario) not in told:
                yield from self.note(f"{self.title(visibility.scenario)}: {promise(visibility)}")

    def false_positives(self, chapter: Chapter) -> Iterator[str]:
        """How much benign software each rule flags, next to what its own page says."""
        for rule in chapter.rules:
            verdicts = list(chapter.of(rule))
            flagged = [v for v in verdicts if v.observed is Outcome.FALSE_POSITIVE]
            page = verdicts[0].rule.page
            listed = count(len(page.false_positives), "kind") if page.false_positives else "none"
            yield f"  {rule} flags {len(flagged)} of {len(verdicts)}; its page lists {listed}" + (
                ":" if page.false_positives else ""
            )
            for entry in page.false_positives:
                yield f"      - {beginning(entry, self.paper.width - 8)}"

    def failures(self, report: Report) -> Iterator[str]:
        """Everything that is not as expected, in full."""
        for verdict in report.differing:
            place = verdict.scenario.place("expect")
            yield ""
            yield self.paper.paint(f"{place.source.name}: {one_line(verdict.scenario.body.title)}", "strong")
            yield from verdict_lines(verdict, self.paper)
        for visibility in report.unseen:
            yield ""
            yield self.paper.paint(f"{visibility.scenario.path}: {one_line(visibility.scenario.body.title)}", "strong")
            yield from self.paper.paragraph(f"DIFFERS: {promise(visibility)}", indent=2)
        for broken in report.outcomes.broken:
            yield ""
            yield self.paper.paint(f"{broken.path}: cannot be judged", "bad")
            yield from fault(broken).splitlines()

    def summary(self, report: Report) -> Iterator[str]:
        """One line with everything that counts."""
        outcomes = report.outcomes
        fine = len(outcomes.verdicts) - len(report.differing)
        unseen = len(report.unseen)
        text = f"{count(outcomes.scenarios, 'scenario')}, {count(fine, 'verdict')} as expected"
        text += f", {len(report.differing)} differ"
        if outcomes.visibilities:
            text += f"; {count(len(outcomes.visibilities) - unseen, 'signal')} recorded as expected, {unseen} differ"
        if outcomes.broken:
            text += f"; {len(outcomes.broken)} cannot be judged"
        style = "good" if outcomes.as_expected else "bad"
        yield ""
        yield self.paper.paint(f"{text}; {outcomes.seconds:.1f} s", style)


def chapter_is_published(scenario: Scenario) -> bool:
    """Whether a scenario lies beside the published tests themselves."""
    return scenario.body.activity is Label.MALICIOUS and (scenario.path.parent / "atomic_tests.yaml").is_file()


def notes_of(verdict: Verdict, *, verbose: bool) -> Iterator[tuple[str, str]]:
    """What a reader has to know of one verdict: the line of the rule (or nothing) and a sentence."""
    lost = why_missed(verdict.explanation)
    if lost:
        yield f":{lost[0]}" if lost[0] else "", lost[1]
    if verdict.observed is Outcome.FALSE_POSITIVE and verdict.expectation.because:
        yield "", one_line(verdict.expectation.because)
    if verdict.absent:
        yield "", reads_absent(verdict.absent)
    for flip in verdict.flips:
        yield "", hangs_on(flip)


def promise(visibility: Visibility) -> str:
    """What the page promises of one kind of event against what the host records."""
    signal = visibility.signal
    fields = f" ({where(signal)})" if signal.where else ""
    promised = f"page promises {signal.promised}, " if signal.promised is not None else ""
    because = f": {one_line(signal.because)}" if signal.because else ""
    return f"{kind(signal)}{fields}: {promised}{recorded(visibility)}{because}"


FORMAT = Terminal()
