"""An ATT&CK Navigator layer: how much of each technique's attacks the rules see."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from harness.report.console import format_count, one_line
from harness.report.report import Report
from harness.report.sentences import OUTCOME_WORDS, format_verdict_label
from harness.scenario.scenario import Label, Outcome
from harness.verdict.verdict import Verdict

# What is no technique of ATT&CK has no place in its matrix.
TECHNIQUE_NUMBER = re.compile(r"T\d{4}(\.\d{3})?")


@dataclass(frozen=True, slots=True)
class Navigator:
    """A layer in format 4.5; the score is the share of attack verdicts that are true positives, 0 to 100."""

    suffix: str = "json"

    def write(self, report: Report) -> str:
        """The whole layer."""
        found: dict[str, list[Verdict]] = {}
        for verdict in report.outcomes.verdicts:
            technique = verdict.scenario.body.technique or verdict.rule.page.technique
            if TECHNIQUE_NUMBER.fullmatch(technique):
                found.setdefault(technique, []).append(verdict)
        layer = {
            "name": "detlab",
            "versions": {"layer": "4.5", "navigator": "5.1.0"},
            "domain": "enterprise-attack",
            "description": f"share of attack scenarios that a rule sees, by detlab {report.version}",
            "techniques": [technique_object(name, verdicts) for name, verdicts in sorted(found.items())],
            # The Navigator's own default colours.
            "gradient": {"colors": ["#ff6666", "#ffe766", "#8ec843"], "minValue": 0, "maxValue": 100},
            "showTacticRowBackground": False,
            "hideDisabled": False,
        }
        return json.dumps(layer, indent=2) + "\n"


def technique_object(name: str, verdicts: list[Verdict]) -> dict[str, Any]:
    """One technique with its score and one metadata line a verdict."""
    # Benign scenarios are no part of the score: a rule that is always silent would look half good.
    attacks = [v for v in verdicts if v.scenario.body.activity is Label.MALICIOUS]
    seen = [v for v in attacks if v.observed is Outcome.TRUE_POSITIVE]
    flagged = [v for v in verdicts if v.observed is Outcome.FALSE_POSITIVE]
    false_positives = format_count(len(flagged), "false positive")
    comment = f"{len(seen)} of {format_count(len(attacks), 'attack verdict')} seen; {false_positives}"
    return {
        "techniqueID": name,
        "score": round(100 * len(seen) / len(attacks)) if attacks else 0,
        "comment": comment,
        "enabled": True,
        "metadata": [
            {
                "name": f"{one_line(v.scenario.body.title)}: {format_verdict_label(v)}",
                "value": OUTCOME_WORDS[v.observed],
            }
            for v in verdicts
        ],
    }


FORMAT = Navigator()
