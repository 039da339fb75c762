"""`detlab hunt`: a folder of rules on recorded events as one table, and a rule that is no file."""

import csv
import io
import json

import pyarrow.parquet
import pytest
from click.testing import CliRunner

from harness.cli.main import main
from tests.cli.command_line import detlab

EVENTS = [
    ("WS01", "2026-05-05T08:00:00.000000Z", "cmd.exe"),
    ("WS01", "2026-05-05T08:10:00.000000Z", "cmd.exe"),
    ("WS02", "2026-05-05T09:00:00.000000Z", "mshta.exe"),
]
RULES = {
    "shells.spl": "EventCode=1 Image=*cmd.exe | table host, _time, Image\n",
    "shells.spl.yaml": "title: A command shell\nlevel: low\n",
    "mshta.spl": "EventCode=1 Image=*mshta.exe | table host, _time, Image\n",
    "mshta.spl.yaml": "title: HTML applications\nlevel: critical\n",
    "quiet.cql": "#event_simpleName=DnsRequest | DomainName=never.example\n",
    "broken.spl": "EventCode=1 | stats cuont by host\n",
}


@pytest.fixture
def hunted(tmp_path, monkeypatch):
    """Rules and events, and the folder that commands run in."""
    (tmp_path / "rules").mkdir()
    for name, text in RULES.items():
        (tmp_path / "rules" / name).write_text(text)
    events = [
        {
            "Provider_Name": "Microsoft-Windows-Sysmon",
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "EventID": 1,
            "Computer": host,
            "SystemTime": at,
            "Image": f"C:\\Windows\\System32\\{program}",
        }
        for host, at, program in EVENTS
    ]
    (tmp_path / "log.ndjson").write_text("".join(json.dumps(e) + "\n" for e in events))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_table_has_the_gravest_first_and_counts_what_could_not_be_run(hunted):
    ran = detlab("hunt", "rules", "--events", "log.ndjson")
    assert ran.code == 1
    assert ran.out.startswith("rules/broken.spl:1:21: no statistical function is called `cuont`")
    table = [line.split() for line in ran.out.splitlines()]
    at = table.index(["rule", "level", "hits", "hosts", "first", "last"])
    last = "2026-05-05T09:00:00Z"
    assert table[at + 1] == ["HTML", "applications", "critical", "1", "WS02", last, last]
    first, last = "2026-05-05T08:00:00Z", "2026-05-05T08:10:00Z"
    assert table[at + 2] == ["A", "command", "shell", "low", "2", "WS01", first, last]
    assert "4 rules: 2 found 3 rows, 1 found nothing, 1 could not be run" in ran.out


def test_a_rule_is_shown_in_detail_when_it_is_named(hunted):
    ran = detlab("hunt", "rules", "--events", "log.ndjson", "--rule", "HTML applications")
    assert "C:\\Windows\\System32\\mshta.exe" in ran.out
    assert detlab("hunt", "rules", "--events", "log.ndjson", "--rule", "nobody").code == 2


@pytest.mark.parametrize("suffix", ["csv", "parquet", "json"])
def test_the_table_is_written_with_every_rule(hunted, suffix):
    detlab("hunt", "rules", "--events", "log.ndjson", "--out", f"hits.{suffix}")
    if suffix == "csv":
        rows = list(csv.DictReader(io.StringIO((hunted / "hits.csv").read_text())))
        found = [(r["title"], r["hits"]) for r in rows]
        assert found[:2] == [("HTML applications", "1"), ("A command shell", "2")]
        assert [r["error"] for r in rows if r["error"]] == [
            "unknown-aggregate: no statistical function is called `cuont`"
        ]
    elif suffix == "parquet":
        table = pyarrow.parquet.read_table(hunted / "hits.parquet")
        assert table.column("hosts").to_pylist()[:2] == ["WS02", "WS01"]
    else:
        document = json.loads((hunted / "hits.json").read_text())
        assert (document["rules"], document["finding"], document["failing"]) == (4, 2, 1)


def test_a_table_of_no_known_suffix_is_refused_before_the_hunt(hunted):
    ran = detlab("hunt", "rules", "--events", "log.ndjson", "--out", "hits.xlsx")
    assert (ran.code, ran.out) == (2, "")


def test_a_rule_is_written_on_the_command_line(hunted):
    ran = detlab("query", "-e", "EventCode=1 | stats count by Image", "--events", "log.ndjson", "--json")
    assert [row["count"] for row in ran.document["rows"]] == [2, 1]


def test_a_rule_comes_from_stdin_and_its_errors_name_that(hunted):
    arguments = ["query", "-", "--language", "spl", "--events", "log.ndjson"]
    ran = CliRunner().invoke(main, arguments, input="EventCode=1 | stats cuont by Image\n")
    assert ran.exit_code == 2
    assert ran.stderr.splitlines()[1] == " --> <stdin>:1:21"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["query", "-e", "EventCode=1", "--events", "log.ndjson"], "error[unknown-language]: this could be cql or spl"),
        (["query", "-e", "EventCode=1", "rules/mshta.spl", "--events", "log.ndjson"], "error[usage]: -e takes the"),
        (["query", "--events", "log.ndjson"], "error[usage]: no rule is given"),
        (["lint", "-e", "a=1", "--language", "spl", "--fix"], "error[usage]: --fix mends a file"),
        (["query", "rules", "--events", "log.ndjson"], "error[no-such-rule]: rules is a folder"),
    ],
)
def test_what_cannot_be_a_rule_is_said(hunted, arguments, said):
    ran = detlab(*arguments)
    assert (ran.code, ran.err.startswith(said)) == (2, True), ran.err + ran.out


def test_a_file_without_a_suffix_is_told_which_languages_there_are(hunted):
    (hunted / "mshta").write_text("EventCode=1")
    ran = detlab("query", "mshta", "--events", "log.ndjson")
    assert ran.err == (
        "error[unknown-language]: a rule without a suffix has no language\n  = help: languages are cql, spl\n"
    )
