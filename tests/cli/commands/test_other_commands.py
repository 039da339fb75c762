import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.command_line import detlab


def test_explain_shows_each_step_and_where_the_attack_is_lost(repository):
    ran = detlab("explain", "scenarios/loopback.yaml")
    assert ran.code == 0
    assert "mini.spl: false negative, as expected\n  because loopback is excluded\n" in ran.out
    assert "\n>    1  index=wineventlog EventCode=3 NOT " in ran.out
    assert '        line 2 lost 10 rows: DestinationIp="127.*" excludes 127.0.0.1\n' in ran.out
    assert "        2 steps after it: no rows\n" in ran.out


def test_explain_lists_the_events_behind_an_alert(repository):
    ran = detlab("explain", "scenarios/public.yaml", "--rule", "mini.spl")
    assert ran.code == 0
    assert "  alert 1: 5 events by beacon\n" in ran.out
    assert "DestinationIp 203.0.113.10" in ran.out
    assert "      at 2026-03-03 09:12:0" in ran.out
    assert "mini.cql" not in ran.out


def test_explain_takes_a_rule_that_no_scenario_names(repository):
    (repository / "mine.spl").write_text("index=wineventlog EventCode=3 | stats count by Image | where count >= 9\n")
    ran = detlab("explain", "scenarios/public.yaml", "--rule", "mine.spl")
    assert ran.code == 0
    assert "line 1 nearest miss: count 5, needs >= 9\n" in ran.out


def test_explain_as_json_has_steps_and_evidence(repository):
    document = detlab("explain", "scenarios/public.yaml", "--rule", "mini.spl", "--json").document
    verdict = document["verdicts"][0]
    assert [s["rows"] for s in verdict["explanation"]["steps"]][1:] == [1, 1]
    assert len(verdict["evidence"][0]) == 5
    assert verdict["evidence"][0][0]["fields"]["DestinationIp"] == "203.0.113.10"


def test_explain_runs_a_rule_on_recorded_events(capture):
    ran = detlab("explain", "mini.spl", "--events", capture)
    assert ran.code == 0
    assert "  line  step" in ran.out
    assert "  alert 1: 5 events\n" in ran.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mini.spl"], "error[usage]: mini.spl is a rule\n  = help: add --events PATH, or name a scenario\n"),
        (
            ["scenarios/public.yaml", "--events", "x"],
            "error[usage]: --events needs a rule, and scenarios/public.yaml is none\n",
        ),
        (["empty"], "error[no-scenarios]: there is no scenario in empty\n"),
        (["scenarios/quiet.yaml"], "error[nothing-expected]: scenarios/quiet.yaml expects nothing of any such rule\n"),
    ],
)
def test_explain_says_what_is_missing(repository, arguments, words):
    text = (repository / "scenarios" / "public.yaml").read_text()
    (repository / "scenarios" / "quiet.yaml").write_text(text[: text.index("expect:")])
    (repository / "empty").mkdir()
    ran = detlab("explain", *arguments)
    assert ran.code == 2
    assert ran.err.startswith(words)


def test_query_prints_rows_on_stdout_and_remarks_on_stderr(capture):
    ran = detlab("query", "mini.spl", "--events", capture)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == ["Image", "DestinationIp", "count"]
    assert lines[1].split() == ["C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", "203.0.113.10", "5"]
    assert ran.err.splitlines()[0].endswith("events, 1 row")
    assert "sysmon 3: 5" in ran.err


def test_query_that_finds_nothing_says_where_the_events_were_lost_and_what_would_help(capture, repository):
    (repository / "old.spl").write_text(
        'index=wineventlog sourcetype="XmlWinEventLog:Microsoft-Windows-Sysmon/Operational" EventCode=3\n'
        "| stats count by Image\n"
    )
    ran = detlab("query", "old.spl", "--events", capture)
    assert ran.code == 0
    assert ran.out == ""
    assert "events hold xmlwineventlog" in " ".join(ran.err.split())
    assert "with --condition addon=legacy it returns 1 row\n" in ran.err


def test_query_as_json_has_rows_and_columns(capture):
    document = detlab("query", "mini.spl", "--events", capture, "--json").document
    assert document["document"] == "query"
    assert document["columns"] == ["Image", "DestinationIp", "count"]
    assert document["rows"][0]["count"] == 5


def test_query_reads_a_folder_and_tells_of_damage(capture, repository):
    (repository / "folder").mkdir()
    Path(capture).rename(repository / "folder" / "a.ndjson")
    (repository / "folder" / "b.ndjson").write_text('{"EventID": 3, "Channel": \n')
    ran = detlab("query", "mini.spl", "--events", "folder")
    assert ran.code == 0
    assert "203.0.113.10" in ran.out
    assert "damaged: b.ndjson" in ran.err


def test_query_of_a_file_that_is_not_there_is_told(repository):
    ran = detlab("query", "mini.spl", "--events", "nowhere.evtx")
    assert ran.code == 2
    assert ran.err.startswith("error[no-such-file]: nowhere.evtx")


def test_query_with_an_error_in_the_rule_has_a_caret(capture, repository):
    (repository / "bad.spl").write_text("index=wineventlog\n| eval n=rond(2.5)\n")
    ran = detlab("query", "bad.spl", "--events", capture)
    assert ran.code == 2
    assert " --> bad.spl:2:10\n" in ran.err
    assert "2 | | eval n=rond(2.5)\n  |          ^^^^" in ran.err
    assert "did you mean `round`?" in ran.err


def test_compile_prints_sql_over_the_fields_that_the_rule_reads(repository):
    ran = detlab("compile", "mini.spl")
    assert ran.code == 0
    assert ran.out.startswith("WITH ")
    assert '"DestinationIp"' in ran.out
    assert "FROM events" in ran.out


def test_compile_over_recorded_events_takes_their_fields(capture):
    ran = detlab("compile", "mini.spl", "--events", capture, "--json")
    assert ran.code == 0
    assert "FROM events" in ran.document["sql"]


def test_compile_says_that_the_events_name_the_columns(repository):
    (repository / "charted.spl").write_text("index=windows | chart count by host user | where bob > 1")
    ran = detlab("compile", "charted.spl")
    assert ran.code == 0
    assert "hangs on the events" in ran.err


def test_compile_for_a_dialect_that_there_is_not_is_told(repository):
    ran = detlab("compile", "mini.spl", "--dialect", "oracel")
    assert ran.code == 2
    assert ran.err.startswith("error[unknown-dialect]: no dialect of SQL is called `oracel`\n")


def test_compile_strict_refuses_what_the_product_rejects(repository):
    ran = detlab("compile", "mini.cql", "--strict")
    assert ran.code == 2
    assert "error[rejected]: LogScale rejects this in 1 place\n" in ran.err


def test_lint_says_what_the_product_rejects_and_fails(repository):
    ran = detlab("lint", "mini.cql")
    assert ran.code == 1
    assert " --> mini.cql:5:" in ran.out
    assert "mini.cql (LogScale): 1 error, " in ran.out
    assert "`detlab lint --fix mini.cql` mends 1" in ran.out


def test_lint_mends_the_file_so_that_it_is_accepted_and_finds_the_same(capture, repository):
    before = detlab("query", "mini.cql", "--events", capture, "--json").document["rows"]
    assert detlab("lint", "--fix", "mini.cql").code == 0
    assert "1 mended" not in detlab("lint", "mini.cql").out
    assert detlab("lint", "mini.cql").code == 0
    after = detlab("query", "mini.cql", "--events", capture, "--json", "--dialect", "strict").document["rows"]
    assert before == after


def test_lint_of_a_rule_without_errors_succeeds(repository):
    ran = detlab("lint", "mini.spl")
    assert ran.code == 0
    assert "mini.spl (Splunk): 0 errors" in ran.out


def test_lint_as_json_names_places(repository):
    document = detlab("lint", "mini.cql", "--json").document
    finding = next(f for f in document["rules"][0]["findings"] if f["severity"] == "error")
    assert (finding["line"], finding["mendable"]) == (5, True)


def test_lint_of_a_rule_that_cannot_be_written_is_told(repository):
    ran = detlab("lint", "nowhere.spl")
    assert ran.code == 2
    assert ran.err.startswith("error[no-such-rule]: there is no file nowhere.spl\n")


@pytest.mark.parametrize("name", ["ndjson", "xml", "hec", "fdr"])
def test_simulate_writes_the_same_bytes_each_time(repository, name):
    for target in ("one", "two"):
        assert detlab("simulate", "scenarios/public.yaml", "--format", name, "--out", target).code == 0
    assert Path("one").read_bytes() == Path("two").read_bytes() != b""


def test_simulate_names_the_file_by_the_scenario_in_a_folder(repository):
    (repository / "out").mkdir()
    ran = detlab("simulate", "scenarios/public.yaml", "--out", "out")
    assert ran.code == 0
    assert json.loads((repository / "out" / "public.ndjson").read_text().splitlines()[0])
    assert "out/public.ndjson: " in ran.err


def test_simulate_says_which_events_a_format_cannot_hold(repository):
    ran = detlab("simulate", "scenarios/public.yaml", "--format", "fdr", "--out", "x")
    assert ran.code == 0
    assert "of other sensors left out: fdr cannot hold them\n" in ran.err


def test_simulate_writes_parquet(repository):
    assert detlab("simulate", "scenarios/public.yaml", "--format", "parquet", "--out", "x.parquet").code == 0
    assert pq.read_table("x.parquet").num_rows > 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--format", "cef"], "error[unknown-format]: no format is called `cef`\n"),
        (["--out", "nowhere/x"], "error[unwritable]: nowhere/x: no such file or directory\n"),
        (["--condition", "sysmno=off"], "error[unknown-condition]: no condition is called `sysmno`\n"),
    ],
)
def test_simulate_says_what_cannot_be(repository, arguments, words):
    ran = detlab("simulate", "scenarios/public.yaml", *arguments)
    assert ran.code == 2
    assert ran.err.startswith(words)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("scenarios", "scenarios/loopback.yaml"),
        ("behaviours", "beacon"),
        ("sensors", "sysmon"),
        ("conditions", "addon"),
        ("switches", "stddev"),
        ("languages", "LogScale"),
        ("engines", "duckdb"),
        ("readers", "evtx"),
        ("reports", "junit"),
    ],
)
def test_list_names_what_there_is(repository, kind, word):
    ran = detlab("list", kind)
    assert ran.code == 0
    assert word in ran.out


def test_list_of_rules_looks_in_the_folder_given(repository):
    assert "Three calls" in detlab("list", "rules", ".").out


def test_list_without_a_kind_counts_all(repository):
    ran = detlab("list")
    assert ran.code == 0
    assert "scenarios   2 files\n" in ran.out
    assert "languages   cql, spl\n" in ran.out


def test_list_as_json_has_every_kind(repository):
    document = detlab("list", "--json").document
    assert [e["scenario"] for e in document["scenarios"]] == ["scenarios/loopback.yaml", "scenarios/public.yaml"]
    assert {"condition", "values", "of", "meaning"} == set(document["conditions"][0])


def test_list_shows_a_scenario_that_cannot_be_read(repository):
    path = repository / "scenarios" / "public.yaml"
    path.write_text(path.read_text().replace("    given:", "    giben:"))
    assert "cannot be read: `giben` has no meaning here" in detlab("list", "scenarios").out


def test_query_suggests_the_field_that_was_meant(repository):
    (repository / "dns.ndjson").write_text(
        '{"event_simpleName": "DnsRequest", "timestamp": "1700000000000", "aid": "a", "DomainName": "example.com"}\n'
    )
    (repository / "dns.cql").write_text("#event_simpleName=DnsRequest | table([DomianName])\n")
    ran = detlab("query", "dns.cql", "--events", "dns.ndjson")
    said = "no event has a field `DomianName` here; did you mean `DomainName`? [absent-field]"
    assert said in " ".join(ran.err.split())
