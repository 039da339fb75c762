"""Lookups in tables that are long."""

import time

from harness.detection.language import Lookup


def table(count, **options):
    rows = tuple((f"*.domain{i}.org", f"provider {i}") for i in range(count))
    return Lookup(columns=("domain", "provider"), rows=rows, match={"domain": "wildcard"}, **options)


def test_a_table_of_a_hundred_thousand_patterns_is_looked_up_in_seconds(found):
    events = [{"q": f"www.domain{i}.org"} for i in range(0, 1000, 100)] + [{"q": "other.net"}]
    began = time.perf_counter()
    rows = found(
        events,
        "search q=* | lookup dyn domain AS q OUTPUT provider | where isnotnull(provider) | table q provider",
        lookups={"dyn": table(100_000)},
    )
    assert {r["q"]: r["provider"] for r in rows} == {
        f"www.domain{i}.org": [f"provider {i}"] for i in range(0, 1000, 100)
    }
    assert time.perf_counter() - began < 20


def test_case_and_the_number_of_matches_are_those_of_the_definition(found):
    both = Lookup(
        columns=("p", "v"),
        rows=(("*B*", "1"), ("a*", "2"), *((f"x{i}", "x") for i in range(200))),
        match={"p": "WILDCARD"},
        case_sensitive=False,
        most=1,
    )
    assert found([{"q": "Abc"}], "search q=* | lookup t p AS q OUTPUT v | table v", lookups={"t": both}) == [
        {"v": ["1"]}
    ]
