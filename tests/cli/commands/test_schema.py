"""`detlab schema`: the schemas take every document of the pack, and refuse wrong ones."""

import json
from pathlib import Path

import pytest

from harness.diagnostics import Source
from harness.scenario.document import load
from harness.scenario.pack import looks_like_scenario
from tests.cli.command_line import detlab

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def schemas(tmp_path_factory):
    """Every schema as the command writes it."""
    folder = tmp_path_factory.mktemp("schemas")
    assert detlab("schema", "--out", folder).code == 0
    return {p.name.partition(".")[0]: json.loads(p.read_text()) for p in folder.iterdir()}


def test_there_is_one_for_each_kind_of_document(schemas):
    assert set(schemas) == {"scenario", "settings", "rule", "world", "inventory"}
    assert detlab("schema").out.split() == ["scenario", "settings", "rule", "world", "inventory"]
    assert detlab("schema", "scenarios").err.splitlines()[1] == "  = help: did you mean `scenario`?"


def test_a_behaviour_has_its_own_parameters(schemas):
    rules = schemas["scenario"]["$defs"]["Action"]["allOf"]
    given = {r["if"]["properties"]["behaviour"]["const"]: r["then"]["properties"]["given"] for r in rules}
    assert given["beacon"]["properties"]["port"]["type"] == "integer"
    assert given["beacon"]["additionalProperties"] is False


def list_documents():
    """Every document of the pack, with the name of its schema."""
    for path in (ROOT / "scenarios").rglob("*.yaml"):
        if Path(path.stem).suffix in (".spl", ".cql"):
            yield "rule", path
        elif path.parent.name == "worlds":
            yield "world", path
        elif looks_like_scenario(path):
            yield "scenario", path
    yield "inventory", ROOT / "lab" / "hosts.example.yaml"


SCENARIO = "title: t\nactivity: malicious\nsimulate:\n  - {behaviour: beacon, given: {port: 443}}\n"
WRONG = {
    "a behaviour that there is not": ("scenario", SCENARIO.replace("beacon", "beacons")),
    "a parameter that it has not": ("scenario", SCENARIO.replace("port", "prot")),
    "a parameter of another type": ("scenario", SCENARIO.replace("443", "many")),
    "an unknown key": ("scenario", SCENARIO + "tecnique: T1033\n"),
    "nothing happens": ("scenario", "title: t\nactivity: malicious\n"),
    "an outcome that cannot be": ("scenario", SCENARIO + "expect:\n  - {rule: a.spl, outcome: true negative}\n"),
    "a gap without a reason": ("scenario", SCENARIO + "expect:\n  - {rule: a.spl, outcome: false negative}\n"),
    "a gate out of range": ("settings", "gates: {min_mutation_score: 101}\n"),
    "a sensor that there is not": ("settings", "sensors: [sysmonn]\n"),
    "a page without a title": ("rule", "level: high\n"),
    "a world without hosts": ("world", "title: t\n"),
    "hosts that are a list": ("inventory", "hosts: []\n"),
}
RIGHT = {"a scenario": ("scenario", SCENARIO), "settings": ("settings", "index: edr\nmacros: [a.conf, b.conf]\n")}


@pytest.mark.more
def test_every_document_of_the_pack_is_valid(schemas):
    jsonschema = pytest.importorskip("jsonschema")
    found = list(list_documents())
    assert len(found) > 100
    for name, path in found:
        value = load(Source(str(path), path.read_text("utf-8"))).value
        problems = [e.message for e in jsonschema.Draft202012Validator(schemas[name]).iter_errors(value)]
        assert problems == [], path


@pytest.mark.more
@pytest.mark.parametrize("what", [*WRONG, *RIGHT])
def test_wrong_documents_are_not(schemas, what):
    jsonschema = pytest.importorskip("jsonschema")
    name, text = {**WRONG, **RIGHT}[what]
    jsonschema.Draft202012Validator.check_schema(schemas[name])
    value = load(Source(what, text)).value
    assert jsonschema.Draft202012Validator(schemas[name]).is_valid(value) is (what in RIGHT)
