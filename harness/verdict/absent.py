"""Fields that a rule reads and that the events it looks at do not carry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from harness.detection.plan.columns import EVENT
from harness.telemetry.platform import View


def absent(reads: Iterable[str], events: Collection[int], views: Sequence[View]) -> tuple[str, ...]:
    """The names among `reads` that none of these events has."""
    numbers = np.fromiter(events, np.int64, len(events))
    missing = set(reads) if len(numbers) else set()
    for view in views:
        chosen = np.flatnonzero(np.isin(view.columns.column(EVENT).to_numpy(), numbers))
        if len(chosen):
            missing -= set(view.constants)
            present = [n for n in missing if n in view.columns.column_names]
            missing -= {n for n in present if view.columns.column(n).take(chosen).null_count < len(chosen)}
    return tuple(sorted(missing))
