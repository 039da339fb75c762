"""Which scenarios are judged: those that a change in git touches, and one part of several."""

import subprocess

import pytest

from harness.diagnostics import HarnessError
from harness.scenario.selection import select_scenarios

SCENARIO = """
title: {name}
activity: malicious
simulate: [{{behaviour: beacon}}]
expect: [{{rule: {rule}, outcome: true positive}}]
"""


def git(folder, *arguments):
    own = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def pack(tmp_path, monkeypatch):
    for folder, rule in (("one", "one.spl"), ("two", "two.spl")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / rule).write_text("index=a\n")
        for name in ("a", "b"):
            (tmp_path / folder / f"{name}.yaml").write_text(SCENARIO.format(name=name, rule=rule).lstrip())
    (tmp_path / "generators").mkdir()
    (tmp_path / "generators" / "beacon.py").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "all")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def selected(pack, since="HEAD", shard=None):
    found = sorted([*pack.glob("one/?.yaml"), *pack.glob("two/?.yaml")])
    return [str(p.relative_to(pack)) for p in select_scenarios(found, since, shard)]


def test_nothing_is_touched_where_nothing_changed(pack):
    assert selected(pack) == []


def test_a_changed_scenario_touches_itself(pack):
    (pack / "one" / "a.yaml").write_text(SCENARIO.format(name="other", rule="one.spl").lstrip())
    assert selected(pack) == ["one/a.yaml"]


def test_a_changed_rule_touches_those_that_name_it_and_so_does_its_page(pack):
    (pack / "two" / "two.spl").write_text("index=b\n")
    assert selected(pack) == ["two/a.yaml", "two/b.yaml"]
    git(pack, "checkout", "-q", ".")
    (pack / "two" / "two.spl.yaml").write_text("title: Two\n")
    assert selected(pack) == ["two/a.yaml", "two/b.yaml"]


def test_a_lookup_table_touches_all_beside_it_and_below(pack):
    (pack / "one" / "table.csv").write_text("a\n1\n")
    assert selected(pack) == ["one/a.yaml", "one/b.yaml"]
    (pack / "detlab.yaml").write_text("index: main\n")
    assert len(selected(pack)) == 4


def test_a_behaviour_touches_every_scenario(pack):
    (pack / "generators" / "beacon.py").write_text("#\n")
    assert len(selected(pack)) == 4


def test_reports_and_pages_for_people_touch_nothing(pack):
    for name in ("README.md", "report.sarif", "junit.xml", "notes.txt"):
        (pack / name).write_text("x")
    assert selected(pack) == []


def test_a_scenario_that_cannot_be_read_is_touched_by_itself(pack):
    (pack / "one" / "a.yaml").write_text("title: [\nexpect: 3\nsimulate: x\n")
    assert selected(pack) == ["one/a.yaml"]


def test_changes_since_an_older_commit_count_with_those_in_the_folder(pack):
    (pack / "one" / "a.yaml").write_text(SCENARIO.format(name="other", rule="one.spl").lstrip())
    git(pack, "commit", "-qam", "second")
    (pack / "two" / "b.yaml").write_text(SCENARIO.format(name="other", rule="two.spl").lstrip())
    assert selected(pack, "HEAD~1") == ["one/a.yaml", "two/b.yaml"]


@pytest.mark.parametrize("since", ["nowhere", "--output=/tmp/evil", "HEAD:one"])
def test_what_is_no_commit_is_told(pack, since):
    with pytest.raises(HarnessError, match="git knows no commit"):
        selected(pack, since)


def test_outside_of_a_repository_it_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(HarnessError, match="git knows no commit HEAD here"):
        select_scenarios([], "HEAD", None)


def test_parts_are_disjoint_and_together_all(pack):
    found = sorted(pack.glob("*/*.yaml"))
    parts = [select_scenarios(found, None, (i, 3)) for i in (1, 2, 3)]
    assert sorted(p for part in parts for p in part) == found
    assert [len(part) for part in parts] == [2, 1, 1]
