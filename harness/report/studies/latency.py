"""What `detlab latency` found, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from harness.report.console import Paper, format_count, shorten_line
from harness.report.json_document import VERSION
from harness.report.sentences import why_missed
from harness.verdict.latency import Delay, Latency

# The usual one, the slow one and the slowest; chosen, no source.
SHOWN = ((0.5, "median"), (0.9, "90 %"), (1.0, "all"))


def format_latency(found: Latency, paper: Paper) -> Iterator[str]:
    """Schedule, a row a scenario, and the losses of windows and pauses."""
    schedule = found.schedule
    back = f"over the last {span(schedule.back)}" if schedule.back is not None else "over all that has arrived"
    late = f", events {span(schedule.delay)} late" if schedule.delay else ""
    yield paper.paint(f"{found.rule.name} every {span(schedule.every)} {back}{late}", "strong")
    starts = max((len(d.detections) for d in found.delays), default=0)
    begun = "each when it happened" if found.recorded else f"each begun at {format_count(starts, 'moment')}"
    what = "attack" if found.recorded else "scenario"
    yield f"{format_count(len(found.delays), what)}, {begun}; {found.seconds:.1f} s"
    yield ""
    head, rows = list_latency_rows(found)
    yield from paper.table(head, rows, right=frozenset({1, 2, 3, 4, 5}))
    yield paper.paint("time from an attack's first event to the first alert; caught is the share of its starts", "dim")
    for delay in found.delays:
        text = describe_window_loss(delay, found)
        if text:
            yield ""
            yield from paper.paragraph(text)
    for text in (*gaps(found), *found.remarks):
        yield ""
        yield from paper.paragraph(text)


def list_latency_rows(found: Latency) -> tuple[list[str], list[list[str]]]:
    """A row a scenario: first what the window loses, then what is seen, the slowest first, what is never seen last."""
    head = ["attack" if found.recorded else "scenario", "caught", "without window", *(word for _, word in SHOWN)]
    return head, [format_delay_row(d) for d in sorted(found.delays, key=rank_delay)]


def rank_delay(delay: Delay) -> tuple[int, bool, float, str]:
    """Where a scenario stands among others."""
    return delay.caught - delay.unlimited, not delay.caught, -(delay.quantile(0.5) or 1e18), delay.name


def format_delay_row(delay: Delay) -> list[str]:
    """Cells of a scenario: name, starts caught, caught without a window, quantiles of the delay."""
    size = len(delay.detections)
    times = [delay.quantile(f) for f, _ in SHOWN]
    words = ["never" if t is None else span(timedelta(seconds=t)) for t in times]
    name = Path(delay.name).stem if delay.name.endswith((".yaml", ".yml")) else delay.name
    return [shorten_line(name, 50), f"{delay.caught}/{size}", f"{delay.unlimited}/{size}", *words]


def describe_window_loss(delay: Delay, found: Latency) -> str:
    """What the window does to a rule that would see the attack without one."""
    if not delay.unlimited or delay.caught >= delay.unlimited:
        return ""
    back = span(found.schedule.back) if found.schedule.back is not None else "any"
    if found.recorded:
        return f"{delay.name}: no run with a look-back of {back} alerts on it, though the rule would over all events"
    if delay.caught:
        gone = delay.unlimited - delay.caught
        return f"{delay.name}: with a look-back of {back} {gone} of {delay.unlimited} starts are lost"
    why = why_missed(delay.why)
    reason = f": line {why[0]}, {why[1]}, in the run that sees most of it" if why else ""
    every = span(found.schedule.every)
    return f"{delay.name}: never fires every {every} with a look-back of {back}, though it would over all of it{reason}"


def gaps(found: Latency) -> Iterator[str]:
    """What no run ever sees."""
    schedule = found.schedule
    if schedule.back is None:
        return
    if schedule.back < schedule.every:
        yield f"events of {span(schedule.every - schedule.back)} of every {span(schedule.every)} are seen by no run"
    # An event is seen if a run falls between its arrival and the end of the look-back: certain only where that is as
    # long as the pause between runs.
    elif schedule.delay and schedule.back < schedule.every + schedule.delay:
        yield (
            f"events that arrive {span(schedule.delay)} late miss the run they belong to: with a look-back of "
            f"{span(schedule.every + schedule.delay)} or more every event is seen"
        )


def span(length: timedelta) -> str:
    """A length of time in two units at most."""
    seconds = round(length.total_seconds())
    parts = []
    for word, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number} {word}")
    # Two units say enough: nobody plans by the seconds of a day.
    return " ".join(parts[:2]) or "0 s"


def encode_latency(found: Latency) -> dict[str, Any]:
    """The study for machines; lengths are in seconds, null is never."""
    schedule = found.schedule
    return {
        "document": "latency",
        "version": VERSION,
        "rule": found.rule.name,
        "every": schedule.every.total_seconds(),
        "back": schedule.back.total_seconds() if schedule.back is not None else None,
        "delay": schedule.delay.total_seconds(),
        "seconds": round(found.seconds, 3),
        "scenarios": [
            {
                "name": d.name,
                "starts": len(d.detections),
                "caught": d.caught,
                "caught_without_window": d.unlimited,
                **{word: d.quantile(f) for f, word in ((0.5, "median"), (0.9, "ninety_percent"), (1.0, "all"))},
                "lost": describe_window_loss(d, found) or None,
                "detections": [
                    {"later": x.later.total_seconds(), "seconds": x.seconds, "alerts": x.alerts} for x in d.detections
                ],
            }
            for d in found.delays
        ],
        "remarks": [*gaps(found), *found.remarks],
    }
