"""Rules and events with known counts, made by others: every count has to be exact."""

import json

import pytest

from harness.detection.language import Strictness
from harness.detection.languages.cql import LANGUAGE
from harness.detection.plan import operations as ops
from harness.detection.plan.nodes import Aggregate
from harness.diagnostics import RejectedError, Source
from tests.detection.languages.cql.query_rows import SHARED, duckdb, events, load, needs_shared, plan

SAMPLES = SHARED / "samples/dev"
CASES = sorted((SAMPLES / "sigma_regression").glob("*/expected.json"))
pytestmark = needs_shared


def hits(query, columns, dialect=Strictness.LENIENT):
    counted = (("hits", ops.count()),)
    node = Aggregate(source=plan(query, columns, dialect).node, keys=(), measures=counted)
    return int(duckdb().run(node).rows[0][0])


def regression(kind, expected):
    folder = expected.parent
    query, recorded = folder / f"query{kind}.cql", folder / f"events{kind}.ndjson"
    if not query.is_file() or not recorded.is_file():
        return None
    return hits(query.read_text("utf-8"), load(events(recorded)))


def test_every_sigma_regression_case_has_its_exact_count():
    facts = {p: json.loads(p.read_text()) for p in CASES}
    wrong = {}
    counted = 0
    for path, fact in facts.items():
        for kind, count in (("", fact["expected"]), (".falcon", (fact.get("falcon_expected") or {}).get("count"))):
            found = regression(kind, path)
            counted += found is not None
            if found not in (None, count):
                wrong[fact["title"] + kind] = (found, count)
    assert wrong == {}
    assert counted >= 140


def rules():
    with (SAMPLES / "cross/rules.ndjson").open(encoding="utf-8") as lines:
        return [rule for rule in map(json.loads, lines) if rule.get("cql")]


def mistakes(chosen):
    columns = load(events(SAMPLES / "cross/events.ndjson"))
    found = {r["title"]: (hits(r["cql"], columns), r["expected_hits"]) for r in chosen}
    return {title: pair for title, pair in found.items() if pair[0] != pair[1]}


def test_rules_with_hits_among_ten_thousand_real_events_have_the_exact_count():
    chosen = [r for r in rules() if r["expected_hits"]]
    assert len(chosen) == 65
    assert mistakes(chosen) == {}


@pytest.mark.slow
def test_no_rule_has_a_false_hit_among_ten_thousand_real_events():
    chosen = rules()
    assert len(chosen) == 1425
    assert mistakes(chosen) == {}


def refused(rule):
    try:
        LANGUAGE.parse(Source(rule["title"], rule["cql"]), Strictness.STRICT)
    except RejectedError as error:
        return {f.code for f in error.findings}
    return set()


def test_strict_reading_refuses_only_rules_whose_slashes_were_not_escaped():
    found = {r["title"]: (refused(r), r["cql_check"]) for r in rules()}
    assert {check for codes, check in found.values() if codes} == {"not_parsed_unescaped_slash"}
    assert {c for codes, _ in found.values() for c in codes} == {"bare-slash"}
