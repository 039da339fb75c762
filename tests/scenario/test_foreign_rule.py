"""Rules and tests in the formats of others."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from harness.diagnostics import HarnessError, SourceError
from harness.run import run_scenarios
from harness.run_options import RunOptions
from harness.scenario.foreign_rule import rule_paths
from harness.scenario.foreign_tests import converted_for, data_set, scenarios_of, upwards
from harness.scenario.rule import read_rule

needs_sigma = pytest.mark.skipif(
    not (find_spec("sigma") and find_spec("sigma.backends") and find_spec("sigma.pipelines.sysmon")),
    reason="the extra `sigma` is not installed",
)

SIGMA = """title: Whoami
id: 00000000-0000-0000-0000-000000000001
author: Ann Other
tags: [attack.discovery, attack.t1033]
logsource: {category: process_creation, product: windows}
detection:
  selection: {Image|endswith: '\\\\whoami.exe'}
  condition: selection
level: low
regression_tests_path: ../regression_data/whoami/info.yml
"""
INFO = """regression_tests_info:
  - {name: Positive, type: json, match_count: %d, path: regression_data/whoami/events.ndjson}
"""
EVENT = {
    "Provider_Name": "Microsoft-Windows-Sysmon",
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "EventID": "1",
    "Computer": "ws01",
    "SystemTime": "2026-03-03T09:12:00Z",
    "Image": "C:\\Windows\\System32\\whoami.exe",
}
DETECTION = {
    "name": "Whoami",
    "id": "x",
    "author": "Ann Other, Splunk",
    "search": "Image=*\\\\whoami.exe | stats count by host",
    "tags": {"mitre_attack_id": ["T1033"]},
    "references": ["https://example.org"],
}
DATA = "https://media.githubusercontent.com/media/splunk/attack_data/master/datasets/attack_techniques/T1033/w.log"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@needs_sigma
def test_a_sigma_rule_is_a_rule_in_both_languages_and_keeps_author_and_licence(tmp_path):
    write(tmp_path, {"rule.yml": SIGMA})
    spl, cql = (read_rule(p) for p in rule_paths(tmp_path / "rule.yml"))
    assert (spl.path.name, cql.path.name) == ("rule.yml.spl", "rule.yml.cql")
    assert 'Image="*\\\\whoami.exe"' in spl.query.text
    assert "Image=/\\\\whoami\\.exe$/i" in cql.query.text
    assert (spl.page.author, spl.page.technique) == ("Ann Other", "T1033")
    assert spl.page.license.startswith("DRL-1.1")
    assert converted_for(spl.path)["source"] == "WinEventLog"


@needs_sigma
@pytest.mark.parametrize(("wanted", "as_expected"), [(1, True), (2, False)])
def test_sigma_regression_data_is_judged_in_both_languages_and_counted(tmp_path, wanted, as_expected):
    write(
        tmp_path,
        {
            "rules/rule.yml": SIGMA,
            "regression_data/whoami/info.yml": INFO % wanted,
            "regression_data/whoami/events.ndjson": json.dumps(EVENT) + "\n",
        },
    )
    outcomes = run_scenarios([tmp_path / "rules"])
    assert [v.rule.language for v in outcomes.verdicts] == ["spl", "cql"]
    assert outcomes.as_expected is as_expected
    assert not outcomes.broken


@needs_sigma
def test_a_sigma_rule_that_is_wrong_says_where(tmp_path):
    write(tmp_path, {"rule.yml": SIGMA.replace("condition: selection", "condition: nothing")})
    with pytest.raises(SourceError, match=r"there is no selection `nothing`\n --> .*rule.yml:8:14"):
        rule_paths(tmp_path / "rule.yml")


def test_regression_data_that_is_not_there_is_an_error_at_its_place(tmp_path):
    write(tmp_path, {"rules/rule.yml": SIGMA})
    with pytest.raises(SourceError, match=r"there is no \.\./regression_data/whoami/info\.yml above"):
        scenarios_of(tmp_path / "rules/rule.yml")


@pytest.mark.parametrize("name", ["/etc/passwd", "..", ""])
def test_a_rule_names_no_file_outside_the_folders_above_it(tmp_path, name):
    assert upwards(tmp_path / "rules/rule.yml", name) is None


def test_a_page_of_security_content_is_a_rule(tmp_path):
    write(tmp_path, {"whoami.yml": yaml.safe_dump(DETECTION)})
    (path,) = rule_paths(tmp_path / "whoami.yml")
    rule = read_rule(path)
    assert (rule.language, rule.query.text) == ("spl", DETECTION["search"])
    assert (rule.page.title, rule.page.author, rule.page.technique) == ("Whoami", "Ann Other, Splunk", "T1033")


def test_tests_of_security_content_run_on_a_copy_of_attack_data(tmp_path):
    tests = [{"name": "True Positive", "attack_data": [{"data": DATA, "source": "x", "sourcetype": "y"}]}]
    log = tmp_path / "attack_data/datasets/attack_techniques/T1033/w.log"
    write(tmp_path, {"rules/whoami.yml": yaml.safe_dump({**DETECTION, "tests": tests}), str(log): json.dumps(EVENT)})
    outcomes = run_scenarios([tmp_path / "rules"], RunOptions(attack_data=tmp_path / "attack_data"))
    (verdict,) = outcomes.verdicts
    assert (str(verdict.observed), verdict.rule.page.author) == ("true positive", "Ann Other, Splunk")
    (broken,) = run_scenarios([tmp_path / "rules"]).broken
    assert "the events of this test are not at hand" in str(broken.error)


def test_a_data_set_never_leads_out_of_its_folder(tmp_path):
    assert data_set(tmp_path, "https://x/attack_data/master/../../etc/passwd") is None


def test_saved_searches_of_an_app_are_rules_by_the_names_of_their_stanzas(tmp_path):
    conf = "[default]\ndisabled = 0\n[ESCU - Whoami - Rule]\nsearch = Image=*whoami.exe \\\n| head 1\n"
    write(tmp_path, {"savedsearches.conf": conf + "[no search]\ncron_schedule = * * * * *\n[a/b]\nsearch = x\n"})
    paths = rule_paths(tmp_path / "savedsearches.conf")
    assert [p.name for p in paths] == ["ESCU - Whoami - Rule.spl", "a_b.spl"]
    assert read_rule(paths[0]).query.text == "Image=*whoami.exe \n| head 1"


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("q.yaml", {"name": "q", "queryString": "a=1"}, ["a=1"]),
        ("alert.yaml", {"name": "q", "query": {"queryString": "a=2"}}, ["a=2"]),
        ("d.yaml", {"name": "d", "widgets": {"w1": {"title": "x", "queryString": "a=3"}, "n": {"text": "t"}}}, ["a=3"]),
        ("list.json", [{"name": "one", "queryString": "a=4"}, {"name": "two", "queryString": "a=5"}], ["a=4", "a=5"]),
    ],
)
def test_exports_of_logscale_are_rules(tmp_path, name, content, texts):
    (tmp_path / name).write_text(json.dumps(content) if name.endswith("json") else yaml.safe_dump(content))
    rules = [read_rule(p) for p in rule_paths(tmp_path / name)]
    assert [r.query.text for r in rules] == texts
    assert {r.language for r in rules} == {"cql"}


def test_any_other_yaml_holds_no_rule(tmp_path):
    write(tmp_path, {"a.yml": "title: x\n", "b.yml": "- 1\n"})
    assert rule_paths(tmp_path / "a.yml") == rule_paths(tmp_path / "b.yml") == []


def test_a_rule_that_a_file_does_not_hold_is_an_error_that_names_what_it_holds(tmp_path):
    write(tmp_path, {"whoami.yml": yaml.safe_dump(DETECTION)})
    with pytest.raises(HarnessError, match=r"holds no rule whoami\.yml\.cql") as told:
        read_rule(tmp_path / "whoami.yml.cql")
    assert told.value.help == "it holds whoami.yml.spl"
