import json
import re
import xml.etree.ElementTree as etree
from dataclasses import replace

import msgspec
import pytest
import yaml

from harness.diagnostics import HarnessError
from harness.report.formats.json import encode_json_value
from harness.report.report import Report, format
from harness.report.report_formats import list_report_formats
from harness.scenario.scenario import Outcome
from harness.verdict.verdict import Broken

EVIL = "<script>alert(1)</script>\x00\x1b[31m\ud800\u202e]]>&\"'"


def with_title(report: Report, title: str) -> Report:
    verdicts = []
    for verdict in report.outcomes.verdicts:
        body = msgspec.structs.replace(verdict.scenario.body, title=title)
        expectation = msgspec.structs.replace(verdict.expectation, outcome=Outcome.TRUE_POSITIVE, because=title)
        scenario = msgspec.structs.replace(verdict.scenario, body=body)
        verdicts.append(replace(verdict, scenario=scenario, expectation=expectation))
    broken = Broken(path=title, error=HarnessError("yaml", title))
    return replace(report, outcomes=replace(report.outcomes, verdicts=tuple(verdicts), broken=(broken,)))


def test_every_format_is_found_by_its_file():
    named = "attire dettect html json junit markdown navigator navigator_visibility sarif terminal"
    assert " ".join(list_report_formats()) == named
    with pytest.raises(HarnessError, match="no report format is called `jnuit`") as error:
        format("jnuit")
    assert error.value.help == "did you mean `junit`?"


def test_json_is_one_document_with_stable_names(report):
    document = json.loads(format("json").write(report))
    assert {k: document[k] for k in ("document", "version", "engine", "as_expected", "summary")} == {
        "document": "run",
        "version": 1,
        "engine": "duckdb",
        "as_expected": True,
        "summary": {
            "scenarios": 4,
            "left_out": [],
            "unselected": 0,
            "began": "",
            "same_telemetry": [],
            "verdicts": 6,
            "verdicts_differing": 0,
            "verdicts_cached": 0,
            "signals": 1,
            "signals_differing": 0,
            "broken": 0,
            "seconds": 0.9,
        },
    }
    assert sorted(document["verdicts"][0]) == [
        "absent",
        "alerts",
        "as_expected",
        "because",
        "cached",
        "complaints",
        "conditions",
        "damages",
        "deviations",
        "dialect",
        "engine",
        "expected",
        "explanation",
        "findings",
        "flips",
        "observed",
        "origin",
        "rule",
        "scenario",
        "sigma",
        "switches",
    ]


def test_json_has_the_clause_that_lost_the_attack_and_what_it_held(report):
    first = json.loads(format("json").write(report))["verdicts"][0]
    assert first["scenario"] == {
        "path": "pack/1-beacon.yaml",
        "title": "Beacon as published",
        "technique": "T1583.004",
        "atomic_test": 1,
        "activity": "malicious",
        "chapter": "Published atomic tests",
    }
    loss = first["explanation"]["loss"]["clauses"][-1]
    assert loss == {
        "place": {"file": "pack/server.spl", "line": 15, "column": 13, "text": 'DestinationIp="127.*"'},
        "lost": 10,
        "excluded": True,
        "held": {"DestinationIp": ["127.0.0.1"]},
    }


def test_json_has_the_nearest_misses(report):
    verdicts = json.loads(format("json").write(report))["verdicts"]
    five = next(v for v in verdicts if v["scenario"]["path"] == "pack/routable/1-five-calls.yaml")
    misses = [(m["column"], m["best"], m["operator"], m["needed"]) for m in five["explanation"]["loss"]["misses"]]
    assert misses == [("TotalConnections", 5, ">=", 10), ("HoursActive", 1, ">=", 2)]


def test_json_has_alerts_with_their_fields_causes_and_events(report):
    verdicts = json.loads(format("json").write(report))["verdicts"]
    seen = next(v for v in verdicts if v["observed"] == "true positive" and v["rule"]["language"] == "spl")
    assert seen["alerts"][0]["fields"]["TotalConnections"] == 180
    assert seen["alerts"][0]["event_count"] == 180
    assert len(seen["alerts"][0]["events"]) == 180
    assert seen["alerts"][0]["causes"][0]["name"] == "beacon"


def test_numbers_that_json_lacks_are_text():
    assert [encode_json_value(v) for v in (1.0, 0.5, float("inf"), float("nan"), 1e300, None, ["a"])] == [
        1,
        0.5,
        "inf",
        "nan",
        1e300,
        None,
        ["a"],
    ]


def test_junit_has_a_case_for_each_expectation_and_signal(report):
    root = etree.fromstring(format("junit").write(report).encode())
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("7", "0", "0")
    assert [(c.get("classname"), c.get("name")) for c in root.iter("testcase")][:3] == [
        ("pack/1-beacon.yaml", "telemetry sysmon 3 (DestinationPort=8888): exactly 10"),
        ("pack/1-beacon.yaml", "server.spl: false negative"),
        ("pack/1-beacon.yaml", "server.cql: false negative"),
    ]


def test_a_junit_failure_is_the_explanation(report):
    root = etree.fromstring(format("junit").write(with_title(report, "Renamed")).encode())
    failure = next(root.iter("failure"))
    assert failure.get("message") == (
        'expected true positive, observed false negative: server.spl:15 DestinationIp="127.*" excludes 127.0.0.1'
    )
    assert "line 15 lost 10 rows" in failure.text
    assert root.get("errors") == "1"
    assert next(root.iter("error")).text == "error[yaml]: Renamed"


MACHINE = {"attire": json.loads, "dettect": yaml.safe_load, "json": json.loads, "navigator": json.loads}
MACHINE |= {"navigator_visibility": json.loads, "sarif": json.loads, "junit": etree.fromstring}


@pytest.mark.parametrize("name", [*MACHINE, "html", "markdown"])
def test_text_of_strangers_harms_no_format(report, name):
    written = format(name).write(with_title(report, EVIL))
    assert "<script>alert" not in written or name in MACHINE.keys() - {"junit"}
    assert not re.search("[\x00\x1b\ud800\u202e]", written)
    written.encode("utf-8")
    MACHINE.get(name, str)(written)


def test_the_navigator_layer_scores_a_technique_by_the_attacks_seen(report):
    layer = json.loads(format("navigator").write(report))
    assert layer["versions"]["layer"] == "4.5"
    assert layer["domain"] == "enterprise-attack"
    technique = layer["techniques"][0]
    assert (technique["techniqueID"], technique["score"]) == ("T1583.004", 40)
    assert technique["comment"] == "2 of 5 attack verdicts seen; 1 false positive"
    assert {"name": "A call a minute for three hours: server.spl", "value": "seen"} in technique["metadata"]


def test_visibility_is_a_layer_of_its_own(report):
    layer = json.loads(format("navigator_visibility").write(report))
    (technique,) = layer["techniques"]
    assert (technique["techniqueID"], technique["score"]) == ("T1583.004", 100)
    assert technique["comment"] == "1 of 1 kinds of events are recorded"
    assert technique["metadata"] == [{"name": "Beacon as published: sysmon 3", "value": "10 recorded"}]


def test_vectr_gets_a_procedure_for_each_attack_with_what_each_rule_said(report):
    log = json.loads(format("attire").write(replace(report, began="2026-12-01T05:00:00Z")))
    assert log["attire-version"] == "1.1"
    assert log["execution-data"]["time-generated"] == "2026-12-01T05:00:00.000Z"
    assert [p["order"] for p in log["procedures"]] == [1, 2, 3]
    beacon = log["procedures"][0]
    assert (beacon["mitre-technique-id"], beacon["procedure-name"]) == ("T1583.004", "Beacon as published")
    (step,) = beacon["steps"]
    assert (step["time-start"], step["command"]) == ("2026-03-03T09:12:00.000Z", "beacon on WS01")
    assert step["output"][0]["content"] == 'server.spl missed: DestinationIp="127.*" excludes 127.0.0.1'


def test_dettect_has_a_score_of_detection_and_one_of_visibility(report):
    document = yaml.safe_load(format("dettect").write(replace(report, began="2026-12-01T05:00:00Z")))
    assert (document["version"], document["file_type"]) == (1.2, "technique-administration")
    (technique,) = document["techniques"]
    detection, visibility = technique["detection"][0], technique["visibility"][0]
    assert detection["location"] == ["server.spl", "server.cql"]
    # Two of five attack verdicts: 1 + 2 * 4 // 5.
    assert detection["score_logbook"][0]["score"] == 2
    assert visibility["score_logbook"][0]["score"] == 4
    assert "2 of 5 attack verdicts seen" in detection["score_logbook"][0]["comment"]
