"""When things happen: arrays of waits and times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from harness.telemetry.spelling import Times

Floats = npt.NDArray[np.float64]
Waits = npt.NDArray[np.timedelta64]

SECOND = np.timedelta64(1_000_000, "us")
HOUR = np.timedelta64(3_600_000_000, "us")
DAY = 24 * HOUR


def seconds(values: float | Floats) -> Waits:
    """Seconds as waits, to the microsecond."""
    return np.asarray(np.rint(np.asarray(values, np.float64) * 1e6), "int64").astype("timedelta64[us]")


def periodic(
    start: np.datetime64, every: timedelta, times: int, random: np.random.Generator, *, jitter: float = 0.0
) -> Times:
    """`times` moments from `start` on, each wait off by up to `jitter` of itself; the first is at the start."""
    waits = every.total_seconds() * (1 + random.uniform(-jitter, jitter, max(0, times - 1)))
    moments: Times = start + seconds(np.concatenate([np.zeros(min(1, times)), waits]).cumsum())
    return moments


def within(start: np.datetime64, length: timedelta, count: int, random: np.random.Generator) -> Times:
    """`count` moments anywhere in a stretch of time, in order."""
    moments: Times = start + seconds(np.sort(random.uniform(0, length.total_seconds(), count)))
    return moments


def hourly(start: np.datetime64, counts: Sequence[int], random: np.random.Generator) -> Times:
    """`counts[i]` moments in the i-th clock hour from the one of `start` on, anywhere but its last minute.

    The minute left out keeps a record that is written late in the hour in which it happened.
    """
    first = start.astype("datetime64[h]").astype("datetime64[us]")
    parts = [first + i * HOUR + seconds(np.sort(random.uniform(5, 3540, n))) for i, n in enumerate(counts)]
    moments: Times = np.concatenate(parts) if parts else np.empty(0, "datetime64[us]")
    return moments


def poisson(start: np.datetime64, length: timedelta, per_hour: float, random: np.random.Generator) -> Times:
    """Moments without memory, `per_hour` of them in the mean."""
    return within(start, length, int(random.poisson(per_hour * length.total_seconds() / 3600)), random)


def during(moments: Times, opens: float, closes: float) -> Times:
    """Those moments that lie between two hours of the day on Monday to Friday, in UTC."""
    hour = (moments - moments.astype("datetime64[D]")) / HOUR
    weekday = (moments.astype("datetime64[D]").astype(np.int64) + 3) % 7
    kept: Times = moments[(hour >= opens) & (hour < closes) & (weekday < 5)]
    return kept


def bursts(moments: Times, sizes: npt.NDArray[np.int64], spread: float, random: np.random.Generator) -> Times:
    """`sizes[i]` moments within `spread` seconds after each moment, all in order."""
    begun = np.repeat(moments, sizes)
    together: Times = np.sort(begun + seconds(random.uniform(0, spread, len(begun))))
    return together
