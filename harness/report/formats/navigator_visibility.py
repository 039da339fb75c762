"""An ATT&CK Navigator layer of visibility: how many kinds of events of each technique's attacks hosts record."""

from __future__ import annotations

from typing import Any

from harness.record import record
from harness.report.console import one_line
from harness.report.formats.navigator import score_share, write_layer
from harness.report.report import Report, describe_signal_kind
from harness.report.technique import TechniqueResult, group_by_technique


@record
class NavigatorVisibility:
    """A layer in format 4.5; techniques whose scenarios ask for no events are not in it."""

    suffix: str = "json"

    def write(self, report: Report) -> str:
        """The whole layer."""
        about = f"share of an attack's kinds of events that hosts record, by detlab {report.version}"
        known = [t for t in group_by_technique(report) if t.visibility.total]
        return write_layer("detlab visibility", about, [visibility_object(t) for t in known])


def visibility_object(found: TechniqueResult) -> dict[str, Any]:
    """One technique with its score and one metadata line a kind of events."""
    return {
        "techniqueID": found.number,
        "score": score_share(found.visibility),
        "comment": f"{found.visibility} kinds of events are recorded",
        "enabled": True,
        "metadata": [
            {
                "name": f"{one_line(v.scenario.body.title)}: {describe_signal_kind(v.signal)}",
                "value": f"{v.counted:,} recorded",
            }
            for v in found.signals
        ],
    }


FORMAT = NavigatorVisibility()
