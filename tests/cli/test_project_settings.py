"""A `detlab.yaml` as its users meet it: found above the working folder, read by every command, told by `config`."""

import json
import os

import pytest

from tests.cli.command_line import detlab

EVENT = {
    "Provider_Name": "Microsoft-Windows-Sysmon",
    "EventID": 1,
    "Channel": "Microsoft-Windows-Sysmon/Operational",
    "Computer": "WS01",
    "SystemTime": "2026-05-05T08:00:00.000000Z",
    "Image": "C:\\Windows\\System32\\cmd.exe",
}
SETTINGS = """\
index: edr
inputs:
  sysmon: {sourcetype: acme:sysmon}
fields:
  process_path: [NewProcessName, Image]
macros: content/macros.conf
conditions: {falcon: ngsiem}
gates: {min_mutation_score: 80}
"""
RULE = "`acme` process_path=*cmd.exe | table EventCode, process_path\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A repository with settings, a rule and an event; commands run in a folder below its root."""
    for name in (".git", "content", "rules"):
        (tmp_path / name).mkdir()
    (tmp_path / "detlab.yaml").write_text(SETTINGS)
    (tmp_path / "content" / "macros.conf").write_text("[acme]\ndefinition = index=edr sourcetype=acme:sysmon\n")
    (tmp_path / "rules" / "cmd.spl").write_text(RULE)
    (tmp_path / "rules" / "log.ndjson").write_text(json.dumps(EVENT))
    monkeypatch.chdir(tmp_path / "rules")
    return tmp_path


def rows(*options):
    ran = detlab("query", "cmd.spl", "--events", "log.ndjson", "--json", *options)
    assert ran.code == 0, ran.err
    return ran.document["rows"]


def test_every_key_holds_for_a_rule_in_a_folder_below(project):
    assert rows() == [{"EventCode": "1", "process_path": EVENT["Image"]}]


def test_the_command_line_counts_before_the_project(project):
    assert rows("--condition", "index=other") == []


def test_a_field_that_events_have_under_that_name_keeps_its_value(project):
    (project / "rules" / "log.ndjson").write_text(json.dumps({**EVENT, "process_path": "own\\cmd.exe"}))
    assert rows() == [{"EventCode": "1", "process_path": "own\\cmd.exe"}]


def test_a_store_has_the_same_names(project):
    (project / "rules" / "cmd.spl").write_text("process_path=*cmd.exe | table process_path\n")
    assert detlab("ingest", "log.ndjson", "--out", "store").code == 0
    ran = detlab("query", "cmd.spl", "--events", "store", "--json")
    assert ran.document["rows"] == [{"process_path": EVENT["Image"]}]


def test_coverage_lint_and_compile_know_the_macros(project):
    # A rule of another repository, so that no settings are beside it.
    rule = project / "rules" / "theirs" / "cmd.spl"
    (rule.parent / ".git").mkdir(parents=True)
    rule.write_text(RULE)
    (project / "none.yaml").write_text("")
    for command, without in (("lint", 1), ("compile", 2), ("coverage", 1)):
        assert detlab(command, rule).code == 0
        assert detlab(command, rule, "--settings", "../none.yaml").code == without


def test_config_says_where_each_value_came_from(project):
    ran = detlab("config", "--condition", "index=other", "--json")
    origins = {each["key"]: (each["value"], each["from"]) for each in ran.document["settings"]}
    assert ran.document["file"] == str(project / "detlab.yaml")
    assert origins["index"] == ("other", "--condition")
    assert origins["engine"] == ("duckdb", None)
    assert origins["gates.min_mutation_score"] == (80.0, {"file": str(project / "detlab.yaml"), "line": 8})
    assert origins["inputs.sysmon.sourcetype"][1]["line"] == 3


def test_an_unknown_key_has_its_place_and_the_nearest_known_one(project):
    (project / "detlab.yaml").write_text("index: edr\nmacro: content\n")
    ran = detlab("query", "cmd.spl", "--events", "log.ndjson")
    assert ran.code == 2
    assert ran.err.splitlines()[1:] == [
        f" --> {project}/detlab.yaml:2:1",
        "  |",
        "2 | macro: content",
        "  | ^^^^^",
        "  = help: did you mean `macros`?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("engine: splunk\n", "error[remote-engine]: splunk is a server, which no settings file may choose"),
        ("engine: duckdbb\n", "error[unknown-engine]: no engine is called `duckdbb`"),
        ("sensors: [sysmonn]\n", "error[unknown-sensor]: no sensor is called `sysmonn`"),
        ("switches: {cql_stdev: x}\n", "error[unknown-switch]"),
        ("conditions: {falcon: rawer}\n", "error[unknown-condition-value]: condition `falcon` has no value `rawer`"),
        ("conditions: {falcn: raw}\n", "error[unknown-condition]: no condition is called `falcn`\n --> "),
        ("macros: ../../secret.conf\n", "error[outside]: `../../secret.conf` leads out of the folder"),
        ("gates: {min_mutation_score: 101}\n", "error[wrong-value]"),
    ],
)
def test_what_means_nothing_is_an_error(project, text, said):
    (project / "detlab.yaml").write_text(text)
    ran = detlab("query", "cmd.spl", "--events", "log.ndjson")
    assert (ran.code, ran.err.startswith(said)) == (2, True), ran.err


def test_settings_that_name_no_content_are_no_error(project):
    (project / "rules" / "cmd.spl").write_text("EventCode=1 | table EventCode\n")
    (project / "detlab.yaml").write_text("gates: {min_mutation_score: 80}\n")
    assert rows() == [{"EventCode": "1"}]


def test_settings_above_the_repository_do_not_count(project):
    (project / "rules" / ".git").mkdir()
    assert detlab("config", "--json").document["file"] is None


def test_settings_that_everybody_may_write_do_not_count_and_are_told(project):
    os.chmod(project / "detlab.yaml", 0o666)
    ran = detlab("config", "--json")
    assert ran.document["file"] is None
    assert ran.document["refused"]["why"] == f"everybody may write {project / 'detlab.yaml'}"
    assert "does not count, since everybody may write" in ran.err
    # Who names it has looked at it.
    assert detlab("config", "--settings", project / "detlab.yaml", "--json").document["file"]


def test_a_scenario_counts_before_the_project_and_the_project_before_defaults(project):
    (project / "rules" / "files.cql").write_text("#event_simpleName=ProcessRollup2 FileName=powershell.exe\n")
    (project / "rules" / "attack.yaml").write_text(
        "title: PowerShell starts\nactivity: malicious\nsimulate:\n  - {behaviour: beacon, given: {times: 2}}\n"
        "expect:\n  - {rule: files.cql, outcome: true positive}\n"
        "  - {rule: files.cql, outcome: false negative, because: no FileName, conditions: {falcon: raw}}\n"
    )
    ran = detlab("run", "attack.yaml")
    assert ran.code == 0, ran.out
    assert detlab("run", "attack.yaml", "--condition", "falcon=raw").code == 1


def test_only_the_sensors_that_a_team_has_record_a_simulation(project):
    (project / "detlab.yaml").write_text("sensors: [falcon]\n")
    (project / "rules" / "attack.yaml").write_text(
        "title: PowerShell starts\nactivity: malicious\nsimulate:\n  - {behaviour: beacon, given: {times: 2}}\n"
        "telemetry:\n  - {sensor: sysmon, event: 1, exactly: 0}\n"
        "  - {sensor: falcon, event: ProcessRollup2, at_least: 1}\n"
    )
    assert detlab("run", "attack.yaml").code == 0


def test_a_gate_asks_for_a_benign_twin_of_each_rule(project):
    (project / "detlab.yaml").write_text("gates: {true_positive: true, benign_twin: true}\n")
    (project / "rules" / "files.cql").write_text("#event_simpleName=ProcessRollup2\n")
    attack = (
        "title: PowerShell starts\nactivity: malicious\nsimulate:\n  - {behaviour: beacon, given: {times: 2}}\n"
        "expect:\n  - {rule: files.cql, outcome: true positive}\n"
    )
    (project / "rules" / "attack.yaml").write_text(attack)
    ran = detlab("run", "attack.yaml")
    assert ran.code == 1
    assert "files.cql is quiet about no benign scenario" in ran.out
    (project / "rules" / "files.cql").write_text("#event_simpleName=ProcessRollup2 ImageFileName=/powershell/\n")
    quiet = attack.replace("malicious", "benign").replace("true positive", "true negative")
    quiet = quiet.replace("{behaviour: beacon, given: {times: 2}}", "{behaviour: process}")
    (project / "rules" / "benign.yaml").write_text(quiet)
    ran = detlab("run", "attack.yaml", "benign.yaml")
    assert (ran.code, ran.err) == (0, ""), ran.out


def test_a_gate_bounds_alerts_a_day(project):
    (project / "rules" / "log.ndjson").write_text("".join(json.dumps(EVENT) + "\n" for _ in range(3)))
    (project / "rules" / "cmd.spl").write_text("EventCode=1\n")
    (project / "detlab.yaml").write_text("gates: {max_alerts_per_day: 2}\n")
    ran = detlab("query", "cmd.spl", "--events", "log.ndjson", "--by", "cause")
    assert ran.code == 1
    assert ran.err.startswith("gate max_alerts_per_day: ")


def test_a_table_is_as_wide_as_columns_says(project, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    wide = max(map(len, detlab("config").out.splitlines()))
    monkeypatch.setenv("COLUMNS", "60")
    narrow = max(map(len, detlab("config").out.splitlines()))
    assert narrow <= 60 < wide <= 140


@pytest.mark.parametrize("command", [["detonate", "T1583.004-1", "--host", "WS01"], ["serve", "--data", "data"]])
def test_commands_that_touch_hosts_or_ports_read_the_project_first(project, command):
    (project / "detlab.yaml").write_text("switches: {like_case: often}\n")
    ran = detlab(*command)
    assert ran.code == 2
    assert "detlab.yaml:1:" in ran.err
    assert "switch `like_case` has no value `often`" in ran.err
