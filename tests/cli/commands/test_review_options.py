"""What a pull request gets from commands: SARIF, annotations, a summary, gates, a part of the work."""

import json
import shutil

import pytest

from tests.cli.command_line import detlab
from tests.report.conftest import write_pack


@pytest.fixture
def pack(tmp_path, monkeypatch):
    (tmp_path / "pack").mkdir()
    write_pack(tmp_path / "pack")
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "SOURCE_DATE_EPOCH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_on_github_a_run_annotates_lines_and_adds_to_the_summary(pack, monkeypatch):
    rule = pack / "pack" / "server.spl"
    rule.write_text(rule.read_text().replace("TotalConnections >= 10", "TotalConnections >= 1000"))
    (pack / "summary.md").write_text("# Of another tool\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pack / "summary.md"))
    ran = detlab("run", "pack/routable", "--json", "--sarif", "out.sarif")
    assert ran.code == 1
    assert ran.document["summary"]["verdicts_differing"] == 1
    assert ran.err.startswith("::error file=pack/server.spl,line=34,")
    assert "TotalConnections 180, needs >= 1000" in ran.err
    summary = (pack / "summary.md").read_text()
    assert summary.startswith("# Of another tool\n## Detection: ")
    assert "**1 differ**" in summary
    assert len(json.loads((pack / "out.sarif").read_text())["runs"][0]["results"]) == 1
    assert detlab("run", "pack/routable", "--no-github", "-q").err == ""


def test_gates_fail_a_run_in_which_nothing_differs(pack):
    ran = detlab("run", "pack", "-q", "--benign-twin", "--max-alerts-per-day", "2", "--json")
    assert ran.code == 1
    assert [(g["gate"], g["rule"]) for g in ran.document["gates"]] == [
        ("benign-twin", "pack/server.spl"),
        ("max-alerts-per-day", "pack/server.spl"),
        ("benign-twin", "pack/server.cql"),
    ]
    ran = detlab("run", "pack", "-q", "--true-positive")
    assert (ran.code, "gate" in ran.out) == (0, False)


def test_parts_of_a_run_say_what_they_leave_out(pack):
    parts = [detlab("run", "pack", "-q", "--shard", f"{i}/2", "--json") for i in (1, 2)]
    assert [p.document["summary"]["unselected"] for p in parts] == [2, 2]
    paths = [{v["scenario"]["path"] for v in p.document["verdicts"]} for p in parts]
    assert not paths[0] & paths[1]
    assert len(paths[0] | paths[1]) == 4
    assert "2 files not selected" in detlab("run", "pack", "-q", "--shard", "1/2").out


@pytest.mark.parametrize("shard", ["0/2", "3/2", "half", "1/0"])
def test_a_part_of_no_whole_is_refused(pack, shard):
    ran = detlab("run", "pack", "--shard", shard)
    assert ran.code == 2
    assert f"error[usage]: --shard {shard} is no part of a whole" in ran.err


def test_lint_annotates_and_writes_sarif_with_fixes(pack):
    ran = detlab("lint", "pack/server.cql", "--sarif", "lint.sarif", "--github")
    assert ran.code == 1
    assert "::error file=pack/server.cql,line=4,endLine=4,col=164,endColumn=177,title=unnamed-argument::" in ran.err
    (run,) = json.loads((pack / "lint.sarif").read_text())["runs"]
    first = run["results"][0]
    assert (first["ruleId"], first["level"]) == ("unnamed-argument", "error")
    replacement = first["fixes"][0]["artifactChanges"][0]["replacements"][0]
    assert "field=" in replacement["insertedContent"]["text"]


def test_lint_annotates_a_rule_that_cannot_be_read(pack):
    (pack / "pack" / "bad.spl").write_text("index=a | stats count by\n| where (\n")
    ran = detlab("lint", "pack/bad.spl", "pack/server.spl", "--github")
    assert ran.code == 1
    assert "::error file=pack/bad.spl,line=1,endLine=1,col=23,endColumn=25,title=missing-field::" in ran.err
    assert detlab("lint", "pack/none.spl", "pack/server.spl", "--github").err.startswith("::error file=pack/none.spl,")


def test_mutate_annotates_survivors_at_their_lines(pack):
    shutil.rmtree(pack / "pack" / "benign")
    (pack / "pack" / "small.spl").write_text(
        "index=wineventlog EventCode=3\n| stats count by Image\n| where count >= 9\n"
    )
    page = (pack / "pack" / "routable" / "1-three-hours.yaml").read_text()
    (pack / "pack" / "routable" / "1-three-hours.yaml").write_text(page.replace("server.spl", "small.spl"))
    named = ("mutate", "pack/small.spl", "pack/routable/1-three-hours.yaml", "--fast", "--min-mutation-score", "1")
    ran = detlab(*named, "--sarif", "m.sarif", "--github")
    results = json.loads((pack / "m.sarif").read_text())["runs"][0]["results"]
    assert ran.code == 0
    assert {r["ruleId"] for r in results} == {"surviving-mutant"}
    assert ran.err.count("::warning file=pack/small.spl,line=") == len(results) > 0
