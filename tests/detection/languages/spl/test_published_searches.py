"""Published searches and recorded events that lie beside the checkout; without them there is nothing to test here."""

import json
from pathlib import Path

import pytest

from harness.detection.content import read_content
from harness.detection.language import Settings, language
from harness.diagnostics import HarnessError, Source
from tests.detection.languages.spl.event_rows import events

SHARED = Path(__file__).parents[5] / "shared"
CORPUS = SHARED / "corpora" / "spl"
CASES = SHARED / "samples" / "dev"
SPL = language("spl")

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not beside the checkout")


@pytest.fixture(scope="module")
def site():
    return read_content([CORPUS]).settings(Settings(now=1_700_000_000))


@pytest.fixture(scope="module")
def searches():
    return {p.relative_to(CORPUS).as_posix(): p.read_text() for p in sorted(CORPUS.glob("*/*.spl"))}


@pytest.fixture(scope="module")
def production():
    rows = [line.split("\t") for line in (CORPUS / "index.tsv").read_text().splitlines()[1:]]
    return {r[0] for r in rows if r[4] == "production"}


def test_every_published_search_is_read(searches, site):
    assert len(searches) > 1_000
    for name, text in searches.items():
        SPL.parse(Source(name, text), settings=site)


def test_every_published_search_printed_again_is_the_same_query(searches, site):
    for name, text in searches.items():
        query = SPL.parse(Source(name, text), settings=site)
        assert SPL.parse(Source(name, query.render())) == query


def test_lint_finds_a_place_in_the_text_for_all_it_tells(searches, site):
    for name, text in list(searches.items())[::10]:
        for finding in SPL.lint(Source(name, text), site):
            assert 0 <= finding.span.start <= finding.span.end <= len(text)


@pytest.mark.slow
def test_production_detections_run_on_an_empty_store(searches, site, production, duckdb):
    columns = duckdb.load([])
    failed = []
    for name in production & set(searches):
        try:
            duckdb.run(SPL.parse(Source(name, searches[name]), settings=site).plan(columns, site).node)
        except HarnessError as error:
            failed.append(f"{name}: {error.message}")
    assert len(failed) <= 0.02 * len(production), "\n".join(failed)


@pytest.mark.slow
def test_production_detections_run_on_recorded_events(searches, site, production, duckdb):
    columns = duckdb.load([events(recorded(CASES / "cross" / "events.ndjson")[:500])])
    failed = []
    for name in production & set(searches):
        try:
            duckdb.run(SPL.parse(Source(name, searches[name]), settings=site).plan(columns, site).node)
        except HarnessError as error:
            failed.append(f"{name}: {error.message}")
    assert len(failed) <= 0.02 * len(production), "\n".join(failed)


def recorded(path):
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return [{k: as_text(v) for k, v in line.items() if v not in (None, "")} for line in lines]


def as_text(value):
    if isinstance(value, list):
        return [as_text(v) for v in value]
    return value if isinstance(value, str) else json.dumps(value)


def regression_cases():
    folder = CASES / "sigma_regression"
    return sorted(p for p in folder.iterdir() if (p / "query.spl").is_file()) if folder.is_dir() else []


@pytest.mark.parametrize("case", regression_cases(), ids=lambda p: p.name)
def test_a_sigma_rule_finds_exactly_its_events(case, duckdb):
    columns = duckdb.load([events(recorded(case / "events.ndjson"))])
    query = SPL.parse(Source(case.name, (case / "query.spl").read_text()))
    expected = json.loads((case / "expected.json").read_text())["expected"]
    assert len(duckdb.run(query.plan(columns, Settings()).node)) == expected


@pytest.mark.slow
def test_sigma_rules_find_exactly_their_events_among_ten_thousand(duckdb):
    columns = duckdb.load([events(recorded(CASES / "cross" / "events.ndjson"))])
    wrong = []
    for line in (CASES / "cross" / "rules.ndjson").read_text("utf-8").splitlines():
        rule = json.loads(line)
        if not rule.get("spl"):
            continue
        query = SPL.parse(Source(rule["id"], rule["spl"] + " | stats count"))
        (row,) = duckdb.run(query.plan(columns, Settings()).node).records()
        if row["count"] != rule["expected_hits"]:
            wrong.append(f"{rule['id']}: {row['count']} instead of {rule['expected_hits']}")
    assert wrong == []
