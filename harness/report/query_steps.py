"""A query step by step, and the recorded events behind an alert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.report.console import Paper, clip_indented_line, clip_line, format_count, one_line, shorten_line
from harness.report.report import signal_name
from harness.report.sentences import (
    OUTCOME_STYLES,
    describe_differences,
    find_line_number,
    format_verdict_label,
    hangs_on,
    headline,
    lenient,
    list_absent_fields,
    locate_finding,
    lost_by,
    reads_absent,
)
from harness.report.sigma_opinion import describe_opinion
from harness.verdict.alerts import Alert
from harness.verdict.evidence import Evidence
from harness.verdict.explain import Clause, EventLoss, Explanation, format_value
from harness.verdict.verdict import Verdict, Visibility

# Both chosen, no source: five alerts show the shape of all, ten characters of a step its command.
MOST_ALERTS = 5
LEAST_TEXT = 10


def steps_table(explanation: Explanation, paper: Paper, *, attack: str = "attack", other: str = "other") -> list[str]:
    """One line a step: its line, its own text, rows after it, the attack's and other events in and out."""
    before = (explanation.recorded, explanation.malicious, explanation.recorded - explanation.malicious)
    rows = []
    for step in explanation.steps:
        after = (step.rows, step.malicious, step.benign)
        rows.append((step, [format_change(b, a) for b, a in zip(before, after, strict=True)][: 3 if other else 2]))
        before = after
    heads = [h for h in ("rows", attack, other) if h]
    widths = [max(len(h), *(len(r[1][i]) for r in rows)) if rows else len(h) for i, h in enumerate(heads)]
    # Mark and line number, the gaps between columns, and room for LOST at the end.
    text = max(LEAST_TEXT, paper.width - sum(widths) - 6 - 8 - 8)
    names = "  ".join(h.rjust(w) for h, w in zip(heads, widths, strict=True))
    head = f"  line  {'step'.ljust(text)}  {names}"
    lines = [paper.paint(head.rstrip(), "dim")]
    for number, (step, cells) in enumerate(rows):
        gone = explanation.loss is not None and explanation.loss.step == number
        counts = "  ".join(cell.rjust(w) for cell, w in zip(cells, widths, strict=True))
        shown = shorten_line(step.span.text, text).ljust(text)
        line = f"{'>' if gone else ' '} {find_line_number(step.span):>4}  {shown}  {counts}"
        lines.append(paper.paint(f"{line}  LOST", "bad") if gone else line)
        if gone and explanation.loss is not None:
            lines += loss_lines(explanation.loss, paper)
            # What stands behind a step without rows can only be empty: one line for all of it.
            rest = explanation.steps[number + 1 :]
            if rest and not any((step.rows, *(r.rows for r in rest))):
                return [*lines, paper.paint(f"        {format_count(len(rest), 'step')} after it: no rows", "dim")]
    return lines


def format_change(before: int, after: int) -> str:
    """A count that goes in and one that comes out."""
    return f"{after:,}" if before == after else f"{before:,} -> {after:,}"


def loss_lines(loss: EventLoss, paper: Paper) -> list[str]:
    """Which clauses of a step lost the attack, what its events held, and the nearest misses."""
    lines: list[str] = []
    # A threshold that nobody reached is told once, with its nearest value.
    missed = {m.span for m in loss.misses}
    for clause in loss.clauses:
        if clause.span not in missed and clause.lost:
            lines += paper.paragraph(clause_sentence(clause, list_absent_fields(loss.clauses)), indent=8)
    for miss in loss.misses:
        place = f"line {find_line_number(miss.span)} " if miss.span else ""
        lines += paper.paragraph(f"{place}nearest miss: {miss}", indent=8)
    if not loss.misses and not loss.clauses:
        lines += paper.paragraph(loss.reason or "no row rests on the attack any more", indent=8)
    return lines


def clause_sentence(clause: Clause, absent: Sequence[str]) -> str:
    """The line of a clause, how many rows of the attack it lost, and the values or absent fields that lost them."""
    why = f"no event has {', '.join(absent)}" if absent else lost_by(clause)
    return f"line {find_line_number(clause.span)} lost {format_count(clause.lost, 'row')}: {why}"


def alert_lines(
    alerts: Sequence[Alert], paper: Paper, *, evidence: Sequence[Sequence[Evidence]] = (), most_events: int = 0
) -> Iterator[str]:
    """The rows that a rule returned, who caused them, and the events that they rest on."""
    for number, alert in enumerate(alerts[:MOST_ALERTS], 1):
        causes = ", ".join(dict.fromkeys(f"{c.name}{'' if c.malicious else ' (benign)'}" for c in alert.causes))
        who = f" by {clip_line(causes, 60)}" if causes else ""
        yield f"  alert {number}: {format_count(len(alert.events), 'event')}{who}"
        yield from paper.paragraph("; ".join(f"{n} {format_value(v)}" for n, v in alert.fields.items()), indent=4)
        events = evidence[number - 1] if number <= len(evidence) else ()
        yield from evidence_lines(events, len(alert.events), paper, most_events)
    if len(alerts) > MOST_ALERTS:
        yield f"  and {format_count(len(alerts) - MOST_ALERTS, 'more alert')}"


def evidence_lines(events: Sequence[Evidence], total: int, paper: Paper, most: int) -> Iterator[str]:
    """The events behind an alert: what they have in common once, then each one's time and what differs."""
    if not events:
        return
    # A beacon's events differ in their time only.
    common = {n: v for n, v in events[0].fields.items() if all(e.fields.get(n) == v for e in events)}
    lines = paper.paragraph("each " + "; ".join(f"{n} {v}" for n, v in common.items()), indent=6) if common else []
    differing = [{n: v for n, v in e.fields.items() if n not in common} for e in events[:most]]
    more = f", and {format_count(total - most, 'more')}".removesuffix("s") if total > most else ""
    if any(differing):
        for event, fields in zip(events, differing, strict=False):
            own = "; ".join(f"{n} {one_line(v)}" for n, v in fields.items())
            lines.append(clip_indented_line(f"      {event.when}  {own}", paper.width))
        lines += [f"      {more[2:]}"] if more else []
    else:
        lines += paper.paragraph("at " + ", ".join(e.when for e in events[:most]) + more, indent=6)
    yield from (paper.paint(line, "dim") for line in lines)


def verdict_lines(
    verdict: Verdict, paper: Paper, *, evidence: Sequence[Sequence[Evidence]] = (), most_events: int = 0
) -> Iterator[str]:
    """Everything that there is to say about one verdict; `evidence` has the events behind each alert."""
    style = OUTCOME_STYLES[verdict.observed] if verdict.as_expected else "bad"
    head = f"{format_verdict_label(verdict)}: {verdict.observed}"
    state = "as expected" if verdict.as_expected else "DIFFERS"
    yield f"{paper.paint(head, style)}, {state}"
    for sentence in () if verdict.as_expected else describe_differences(verdict):
        yield from paper.paragraph(sentence, indent=2)
    if verdict.expectation.because and verdict.as_expected:
        yield from paper.paragraph(f"because {verdict.expectation.because}", indent=2)
    if verdict.explanation is not None:
        yield from steps_table(verdict.explanation, paper)
    yield from alert_lines(verdict.alerts, paper, evidence=evidence, most_events=most_events)
    yield from remark_lines(verdict, paper)


def remark_lines(verdict: Verdict, paper: Paper) -> Iterator[str]:
    """What to know beside the outcome: absent fields, switches that decide, deviations, findings, damages."""
    if verdict.absent:
        yield from paper.paragraph(reads_absent(verdict.absent), indent=2)
    for flip in verdict.flips:
        yield from paper.paragraph(hangs_on(flip), indent=2)
    if verdict.deviations:
        yield from paper.paragraph(lenient(verdict.rule.name, verdict.deviations), indent=2)
    for sentence in describe_opinion(verdict.opinion):
        yield from paper.paragraph(sentence, indent=2)
    for finding in verdict.findings:
        where = locate_finding(finding, verdict.rule.query)
        yield from paper.paragraph(f"{where}: {finding.message} [{finding.code}]", indent=2)
    for damage in verdict.damages:
        yield from paper.paragraph(f"damaged: {damage}", indent=2)


def format_result(result: Verdict | Visibility) -> str:
    """A verdict or a count for JUnit and pytest: the scenario, then everything there is to say, 100 wide."""
    scenario = result.scenario
    # The headline first: pytest's summary and build servers show only that line.
    first = [headline(result), f"{scenario.document.source.name}: {one_line(scenario.body.title)}"]
    if isinstance(result, Verdict):
        return "\n".join([*first, *verdict_lines(result, Paper())])
    signal = result.signal
    promised = f"the page promises {signal.promised}" if signal.promised is not None else ""
    remarks = [r for r in (promised, one_line(signal.because)) if r]
    return "\n".join([*first, signal_name(signal), *(f"  {r}" for r in remarks)])
