"""Published queries: they are read, printed again, and run."""

import time

import pytest

from harness.detection.language import Settings
from harness.detection.languages.cql import LANGUAGE
from harness.diagnostics import HarnessError, Source
from tests.detection.languages.cql.query_rows import SHARED, duckdb, load, needs_shared

QUERIES = sorted((SHARED / "corpora/cql").glob("*.cql"))
SOURCES = [Source(p.name, p.read_text("utf-8")) for p in QUERIES]
EVENT = {"#event_simpleName": "ProcessRollup2", "#repo": "base_sensor", "aid": "1", "ComputerName": "WS01"}
EVENT |= {
    "ImageFileName": "\\cmd.exe",
    "CommandLine": "cmd /c whoami",
    "RemoteAddressIP4": "203.0.113.9",
    "@rawstring": "a=1",
}
REFUSED = {"01984_7a875ac73887.cql": "too-many-arguments"}
pytestmark = needs_shared


def outcome(work):
    try:
        work()
    except HarnessError as error:
        return error.code
    return None


def test_every_query_is_read():
    failed = {s.name: outcome(lambda s=s: LANGUAGE.parse(s)) for s in SOURCES}
    assert {name for name, code in failed.items() if code} == set()


def test_printing_a_query_and_reading_it_again_gives_the_same():
    for source in SOURCES:
        query = LANGUAGE.parse(source)
        assert LANGUAGE.parse(Source("again", query.render())).pipeline == query.pipeline


def test_nearly_all_queries_have_a_plan():
    columns = load([EVENT])
    failed = {s.name: outcome(lambda s=s: LANGUAGE.parse(s).plan(columns, Settings())) for s in SOURCES}
    refused = {n: c for n, c in failed.items() if c}
    assert refused == REFUSED


def ran(sources, rows):
    columns = load(rows)
    codes = {
        s.name: outcome(lambda s=s: duckdb().run(LANGUAGE.parse(s).plan(columns, Settings()).node)) for s in sources
    }
    return {name: code for name, code in codes.items() if code}


def test_every_tenth_query_runs():
    assert ran([s for s in SOURCES[::10] if s.name not in REFUSED], [EVENT]) == {}


@pytest.mark.slow
def test_at_least_97_of_100_queries_run():
    assert len(ran(SOURCES, [EVENT])) <= 0.03 * len(SOURCES)


@pytest.mark.slow
def test_five_hundred_queries_a_second_are_read_and_planned():
    columns = load([EVENT])
    start = time.process_time()
    for source in SOURCES:
        outcome(lambda s=source: LANGUAGE.parse(s).plan(columns, Settings()))
    assert len(SOURCES) / (time.process_time() - start) >= 500
