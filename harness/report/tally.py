"""What a run comes to in numbers: tests seen, software left alone, known gaps apart from failures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.record import record
from harness.report.report import BENIGN, Chapter, Report, chapters
from harness.scenario.scenario import Label, Outcome
from harness.verdict.verdict import Verdict

GOOD_OUTCOMES = (Outcome.TRUE_POSITIVE, Outcome.TRUE_NEGATIVE)


@record(kw_only=True)
class Share:
    """How many of `total` are as a defender wants them: attacks seen, benign software left alone."""

    good: int
    total: int

    def __str__(self) -> str:
        return f"{self.good:,} of {self.total:,}"

    @property
    def percent(self) -> int:
        """The share in percent, cut: 999 of 1,000 are not 100."""
        return 100 * self.good // self.total if self.total else 0


@record(kw_only=True)
class ChapterTally:
    """A chapter in numbers: `together` counts a test that any rule sees, and software that every rule leaves alone."""

    chapter: Chapter
    benign: bool
    together: Share
    rules: dict[str, Share]

    @property
    def word(self) -> str:
        """What is counted."""
        return "quiet" if self.benign else "seen"


@record(kw_only=True)
class States:
    """A run's results by what has to be done about them; `missed` and `flagged` are gaps on record."""

    differing: int
    broken: int
    missed: int
    flagged: int
    fine: int

    @property
    def failures(self) -> int:
        """What is not as expected, or could not be judged."""
        return self.differing + self.broken


def tally_chapters(every: Sequence[Chapter]) -> list[ChapterTally]:
    """The chapters of a run that have verdicts, in numbers."""
    return [tally_chapter(chapter) for chapter in every if chapter.rows]


def tally_chapter(chapter: Chapter) -> ChapterTally:
    """One chapter; a row under several settings counts once for each."""
    benign = chapter.title == BENIGN or all(r.scenario.body.activity is Label.BENIGN for r in chapter.rows)
    combine = all if benign else any
    together = [combine(v.observed in GOOD_OUTCOMES for v in row.verdicts.values()) for row in chapter.rows]
    return ChapterTally(
        chapter=chapter,
        benign=benign,
        together=Share(good=sum(together), total=len(together)),
        rules={rule: share_verdicts(chapter.of(rule)) for rule in chapter.rules},
    )


def share_verdicts(verdicts: Iterable[Verdict]) -> Share:
    """How many of these verdicts are good ones."""
    outcomes = [v.observed in GOOD_OUTCOMES for v in verdicts]
    return Share(good=sum(outcomes), total=len(outcomes))


def count_states(report: Report) -> States:
    """A run's results by what has to be done about them."""
    fine = [v for v in report.outcomes.verdicts if v.as_expected]
    return States(
        differing=len(report.differing) + len(report.unseen),
        broken=len(report.outcomes.broken),
        missed=sum(v.observed is Outcome.FALSE_NEGATIVE for v in fine),
        flagged=sum(v.observed is Outcome.FALSE_POSITIVE for v in fine),
        fine=sum(v.observed in GOOD_OUTCOMES for v in fine),
    )


def tally_report(report: Report) -> list[ChapterTally]:
    """The chapters of a report in numbers."""
    return tally_chapters(chapters(report.outcomes))
