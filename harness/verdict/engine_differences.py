"""What two engines say differently of one rule on one scenario."""

from __future__ import annotations

from pathlib import Path

from harness.record import record
from harness.scenario.scenario import Outcome
from harness.verdict.divergence import PartingStep


@record(kw_only=True)
class EngineDifference:
    """Outcomes and numbers of rows on both engines, the step at which rows part, and what would explain it.

    `switches` are choices of other values, each enough by itself to give the second engine's rows on the first.
    """

    engines: tuple[str, str]
    scenario: str
    rule: Path
    outcomes: tuple[Outcome, Outcome]
    rows: tuple[int, int]
    parting: PartingStep | None = None
    switches: tuple[tuple[tuple[str, str], ...], ...] = ()
