"""YAML with places: what it means, where errors point, and what hostile text does."""

import time

import msgspec
import pytest

from harness.diagnostics import Source, SourceError
from harness.scenario.document import convert_document, load
from harness.scenario.scenario import read_scenario


class Beacon(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    server: str
    ports: tuple[int, ...] = ()
    conditions: dict[str, str] = {}


def value(text):
    return load(Source("a.yaml", text)).value


def failure(text, type_=None):
    with pytest.raises(SourceError) as caught:
        document = load(Source("a.yaml", text))
        convert_document(document, type_ or Beacon)
    return caught.value


def test_words_mean_what_yaml_1_2_says():
    text = (
        "{a: 1, b: 0x10, c: 20:10, d: 2020-01-01, e: yes, f: ~, g: , h: 1.5, i: '7', j: 1_000, k: true, l: .5, m: 1e3}"
    )
    assert value(text) == {
        "a": 1,
        "b": 16,
        "c": "20:10",
        "d": "2020-01-01",
        "e": "yes",
        "f": None,
        "g": None,
        "h": 1.5,
        "i": "7",
        "j": "1_000",
        "k": True,
        "l": 0.5,
        "m": 1000.0,
    }


def test_a_number_keeps_the_text_it_was_written_as():
    document = load(Source("a.yaml", "version: 1.10\nmask: 0x0F\n"))
    assert (document.written(["version"]), document.written(["mask"])) == ("1.10", "0x0F")


def test_every_part_has_its_place():
    document = load(Source("a.yaml", "a:\n  - b: [x, yy]\n    c: z\n"))
    assert str(document.span(["a", 0, "b", 1])) == "a.yaml:2:12"
    assert document.span(["a", 0, "b", 1]).text == "yy"
    assert document.key(["a", 0, "c"]).text == "c"
    assert document.span(["a", 0]).text == "b: [x, yy]\n    c: z"
    assert document.span(["a", 7, "b"]).text == "- b: [x, yy]\n    c: z"


def test_an_alias_stands_for_what_it_names():
    assert value("a: &x {b: 1}\nc: [*x, *x]\n") == {"a": {"b": 1}, "c": [{"b": 1}, {"b": 1}]}


def test_a_misspelt_field_gets_a_hint():
    assert failure("server: a\nprots: [1]\n").render() == (
        "error[unknown-field]: `prots` has no meaning here\n"
        " --> a.yaml:2:1\n"
        "  |\n"
        "2 | prots: [1]\n"
        "  | ^^^^^\n"
        "  = help: did you mean `ports`?"
    )


@pytest.mark.parametrize(
    ("text", "code", "place", "message"),
    [
        ("ports: []", "missing-field", "a.yaml:1:1", "`server` is missing"),
        ("server: 3", "wrong-type", "a.yaml:1:9", "`server` is a whole number where text is expected"),
        ("server: a\nports: [1, x]", "wrong-type", "a.yaml:2:12", "`ports` is text where a whole number is expected"),
        (
            "server: a\nconditions: {b: c, d: 3}",
            "wrong-type",
            "a.yaml:2:23",
            "`d` is a whole number where text is expected",
        ),
        ("server: a\nserver: b", "duplicate-key", "a.yaml:2:1", "`server` is given twice"),
        ("", "wrong-type", "a.yaml:1:1", "the document is nothing where a mapping is expected"),
        ("a: [", "yaml", "a.yaml:1:4", None),
        ("a: \x01", "yaml", "a.yaml:1:4", "the character U+0001 may not be in YAML"),
        ("a: \ud800", "yaml", "a.yaml:1:4", "half a surrogate pair may not be in YAML"),
        ("a: &a [*a]", "unknown-anchor", "a.yaml:1:8", "`*a` contains itself"),
        ("a: *b", "unknown-anchor", "a.yaml:1:4", "there is no anchor `&b` above"),
        ("a: !!python/object:os.system x", "unsupported-yaml", "a.yaml:1:4", None),
        ("? [a]\n: b", "unsupported-yaml", "a.yaml:1:3", "a key is a single word or text"),
        ("<<: {a: 1}", "unsupported-yaml", "a.yaml:1:1", "merge keys are not supported"),
        ("--- a\n--- b\n", "second-document", "a.yaml:2:5", "there is more than one document in this text"),
        ("a: " + "9" * 301, "number-too-long", "a.yaml:1:4", "a number has at most 300 digits"),
    ],
)
def test_what_does_not_fit_is_told_at_its_place(text, code, place, message):
    error = failure(text)
    assert (error.code, str(error.span)) == (code, place)
    assert message in (None, error.message)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{c}: &{c} [{','.join(['*' + b] * 10)}]\n" for b, c in zip("abcdefg", "bcdefgh", strict=True)),
            "too-many-nodes",
        ),
        ("[" * 100_000, "nested-too-deeply"),
        ("- " * 100_000, "nested-too-deeply"),
        ("\n".join(f"k{i}: v" for i in range(110_000)), "too-many-nodes"),
        ("a: " + "x" * (5 << 20), "document-too-large"),
        ("'" * 1_000_001, "yaml"),
    ],
    ids=["alias bomb", "flow nesting", "block nesting", "many keys", "large", "quotes"],
)
def test_hostile_text_is_refused_soon(text, code):
    start = time.perf_counter()
    assert failure(text).code == code
    assert time.perf_counter() - start < 5


def test_all_that_does_not_fit_is_told_at_once_in_the_order_of_the_text(tmp_path):
    path = tmp_path / "many.yaml"
    path.write_text(
        "titel: x\nactivity: malicous\nsimulate:\n  - {behaviour: beacon, hst: WS01}\n  - {behaviour: 3}\n"
        "  - {behaviour: beacon, at: 3}\nexpect:\n  - {rule: a.spl, outcome: tru positive}\n  - {rule: a.spl}\n"
    )
    with pytest.raises(SourceError) as raised:
        read_scenario(path, name="many.yaml")
    found = [(e.code, str(e.span).partition(":")[2]) for e in (raised.value, *raised.value.others)]
    assert found == [
        ("unknown-field", "1:1"),
        ("missing-field", "1:1"),
        ("unknown-value", "2:11"),
        ("unknown-field", "4:25"),
        ("wrong-type", "5:17"),
        ("wrong-type", "6:29"),
        ("unknown-value", "8:28"),
        ("missing-field", "9:5"),
    ]
    assert [each["code"] for each in raised.value.as_json()["others"]] == [code for code, _ in found[1:]]


def test_what_types_cannot_say_is_told_at_once_too(tmp_path):
    path = tmp_path / "many.yaml"
    path.write_text(
        "title: x\nactivity: malicious\nseed: -1\nexpect:\n  - {rule: a.spl, outcome: true negative}\n"
        "  - {rule: a.spl, outcome: false negative}\n"
    )
    with pytest.raises(SourceError) as raised:
        read_scenario(path)
    codes = [e.code for e in (raised.value, *raised.value.others)]
    assert codes == ["nothing-happens", "wrong-seed", "impossible-outcome", "gap-without-reason"]
