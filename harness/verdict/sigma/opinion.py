"""The third opinion: what a Sigma rule finds by its own text, and who loses what the conversion does not find."""

from __future__ import annotations

from enum import StrEnum

from harness.diagnostics import Span
from harness.record import record

# Chosen, no source: more of the same kind tell nothing new.
MOST_NAMED = 3


class LossStage(StrEnum):
    """Who loses an event that a rule means."""

    RULE = "rule"
    CONVERSION = "conversion"
    PLATFORM = "platform"


@record(kw_only=True)
class LostHit:
    """Something that the rule finds by its own text and its conversion does not: where it is lost, and what it is."""

    events: tuple[int, ...]
    stage: LossStage
    held: str


@record(kw_only=True)
class NearMiss:
    """The item of a rule that keeps it from the event that comes nearest, and what that event holds."""

    span: Span
    item: str
    held: str


@record(kw_only=True)
class SigmaOpinion:
    """What a rule finds by its own text, against what its conversion found.

    `hits` are events, or groups of them for a correlation. `alone`: there is no query to set it against. `added` are
    events that only the conversion found. `source`
    is how many events are of the rule's log source at all; `misses` says what keeps the nearest of them from the rule.
    """

    hits: int
    alone: bool = False
    lost: tuple[LostHit, ...] = ()
    added: tuple[int, ...] = ()
    source: int = 0
    misses: tuple[NearMiss, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether the conversion finds what the rule means."""
        return not self.lost and not self.added

    def count(self, stage: LossStage) -> int:
        """How much is lost there."""
        return sum(each.stage is stage for each in self.lost)
