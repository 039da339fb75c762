"""What reports say of verdicts, in the words of the field, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from harness.detection.engine import CellValue
from harness.diagnostics import Finding, Severity, Source, Span
from harness.late_pattern import late_pattern
from harness.report.console import escape_controls, excerpt_line, format_count, one_line, shorten_line
from harness.report.report import (
    Chapter,
    ReportRow,
    describe_bounds,
    describe_fields,
    describe_signal_kind,
    setting_of,
    variants_seen,
)
from harness.scenario.rule import Rule
from harness.scenario.scenario import Label, Outcome, Scenario
from harness.verdict.explain import Clause, EventLoss, Explanation, format_value
from harness.verdict.verdict import Broken, Flip, Verdict, Visibility

OUTCOME_WORDS = {
    Outcome.TRUE_POSITIVE: "seen",
    Outcome.FALSE_NEGATIVE: "missed",
    Outcome.TRUE_NEGATIVE: "quiet",
    Outcome.FALSE_POSITIVE: "flagged",
}
OUTCOME_STYLES = {
    Outcome.TRUE_POSITIVE: "good",
    Outcome.FALSE_NEGATIVE: "warn",
    Outcome.TRUE_NEGATIVE: "dim",
    Outcome.FALSE_POSITIVE: "warn",
}
# All three chosen, no source: a reason stays on two lines of 100 columns.
LONGEST_CLAUSE = 48
LONGEST_VALUE = 60
MOST_CLAUSES = 2
# The literal parts of a pattern: what stands between its stars and quotes.
PATTERN_TEXT = late_pattern(r'[^\s"*=(),]{2,}')
ENTITY = late_pattern(r"&(?:amp|lt|gt);")
SHORTEST_COMMON = 3
# Comparing costs the product of the lengths.
LONGEST_COMPARED = 1_000


def find_line_number(span: Span) -> int:
    """The line of a place, from 1."""
    return span.position[0]


def find_telling_parts(value: str, clause: str) -> list[str]:
    """What of a value tells why a clause fails: what it has in common with the clause's texts, and XML's entities."""
    found = []
    for literal in PATTERN_TEXT.findall(clause):
        wanted, held = literal.lower()[:LONGEST_COMPARED], one_line(value).lower()[:LONGEST_COMPARED]
        same = SequenceMatcher(None, wanted, held, autojunk=False).find_longest_match()
        if same.size >= SHORTEST_COMMON:
            found.append(one_line(value)[same.b : same.b + same.size])
    return [*found, *dict.fromkeys(ENTITY.findall(value))]


def describe_held_values(values: Mapping[str, Sequence[CellValue]], clause: str = "") -> str:
    """What events had in the fields that a clause reads: `127.0.0.1`, of several fields each with its name."""

    def shown(value: str) -> str:
        return excerpt_line(value, LONGEST_VALUE, find_telling_parts(value, clause))

    parts = {name: ", ".join(shown(format_value(v)) for v in some if v is not None) for name, some in values.items()}
    if len(parts) == 1:
        return next(iter(parts.values())) or f"no {next(iter(parts))}"
    return "; ".join(f"{name} {known}" if known else f"no {name}" for name, known in parts.items())


def lost_by(clause: Clause) -> str:
    """One clause that lost events of the attack, and what they held: `DestinationIp="127.*" excludes 127.0.0.1`."""
    text = shorten_line(clause.span.text, LONGEST_CLAUSE)
    if clause.held and all(v is None for some in clause.held.values() for v in some):
        names = " or ".join(clause.held)
        return f"no event has {names}" + ("" if names == text else f", which {text} needs")
    if not clause.held:
        return f"{text} excludes them" if clause.excluded else f"no event passes {text}"
    return (
        f"{text} excludes {describe_held_values(clause.held, clause.span.text)}"
        if clause.excluded
        else f"needs {text}, events hold {describe_held_values(clause.held, clause.span.text)}"
    )


def list_absent_fields(clauses: Sequence[Clause]) -> list[str]:
    """The fields of clauses that ask for nothing but a field, where no event has any of them."""
    asked = [(c, names) for c in clauses if (names := list(c.held)) == [c.span.text.strip("'\"")]]
    nothing = all(v is None for c in clauses for some in c.held.values() for v in some)
    return [name for _, (name,) in asked] if nothing and len(asked) == len(clauses) > 1 else []


def lost_at(loss: EventLoss) -> tuple[Span, str]:
    """The place where the attack was lost and why, on one line."""
    if loss.misses:
        place = next((m.span for m in loss.misses if m.span), loss.span)
        return place, "; ".join(str(m) for m in loss.misses)
    if absent := list_absent_fields(loss.clauses):
        return loss.clauses[0].span, f"no event has {', '.join(absent)}"
    if loss.clauses:
        # Members of exclusion lists lose rows one by one; of other clauses the last one that lost anything decided.
        telling = [c for c in loss.clauses if c.excluded] or [loss.clauses[-1]]
        if telling[-1] is not loss.clauses[-1]:
            telling = [loss.clauses[-1]]
        more = f", and {len(telling) - MOST_CLAUSES} more" if len(telling) > MOST_CLAUSES else ""
        return telling[0].span, "; ".join(lost_by(c) for c in telling[:MOST_CLAUSES]) + more
    return loss.span, loss.reason or f"no event of the attack passes {shorten_line(loss.span.text, LONGEST_CLAUSE)}"


def locate_finding(finding: Finding, query: Source) -> str:
    """The line of a finding, with its file where that is not the query: a Sigma rule."""
    line = find_line_number(finding.span)
    return f"line {line}" if finding.span.source.name == query.name else f"{finding.span.file}:{line}"


def name_rule_line(rule: Rule, line: int) -> str:
    """A rule and a line of it, 0 for none: `server.spl:12`, and of a rule inside a document the document's own."""
    placed = rule.query.placement
    name = Path(placed.document.name).name if placed and line else rule.name
    return f"{name}:{line}" if line else name


def why_missed(explanation: Explanation | None) -> tuple[int, str] | None:
    """Line of the rule and reason why an attack was not seen; line 0 where no line is to blame."""
    if explanation is None:
        return None
    # The rule is not to blame for what was never recorded.
    if explanation.malicious == 0:
        return 0, "the platform has no event of the attack"
    if explanation.loss is None:
        return 0, "no alert rests on an event of the attack"
    place, reason = lost_at(explanation.loss)
    return find_line_number(place), reason


def format_verdict_label(verdict: Verdict) -> str:
    """The rule and its setting, unique enough to be called for: `server.spl (sysmon_version=10)`."""
    special = setting_of(verdict.expectation)
    return f"{verdict.rule.name} ({special})" if special else verdict.rule.name


def hangs_on(flip: Flip) -> str:
    """A switch that decides the outcome."""
    return f"hangs on {flip.switch}={flip.used}: {flip.other} gives {flip.outcome}"


def reads_absent(absent: Sequence[str]) -> str:
    """Fields that a rule reads in vain: those behind its alerts lack them, or those that pass its first step."""
    return f"reads {', '.join(absent)}, which none of the events it looks at carries"


def lenient(rule: str, deviations: Sequence[Finding]) -> str:
    """The lines of a leniently read rule that its product rejects, and apart from them those that it gets wrong."""
    rejected = [d for d in deviations if d.severity is Severity.ERROR]
    wrong = [d for d in deviations if d.severity is not Severity.ERROR]
    parts = (
        [f"its product rejects {describe_lines(rejected)} ({format_count(len(rejected), 'place')})"] if rejected else []
    )
    parts += [f"would silently get {describe_lines(wrong)} wrong"] if wrong else []
    return f"{rule} is read leniently: {' and '.join(parts)}"


def describe_lines(findings: Sequence[Finding]) -> str:
    """`line 4`, `lines 4, 20 and 21`."""
    numbers = [str(n) for n in sorted({find_line_number(f.span) for f in findings})]
    return f"line {numbers[0]}" if len(numbers) == 1 else f"lines {', '.join(numbers[:-1])} and {numbers[-1]}"


def describe_visibility(visibility: Visibility) -> str:
    """The signal's count, and its bounds where it is outside of them."""
    signal = visibility.signal
    wanted = "" if visibility.as_expected else f"{describe_pauses(visibility)}, expected {describe_bounds(signal)}"
    return f"{visibility.counted:,} recorded{wanted}"


def describe_pauses(visibility: Visibility) -> str:
    """How far apart the events are, where the signal asks."""
    if visibility.signal.apart is None:
        return ""
    least, most = visibility.pauses or (None, None)
    return " with no pause to measure" if least is None else f" {least:.4g} to {most:.4g} s apart"


def describe_differences(verdict: Verdict) -> Iterator[str]:
    """What is other than expected, a sentence each."""
    if verdict.observed != verdict.expectation.outcome:
        yield f"expected {verdict.expectation.outcome}, observed {verdict.observed}"
        if verdict.expectation.outcome.gap:
            yield f"the gap on record is closed: {one_line(verdict.expectation.because)}"
    yield from verdict.complaints


def headline(result: Verdict | Visibility) -> str:
    """The differences from the expectation in one line, with the reason of a loss where one is known."""
    if isinstance(result, Visibility):
        return describe_visibility(result)
    lost = why_missed(result.explanation)
    reason = f": {name_rule_line(result.rule, lost[0])} {lost[1]}" if lost else ""
    return "; ".join(one_line(d) for d in describe_differences(result)) + reason


def fault(broken: Broken) -> str:
    """Why something could not be judged, with its place where it has one."""
    return escape_controls(broken.error.render())


def notes_of(verdict: Verdict, *, verbose: bool) -> Iterator[tuple[int, str]]:
    """What a reader has to know of one verdict: the line of the rule (or 0) and a sentence."""
    lost = why_missed(verdict.explanation)
    if lost:
        yield lost
    if verbose and verdict.observed is Outcome.FALSE_POSITIVE and verdict.expectation.because:
        yield 0, one_line(verdict.expectation.because)
    # The reason of the loss may have said it already.
    untold = [name for name in verdict.absent if not lost or f"no event has {name}" not in lost[1]]
    if untold and verdict.scenario.body.activity is Label.MALICIOUS:
        yield 0, reads_absent(untold)
    for flip in verdict.flips:
        yield 0, hangs_on(flip)


def broken_promise(visibility: Visibility) -> bool:
    """Whether the published page promises something else than is recorded."""
    promised = visibility.signal.promised
    return promised is not None and str(promised) != str(visibility.counted)


def promise(visibility: Visibility) -> str:
    """What the page promises of one kind of event against what the host records."""
    signal = visibility.signal
    fields = f" ({describe_fields(signal)})" if signal.where else ""
    promised = f"page promises {signal.promised}, " if signal.promised is not None else ""
    wanted = "" if visibility.as_expected else f"{describe_pauses(visibility)}, expected {describe_bounds(signal)}"
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
