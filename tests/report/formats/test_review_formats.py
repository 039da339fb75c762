"""What code review and build servers read: SARIF, annotations, Markdown, JUnit with known gaps told apart."""

import json
import re
import xml.etree.ElementTree as etree
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.diagnostics import HarnessError
from harness.report.annotation import annotate_report, format_workflow_commands
from harness.report.formats.markdown import escape_markdown
from harness.report.report import format
from harness.scenario.scenario import Outcome
from harness.verdict.gates import GateFailure, GateLimits, check_gates
from harness.verdict.verdict import Broken
from tests.report.formats.test_machine_formats import EVIL, with_title


def expecting(report, outcome):
    verdicts = tuple(
        replace(v, expectation=msgspec.structs.replace(v.expectation, outcome=outcome))
        for v in report.outcomes.verdicts
    )
    return replace(report, outcomes=replace(report.outcomes, verdicts=verdicts))


def sarif_run(report):
    log = json.loads(format("sarif").write(report))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    return log["runs"][0]


def test_sarif_has_nothing_of_a_run_in_which_all_is_as_expected(report):
    run = sarif_run(report)
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])


def test_sarif_points_at_the_clause_that_lost_the_attack(report):
    run = sarif_run(expecting(report, Outcome.TRUE_POSITIVE))
    first = run["results"][0]
    place = first["locations"][0]["physicalLocation"]
    assert first["ruleId"] == "missed-attack"
    assert place["artifactLocation"] == {"uri": "pack/server.spl", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 15, "startColumn": 13, "endLine": 15, "endColumn": 34}
    assert Path("pack/server.spl").read_text().splitlines()[14][12:33] == 'DestinationIp="127.*"'
    assert 'DestinationIp="127.*" excludes 127.0.0.1' in first["message"]["text"]
    related = first["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert related == "pack/1-beacon.yaml"


def test_each_result_of_sarif_names_its_code_and_the_same_remark_has_the_same_fingerprint(report):
    runs = [sarif_run(expecting(report, Outcome.TRUE_POSITIVE)) for _ in range(2)]
    codes = [rule["id"] for rule in runs[0]["tool"]["driver"]["rules"]]
    assert all(codes[r["ruleIndex"]] == r["ruleId"] for r in runs[0]["results"])
    marks = [[r["partialFingerprints"]["detlab/v1"] for r in run["results"]] for run in runs]
    assert marks[0] == marks[1]
    assert len(set(marks[0])) == len(marks[0]) > 1


def test_what_cannot_be_judged_and_gates_are_remarks_too(report):
    broken = Broken(path="pack/x.yaml", error=HarnessError("no-such-rule", "there is no file x", help="write it"))
    gate = GateFailure(rule=Path("pack/server.spl"), gate="benign-twin", message="server.spl is quiet about none")
    told = replace(report, outcomes=replace(report.outcomes, broken=(broken,)), gates=(gate,))
    found = [(a.code, a.place.path, a.message) for a in annotate_report(told)]
    assert found == [
        ("cannot-judge", "pack/x.yaml", "there is no file x (write it)"),
        ("gate", "pack/server.spl", "server.spl is quiet about none"),
    ]


def test_annotations_are_workflow_commands_of_one_line_each(report):
    lines = list(format_workflow_commands(annotate_report(with_title(report, f"100%,\n::{EVIL}"))))
    assert lines[0].startswith(
        "::error file=pack/server.spl,line=15,endLine=15,col=13,endColumn=34,title=server.spl%3A "
    )
    assert "100%25, ::<script>" in lines[0]
    assert not any("\n" in line or "\x1b" in line for line in lines)
    assert all(len(re.findall("::", line.split(" ", 1)[0])) == 1 for line in lines)


def test_markdown_opens_with_what_is_detected(report):
    text = format("markdown").write(replace(report, began="2026-12-01T05:00:00Z"))
    lines = text.splitlines()
    assert lines[0] == (
        "## Detection: Published atomic tests seen 0 of 1, Variants: routable seen 1 of 2, Benign software quiet 0 of 1"
    )
    assert lines[2] == "**Nothing differs**; known gaps on record: 3 missed attacks and 1 false positive."
    assert "| T1583.004 Published atomic tests, seen | 0 of 1 | 0 of 1 | 0 of 1 |" in lines
    assert "| Beacon as published | ❌ missed (known gap) | ❌ missed (known gap) |" in lines
    assert "2026\\-12\\-01T05:00:00Z" in text or "2026-12-01T05:00:00Z" in text


def test_markdown_names_the_line_of_what_differs(report):
    text = format("markdown").write(expecting(report, Outcome.TRUE_POSITIVE))
    assert "- **pack/server.spl:15** Beacon as published: expected true positive, observed false negative; " in text
    assert "**missed, expected seen**" in text


def test_markdown_of_strangers_is_text():
    spoiled = escape_markdown("<b>@octocat</b> [x](javascript:1) | `rm` #12 **\n- &amp;")
    assert spoiled == (
        "&lt;b&gt;&#64;octocat&lt;/b&gt; \\[x\\]\\(javascript:1\\) \\| \\`rm\\` \\#12 \\*\\* \\- &amp;amp;"
    )


def test_junit_skips_known_gaps_with_their_reason_and_has_times(report):
    timed = tuple(replace(v, seconds=0.25) for v in report.outcomes.verdicts)
    seen = tuple(replace(v, seconds=0.5) for v in report.outcomes.visibilities)
    outcomes = replace(report.outcomes, verdicts=timed, visibilities=seen)
    told = replace(report, began="2026-12-01T05:00:00Z", outcomes=outcomes)
    root = etree.fromstring(format("junit").write(told).encode())
    suites = {s.get("name"): s for s in root}
    beacon = suites["pack/1-beacon.yaml"]
    assert (beacon.get("tests"), beacon.get("skipped"), beacon.get("failures")) == ("3", "2", "0")
    assert (beacon.get("time"), beacon.get("timestamp")) == ("1.000", "2026-12-01T05:00:00+00:00")
    gap = beacon.findall("testcase/skipped")[0]
    assert (gap.get("type"), gap.get("message")) == (
        "known gap",
        "known gap, false negative: loopback is excluded",
    )
    seen = suites["pack/routable/1-three-hours.yaml"]
    assert (seen.get("skipped"), [c.get("time") for c in seen.iter("testcase")]) == ("0", ["0.250", "0.250"])
    # What junit-10.xsd of Jenkins' xUnit plug-in knows.
    assert set(root.keys()) <= {"name", "time", "tests", "failures", "errors"}
    assert all(re.fullmatch(r"\d*\.\d{3}", s.get("time")) for s in (root, *root))


def test_gates_ask_for_an_attack_seen_a_benign_twin_and_few_alerts(report):
    limits = GateLimits(max_alerts_per_day=0.5, true_positive=True, benign_twin=True)
    found = [(f.rule.name, f.gate) for f in check_gates(report.outcomes.verdicts, limits)]
    assert found == [
        ("server.spl", "benign-twin"),
        ("server.spl", "max-alerts-per-day"),
        ("server.cql", "benign-twin"),
    ]
    assert check_gates(report.outcomes.verdicts, GateLimits(max_alerts_per_day=100, true_positive=True)) == ()


def test_the_days_of_benign_scenarios_are_those_of_their_events(report):
    benign = next(v for v in report.outcomes.verdicts if v.scenario.path.stem == "updater")
    # 24 calls, about ten minutes apart.
    assert 22 / 144 < benign.days < 25 / 144
