"""Limits of the product: where they leave rows out the answer says so, and only there."""

import json

import pytest

from harness.run import Bench

EVENTS = 250


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What is told of a limit when a query is run on 250 events, and how many rows it gives."""
    folder = tmp_path_factory.mktemp("falcon")
    events = folder / "events.ndjson"
    lines = [
        {"event_simpleName": "ProcessRollup2", "timestamp": str(1_700_000_000_000 + i), "aid": "a", "n": str(i)}
        for i in range(EVENTS)
    ]
    events.write_text("\n".join(map(json.dumps, lines)))
    bench = Bench()

    def ask(query):
        rule = folder / f"{abs(hash(query))}.cql"
        rule.write_text(query)
        answer = bench.query(rule, [events])
        found = [f for f in answer.plan.findings if f.code == "limit-reached"]
        return len(answer.rows), [(f.severity.value, f.span.text) for f in found]

    with bench:
        yield ask


@pytest.mark.parametrize("step", ["head()", "tail()", "sort(n)", "table([n])"])
def test_the_usual_200_rows_are_told_where_there_were_more(told, step):
    assert told(f"n=* | {step}") == (200, [("note", step)])
    assert told(f"n<200 | {step}") == (200, [])


@pytest.mark.parametrize("step", ["head(50)", "sort(n, limit=50)", "table([n], limit=50)", "top(n, limit=50)"])
def test_a_limit_that_the_query_chooses_is_not_told(told, step):
    assert told(f"n=* | {step}") == (50, [])


def test_a_search_without_an_aggregate_gives_all_events_and_not_the_200_that_a_screen_shows(told):
    assert told("n=*") == (250, [])
    assert told("n=* | select([n])") == (250, [])


def test_groups_beyond_the_limit_are_always_told(told):
    assert told("groupBy(n, limit=100)") == (100, [("warning", "groupBy(n, limit=100)")])
    assert told("groupBy(n, limit=250)") == (250, [])
    assert told("groupBy(n)") == (250, [])


def test_a_limit_in_the_middle_is_told_though_few_rows_come_out(told):
    assert told("groupBy(n, limit=100) | n=1") == (1, [("warning", "groupBy(n, limit=100)")])
    assert told("groupBy(n, limit=250) | n=5") == (1, [])


def test_a_group_of_several_rows_counts_once(told):
    query = "k := n % 3 | groupBy(k, function=groupBy(n), limit=2)"
    assert told(query) == (167, [("warning", "groupBy(k, function=groupBy(n), limit=2)")])


def test_collected_values_beyond_the_limit_are_told(told):
    assert told("collect(n, limit=249)") == (1, [("warning", "collect(n, limit=249)")])
    assert told("collect(n, limit=250)") == (1, [])
    assert told("k := n % 2 | groupBy(k, function=collect(n, limit=125))") == (2, [])
    told_of = told("k := n % 2 | groupBy(k, function=[count(), collect(n, limit=124)])")
    assert told_of == (2, [("warning", "groupBy(k, function=[count(), collect(n, limit=124)])")])


def test_partners_of_a_join_beyond_its_limit_are_told(told):
    join = "join({n=*}, field=n, limit={})"
    assert told(join.replace("limit={}", "limit=10")) == (10, [("warning", "join({n=*}, field=n, limit=10)")])
    assert told(join.replace("limit={}", "limit=250")) == (250, [])


def test_series_and_turned_rows_beyond_the_usual_number_are_told(told):
    assert told("timeChart(n, span=1h) | count()") == (1, [("warning", "timeChart(n, span=1h)")])
    assert told("timeChart(n, span=1h, limit=20) | count()") == (1, [])
    assert told("groupBy(n) | transpose() | count()")[1] == [("warning", "transpose()")]
    assert told("groupBy(n) | transpose(limit=10) | count()")[1] == []
