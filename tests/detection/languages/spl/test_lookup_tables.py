"""Lookups in tables that are long."""

import time

import pytest

from harness.detection.language import Lookup
from harness.diagnostics import SourceError


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


SEARCH = "search q=* | lookup t p AS q OUTPUT v | table q v"


def test_a_column_of_patterns_fits_whole_values_only(found):
    few = Lookup(columns=("p", "v"), rows=(("*\\cmd.exe", "shell"), ("a.b", "plain")), match={"p": "WILDCARD"})
    events = [{"q": "C:\\cmd.exe"}, {"q": "C:\\cmd.exe.bak"}, {"q": "axb"}]
    assert found(events, SEARCH, lookups={"t": few}) == [
        {"q": "C:\\cmd.exe", "v": ["shell"]},
        {"q": "C:\\cmd.exe.bak"},
        {"q": "axb"},
    ]


def test_a_column_of_networks_has_the_addresses_inside(found):
    nets = Lookup(columns=("p", "v"), rows=(("10.0.0.0/8", "home"), ("192.0.2.7", "one")), match={"p": "CIDR"})
    events = [{"q": "10.1.2.3"}, {"q": "192.0.2.7"}, {"q": "203.0.113.1"}]
    assert found(events, SEARCH, lookups={"t": nets}) == [
        {"q": "10.1.2.3", "v": ["home"]},
        {"q": "192.0.2.7", "v": ["one"]},
        {"q": "203.0.113.1"},
    ]


def test_max_matches_bounds_the_values_and_min_matches_brings_the_default(found):
    rows = (("a", "1"), ("a", "2"), ("a", "3"))
    two = Lookup(columns=("p", "v"), rows=rows, most=2, least=1, default="none")
    assert found([{"q": "a"}, {"q": "b"}], SEARCH, lookups={"t": two}) == [
        {"q": "a", "v": ["1", "2"]},
        {"q": "b", "v": ["none"]},
    ]


def test_keys_heed_case_unless_the_definition_says_otherwise(found):
    for sensitive, expected in ((True, [{"q": "A"}]), (False, [{"q": "A", "v": "1"}])):
        one = Lookup(columns=("p", "v"), rows=(("a", "1"),), case_sensitive=sensitive)
        assert found([{"q": "A"}], SEARCH, lookups={"t": one}) == expected


def test_inputlookup_takes_a_part_of_the_table(found):
    three = Lookup(columns=("k",), rows=(("a",), ("b",), ("c",)))
    assert found([], "| inputlookup t start=1 max=1", lookups={"t": three}) == [{"k": "b"}]


def test_a_column_that_the_table_lacks_is_told_at_its_place(found):
    one = Lookup(columns=("host", "v"), rows=(("a", "1"),))
    with pytest.raises(SourceError, match="the lookup table has no column `hots`") as error:
        found([{"q": "a"}], "search q=* | lookup t hots AS q OUTPUT v", lookups={"t": one})
    assert error.value.help == "did you mean `host`?"
