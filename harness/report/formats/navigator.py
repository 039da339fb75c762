"""An ATT&CK Navigator layer: how much of each technique's attacks the rules see."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from harness.record import record
from harness.report.console import one_line
from harness.report.report import Report
from harness.report.sentences import OUTCOME_WORDS, format_verdict_label
from harness.report.tally import Share
from harness.report.technique import TechniqueResult, group_by_technique


@record
class Navigator:
    """A layer in format 4.5; the score is the share of attack verdicts that are true positives, 0 to 100.

    What hosts record is a layer of its own (`navigator_visibility`): a purple team mends different things for each.
    """

    suffix: str = "json"

    def write(self, report: Report) -> str:
        """The whole layer."""
        about = f"share of attack scenarios that a rule sees, by detlab {report.version}"
        return write_layer("detlab", about, [technique_object(t) for t in group_by_technique(report)])


def write_layer(name: str, about: str, techniques: Sequence[dict[str, Any]]) -> str:
    """A layer of these techniques, whose scores go from 0 to 100."""
    layer = {
        "name": name,
        "versions": {"layer": "4.5", "navigator": "5.1.0"},
        "domain": "enterprise-attack",
        "description": about,
        "techniques": list(techniques),
        # The Navigator's own default colours.
        "gradient": {"colors": ["#ff6666", "#ffe766", "#8ec843"], "minValue": 0, "maxValue": 100},
        "showTacticRowBackground": False,
        "hideDisabled": False,
    }
    return json.dumps(layer, indent=2) + "\n"


def score_share(share: Share) -> int:
    """A share as a score."""
    return round(100 * share.good / share.total) if share.total else 0


def technique_object(found: TechniqueResult) -> dict[str, Any]:
    """One technique with its score and one metadata line a verdict."""
    return {
        "techniqueID": found.number,
        "score": score_share(found.detection),
        "comment": found.sentence,
        "enabled": True,
        "metadata": [
            {
                "name": f"{one_line(v.scenario.body.title)}: {format_verdict_label(v)}",
                "value": OUTCOME_WORDS[v.observed],
            }
            for v in found.verdicts
        ],
    }


FORMAT = Navigator()
