"""ATTiRe 1.1, the log of executions that VECTR imports: a procedure for each attack, and which rules saw it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from harness.record import record
from harness.report.console import escape_controls, one_line
from harness.report.report import Report
from harness.report.sentences import OUTCOME_WORDS, format_verdict_label, why_missed
from harness.report.technique import TECHNIQUE_NUMBER
from harness.scenario.scenario import Label, Scenario
from harness.verdict.verdict import Verdict


@record
class Attire:
    """One execution: the run; its attacks have the times that scenarios give them, whenever the run was.

    Reference: ATTiRe, schema 1.1 (Security Risk Advisors)
    """

    suffix: str = "json"

    def write(self, report: Report) -> str:
        """The whole log."""
        found: dict[str, list[Verdict]] = {}
        for verdict in report.outcomes.verdicts:
            body = verdict.scenario.body
            if body.activity is Label.MALICIOUS and TECHNIQUE_NUMBER.fullmatch(body.technique):
                found.setdefault(str(verdict.scenario.path), []).append(verdict)
        hosts = {a.host for own in found.values() for a in own[0].scenario.body.simulate}
        told = "\0".join([report.began, *found])
        execution = {
            "execution-source": f"detlab {report.version}",
            "execution-id": sha256(told.encode("utf-8", "surrogatepass")).hexdigest(),
            "execution-category": {"name": "detlab", "abbreviation": "DL"},
            "execution-command": "detlab run",
            "target": {"user": "", "host": ", ".join(sorted(hosts)), "ip": "", "path": ""},
            "time-generated": format_attire_time(report.began) if report.began else "",
        }
        procedures = [encode_procedure(n, own) for n, own in enumerate(found.values(), 1)]
        log = {"attire-version": "1.1", "execution-data": execution, "procedures": procedures}
        return json.dumps(log, indent=2) + "\n"


def encode_procedure(order: int, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """One attack, and what each rule said of it."""
    scenario = verdicts[0].scenario
    body = scenario.body
    return {
        "mitre-technique-id": body.technique,
        "procedure-name": escape_controls(one_line(body.title)),
        "procedure-id": {"type": "detlab scenario", "id": escape_controls(scenario.path.as_posix())},
        "procedure-description": escape_controls(one_line(body.description)),
        "order": order,
        "steps": [encode_attire_step(scenario, verdicts)],
    }


def encode_attire_step(scenario: Scenario, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """What was done, in one step, since rules are judged on all of it."""
    body = scenario.body
    done = [f"{a.behaviour} on {a.host}" for a in body.simulate] + [f"replay {r.path}" for r in body.replay]
    began = format_attire_time(body.start)
    return {
        "order": 1,
        "time-start": began,
        "time-stop": began,
        "executor": str(verdicts[0].origin),
        "command": escape_controls("; ".join(done)),
        "process-id": 0,
        "exit-code": 0,
        "is-timeout": False,
        "output": [{"content": describe_verdict(v), "level": "STDOUT", "type": "console"} for v in verdicts],
    }


def describe_verdict(verdict: Verdict) -> str:
    """What one rule said, with the reason of a miss."""
    lost = why_missed(verdict.explanation)
    why = f": {lost[1]}" if lost else ""
    return escape_controls(one_line(f"{format_verdict_label(verdict)} {OUTCOME_WORDS[verdict.observed]}{why}"))


def format_attire_time(text: str) -> str:
    """A time as ATTiRe has it, in UTC with milliseconds; nothing where the text is no time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


FORMAT = Attire()
