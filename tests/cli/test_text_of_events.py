"""The text of events is there for every command that works on it, whether the search names it or not."""

import pytest

from tests.cli.command_line import detlab

EVENTS = """{"_time":"2026-01-01T00:00:02Z","host":"zeta","n":"1"}
{"_time":"2026-01-01T00:00:01Z","host":"alpha","n":"2"}
"""
SAVED = 'name: who\nqueryString: "search index=* zeta"\n'


@pytest.mark.parametrize(
    "text",
    [
        "| savedsearch who | table host",
        "| loadjob savedsearch=who | table host",
        "| from savedsearch:who | table host",
        "| union savedsearch:who | table host",
        "index=* n=1 | join n savedsearch:who | table host",
        "index=* [search index=* n=1 | return $host] | table host",
        "index=* | transaction host startswith=zeta | table host",
        "index=* | fromjson prefix=x_ | where x_n=1 | table host",
        "index=* | multikv noheader=t | search zeta | table host",
    ],
)
def test_a_command_that_works_on_the_text_of_events_finds_it(text, tmp_path):
    (tmp_path / "two.ndjson").write_text(EVENTS)
    (tmp_path / "who.yaml").write_text(SAVED)
    (tmp_path / "rule.spl").write_text(text)
    events, saved = ("--events", tmp_path / "two.ndjson"), ("--saved", tmp_path / "who.yaml")
    ran = detlab("query", tmp_path / "rule.spl", *events, *saved, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["rows"] == [{"host": "zeta"}]


@pytest.mark.parametrize(
    ("name", "language", "query"),
    [("_raw", "spl", "search brown | table n"), ("@rawstring", "cql", "/brown/ | select(n)")],
)
def test_the_text_that_an_export_has_of_an_event_is_its_text(name, language, query, tmp_path):
    lines = f'{{"{name}":"the quick brown fox","n":"1"}}\n{{"n":"brown"}}\n{{"{name}":"lazy dog","n":"3"}}\n'
    (tmp_path / "export.ndjson").write_text(lines)
    (tmp_path / f"rule.{language}").write_text(query)
    ran = detlab("query", tmp_path / f"rule.{language}", "--events", tmp_path / "export.ndjson", "--json")
    assert sorted(r["n"] for r in ran.document["rows"]) == ["1", "brown"]


def test_the_members_of_an_array_are_fields_of_cql_and_the_array_is_none(tmp_path):
    (tmp_path / "e.ndjson").write_text('{"@timestamp":"2026-01-01T00:00:00Z","n":["a","c"],"of":[{"type":"ip"}]}\n')
    (tmp_path / "rule.cql").write_text("n[0]=a | drop([@timestamp])")
    ran = detlab("query", tmp_path / "rule.cql", "--events", tmp_path / "e.ndjson", "--json")
    assert ran.document["rows"] == [{"n[0]": "a", "n[1]": "c", "of[0].type": "ip"}]
