"""`detlab simulate --world` and `detlab query --by cause` as a person uses them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.main import main

ROOT = Path(__file__).parents[2]
RULE = str(ROOT / "scenarios/T1583.004/server.spl")


def detlab(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    folder = tmp_path_factory.mktemp("office") / "world"
    ran = detlab("simulate", "--world", "office", "--hosts", 9, "--days", 1, "--seed", 3, "--out", folder)
    assert ran.exit_code == 0, ran.output
    assert "of 9 hosts over 1 day" in ran.output
    return folder


def test_a_world_is_simulated_and_its_alerts_are_counted_by_software(office):
    ran = detlab("query", RULE, "--events", office, "--by", "cause")
    assert ran.exit_code == 0, ran.output
    assert "EDR sensor" in ran.output
    assert "over 1 days and " in ran.output


def test_the_counts_are_there_for_machines(office):
    ran = detlab("query", RULE, "--events", office, "--by", "cause", "--every", "12h", "--json")
    document = json.loads(ran.stdout)
    assert (document["document"], document["runs"], document["days"]) == ("census", 2, 1.0)
    causes = {c["cause"]: c for c in document["causes"]}
    assert causes["EDR sensor"]["hosts_with_it"] == document["hosts"] >= 7
    assert causes["EDR sensor"]["alerts_a_day"] == causes["EDR sensor"]["alerts"] > 0


def test_the_rows_of_a_rule_on_a_world_are_printed_as_ever(office):
    ran = detlab("query", RULE, "--events", office, "--json")
    document = json.loads(ran.stdout)
    assert document["absent"] == []
    assert {r["Image"].rpartition("\\")[2] for r in document["rows"]} >= {"CSFalconService.exe"}


def test_a_world_is_compared_with_recorded_events(office, samples):
    ran = detlab("realism", "--real", samples / "sysmon_1_3_22.ndjson.gz", "--world", office)
    assert ran.exit_code == 0, ran.output
    assert "share of Protocol: recorded udp 54%, tcp 46%" in " ".join(ran.output.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["simulate"], "either a scenario or a world is simulated"),
        (["simulate", "--world", "office"], "a world is written to a folder"),
        (["simulate", "--world", "ofice", "--out", "x"], "no world is called `ofice`"),
        (["simulate", "--world", "office", "--hosts", "0", "--out", "x"], "--hosts is from 1 to 1000000, not 0"),
        (["simulate", "--world", "office", "--sensors", "sismon", "--out", "x"], "no sensor is called `sismon`"),
        (["simulate", "--world", "office", "--condition", "falcon=rar", "--out", "x"], "has no value `rar`"),
        (["query", RULE, "--events", "x", "--every", "soon"], "a duration such as"),
        (["realism", "--real", "x", "--world", "x", "--scenario", "x"], "either a world or scenarios are compared"),
    ],
)
def test_what_cannot_be_is_told(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = detlab(*arguments)
    assert ran.exit_code == 2
    assert message in ran.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "streams.spl",
            'source="*Sysmon/Operational" EventCode=15 | stats count by host',
            "sysmon 15: 0 alerts say nothing",
        ),
        (
            "accounts.spl",
            'source="*:Security" EventCode IN (4624, 4720) | stats count by EventCode',
            "windows_security 4720, which the rule looks for too",
        ),
        (
            "modules.cql",
            "#event_simpleName=ClassifiedModuleLoad | groupBy(ComputerName)",
            "falcon ClassifiedModuleLoad: 0 alerts say nothing",
        ),
        ("linux.spl", "sourcetype=linux_secure | stats count by host", "no kind of events that is known here"),
    ],
)
def test_what_a_world_could_not_have_produced_is_said(name, text, said, office, tmp_path):
    rule = tmp_path / name
    rule.write_text(text)
    ran = detlab("query", rule, "--events", office)
    assert ran.exit_code == 0, ran.output
    assert said in " ".join(ran.output.split())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "files.spl",
            'source="*Sysmon/Operational" EventCode=11 TargetFilename="*nothing-is-called-so*" | stats count by host',
        ),
        ("any.spl", "index=* nothing_is_called_so | stats count by host"),
        ("names.cql", "#event_simpleName=DnsRequest DomainName=nothing.is.called.so | groupBy(ComputerName)"),
    ],
)
def test_of_what_a_world_has_silence_says_something(name, text, office, tmp_path):
    rule = tmp_path / name
    rule.write_text(text)
    ran = detlab("query", rule, "--events", office)
    assert ran.exit_code == 0, ran.output
    assert "this world has no events" not in " ".join(ran.output.split())
    assert "known here" not in " ".join(ran.output.split())
