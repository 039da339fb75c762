"""What a Sigma rule finds by its own text, for people and machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.report.console import format_count, one_line, shorten_line
from harness.verdict.sigma.opinion import MOST_NAMED, LossStage, SigmaOpinion

# Chosen, no source: a command line's beginning is enough to know it by.
LONGEST_HELD = 160


def describe_opinion(opinion: SigmaOpinion | None) -> Iterator[str]:
    """A sentence for agreement, else one for each way in which rule, conversion and platform part."""
    if opinion is None:
        return
    fits = "nothing fits" if not opinion.hits else f"{format_count(opinion.hits, 'hit')}"
    head = f"the Sigma text itself: {fits}"
    if not opinion.hits and not opinion.added:
        yield f"{head}, so the rule is what sees none"
        yield from describe_misses(opinion)
        return
    if opinion.alone:
        yield head
        return
    if opinion.agrees:
        yield f"{head}, as the conversion finds"
        return
    yield head
    for stage in (LossStage.CONVERSION, LossStage.PLATFORM):
        lost = [each for each in opinion.lost if each.stage is stage]
        if lost:
            held = [shorten_line(one_line(each.held), LONGEST_HELD) for each in lost if each.held][:MOST_NAMED]
            yield f"the {stage} loses {len(lost)} of them" + (f": {'; '.join(held)}" if held else "")
    if opinion.added:
        yield f"the conversion adds {format_count(len(opinion.added), 'event')} that the Sigma text does not mean"


def describe_misses(opinion: SigmaOpinion) -> Iterator[str]:
    """Why a rule fits nothing: no event of its log source, or what the nearest of them holds."""
    if not opinion.source:
        yield "no event is of its log source"
    for miss in opinion.misses:
        line, _ = miss.span.position
        held = shorten_line(one_line(miss.held), LONGEST_HELD)
        yield f"{miss.span.file}:{line}: the nearest event does not fit {miss.item}: it holds {held}"


def encode_opinion(opinion: SigmaOpinion) -> dict[str, Any]:
    """The opinion for machines."""
    return {
        "hits": opinion.hits,
        "agrees": opinion.agrees,
        "lost": [{"by": str(each.stage), "events": list(each.events), "held": each.held} for each in opinion.lost],
        "added": list(opinion.added),
        "events_of_log_source": opinion.source,
        "misses": [{"item": m.item, "line": m.span.position[0], "held": m.held} for m in opinion.misses],
    }
