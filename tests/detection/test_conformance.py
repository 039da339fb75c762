"""Runs every conformance page; and says how a page is read."""

from pathlib import Path

import pytest

from harness.detection.conformance import check_case, difference, render_page_rows
from harness.detection.conformance_page import pages, parse_cases, parse_page_table
from harness.detection.engine import ResultRows, open_engine
from harness.detection.language import language
from harness.diagnostics import Source, SourceError

FOLDER = Path(__file__).parents[1] / "conformance"


def every_case():
    for spoken, path in pages(FOLDER):
        name = path.relative_to(FOLDER).as_posix()
        for case in parse_cases(Source(name, path.read_text("utf-8")), spoken):
            marks = [pytest.mark.xfail(reason=case.known_gap, strict=True)] if case.known_gap else []
            yield pytest.param(case, id=f"{name}: {case.title}", marks=marks)


@pytest.fixture(scope="module")
def duckdb():
    opened = open_engine("duckdb")
    yield opened
    opened.close()


@pytest.mark.parametrize("case", list(every_case()))
def test_a_case_of_the_pages_holds(case, duckdb):
    problem = check_case(case, duckdb)
    assert problem is None, f"{case.place}\n{problem}"


@pytest.mark.parametrize("name", ["spl", "cql"])
def test_every_value_of_a_switch_beside_its_default_has_a_case(name):
    shown = [p.values[0].settings.switches.items() for p in every_case() if p.values[0].language == name]
    values = {(s.name, v) for s in language(name).switches for v in s.values[1:]}
    assert values - {pair for pairs in shown for pair in pairs} == set()


PLACE = Source("page.md", "## x").whole()


def test_a_table_has_absent_empty_quoted_and_listed_cells():
    read = parse_page_table('a | b | c\n | "" | [x, "y, z"]\nC:\\new | "p|q\\n" | [w]', PLACE)
    assert read.columns == ("a", "b", "c")
    assert read.rows == ((None, "", ["x", "y, z"]), ("C:\\new", "p|q\n", ["w"]))


def test_a_row_with_too_few_cells_is_an_error_that_names_it():
    with pytest.raises(SourceError, match="a row has 1 cells under 2 columns: x"):
        parse_page_table("a | b\nx", PLACE)


def test_a_case_without_an_outcome_is_an_error():
    with pytest.raises(SourceError, match="one query and one outcome"):
        parse_cases(Source("page.md", "# page\n\n## lonely\n```spl\nsearch x=1\n```\n"), "spl")


def test_a_page_without_headings_has_no_cases():
    assert parse_cases(Source("page.md", "hello\n"), "spl") == ()


def test_a_page_is_read_into_cases_with_their_facts():
    page = """# stats

## An empty group

Reference: reference 6
Evidence: observed on Splunk 10.4.0
Known gap: not yet
Settings: now=5, zone=Europe/London
Switches: rounding=off

```input
_time | host
1 | a
```

```lookup hosts
host | owner
a | bob
```

```spl
| stats count
```

```output ordered
count
1
```
"""
    (case,) = parse_cases(Source("stats.md", page), "spl")
    assert (case.title, case.evidence, case.known_gap) == ("An empty group", "observed on Splunk 10.4.0", "not yet")
    assert (case.settings.now, case.settings.zone, case.settings.switches) == (5, "Europe/London", {"rounding": "off"})
    assert case.settings.lookups["hosts"].rows == (("a", "bob"),)
    assert case.ordered
    assert case.query == "| stats count"


ROWS = ResultRows(("host", "n", "none"), (("a", 0.1 + 0.2, None), ("b", 5.0, None)))


def test_rows_are_compared_in_any_order_and_numbers_to_twelve_digits():
    assert difference(parse_page_table("n | host\n5 | b\n0.3 | a", PLACE), ROWS, ordered=False) is None
    assert difference(parse_page_table("n | host\n5 | b\n0.3 | a", PLACE), ROWS, ordered=True) == "other rows"
    assert difference(parse_page_table("n | host\n5 | b\n0.31 | a", PLACE), ROWS, ordered=False) == "other rows"


def test_a_column_that_is_not_listed_is_a_difference_unless_there_may_be_others():
    assert difference(parse_page_table("host\na\nb", PLACE), ROWS, ordered=False) == "columns that are not expected: n"
    assert difference(parse_page_table("host | ...\na |\nb |", PLACE), ROWS, ordered=False) is None


def test_rows_are_written_as_a_page_has_them():
    assert (
        render_page_rows(ResultRows(("x", "l"), (("", ["a", "b,c"]), ("p|q", None))))
        == 'x     | l\n""    | [a, "b,c"]\n"p|q" |'
    )
