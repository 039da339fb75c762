"""Conformance cases through the command: files in a folder, `detlab query`, rows as JSON; and what is kept of it."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from harness.cli.front_door import Clock, check_at_command, list_clocks, probe_refusals, run_command, write_case
from harness.detection.conformance import SettlingState
from harness.detection.conformance_page import pages, parse_cases
from harness.detection.evidence import count_cases, find_evidence_file, list_stale_pages, name_entry, read_evidence
from harness.detection.language import SupportState, language
from harness.detection.reference import reference
from harness.diagnostics import Source

FOLDER = Path(__file__).parents[1] / "conformance"
# All of them take six minutes of CPU; one in twelve is another subset whenever a title changes.
ONE_IN = 12
GOOD = (SettlingState.HOLDS, SettlingState.GAP, SettlingState.NOT_RUN)


def every_case():
    for spoken, path in pages(FOLDER):
        for case in parse_cases(Source(path.name, path.read_text("utf-8")), spoken):
            chosen = int(sha256(case.title.encode()).hexdigest(), 16) % ONE_IN == 0
            marks = [] if chosen else [pytest.mark.slow]
            yield pytest.param(case, path, id=f"{spoken}/{path.name}: {case.title}", marks=marks)


@pytest.mark.parametrize(("case", "page"), list(every_case()))
def test_a_case_holds_through_the_command(case, page):
    checked = check_at_command(case, page)
    assert checked.state in GOOD, f"{checked.state}: {checked.problem}"


@pytest.mark.parametrize("name", ["spl", "cql"])
def test_what_is_kept_is_of_the_pages_that_there_are(name):
    found = read_evidence(find_evidence_file(name))
    own = [page for spoken, page in pages(FOLDER) if spoken == name]
    stale = [page.name for page in list_stale_pages(found, own)]
    assert stale == [], "run `detlab conformance --through-command --write`"
    assert sorted(found.pages) == sorted(p.name for p in own)
    cases = [c for p in own for c in parse_cases(Source(p.name, p.read_text("utf-8")), name)]
    assert sum(count_cases(found).values()) == len(cases)


@pytest.mark.parametrize("name", ["spl", "cql"])
def test_nothing_that_is_kept_is_wrong_but_a_known_gap(name):
    gaps = {
        case.title
        for spoken, page in pages(FOLDER)
        for case in parse_cases(Source(page.name, page.read_text("utf-8")), spoken)
        if case.known_gap
    }
    wrong = {title for page in read_evidence(find_evidence_file(name)).pages.values() for title in page.wrong}
    assert wrong <= gaps


@pytest.mark.parametrize("name", ["spl", "cql"])
def test_every_entry_of_a_language_has_a_run_that_says_what_becomes_of_it(name):
    assert [name_entry(e) for e in reference(name).entries if e.state is SupportState.UNTESTED] == []


def test_a_name_is_refused_if_the_command_refuses_it_and_not_by_what_is_declared():
    listed = [e for e in language("spl").reference() if e.name in ("kmeans", "stats", "erex", "substr", "nosuch")]
    assert set(probe_refusals("spl", listed)) == {"command:kmeans", "command:erex"}


PAGE = """## A case

```lookup owners
host | owner
ws1  | ann
```

```macros
mine(x) = where k="$x$"
```

```input
k | h
1 | [ws1, ws9]
2 |
```

```spl
search k=* | `mine(1)` | lookup owners host AS h OUTPUT owner | table k owner
```

```output
k | owner
1 | ann
```
"""


def parse_page(text):
    (case,) = parse_cases(Source("page.md", text), "spl")
    return case


def test_a_case_is_written_as_the_files_that_a_person_would_have(tmp_path):
    case = parse_page(PAGE)
    arguments = write_case(case, tmp_path, Clock.ADDED)
    assert arguments[0] == "query"
    events = [json.loads(line) for line in (tmp_path / "events/events.ndjson").read_text().splitlines()]
    assert events == [
        {"k": "1", "h": ["ws1", "ws9"], "_time": "2023-11-14T22:13:20Z"},
        {"k": "2", "_time": "2023-11-14T22:12:20Z"},
    ]
    assert (tmp_path / "content/lookups/owners.csv").read_text().split() == ["host,owner", "ws1,ann"]
    assert json.loads(run_command(arguments).out)["rows"] == [{"k": "1", "owner": ["ann"]}]


def test_a_case_is_run_with_the_times_of_its_page_or_without_any_and_with_some():
    assert list_clocks(parse_page(PAGE)) == (Clock.PAGE, Clock.ADDED)
    assert list_clocks(parse_page(PAGE.replace("k | h\n1 |", "_time | h\n1 |").replace("2 |\n", "2 | \n"))) == (
        Clock.PAGE,
    )


def test_a_case_that_differs_is_told_with_both_tables():
    checked = check_at_command(parse_page(PAGE.replace("1 | ann", "1 | bob")), Path("page.md"))
    assert checked.state is SettlingState.DIFFERS
    assert "1 | bob" in checked.problem
    assert "1 | [ann]" in checked.problem


def test_a_case_that_the_command_cannot_show_has_to_differ_there():
    excused = PAGE.replace("## A case\n", "## A case\n\nCommand: it has no such thing\n")
    assert check_at_command(parse_page(excused), Path("page.md")).state is SettlingState.CLOSED
    other = check_at_command(parse_page(excused.replace("1 | ann", "1 | bob")), Path("page.md"))
    assert (other.state, other.problem) == (SettlingState.NOT_RUN, "it has no such thing")
