"""When things happen: arrays of waits and times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from harness.diagnostics import HarnessError
from harness.telemetry.events.text_columns import Times

FloatArray = npt.NDArray[np.float64]
Waits = npt.NDArray[np.timedelta64]

HOUR = np.timedelta64(3_600_000_000, "us")


def convert_seconds(values: float | FloatArray) -> Waits:
    """Seconds as waits, to the microsecond."""
    return np.asarray(np.rint(np.asarray(values, np.float64) * 1e6), "int64").astype("timedelta64[us]")


# As MOST_EVENTS_AT_ONCE of a simulation: about two gigabytes until all sensors have recorded them.
MOST_MOMENTS_AT_ONCE = 3_000_000


def wait(length: timedelta) -> np.timedelta64:
    """A duration as one wait."""
    return np.timedelta64(round(length.total_seconds() * 1e6), "us")


def check_moment_count(count: float) -> int:
    """The count, if that many moments can be held at once. Raises HarnessError."""
    if count > MOST_MOMENTS_AT_ONCE:
        message = f"{count:.0f} times is more than {MOST_MOMENTS_AT_ONCE} at once"
        raise HarnessError("too-much", message, help="make it shorter or rarer")
    return int(count)


def rounds(lasts: timedelta, every: timedelta) -> int:
    """How often something that happens every so often happens within a time, the beginning included."""
    if every <= timedelta(0):
        raise HarnessError("too-much", "a period of no length never ends", help="give a period such as `60s`")
    return check_moment_count(lasts / every) + 1


JitterShape = Literal["around", "longer", "shorter"]
"""Where jitter moves a wait: either way, only up (Sliver adds), or only down (Cobalt Strike takes away)."""

RANGES = {"around": (-1.0, 1.0), "longer": (0.0, 1.0), "shorter": (-1.0, 0.0)}


def periodic(
    start: np.datetime64,
    every: timedelta,
    times: int,
    random: np.random.Generator,
    *,
    jitter: float = 0.0,
    shape: JitterShape = "around",
) -> Times:
    """`times` moments from `start` on, each wait off by up to `jitter` of itself; the first is at the start.

    Each round costs about a tenth of a second beside its wait, as measured on an agent that calls every 5 s
    (524 intervals: mean 5.130 s, standard deviation 0.070 s, least 5.062 s).
    """
    more = max(0, check_moment_count(times) - 1)
    least, most = RANGES[shape]
    waits = every.total_seconds() * (1 + jitter * random.uniform(least, most, more))
    # Lognormal with a median of 115 ms and a floor of 60 ms, after the least recorded interval of 5.062 s.
    busy = 0.06 + 0.055 * np.exp(0.6 * random.standard_normal(more))
    moments: Times = start + convert_seconds(np.concatenate([np.zeros(min(1, times)), waits + busy]).cumsum())
    return moments


def sample_moments(start: np.datetime64, length: timedelta, count: int, random: np.random.Generator) -> Times:
    """`count` moments anywhere in a stretch of time, in order."""
    moments: Times = start + convert_seconds(
        np.sort(random.uniform(0, length.total_seconds(), check_moment_count(count)))
    )
    return moments


def hourly(start: np.datetime64, counts: Sequence[int], random: np.random.Generator) -> Times:
    """`counts[i]` moments in the i-th clock hour from the one of `start` on, anywhere but its last minute.

    The minute left out keeps a record that is written late in the hour in which it happened.
    """
    check_moment_count(sum(counts))
    first = start.astype("datetime64[h]").astype("datetime64[us]")
    parts = [first + i * HOUR + convert_seconds(np.sort(random.uniform(5, 3540, n))) for i, n in enumerate(counts)]
    moments: Times = np.concatenate(parts) if parts else np.empty(0, "datetime64[us]")
    return moments


def poisson(start: np.datetime64, length: timedelta, per_hour: float, random: np.random.Generator) -> Times:
    """Moments without memory, `per_hour` of them in the mean."""
    return sample_moments(
        start, length, int(random.poisson(check_moment_count(per_hour * length.total_seconds() / 3600))), random
    )


def bursts(moments: Times, sizes: npt.NDArray[np.int64], spread: float, random: np.random.Generator) -> Times:
    """`sizes[i]` moments within `spread` seconds after each moment, all in order."""
    check_moment_count(int(sizes.sum()))
    begun = np.repeat(moments, sizes)
    together: Times = np.sort(begun + convert_seconds(random.uniform(0, spread, len(begun))))
    return together
