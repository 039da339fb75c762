"""Fields that a rule reads and that the events it looks at do not carry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from harness.detection.language import Plan
from harness.detection.plan.expressions import EVENT_COLUMN
from harness.detection.plan.nodes import Derive, walk_nodes
from harness.telemetry.platform import View


def collect_expected_fields(plan: Plan) -> frozenset[str]:
    """The event fields that the rule names and does not derive itself."""
    made = {name for node in walk_nodes(plan.node) if isinstance(node, Derive) for name, _ in node.columns}
    return plan.reads - plan.implied - made


def find_absent_fields(reads: Iterable[str], events: Collection[int], views: Sequence[View]) -> tuple[str, ...]:
    """The names among `reads` that none of these events has."""
    numbers = np.fromiter(events, np.int64, len(events))
    # Of no events nothing is missing: an empty platform is told elsewhere.
    missing = set(reads) if len(numbers) else set()
    for view in views:
        chosen = np.flatnonzero(np.isin(view.columns.column(EVENT_COLUMN).to_numpy(), numbers))
        if len(chosen):
            missing -= set(view.constants)
            present = [n for n in missing if n in view.columns.column_names]
            # A column alone says little: kinds of events share them, and most of their rows may be null.
            missing -= {n for n in present if view.columns.column(n).take(chosen).null_count < len(chosen)}
    return tuple(sorted(missing))
