"""Time as a host or its user has it: real time without the stretches in which nothing happens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.telemetry.spelling import Times

Stretch = tuple[np.datetime64, np.datetime64]
"""From when until when, in UTC."""

SHORTEST = np.timedelta64(600, "s")
"""Shorter stretches are left out: nothing of what starts in them would come to an end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorldClock:
    """Stretches of real time laid end to end.

    What sleeps with its host goes on where it stopped: a timer of an hour that had ten minutes to go when the lid was
    closed rings ten minutes after it is opened. `passed` is how much time lies before each stretch.
    """

    begins: Times
    ends: Times
    passed: npt.NDArray[np.timedelta64]

    @property
    def start(self) -> np.datetime64:
        """The first moment, real and on this clock."""
        first: np.datetime64 = self.begins[0]
        return first

    @property
    def length(self) -> np.timedelta64:
        """The sum of its stretches."""
        total: np.timedelta64 = (self.ends - self.begins).sum()
        return total

    @property
    def steady(self) -> bool:
        """Whether it never stops between its beginning and its end."""
        return len(self.begins) == 1

    def real(self, at: Any) -> Any:
        """The real time of moments on this clock: what is before its start or after its end is as far off as there."""
        if self.steady:
            return at
        since = np.asarray(at, "datetime64[us]") - self.start
        # The last stretch that has begun; times before the first count on from it, backwards.
        which = np.maximum(np.searchsorted(self.passed, since, side="right") - 1, 0)
        return (self.begins[which] + (since - self.passed[which]))[()]


def build_clock(stretches: Iterable[Stretch]) -> WorldClock | None:
    """The clock of these stretches; None where nothing is long enough."""
    long = [(b, e) for b, e in stretches if e - b >= SHORTEST]
    if not long:
        return None
    begins, ends = (np.array(side, "datetime64[us]") for side in zip(*long, strict=True))
    lengths = ends - begins
    return WorldClock(begins=begins, ends=ends, passed=np.cumsum(lengths) - lengths)


def clip_stretches(stretches: Sequence[Stretch], begin: np.datetime64, end: np.datetime64) -> list[Stretch]:
    """The parts of these stretches that lie between two moments."""
    return [(max(b, begin), min(e, end)) for b, e in stretches if e > begin and b < end]
