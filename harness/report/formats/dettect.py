"""DeTT&CT's technique administration: a score of detection and one of visibility for each technique."""

from __future__ import annotations

from typing import Any

import yaml

from harness.record import record
from harness.report.console import escape_controls
from harness.report.report import Report
from harness.report.tally import Share
from harness.report.technique import TechniqueResult, group_by_technique

# A logbook needs a date; that of a run without one is plainly none.
NO_DATE = "1970-01-01"
BEST_DETECTION, BEST_VISIBILITY = 5, 4


@record
class DettectAdministration:
    """The file in version 1.2. Scores are of these tests alone, which their comments say; a person corrects them.

    Reference: DeTT&CT wiki, Technique administration YAML file
    """

    suffix: str = "yaml"

    def write(self, report: Report) -> str:
        """The whole file."""
        document = {
            "version": 1.2,
            "file_type": "technique-administration",
            "name": "detlab",
            "domain": "enterprise-attack",
            "platform": ["Windows"],
            "techniques": [administer(t, (report.began or NO_DATE)[:10]) for t in group_by_technique(report)],
        }
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def administer(found: TechniqueResult, date: str) -> dict[str, Any]:
    """One technique."""
    rules = list(dict.fromkeys(escape_controls(v.rule.name) for v in found.verdicts))
    seen = grade(found.detection, BEST_DETECTION, none=-1)
    recorded = grade(found.visibility, BEST_VISIBILITY, none=0)
    return {
        "technique_id": found.number,
        "technique_name": found.number,
        "detection": [
            {
                "applicable_to": ["all"],
                "location": rules,
                "comment": "",
                "score_logbook": [{"date": date, "score": seen, "comment": f"detlab: {found.sentence}"}],
            }
        ],
        "visibility": [
            {
                "applicable_to": ["all"],
                "comment": "",
                "score_logbook": [
                    {
                        "date": date,
                        "score": recorded,
                        "comment": f"detlab: {found.visibility} kinds of events are recorded",
                        "auto_generated": False,
                    }
                ],
            }
        ],
    }


def grade(share: Share, best: int, *, none: int) -> int:
    """A share as a score from 1 to `best`, cut, so that only all gives the best; `none` where there is nothing."""
    return none if not share.good else 1 + share.good * (best - 1) // share.total


FORMAT = DettectAdministration()
