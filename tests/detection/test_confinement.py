"""A rule's text as it is sent to a product: it reads the trial's own events and no others."""

import pytest

from harness.detection.enclosure import CannotEncloseError, Enclosure
from harness.detection.language import Settings, language
from harness.diagnostics import Source

TRIAL = Enclosure(name="detlab_k3_12")


def confine(name, text, enclosure=TRIAL, until=None):
    return language(name).parse(Source("query", text)).confine(enclosure, until)


def test_an_index_of_a_search_is_the_trials_own_and_has_its_name_again_behind_it():
    assert confine("spl", "index=win sourcetype=x OR b | stats count by index") == (
        'index=detlab_k3_12-*_* index="detlab_k3_12-*_win" sourcetype=x OR b'
        ' | eval index=replace(index, "^detlab_k3_12-[a-z]+_", "") | stats count by index'
    )


def test_a_search_that_names_no_index_reads_no_other_events_either():
    assert confine("spl", "fail*").startswith("index=detlab_k3_12-*_* fail*")


def test_patterns_lists_and_negations_of_indexes_are_renamed():
    sent = confine("spl", 'index=w* NOT index IN (a, "b c") index!=d')
    assert '"detlab_k3_12-*_w*"' in sent
    assert 'NOT index IN ("detlab_k3_12-*_a", "detlab_k3_12-*_b c")' in sent
    assert 'index!="detlab_k3_12-*_d"' in sent


def test_subsearches_read_the_trials_events_and_what_continues_rows_is_left_alone():
    sent = confine("spl", "index=a | append [search index=b | head 1] | appendpipe [stats sum(count) as c]")
    assert '[search index=detlab_k3_12-*_* index="detlab_k3_12-*_b"' in sent
    assert "appendpipe [stats sum(count) as c]" in sent


def test_one_part_of_a_trial_is_searched_alone():
    assert "index=detlab_k3_12-benign_*" in confine("spl", "index=a", TRIAL.only("benign"))
    assert '#detlab_part="benign"' in confine("cql", "a=1", TRIAL.only("benign"))


def test_a_text_is_cut_behind_a_step():
    text = "index=a | stats count by b | where count > 3"
    assert confine("spl", text, until=len("index=a | stats count by b")).endswith("| stats count by b")


def test_macros_of_the_rule_are_sent_as_what_they_stand_for():
    settings = Settings(macros={"sysmon": {"definition": "index=win"}})
    query = language("spl").parse(Source("query", "`sysmon` EventCode=3"), settings=settings)
    assert query.sent_text() == "index=win EventCode=3"


@pytest.mark.parametrize(
    "text",
    [
        "| tstats count from datamodel=Endpoint.Processes where index=a by Processes.dest",
        'index=a | map search="search index=b"',
        "| savedsearch other",
        "| metadata type=hosts",
    ],
)
def test_what_chooses_its_events_elsewhere_is_refused_and_never_an_empty_answer(text):
    with pytest.raises(CannotEncloseError, match="does not read the events that were sent"):
        confine("spl", text)


def test_tstats_of_indexed_fields_is_confined_by_its_where():
    assert "where index=detlab_k3_12-*_* index=" in confine("spl", "| tstats count where index=a by host")


def test_a_query_of_logscale_reads_events_with_the_trials_tag():
    assert confine("cql", "#repo=base_sensor a=1 | groupBy([#repo])") == (
        '#detlab_trial="detlab_k3_12" | #detlab_repo=base_sensor a=1 | groupBy([#detlab_repo])'
    )


def test_queries_in_functions_read_the_trials_events_too():
    sent = confine("cql", "a=1 | join({b=2 | c=3}, field=d)")
    assert sent == '#detlab_trial="detlab_k3_12" | a=1 | join({#detlab_trial="detlab_k3_12" | b=2 | c=3}, field=d)'
    defined = confine("cql", 'defineTable(query={a=1}, include=[x], name="t") | b=1')
    assert defined.endswith('name="t") | #detlab_trial="detlab_k3_12" | b=1')


def test_a_query_that_makes_its_events_is_sent_as_it_is():
    assert confine("cql", 'createEvents(["a"]) | x=1') == 'createEvents(["a"]) | x=1'
