"""Commands that run what was saved in the content of a run."""

import pytest

from harness.detection.language import Lookup
from harness.diagnostics import SourceError

EVENTS = [{"_time": 2, "u": "b"}, {"_time": 1, "u": "a"}]


def test_a_saved_search_runs_in_place_of_the_command(found):
    saved = {"Who": "search u=$who$ | table u"}
    assert found(EVENTS, "| savedsearch Who who=b", saved=saved) == [{"u": "b"}]
    assert found(EVENTS, '| loadjob savedsearch="admin:search:All"', saved={"All": "search u=* | table u"}) == [
        {"u": "b"},
        {"u": "a"},
    ]


def test_a_saved_search_may_use_macros_and_others(found):
    saved = {"outer": "| savedsearch inner | where u=`one`", "inner": "search u=*"}
    rows = found(EVENTS, "| savedsearch outer | table u", saved=saved, macros={"one": {"definition": '"a"'}})
    assert rows == [{"u": "a"}]


def test_a_name_that_is_not_saved_is_an_error_at_the_name(found):
    with pytest.raises(SourceError, match="no saved search is called `Whom`") as error:
        found(EVENTS, "| savedsearch Whom", saved={"Who": "search u=a"})
    assert error.value.help == "did you mean `Who`?"


def test_a_saved_search_that_runs_itself_is_an_error(found):
    with pytest.raises(SourceError, match="more than 8 saved searches inside one another"):
        found(EVENTS, "| savedsearch a", saved={"a": "| savedsearch a"})


def test_a_job_by_its_number_is_refused(found):
    with pytest.raises(SourceError, match="which only the search head has"):
        found(EVENTS, "| loadjob 1233886270.2")


def test_inputcsv_reads_a_table_of_the_content(found):
    tables = {"known.csv": Lookup(columns=("a", "b"), rows=(("1", "x"), ("2", "y")))}
    assert found([], "| inputcsv known.csv WHERE b=y", lookups=tables) == [{"a": "2", "b": "y"}]
