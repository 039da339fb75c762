"""Points that no other point beats: less cost at the same gain is better, and so is more gain at the same cost."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def front(gain: npt.ArrayLike, cost: npt.ArrayLike) -> Indices:
    """Places of the points on the front, the cheapest first; of equal points the first."""
    gains, costs = np.ravel(np.asarray(gain)), np.ravel(np.asarray(cost))
    # lexsort's last key counts first: cost, then gain, then place.
    order = np.lexsort((np.arange(len(gains)), -gains, costs))
    best = np.maximum.accumulate(gains[order])
    better = np.concatenate([[True], best[1:] > best[:-1]]) if len(order) else np.zeros(0, bool)
    found: Indices = order[better]
    return found


def select_within_budget(gain: npt.ArrayLike, cost: npt.ArrayLike, budget: float) -> Indices:
    """Places of the points with the most gain among those whose cost is within a budget, and of these the cheapest."""
    gains, costs = np.ravel(np.asarray(gain, np.float64)), np.ravel(np.asarray(cost, np.float64))
    affordable = np.flatnonzero(costs <= budget)
    if not len(affordable):
        return np.zeros(0, np.int64)
    most = affordable[gains[affordable] == gains[affordable].max()]
    cheapest: Indices = most[costs[most] == costs[most].min()]
    return cheapest
