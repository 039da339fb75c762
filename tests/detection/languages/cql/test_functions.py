import json
import re

import pytest

from harness.detection.languages.cql import FUNCTIONS
from harness.detection.languages.cql.names import EXPRESSIONS, FUNCTION_NAMES

from .running import SHARED, needs_shared, records

EXAMPLES = [(f.name, query, result) for f in FUNCTIONS.values() for query, result in f.examples]
WITHOUT_EXAMPLE = {
    "slidingTimeWindow",
    "readFile",
    "defineTable",
    "join",
    "correlate",
    "setTimeInterval",
    "window",
}
UNSUPPORTED: set[str] = set()


def expected(result):
    return dict(re.findall(r"(\S+?)=(.*?)(?= \S+=|$)", result))


@pytest.mark.parametrize(
    ("name", "query", "result"), EXAMPLES, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(EXAMPLES)]
)
def test_every_example_in_a_functions_manual_holds(name, query, result):
    rows = records(query, [{"@timestamp": 0}])
    if result == "-":
        assert rows == []
    else:
        assert len(rows) == 1
        assert {n: rows[0].get(n) for n in expected(result)} == expected(result)


def test_every_function_has_a_sentence_and_a_reference():
    assert [f.name for f in FUNCTIONS.values() if not f.summary.endswith(".") or not f.reference] == []


def test_every_function_but_a_few_has_an_example():
    assert {f.name for f in FUNCTIONS.values() if not f.examples} == WITHOUT_EXAMPLE


def test_every_documented_function_is_supported_or_known_not_to_be():
    assert set(FUNCTION_NAMES.values()) - set(FUNCTIONS) == UNSUPPORTED


def test_arguments_that_are_expressions_exist():
    for name, arguments in EXPRESSIONS.items():
        assert arguments <= set(FUNCTIONS[name].parameters)


OWN_MIND = {
    "getField": "the list of signatures marks its argument as unnamed, the table of them does not",
    "match": "`table` stands in its examples; one of it and `file` is needed; `nrows` has a default",
    "math:cosh": "every other function of one number takes it unnamed",
    "parseJson": "examples leave the field out",
    "parseXml": "like parseJson",
    "parseCsv": "like parseJson",
    "parseTimestamp": "like parseJson",
    "time:dayOfWeek": "every other part of a time has @timestamp as its field",
}


NEWER = {"text:trim": "LogScale 1.234"}
"""Functions that came after the list of signatures, and the manual that has them."""


def signature(function):
    required = {p.name for p in function.parameters.values() if p.required}
    return set(function.parameters), required, function.positional[0] if function.positional else None


@needs_shared
def test_signatures_are_the_documented_ones():
    documented = json.loads((SHARED / "reference/cql_functions.json").read_text())
    wrong = set()
    for name, function in FUNCTIONS.items():
        if name in NEWER:
            continue
        facts = documented[name]
        names = {p["name"] for p in facts["params"]}
        required = {p["name"] for p in facts["params"] if p["required"]}
        if not function.open and signature(function) != (names, required, facts["unnamed"] or None):
            wrong.add(name)
    assert wrong == set(OWN_MIND)


@needs_shared
def test_the_names_of_functions_are_all_that_are_documented():
    documented = json.loads((SHARED / "reference/cql_functions.json").read_text())
    assert set(FUNCTION_NAMES.values()) == set(documented) | set(NEWER)
