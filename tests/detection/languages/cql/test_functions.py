import json
import re

import pytest

from harness.detection.languages.cql.registry import FUNCTION_NAMES, FUNCTIONS, Registry
from harness.diagnostics import HarnessError
from tests.detection.languages.cql.query_rows import SHARED, needs_shared, records

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


OWN_MIND = {
    "getField": "the list of signatures marks its argument as unnamed, the table of them does not",
    "match": "`table` stands in its examples; one of it and `file` is needed; `nrows` has a default",
    "math:cosh": "every other function of one number takes it unnamed",
    "parseJson": "examples leave the field out",
    "parseXml": "like parseJson",
    "parseCsv": "like parseJson",
    "parseTimestamp": "like parseJson",
    "stripAnsiCodes": "like parseJson",
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


OTHERWISE = {
    "bitfield:extractFlagsAsString.separator": "a blank, written as `(space)`",
    "rdns.limit": "the limit of an installation",
    "reverseDns.limit": "the limit of an installation",
    "match.nrows": "told twice, as 1 and as 10; section 13.1 has 1",
    "slidingTimeWindow.timestampfield": "the time that a search goes by, in a sentence",
    "collect.separator": "a line end, written as an escape",
    "series.separator": "a line end, written as an escape",
    "groupBy.limit": "20000, written with a comma",
    "parseLEEF.timezone": "UTC, written as Z",
    "session.maxpause": "in milliseconds",
}
"""Defaults that are another word for the documented one, and why; a function may find out its own where it has none."""


def shown(default):
    if isinstance(default, tuple):
        return ",".join(map(shown, default))
    value = getattr(default, "value", default)
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value).lower()


@needs_shared
def test_defaults_and_names_of_results_are_the_documented_ones():
    documented = json.loads((SHARED / "reference/cql_functions.json").read_text())
    other = set()
    for name, facts in documented.items():
        for each in facts["params"]:
            known = FUNCTIONS[name].parameters.get(each["name"])
            told = re.sub(r"^\[(.*)\]$|\s", r"\1", each["default"] or "").replace(" ", "").lower()
            plain = re.fullmatch(r"[\w@.:,=+'\\()-]+", told) and not told.startswith("count(")
            if (
                known is not None
                and not known.required
                and plain
                and shown(known.default) not in (told, "=field", "none", "")
            ):
                other.add(f"{name}.{each['name']}")
    assert other == set(OTHERWISE)


def test_a_step_that_is_silent_about_a_fact_is_not_registered():
    with pytest.raises(HarnessError) as told:
        Registry().step("shout", gathers=True)
    assert told.value.render() == (
        "error[registration]: the CQL function `shout` does not say `fields` and `order`\n"
        "  = help: a step says whether it `gathers` events into rows, its FieldEffect and its RowOrder"
    )


def test_a_function_is_registered_once_whatever_the_case_of_its_letters():
    table = Registry()
    table.row("shout")(print)
    with pytest.raises(HarnessError, match="the CQL function `Shout` is defined twice"):
        table.filter("Shout")(print)


def test_what_is_said_of_a_function_comes_after_it():
    with pytest.raises(HarnessError, match="the CQL function `shout` is not defined"):
        Registry().remarking("shout")(print)


@needs_shared
def test_the_names_of_functions_are_all_that_are_documented():
    documented = json.loads((SHARED / "reference/cql_functions.json").read_text())
    assert set(FUNCTION_NAMES.values()) == set(documented) | set(NEWER)
