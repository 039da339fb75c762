"""No text makes anything but a plan or an error with a code."""

from time import process_time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.detection.language import Settings, Strictness
from harness.detection.languages.cql import LANGUAGE
from harness.detection.languages.cql.registry import FUNCTIONS
from harness.detection.plan.expressions import Kind
from harness.diagnostics import HarnessError, Source
from tests.detection.languages.cql.query_rows import records

COLUMNS = {
    "@timestamp": Kind.NUMBER,
    "#event_simpleName": Kind.TEXT,
    "a": Kind.TEXT,
    "b": Kind.TEXT,
    "@rawstring": Kind.TEXT,
}
TOKENS = [
    r"a",
    r"b",
    r"a[0]",
    r"a[]",
    r"missing",
    r"1",
    r"2.5",
    r'"x*"',
    r"/(?<c>x+)/i",
    r"?p",
    r"$q()",
    r"case",
    r"match",
    r"and",
    r"or",
    r"not",
    r"like",
    r"in",
    r"true",
    r"*",
    r"|",
    r"(",
    r")",
    r"[",
    r"]",
    r"{",
    r"}",
    r",",
    r";",
    r":=",
    r"=",
    r"==",
    r"!=",
    r"<",
    r">=",
    r"=~",
    r"=>",
    r"<=>",
    r"+",
    r"-",
    r"/",
    r"%",
    r"!",
    r"&&",
    r"||",
    r"//",
    r"/*",
    r"as=",
    r"field=",
    r"function=",
    r"values=",
    r"query=",
    r"where=",
    r"limit=max",
    r"then=",
    r"else=",
    r"`a`",
    r"'x'",
    r"“y”",
    r"\\",
    r"#event_simpleName=X",
    r"|groupBy(a)",
    r"|count()",
]
WORDS = st.sampled_from([*FUNCTIONS, *TOKENS, "\n"])
MILD = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def survives(text):
    source = Source("query.cql", text)
    for dialect in Strictness:
        try:
            query = LANGUAGE.parse(source, dialect)
            again = LANGUAGE.parse(Source("again.cql", query.render()))
            assert again.pipeline == query.pipeline
            query.plan(COLUMNS, Settings())
        except HarnessError as error:
            assert error.render()
    assert all(f.render() for f in LANGUAGE.lint(source))


@MILD
@given(st.text(max_size=200))
def test_any_text(text):
    survives(text)


@MILD
@given(st.lists(WORDS, max_size=25).map(" ".join))
def test_any_row_of_words(text):
    survives(text)


@MILD
@given(st.lists(WORDS, max_size=12).map("".join))
def test_any_row_of_words_without_blanks(text):
    survives(text)


@MILD
@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(WORDS, max_size=6).map(" ".join))
def test_any_arguments_of_any_function(name, inside):
    survives(f"{name}({inside})")
    survives(f"x := {name}(a, {inside}) | case {{ {name}({inside}); * }}")


@pytest.mark.parametrize(
    "text", ["", " ", "|", "//", "/**/", "\ufeff", "case{}", "case { ; }", "x match {}", "[]", "{}", "()"]
)
def test_texts_of_nearly_nothing(text):
    survives(text)


@pytest.mark.parametrize(
    "text", ["a:=1|" * 10_000, "case{a=1|" * 90, "if(" * 20_000, "a=" + "*" * 60_000, "x:=" + "a+" * 99 + "a"]
)
def test_long_texts(text):
    survives(text[:64_000])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a=1|" * 10_000, "too-long"),
        ("case{" + "a=1|x:=1;" * 5_000 + "*}", "too-long"),
        ("a=1 or " * 9_000 + "a=1", "too-long"),
        ("x:=if(a==1" + " and a==1" * 2_000 + ",then=1,else=0)", "too-deep"),
        ("a=/" + "(?<g>x)" * 5_000 + "/", "bad-regex"),
        ("a=/" + "[" * 60_000 + "/", "bad-regex"),
        ("a=/(" + "x/" * 30_000, "regex-flag"),
        ("join({a=1},field=a)|" * 100, "too-many-joins"),
    ],
)
def test_texts_that_would_take_forever_are_refused_at_once(text, code):
    began = process_time()
    with pytest.raises(HarnessError) as told:
        LANGUAGE.parse(Source("query.cql", text)).plan(COLUMNS, Settings())
    assert (told.value.code, process_time() - began < 2) == (code, True)


def test_a_text_that_doubles_again_and_again_stays_in_memory():
    (row,) = records('a:=format("%s%s", field=[a, a])|' * 40, [{"a": "x"}])
    assert len(row["a"]) == 65_536


def test_branches_that_assign_many_fields_cost_what_they_assign():
    text = "case{" + "".join(f"a={i}|x{i}:={i};" for i in range(600)) + "*}"
    (row,) = records(text, [{"a": "5"}])
    assert (row["x5"], row.get("x6")) == ("5", None)


@pytest.mark.parametrize(
    "text",
    [
        '$"\\a b"()',
        '?"\\x y"=1',
        'count("a\\b c"=1)',
        "a='x\ny'",
        "a=1 'x' b=2",
        "n[]=b",
        "?f=1 ?g:=2",
        "a=/x/ /y/",
        "a=~/x/",
        "$q()or a=1",
        "a<>1",
        "let",
        "a=1 '",
    ],
)
def test_texts_that_once_were_printed_as_others(text):
    survives(text)
