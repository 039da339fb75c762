"""Saved queries: where they stand, what fills them, and how far they go."""

import pytest

from harness.detection.language import Settings
from harness.diagnostics import SourceError
from tests.detection.languages.cql.query_rows import load, plan, records

EVENTS = [{"host": "WS01", "n": "5"}, {"host": "DC01", "n": "15"}]


def hosts(query, **saved):
    return [r["host"] for r in records(query, EVENTS, settings=Settings(saved=saved))]


def test_a_step_is_named_after_its_saved_query():
    made = plan("$servers() | n=15", load(EVENTS), settings=Settings(saved={"servers": "host=DC*"}))
    assert [(s.name, s.span.text) for s in made.steps] == [("$servers", "$servers()"), ("filter", "n=15")]


def test_one_that_is_not_at_hand_lets_events_pass_even_where_it_is_negated():
    assert hosts("not $unknown() | n=15") == ["DC01"]


def test_saved_queries_that_call_each_other_again_and_again_are_bounded():
    saved = {f"q{i}": f"$q{i + 1}() | $q{i + 1}() | $q{i + 1}()" for i in range(9)} | {"q9": "host=*"}
    with pytest.raises(SourceError) as told:
        plan("$q0()", load(EVENTS), settings=Settings(saved=saved))
    assert told.value.code == "saved-query-loop"


def test_an_argument_that_no_parameter_takes_is_told():
    made = plan("$only(hots=x)", load(EVENTS), settings=Settings(saved={"only": "host=?{host=WS*}"}))
    assert [(f.code, f.help) for f in made.findings] == [("unknown-parameter", "did you mean `host`?")]


def test_a_parameter_holds_several_values_written_as_a_list():
    given = Settings(parameters={"hosts": '["WS01", "DC01"]'})
    assert len(records("in(host, values=?hosts)", EVENTS, settings=given)) == 2
