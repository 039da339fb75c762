"""Studies on a world say what it could not have produced, as `query` does."""

import json

import pytest
from click.testing import CliRunner

from harness.cli.main import main


def detlab(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    path = tmp_path_factory.mktemp("world") / "w"
    ran = detlab("simulate", "--world", "office", "--hosts", 4, "--days", 1, "--sensors", "sysmon", "--out", path)
    assert ran.exit_code == 0, ran.output
    return path


@pytest.mark.parametrize("study", ["tune", "mutate", "latency"])
def test_a_study_without_rows_names_the_events_that_the_world_lacks(world, tmp_path, study):
    rule = tmp_path / "logons.spl"
    rule.write_text("EventCode=4625 | stats count by host | where count > 3")
    ran = detlab(study, rule, "--events", world, "--in-process")
    assert ran.exit_code not in (0, 1)
    assert "security 4625" in " ".join(ran.output.split()) and "0 alerts say nothing" in ran.output


@pytest.mark.parametrize("study", ["tune", "mutate", "latency", "parity"])
def test_a_study_with_rows_names_the_events_that_the_world_lacks_too(world, tmp_path, study):
    rule = tmp_path / "both.spl"
    rule.write_text("(EventCode=4625 OR EventCode=3) | stats count by host | where count > 3")
    rules = [rule, rule] if study == "parity" else [rule]
    least = ["--least", "0"] if study == "mutate" else []
    ran = detlab(study, *rules, "--events", world, "--in-process", "--json", *least)
    assert ran.exit_code in (0, 1), ran.output
    remarks = json.loads(ran.stdout)["remarks"]
    assert any("security 4625" in r and r.endswith("which the rule looks for too") for r in remarks), remarks
