"""Numbers and verdicts of studies in words, the same in every format."""

from __future__ import annotations

import math
from typing import Any

from harness.verdict.tune.observations import Estimate
from harness.verdict.tune.thresholds import number_in_rule


def short_number(value: float) -> str:
    """A number with at most three digits that count."""
    if math.isnan(value):
        return "-"
    # The upper end where one host says nothing about others.
    if math.isinf(value):
        return "any"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    # Three digits: intervals from resampling are not better known.
    return f"{value:.3g}"


def format_proportion(estimate: Estimate) -> str:
    """A proportion with its interval: `38 % (19-62)`."""
    if not estimate.known:
        return "-"
    return f"{100 * estimate.value:.0f} % ({100 * estimate.low:.0f}-{100 * estimate.high:.0f})"


def format_rate(estimate: Estimate) -> str:
    """A rate with its interval: `12 (4-31)`."""
    if not estimate.known:
        return "-"
    return f"{short_number(estimate.value)} ({short_number(estimate.low)}-{short_number(estimate.high)})"


def format_literal(value: float) -> str:
    """A literal as a rule would write it."""
    return number_in_rule(value)


def finite(value: float) -> float | None:
    """A number for JSON, which has neither NaN nor infinity."""
    return value if math.isfinite(value) else None


def estimate_object(estimate: Estimate) -> dict[str, Any]:
    """An estimate for machines."""
    return {"value": finite(estimate.value), "low": finite(estimate.low), "high": finite(estimate.high)}
