"""A site of several runs: history, what changed, coverage by technique."""

import json
import re

import pytest

from tests.cli.command_line import detlab

EVIL = "<script>alert(1)</script>\x1b[31m"


def write_run(folder, name, began, *outcomes, title="Beacon"):
    verdicts = [
        {
            "scenario": {
                "path": f"s{number}.yaml",
                "title": f"{title} {number}",
                "technique": "T1583.004",
                "activity": "malicious" if outcome in ("true positive", "false negative") else "benign",
            },
            "rule": {"path": "rules/server.spl", "language": "spl"},
            "observed": outcome,
            "as_expected": True,
            "of_a_later_version": 1,
        }
        for number, outcome in enumerate(outcomes)
    ]
    document = {"document": "run", "version": 1, "verdicts": verdicts, "summary": {"began": began}, "engine": "duckdb"}
    (folder / f"{name}.json").write_text(json.dumps(document))


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs"
    folder.mkdir()
    # By their times and not by their names.
    write_run(folder, "b", "2026-12-01T00:00:00Z", "true positive", "false negative", "false positive")
    write_run(folder, "a", "2026-12-02T00:00:00Z", "false negative", "true positive", "true negative", "true positive")
    (folder / "other.json").write_text('{"document": "tune", "version": 1}')
    return folder


def test_runs_are_told_by_time_with_what_changed(runs):
    ran = detlab("report", "runs")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert re.fullmatch(r"b +2026-12-01T00:00:00Z +1 of 2 +0 of 1 +0", lines[1])
    assert re.fullmatch(r"a +2026-12-02T00:00:00Z +2 of 3 +1 of 1 +0", lines[2])
    assert lines[3:7] == [
        "    Beacon 0: server.spl seen -> missed (worse)",
        "    Beacon 1: server.spl missed -> seen",
        "    Beacon 2: server.spl flagged -> quiet",
        "    Beacon 3: server.spl not there -> seen",
    ]
    assert sorted(p.name for p in (runs / "site").iterdir()) == ["index.html", "run-a.html", "run-b.html"]


def test_the_site_has_history_changes_and_coverage(runs):
    assert detlab("report", "runs", "--out", "site").code == 0
    site = runs.parent / "site"
    index, page = (site / "index.html").read_text(), (site / "run-a.html").read_text()
    assert "2 of 3 seen" in index and '<b class="differs">1 worse</b>' in index
    assert "attack verdicts seen: 1 of 2 at first, 2 of 3 at last" in index
    assert set(re.findall(r'href="([^"]*)"', index)) == {"run-a.html", "run-b.html"}
    assert "What changed since b" in page and "! worse" in page
    assert "There is no run before it." in (site / "run-b.html").read_text()


def test_text_of_strangers_stays_text(runs):
    write_run(runs, "evil", "2026-12-03T00:00:00Z", "true positive", title=EVIL)
    (runs / "evil.json").rename(runs / "<b>x.json")
    assert detlab("report", "runs").code == 0
    for page in (runs / "site").iterdir():
        text = page.read_text()
        assert "<script" not in text and "<b>x" not in text and "\x1b" not in text
        assert "default-src &#39;none&#39;" in text


def test_machines_get_the_same(runs):
    document = detlab("report", "runs", "--json").document
    assert [(r["name"], r["attacks_seen"], r["attacks"], len(r["changes"])) for r in document["runs"]] == [
        ("b", 1, 2, 0),
        ("a", 2, 3, 4),
    ]
    assert document["techniques"] == {"T1583.004": {"server.spl": {"seen": 2, "attacks": 3}}}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is no document of a run"),
        ('{"document": "run", "version": 1, "verdicts": [{"observed": "so so"}]}', "is no document of a run"),
        ('{"document": "run", "version": 9, "verdicts": []}', "has version 9 of the document, not 1"),
        ("[" * 100_000, "is no document of a run"),
    ],
)
def test_a_damaged_document_is_told(runs, content, said):
    (runs / "bad.json").write_text(content)
    ran = detlab("report", "runs")
    assert (ran.code, "error[unreadable]" in ran.err, said in ran.err) == (2, True, True)


def test_a_folder_without_runs_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert "error[no-runs]: empty has no document of a run" in detlab("report", "empty").err
    assert "error[no-runs]: there is no folder none" in detlab("report", "none").err


def test_documents_of_the_command_itself_are_read(runs):
    (runs / "mini.spl").write_text("index=wineventlog EventCode=3 | stats count by Image | where count >= 3\n")
    (runs / "mini.yaml").write_text(
        "title: Three calls\ntechnique: T1583.004\nactivity: malicious\nsimulate:\n"
        "  - {behaviour: beacon, given: {server: 203.0.113.10, every: 30s, times: 5}}\n"
        "expect:\n  - {rule: mini.spl, outcome: true positive}\n"
    )
    (runs / "own.json").write_text(detlab("run", "runs/mini.yaml", "--json").out)
    assert re.search(r"own +20\d\d-\S+Z +1 of 1", detlab("report", "runs").out)
