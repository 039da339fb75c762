"""Mutants of spans of time that a command takes as an option (`span=5m`, `maxpause=1m`): edited text, planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from harness.detection.language import Strictness, language
from harness.detection.plan.expressions import Schema
from harness.detection.plan.nodes import Node
from harness.diagnostics import HarnessError, Source, mend
from harness.late_pattern import late_pattern
from harness.verdict.judge import Trial
from harness.verdict.mutate.mutants import Mutant, mutants
from harness.verdict.tune.numbers_in_text import NumberInText, Role, list_tokens, plan_differences

OPTION = late_pattern(r"(?<![\w.])(\w+)\s*=\s*\"?$")
FACTORS = ((2.0, "twice as long"), (0.5, "half as long"))


def list_rule_mutants(trial: Trial, root: Node, columns: Schema, now: float) -> tuple[Mutant, ...]:
    """Every mutant of a rule: those of its plan over these columns, and its spans of time halved and doubled."""
    own = mutants(root)

    def planned(text: str) -> Node:
        source = Source(trial.query.source.name, text)
        # What is read strictly is read the same leniently; an edit of a span breaks no more than that span.
        query = language(trial.rule.language).parse(source, Strictness.LENIENT, trial.settings)
        return query.plan(columns, replace(trial.settings, now=now)).node

    spans = mutate_time_spans(trial.query.source, root, planned, own)
    return tuple(sorted((*own, *spans), key=lambda m: (m.place.start if m.place else -1, m.kind, m.what)))


def mutate_time_spans(
    source: Source, root: Node, planned: Callable[[str], Node], known: Sequence[Mutant]
) -> Iterator[Mutant]:
    """Each option that is a span of time, half and twice as long, where that means anything that no mutant is yet."""
    # Values in the events may say what a plan is; edited texts are planned without asking them.
    if not means_the_same(planned(source.text), root):
        return
    for place, value, unit in list_tokens(source):
        option = OPTION.search(source.text[: place.start]) if unit else None
        if option is None:
            continue
        span = NumberInText(place=place, published=value, unit=unit, role=Role.SPAN, name=option[1])
        for factor, word in FACTORS:
            try:
                node = planned(mend(source, [span.edit(value * factor)]))
            except HarnessError:
                continue
            if not any(means_the_same(node, other) for other in (root, *(m.node for m in known))):
                what = f"`{option[1]}={place.text}` {word}"
                yield Mutant(kind="bucket", what=what, place=place, node=node)


def means_the_same(ours: Node, theirs: Node) -> bool:
    """Whether two plans are equal but for places, which are of other texts."""
    return next(plan_differences(ours, theirs), None) is None
