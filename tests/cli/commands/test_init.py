"""`detlab init`: from somebody's rule to a project that runs green, and what it says where it cannot."""

import json

import pytest
import yaml

from tests.cli.command_line import detlab

SPL = """index=acme sourcetype="XmlWinEventLog:Microsoft-Windows-Sysmon/Operational" EventCode=1
    Image="*\\\\mshta.exe" CommandLine="*http*" NOT ParentImage="C:\\\\Program Files\\\\*"
| stats count dc(CommandLine) as lines by host, User
| where count >= 3 AND lines >= 2
"""
CQL = """#event_simpleName=ProcessRollup2 event_platform=Win
| FileName=/^(power|p)sh(ell)?\\.exe$/i CommandLine=/-enc\\S*\\s/i
| groupBy([aid, ComputerName], function=count(as=Starts))
| Starts > 2
"""
DETECTION = """name: Net used to list accounts
id: 0f0e0d0c-0b0a-4908-8706-050403020100
version: 1
date: '2026-01-01'
author: nobody
type: Anomaly
status: production
data_source: [Sysmon EventID 1]
search: '| tstats count min(_time) as firstTime from datamodel=Endpoint.Processes where Processes.process_name=net.exe
  Processes.process="* user *" by Processes.dest Processes.user Processes.parent_process_name Processes.process'
how_to_implement: none
known_false_positives: none
tags: {mitre_attack_id: [T1087.001]}
"""


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A new folder of somebody's, with a rule that lies elsewhere."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [("mshta.spl", SPL, "CommandLine"), ("encoded.cql", CQL, "CommandLine"), ("net.yml", DETECTION, "process")],
)
def test_two_commands_lead_to_a_verdict_on_a_foreign_rule(empty, name, text, field):
    (empty / name).write_text(text)
    ran = detlab("init", empty / name, "--json")
    assert ran.code == 0, ran.out
    told = ran.document
    assert (told["as_expected"], told["benign_twin"], told["error"]) == (True, True, None)
    assert field in told["fields"]
    ran = detlab("run", "--json")
    assert ran.code == 0, ran.out
    outcomes = [(v["expected"], v["observed"]) for v in ran.document["verdicts"]]
    assert outcomes == [("true positive", "true positive"), ("true negative", "true negative")]


def test_the_names_of_inputs_come_from_the_rule_and_hold_for_every_command(empty):
    (empty / "mshta.spl").write_text(SPL)
    detlab("init", empty / "mshta.spl")
    settings = yaml.safe_load((empty / "project" / "detlab.yaml").read_text())
    channel = "Microsoft-Windows-Sysmon/Operational"
    assert settings == {"index": "acme", "inputs": {channel: {"sourcetype": f"XmlWinEventLog:{channel}"}}}
    ran = detlab("query", "rules/mshta.spl", "--events", "scenarios/mshta/attack.ndjson", "--json")
    assert len(ran.document["rows"]) == 1


def test_the_twin_differs_in_one_field(empty):
    (empty / "mshta.spl").write_text(SPL)
    detlab("init", empty / "mshta.spl")
    folder = empty / "project" / "scenarios" / "mshta"
    attack, benign = (
        [json.loads(line) for line in (folder / f"{name}.ndjson").read_text().splitlines()]
        for name in ("attack", "benign")
    )
    assert len(attack) == len(benign) >= 3
    differing = {k for one, other in zip(attack, benign, strict=True) for k in one if one[k] != other.get(k)}
    assert len(differing) == 1


def test_what_no_event_can_be_made_for_is_said_and_the_rest_is_written(empty):
    (empty / "never.spl").write_text("EventCode=1 Image=a.exe Image=b.exe")
    ran = detlab("init", empty / "never.spl")
    assert ran.code == 2
    assert "error[no-draft]: no events could be made that never.spl alerts on" in ran.err
    assert (empty / "project" / "detlab.yaml").is_file()
    assert not (empty / "project" / "scenarios").exists()


def test_a_rule_that_cannot_be_read_is_refused_with_its_place(empty):
    (empty / "bad.spl").write_text("`acme` EventCode=1\n")
    ran = detlab("init", empty / "bad.spl")
    assert (ran.code, ran.err.splitlines()[:2]) == (
        2,
        ["error[unknown-macro]: bad.spl calls 1 macro that nobody has defined: `acme`", " --> rules/bad.spl:1:1"],
    )
    (empty / "macros.conf").write_text("[acme]\ndefinition = index=acme\n")
    ran = detlab("init", "rules/bad.spl", "--macros", empty / "macros.conf", "--force")
    assert ran.code == 0, ran.err
    assert detlab("run").code == 0


def test_nothing_is_written_over_without_force(empty):
    (empty / "mshta.spl").write_text(SPL)
    (empty / "project" / "README.md").write_text("# Ours\n")
    assert detlab("init", "--ci", "gitlab").code == 0
    assert (empty / "project" / "README.md").read_text().startswith("# Ours\n\nDetections are proved by")
    before = (empty / "project" / "detlab.yaml").read_text()
    ran = detlab("init", empty / "mshta.spl")
    assert ran.err == "error[exists]: detlab.yaml is there already\n  = help: add --force to write over it\n"
    assert (empty / "project" / "detlab.yaml").read_text() == before
    assert not (empty / "project" / "rules").exists()
    assert detlab("init", empty / "mshta.spl", "--force").code == 0


def test_the_check_of_a_repository_is_yaml_that_runs_the_scenarios(empty):
    detlab("init", "--ci", "gitlab")
    assert (
        "detlab run --junit detlab.xml"
        in yaml.safe_load((empty / "project" / ".gitlab-ci.yml").read_text())["detections"]["script"]
    )
    detlab("init", "--force")
    steps = yaml.safe_load((empty / "project" / ".github/workflows/detlab.yml").read_text())["jobs"]["detlab"]["steps"]
    assert any(step.get("run", "").startswith("pip install") and "detlab" in step["run"] for step in steps)


def test_a_rule_of_no_known_suffix_gets_that_of_its_language(empty):
    (empty / "encoded.txt").write_text(CQL)
    assert detlab("init", empty / "encoded.txt", "--json").document["language"] == "cql"
    assert (empty / "project" / "rules" / "encoded.cql").is_file()


def test_macros_that_nobody_defined_are_stubs_that_are_refused_until_they_are_filled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules").mkdir()
    rule = tmp_path / "rules" / "calls.spl"
    rule.write_text('`endpoints` EventCode=3 `known("Image", "x")` | stats count by Image | search `endpoints`\n')
    ran = detlab("init", "rules/calls.spl", "--in-process")
    assert ran.code == 2
    assert "calls.spl calls 2 macros that nobody has defined: `endpoints`, `known(2)`" in ran.err
    assert "detlab init --force rules/calls.spl" in ran.err
    stubs = tmp_path / "content" / "macros.conf"
    assert "wrote content/macros.conf" in ran.out
    assert "\nmacros: content/macros.conf\n" in (tmp_path / "detlab.yaml").read_text()
    assert "[endpoints]\ndefinition = STUB: what `endpoints` stands for\n" in stubs.read_text()
    assert "[known(2)]\nargs = a1, a2\n" in stubs.read_text()
    # Neither an empty answer nor a quiet rule comes of it, in any command.
    (tmp_path / "events.ndjson").write_text('{"EventCode": 3}\n')
    for command in (["lint", "rules/calls.spl"], ["query", "rules/calls.spl", "--events", "events.ndjson"]):
        ran = detlab(*command)
        assert ran.code in (1, 2)
        assert "error[macro-stub]: the macro `endpoints` is a stub" in ran.out + ran.err
    filled = stubs.read_text().replace("STUB: what `endpoints` stands for", "index=*")
    stubs.write_text(filled)
    # The first is filled in now; what a person wrote stays as it is.
    assert "error[macro-stub]: the macro `known(2)` is a stub" in detlab("lint", "rules/calls.spl").out
    assert detlab("init", "--force", "rules/calls.spl", "--in-process").code == 2
    assert stubs.read_text() == filled
    stubs.write_text(filled.replace("STUB: what `known(2)` stands for", "$a1$=*"))
    assert detlab("init", "--force", "rules/calls.spl", "--in-process").code in (0, 2)
    assert detlab("lint", "rules/calls.spl").code == 0


def test_what_init_was_told_of_a_rule_holds_for_every_command_after_it(empty):
    (empty / "asked.cql").write_text('test(?Name != "*")\n| ImageFileName=?Name #event_simpleName=ProcessRollup2\n')
    ran = detlab("init", empty / "asked.cql")
    assert ran.code == 2
    assert "= help: say what it is run with: --param Name=VALUE" in ran.err
    assert "this project has no folder scenarios" in detlab("run").err
    (empty / "project" / "detlab.yaml").write_text("sensors: [falcon]\n")
    assert detlab("init", "--force", empty / "asked.cql", "--param", "Name=a.exe").code == 0
    written = yaml.safe_load((empty / "project" / "detlab.yaml").read_text())
    assert written == {"sensors": ["falcon"], "parameters": {"Name": "a.exe"}}
    assert detlab("run").code == 0
    # Studies find the scenarios, which init keeps apart from the rules.
    assert "2 expectations" in detlab("mutate", "rules/asked.cql").out
