"""What is asked of a study of a rule's numbers, and what it found out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from difflib import unified_diff

from harness.detection.language import Strictness
from harness.diagnostics import Source, mend
from harness.record import record
from harness.verdict.study.population import WatchedPopulation
from harness.verdict.tune.allowlist import AllowlistEntry
from harness.verdict.tune.choice import Choice, Objective
from harness.verdict.tune.margins import Margin
from harness.verdict.tune.numbers_in_text import NumberInText
from harness.verdict.tune.observations import Point, Surface
from harness.verdict.tune.regularity import Opinion
from harness.verdict.tune.reruns import Tried
from harness.verdict.tune.thresholds import Threshold

# Chosen, no source: as long as a person waits for an answer.
DEFAULT_SECONDS = 60.0

Knob = Threshold | NumberInText
"""A number of the rule that is varied: a threshold of the grid, or one that takes runs of its own."""


@record(kw_only=True)
class Wishes:
    """What a person may choose: values for numbers by name, values an axis, an objective, how sure, how much besides.

    `seconds` are how long edited texts are run again for numbers that the grid cannot answer for.
    """

    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    steps: int | None = None
    objective: Objective = field(default_factory=Objective)
    confidence: float = 0.95
    seed: int = 0
    seconds: float = DEFAULT_SECONDS
    strictness: Strictness = Strictness.LENIENT
    exclusions: bool = True
    opinions: bool = True


@record(kw_only=True)
class Explored:
    """How many edited texts were run within how many seconds, how many more there were, and each number's values."""

    values: tuple[tuple[float, ...], ...]
    runs: int
    left: int
    failed: int
    seconds: float
    allowed: float


@record(kw_only=True)
class CaseShare:
    """One of several cases: for how long its hosts were watched, and what of the published rule's alerts is its own."""

    name: str
    host_days: float
    attacks: int
    caught: int
    false_alerts: int


@record(kw_only=True)
class Tuning:
    """Everything that was found out about a rule's numbers.

    `thresholds` are all comparisons, `varied` the numbers of the grid and behind them those that edited texts were run
    for. `front` are the points that no other beats, the cheapest first, `knee` the place of its bend. Without an
    objective there is no `choice`. `ranges` are for each number of the grid between which values the shown points stay
    as they are: those of the choice, else of the rule as published. `tried` are the texts that were run, the rule's own
    first.
    """

    rule: Source
    thresholds: tuple[Threshold, ...]
    varied: tuple[Knob, ...]
    population: WatchedPopulation
    groups: int
    combinations: int
    published: Point
    front: tuple[Point, ...]
    knee: int | None
    objective: Objective
    choice: Choice | None
    recommended: Point | None
    ranges: tuple[tuple[float, float], ...]
    explored: Explored
    shares: tuple[CaseShare, ...]
    confidence: float
    margins: tuple[Margin, ...]
    exclusions: tuple[AllowlistEntry, ...]
    opinions: tuple[Opinion, ...]
    surface: Surface
    tried: tuple[Tried, ...]
    seconds: float
    grid_seconds: float
    remarks: tuple[str, ...] = ()

    @property
    def changes(self) -> tuple[tuple[Knob, float], ...]:
        """Numbers that the chosen point changes."""
        if self.recommended is None:
            return ()
        pairs = zip(self.varied, self.recommended.values, strict=True)
        return tuple((k, v) for k, v in pairs if v != k.published)

    @property
    def mended(self) -> str:
        """The rule's text with only these numbers changed."""
        return mend(self.rule, [k.edit(v) for k, v in self.changes])

    @property
    def diff(self) -> str:
        """The change of the text, as a patch."""
        old, new = (text.splitlines(keepends=True) for text in (self.rule.text, self.mended))
        lines = unified_diff(list(old), list(new), self.rule.name, self.rule.name)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
