"""A search that has to ask the events what it means: who is asked, how often, and what is told without an answer."""

import pyarrow as pa
import pytest

from harness.detection.engine import open_engine
from harness.detection.language import Settings, language
from harness.diagnostics import Source, SourceError
from harness.telemetry.platform import View


@pytest.fixture(scope="module")
def store():
    opened = open_engine("duckdb")
    count = 400
    table = pa.table(
        {
            "@event": pa.array(range(count), pa.int64()),
            "@cause": pa.array([0] * count, pa.int32()),
            "_time": [float(i) for i in range(count)],
            "host": [f"h{i % 3}" for i in range(count)],
            "user": [f"u{i}" for i in range(count)],
        }
    )
    columns = opened.load([View(columns=table)])
    yield opened, columns
    opened.close()


def planned(store, text, *, ask=True, saved=None):
    opened, columns = store
    questions = []

    def answer(node):
        questions.append(node)
        return opened.run(node)

    query = language("spl").parse(Source("rule.spl", text))
    plan = query.plan(columns, Settings(ask=answer if ask else None, saved=saved or {}))
    return plan, len(questions)


def test_a_search_that_names_its_columns_asks_nothing(store):
    plan, questions = planned(store, "| timechart span=1h count | where count > 5 | transpose")
    assert (plan.asked, questions) == (False, 0)


def test_a_chart_by_a_field_asks_once(store):
    plan, questions = planned(store, "| chart count by user host | where h1 > 0")
    assert (plan.asked, questions) == (True, 1)


def test_without_anybody_to_ask_the_series_are_rows_and_later_columns_are_not_called_missing(store):
    plan, _ = planned(store, "| chart count by user host | where h1 > 0 | table user h1", ask=False)
    assert plan.asked
    assert [(f.code, str(f.severity)) for f in plan.findings] == [("unnamed-columns", "note")]


def test_without_anybody_to_ask_map_plans_its_search_for_no_row(store):
    opened, _ = store
    plan, _ = planned(
        store, 'search host=h1 | map search="search user=$user$ | stats count" | where count=1', ask=False
    )
    assert [f.code for f in plan.findings] == ["map-without-rows"]
    assert len(opened.run(plan.node)) == 0
    assert "user" in plan.reads


def test_a_step_after_the_question_still_holds_the_step_before_it(store):
    plan, _ = planned(store, "search host=h1 | chart count by host user limit=3 | where OTHER > 5")
    rows = [len(store[0].run(step.node)) for step in plan.steps]
    assert rows == [133, 1, 1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("| chart count by host user limit=0", "more than 300 columns named by values"),
        ("| chart count by host user where count notin top5", "more than 300 columns named by values"),
        ("| stats count by user host | xyseries host user count", "more than 300 columns named by values"),
        ("| transpose 0", "`transpose` of more than 200 rows"),
        ('| map maxsearches=999 search="search user=$user$"', "`map` over more than 200 rows"),
        ("| map again", "more than 8 searches inside one another"),
        ("| head 20 | chart count by host user" + " | transpose header_field=host" * 80, "run too often"),
    ],
)
def test_questions_and_their_answers_are_bounded(store, text, told):
    with pytest.raises(SourceError, match=told):
        planned(store, text, saved={"again": "search user=$user$ | map again"})


def test_the_choice_of_series_is_printed_as_it_was_written():
    text = "search a=1 | chart sum(n) by a, b where max(n) notin bottom3"
    spl = language("spl")
    query = spl.parse(Source("rule.spl", text))
    assert query.render() == text
    assert spl.parse(Source("again.spl", query.render())) == query


def test_fields_named_by_too_many_values_are_those_that_the_search_names(store):
    opened, _ = store
    plan, questions = planned(store, "| eval {user}=1 | stats sum(u7) as found")
    assert questions == 1
    assert [f.code for f in plan.findings] == ["unnamed-columns"]
    (row,) = opened.run(plan.node).records()
    assert row["found"] == 1.0


@pytest.mark.parametrize("text", ["max" + " " * 100_000 + "x", "max(" + " " * 100_000 + "x", "a" * 100_000])
def test_a_long_choice_of_series_is_refused_at_once(text):
    with pytest.raises(SourceError, match="about series"):
        language("spl").parse(Source("rule.spl", "| chart count by a, b where " + text))
