"""How sure a rate can be: intervals from resampling hosts, because the events of one host are not independent."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from harness.telemetry.simulation.schedule import FloatArray

# Usual for BCa intervals, whose ends lie far out in the tails.
RESAMPLES = 2000
# Chosen, no source: all resamples at once would be a matrix of 2,000 times the hosts.
CHUNK = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A ratio and the interval that holds the truth with the stated confidence; NaN where nothing can be said."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"

    @property
    def known(self) -> bool:
        """Whether there is a value at all."""
        return not np.isnan(self.value)


UNKNOWN_ESTIMATE = Estimate(value=float("nan"), low=float("nan"), high=float("nan"))


def ratio(
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    proportion: bool = False,
) -> Estimate:
    """Sum of `numerator` by sum of `denominator`, each with one value a host.

    The interval is the bias-corrected accelerated bootstrap over hosts (Efron 1987). Where all hosts agree that sees no
    spread: then it is the exact one for no, or no missing, occurrence among so many hosts (Clopper and Pearson).
    `proportion` says that the ratio lies between 0 and 1.
    """
    upper, lower = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    part = lower > 0 if proportion else np.ones(len(lower), bool)
    upper, lower = upper[part], lower[part]
    if not len(lower) or lower.sum() == 0:
        return UNKNOWN_ESTIMATE
    value = float(upper.sum() / lower.sum())
    if upper.sum() == 0 or (proportion and np.array_equal(upper, lower)):
        return estimate_unanimous(value, len(lower), lower, confidence, proportion=proportion)
    # One host tells nothing about others.
    if len(lower) < 2:
        return Estimate(value=value, low=0.0, high=1.0 if proportion else float("inf"))
    low, high = estimate_bootstrap(upper, lower, value, confidence, seed)
    return Estimate(value=value, low=low, high=min(high, 1.0) if proportion else high)


def estimate_unanimous(value: float, hosts: int, lower: FloatArray, confidence: float, *, proportion: bool) -> Estimate:
    """The interval where no host, or every host, showed it."""
    # Clopper and Pearson's upper end for 0 of n, solved for p.
    missed = 1 - ((1 - confidence) / 2) ** (1 / hosts)
    if value == 0:
        return Estimate(value=0.0, low=0.0, high=missed if proportion else float(missed * hosts / lower.sum()))
    return Estimate(value=value, low=1 - missed, high=1.0)


def estimate_bootstrap(
    upper: FloatArray, lower: FloatArray, value: float, confidence: float, seed: int
) -> tuple[float, float]:
    """Both ends of the bootstrap's interval."""
    drawn = np.sort(resample_ratio(upper, lower, seed))
    normal = NormalDist()
    # Half of the ties, since ratios of few hosts repeat.
    below = (np.count_nonzero(drawn < value) + np.count_nonzero(drawn == value) / 2) / len(drawn)
    # Kept off 0 and 1, where the normal quantile is infinite.
    bias = normal.inv_cdf(min(max(below, 1 / len(drawn)), 1 - 1 / len(drawn)))
    # The jackknife: the ratio without each host in turn; its skewness is Efron's acceleration.
    left_out = (upper.sum() - upper) / np.maximum(lower.sum() - lower, 1e-300)
    off = left_out.mean() - left_out
    spread = float((off**2).sum())
    skew = float((off**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    ends = []
    for tail in ((1 - confidence) / 2, (1 + confidence) / 2):
        at = bias + normal.inv_cdf(tail)
        place = normal.cdf(bias + at / (1 - skew * at)) if abs(skew * at) < 1 else tail
        ends.append(float(np.quantile(drawn, place)))
    return ends[0], ends[1]


def resample_ratio(upper: FloatArray, lower: FloatArray, seed: int) -> FloatArray:
    """The ratio in samples of as many hosts, drawn with replacement; samples without any denominator are left out."""
    # Seeded: the same study gives the same interval.
    random = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES // CHUNK):
        weights = random.multinomial(len(upper), np.full(len(upper), 1 / len(upper)), CHUNK)
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append((weights @ upper) / (weights @ lower))
    drawn: FloatArray = np.concatenate(found)
    return drawn[np.isfinite(drawn)]
