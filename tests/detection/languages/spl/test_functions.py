"""The examples in the manual of each eval function, run on the engine."""

import json

import pytest

from harness.detection.language import Settings, language
from harness.detection.languages.spl import commands, functions
from harness.detection.languages.spl.registry import AGGREGATES, COMMANDS, FUNCTIONS, RegistryEntry
from harness.diagnostics import Source

EXAMPLES = [
    pytest.param(call, expected, id=f"{name}: {call}")
    for name, entry in FUNCTIONS.items()
    for call, expected in entry.examples
]


@pytest.mark.parametrize(("call", "expected"), EXAMPLES)
def test_an_example_of_the_manual_holds(duckdb, call, expected):
    query = language("spl").parse(Source("example", f"| makeresults | eval r={call}"))
    (row,) = duckdb.run(query.plan({}, Settings(now=1_700_000_000)).node).records()
    assert as_text(row.get("r")) == as_text(json.loads(expected))


def as_text(value):
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    return None if value is None else str(value)


@pytest.mark.parametrize("table", [FUNCTIONS, COMMANDS, AGGREGATES], ids=["functions", "commands", "aggregates"])
def test_every_entry_says_what_it_does_and_where_that_is_written(table):
    assert [n for n, e in table.items() if not lacking(e)] == list(table)


def lacking(entry: RegistryEntry) -> bool:
    return not entry.summary or not entry.reference


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_has_two_examples_or_more(name):
    entry = FUNCTIONS[name]
    assert len(entry.examples) >= (2 if entry.most != 0 else 1)


def test_the_tables_are_filled_on_import():
    assert commands.search
    assert functions.text
    assert len(COMMANDS) > 100
    assert len(FUNCTIONS) > 90
