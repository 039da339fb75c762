"""What a reader has to know beside a verdict's one word, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.report.naming import describe_bounds, describe_fields, describe_signal_kind
from harness.report.paper import one_line
from harness.report.report import Chapter, ReportRow, variants_seen
from harness.report.wording import hangs_on, reads_absent, why_missed
from harness.scenario.scenario import Label, Outcome, Scenario
from harness.verdict.verdict import Verdict, Visibility


def notes_of(verdict: Verdict, *, verbose: bool) -> Iterator[tuple[str, str]]:
    """What a reader has to know of one verdict: the line of the rule (or nothing) and a sentence."""
    lost = why_missed(verdict.explanation)
    if lost:
        yield f":{lost[0]}" if lost[0] else "", lost[1]
    if verbose and verdict.observed is Outcome.FALSE_POSITIVE and verdict.expectation.because:
        yield "", one_line(verdict.expectation.because)
    # The reason of the loss may have said it already.
    untold = [name for name in verdict.absent if not lost or f"no event has {name}" not in lost[1]]
    if untold and verdict.scenario.body.activity is Label.MALICIOUS:
        yield "", reads_absent(untold)
    for flip in verdict.flips:
        yield "", hangs_on(flip)


def broken_promise(visibility: Visibility) -> bool:
    """Whether the published page promises something else than is recorded."""
    promised = visibility.signal.promised
    return promised is not None and str(promised) != str(visibility.counted)


def promise(visibility: Visibility) -> str:
    """What the page promises of one kind of event against what the host records."""
    signal = visibility.signal
    fields = f" ({describe_fields(signal)})" if signal.where else ""
    promised = f"page promises {signal.promised}, " if signal.promised is not None else ""
    wanted = "" if visibility.as_expected else f", expected {describe_bounds(signal)}"
    because = f": {one_line(signal.because)}" if signal.because else ""
    return f"{describe_signal_kind(signal)}{fields}: {promised}host records {visibility.counted:,}{wanted}{because}"


def variants_note(row: ReportRow, chapter: Chapter, every: Sequence[Chapter]) -> str | None:
    """Which other forms of a published test each rule can see; told once, under the last row of the test."""
    same = [r for r in chapter.rows if r.scenario.body.atomic_test == row.scenario.body.atomic_test]
    # A published test may stand in several rows; its variants are told under the last.
    if same[-1].scenario.path != row.scenario.path:
        return None
    parts: list[str] = []
    seen_by: dict[Path, list[Scenario]] = {}
    for rule in row.verdicts:
        seen, run = variants_seen(row, rule, every)
        if run:
            parts.append(f"{rule} sees {len(seen)} of {run}")
        for scenario in seen:
            seen_by.setdefault(scenario.path, []).append(scenario)
    if not parts:
        return None
    best = max(seen_by, key=lambda path: len(seen_by[path]), default=None)
    example = f", as {shorten_path(best, row.scenario.path.parent)}" if best else ""
    return f"variants: {', '.join(parts)}{example}"


def shorten_path(path: Path, folder: Path) -> Path:
    """A path as seen from a folder, where it lies below that."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path
