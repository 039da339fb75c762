"""The report for a terminal: a row a scenario, a column a rule, and under it why an attack is missed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.record import record
from harness.report.console import Paper, clip_indented_line, clip_line, format_count, one_line
from harness.report.query_steps import verdict_lines
from harness.report.report import (
    BENIGN,
    PUBLISHED,
    Chapter,
    Report,
    ReportRow,
    chapters,
    describe_setting,
    usual_conditions,
)
from harness.report.sentences import (
    OUTCOME_STYLES,
    OUTCOME_WORDS,
    broken_promise,
    fault,
    lenient,
    name_rule_line,
    notes_of,
    promise,
    variants_note,
)
from harness.scenario.scenario import Outcome, Scenario

PAPER = Paper()
# Chosen, no source: less would cut most titles of the pack; then numbers stand for the rules' names.
NARROWEST_TITLE = 36
# Notes stand deeper than the rows they belong to.
NOTE = 6


@record(kw_only=True)
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
        if not self.quiet:
            yield from self.header(report)
            every = chapters(report.outcomes)
            usual = usual_conditions(report)
            for chapter in every:
                yield ""
                yield from ChapterTable(self.paper, chapter, every, usual, verbose=self.verbose).lines()
        yield from self.failures(report)
        yield from self.summary(report)

    def header(self, report: Report) -> Iterator[str]:
        """Where the telemetry came from, what ran, and what was chosen."""
        verdicts = report.outcomes.verdicts
        origins = ", ".join(sorted({str(v.origin) for v in verdicts})) or "none"
        usual = describe_setting(usual_conditions(report), dict(report.chosen))
        conditions = f"; {usual} unless a row says otherwise" if usual else ""
        text = f"detlab {report.version}: telemetry {origins}; engine {report.engine}{conditions}"
        yield from self.paper.paragraph(text)
        # Once a rule, not once a verdict.
        for verdict in {v.rule.path: v for v in verdicts if v.deviations}.values():
            told = lenient(verdict.rule.name, verdict.deviations)
            yield from self.paper.paragraph(f"{told}; `detlab lint {verdict.rule.path}` says how to mend it")

    def failures(self, report: Report) -> Iterator[str]:
        """Everything that is not as expected, in full."""
        for verdict in report.differing:
            yield ""
            yield from self.heading(verdict.scenario)
            yield from verdict_lines(verdict, self.paper)
        for visibility in report.unseen:
            yield ""
            yield from self.heading(visibility.scenario)
            yield from self.paper.paragraph(f"DIFFERS: {promise(visibility)}", indent=2)
        for broken in report.outcomes.broken:
            yield ""
            for line in self.paper.paragraph(f"{broken.path}: cannot be judged"):
                yield self.paper.paint(line, "bad")
            yield from fault(broken).splitlines()

        for failure in report.gates:
            yield ""
            for line in self.paper.paragraph(f"gate {failure.gate}: {failure.message}"):
                yield self.paper.paint(line, "bad")

    def heading(self, scenario: Scenario) -> Iterator[str]:
        """File and title of a scenario."""
        for line in self.paper.paragraph(f"{scenario.path}: {scenario.body.title}"):
            yield self.paper.paint(line, "strong")

    def summary(self, report: Report) -> Iterator[str]:
        """One line with everything that counts."""
        outcomes = report.outcomes
        fine, unseen = len(outcomes.verdicts) - len(report.differing), len(report.unseen)
        text = f"{format_count(outcomes.scenarios, 'scenario')}, {format_count(fine, 'verdict')} as expected"
        text += f", {len(report.differing)} differ"
        if outcomes.visibilities:
            text += f"; {format_count(len(outcomes.visibilities) - unseen, 'signal')} as expected, {unseen} differ"
        if outcomes.broken:
            text += f"; {len(outcomes.broken)} broken"
        if report.gates:
            text += f"; {format_count(len(report.gates), 'gate')} not reached"
        if outcomes.cached:
            text += f"; {format_count(outcomes.cached, 'verdict')} from the cache"
        if outcomes.unselected:
            text += f"; {format_count(outcomes.unselected, 'file')} not selected"
        yield ""
        for line in self.paper.paragraph(f"{text}; {outcomes.seconds:.1f} s"):
            yield self.paper.paint(line, "good" if outcomes.as_expected and not report.gates else "bad")
        for paths in outcomes.list_same_telemetry():
            yield from self.paper.paragraph(f"the same telemetry for the same rules: {', '.join(paths)}")
        if outcomes.left_out:
            yield from self.paper.paragraph(f"judged when they are named: {', '.join(outcomes.left_out)}")


class ChapterTable:
    """One chapter: scenarios down, rules across, notes under the rows."""

    def __init__(
        self,
        paper: Paper,
        chapter: Chapter,
        every: Sequence[Chapter],
        usual: dict[str, str],
        *,
        verbose: bool,
    ) -> None:
        """Widths follow from the rules' names; where they leave titles too little room, numbers stand for them."""
        self.paper, self.chapter, self.every, self.usual, self.verbose = paper, chapter, every, usual, verbose
        self.rules = chapter.rules
        self.heads = list(self.rules)
        # Eight: `flagged` and a mark.
        self.widths = [max(len(name), 8) for name in self.rules]
        self.room = paper.width - sum(self.widths) - 2 * len(self.widths) - 1
        if self.room < NARROWEST_TITLE:
            self.heads, self.widths = [f"[{i}]" for i in range(1, len(self.rules) + 1)], [8] * len(self.rules)
            self.room = max(NARROWEST_TITLE, paper.width - 10 * len(self.rules) - 1)

    def lines(self) -> Iterator[str]:
        """Head, a row a scenario with its notes, signals without a row, and for benign software the false positives."""
        title = f"{self.chapter.technique}  {self.chapter.title}".strip()
        yield self.paper.paint(self.line(clip_line(title, self.room), self.heads), "strong")
        if self.heads != list(self.rules):
            pairs = (f"{h} {r}" for h, r in zip(self.heads, self.rules, strict=True))
            yield from self.paper.paragraph(", ".join(pairs), indent=2)
        told: Scenario | None = None
        for row in self.chapter.rows:
            # Rows are sorted by path, so settings of one scenario follow one another.
            again = told is not None and row.scenario.path == told.path
            yield self.row(row, again=again)
            yield from self.notes(row, again=again)
            told = row.scenario
        yield from self.signals_alone()
        if self.chapter.title == BENIGN:
            yield from self.false_positives()

    def line(self, title: str, cells: Sequence[str]) -> str:
        """A title and its cells, each as wide as its column."""
        padded = (self.paper.pad(c, w) for c, w in zip(cells, self.widths, strict=True))
        return f"{self.paper.pad(title, self.room)}  {'  '.join(padded)}".rstrip()

    def row(self, row: ReportRow, *, again: bool) -> str:
        """A scenario and one word for each rule; another setting of the same scenario tells only the setting."""
        cells = []
        for name in self.rules:
            verdict = row.verdicts.get(name)
            word = OUTCOME_WORDS[verdict.observed] if verdict else "-"
            style = "dim" if verdict is None else OUTCOME_STYLES[verdict.observed] if verdict.as_expected else "bad"
            mark = "" if verdict is None or verdict.as_expected else " !"
            cells.append(self.paper.paint(word + mark, style))
        special = f" [{row.setting}]" if row.setting and not again else ""
        title = f"    {row.setting or 'as it is'}" if again else f"  {self.title(row.scenario)}{special}"
        return self.line(clip_indented_line(title, self.room), cells)

    def title(self, scenario: Scenario) -> str:
        """A scenario's title, with the number of its atomic test where it is the published one."""
        number = scenario.body.atomic_test if self.chapter.title == PUBLISHED else None
        return f"{number}  {one_line(scenario.body.title)}" if number is not None else one_line(scenario.body.title)

    def notes(self, row: ReportRow, *, again: bool) -> Iterator[str]:
        """Why, under a row: conditions, losses, absent fields, switches that decide, promises, variants."""
        unusual = {n: v for n, v in row.scenario.body.conditions.items() if self.usual.get(n, "") != v}
        if unusual and not again:
            yield from self.note(f"with {describe_setting(unusual, {})}")
        found: dict[str, list[str]] = {}
        for verdict in row.verdicts.values():
            for line, sentence in notes_of(verdict, verbose=self.verbose):
                # Two rules that lose an attack to the same cause share one line.
                found.setdefault(sentence, []).append(name_rule_line(verdict.rule, line))
        for sentence, places in found.items():
            yield from self.note(f"{', '.join(places)}  {sentence}")
        if not again:
            yield from self.scenario_notes(row)
        if self.verbose:
            paper = Paper(width=self.paper.width - NOTE, colour=self.paper.colour)
            for verdict in row.verdicts.values():
                yield from (f"{' ' * NOTE}{line}" for line in verdict_lines(verdict, paper))

    def scenario_notes(self, row: ReportRow) -> Iterator[str]:
        """What is said once of a scenario: promises of the page, variants of a published test, its file."""
        for visibility in self.chapter.visibilities:
            if visibility.scenario.path == row.scenario.path and (broken_promise(visibility) or self.verbose):
                yield from self.note(promise(visibility))
        if self.chapter.title == PUBLISHED:
            text = variants_note(row, self.chapter, self.every)
            yield from self.note(text) if text else ()
        if self.verbose:
            yield from self.note(str(row.scenario.path))

    def note(self, text: str) -> Iterator[str]:
        """One remark under a row."""
        for line in self.paper.paragraph(text, indent=NOTE + 2, first=" " * NOTE):
            yield self.paper.paint(line, "dim")

    def signals_alone(self) -> Iterator[str]:
        """Signals of scenarios without any verdict, which no row tells."""
        told = {row.scenario.path for row in self.chapter.rows}
        for visibility in self.chapter.visibilities:
            if visibility.scenario.path not in told:
                yield from self.note(f"{self.title(visibility.scenario)}: {promise(visibility)}")

    def false_positives(self) -> Iterator[str]:
        """How much benign software each rule flags, next to what its own page says."""
        for rule in self.rules:
            verdicts = list(self.chapter.of(rule))
            flagged = [v for v in verdicts if v.observed is Outcome.FALSE_POSITIVE]
            entries = verdicts[0].rule.page.false_positives
            listed = f"its page lists {format_count(len(entries), 'kind')}:" if entries else "its page lists none"
            yield from self.paper.paragraph(f"{rule} flags {len(flagged)} of {len(verdicts)}; {listed}", indent=2)
            yield from (f"      - {clip_line(entry, self.paper.width - 8)}" for entry in entries)


FORMAT = Terminal()
