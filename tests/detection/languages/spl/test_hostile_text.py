"""No text makes anything but a plan or an error with a place; none takes long."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.detection.language import Settings, Strictness, language
from harness.detection.plan.expressions import Kind
from harness.diagnostics import HarnessError, Source

SPL = language("spl")
SCHEMA = {"_time": Kind.NUMBER, "a": Kind.TEXT, "b": Kind.TEXT, "f": Kind.LIST, "_raw": Kind.TEXT, "source": Kind.TEXT}
PIECES = st.sampled_from(
    [
        "search", "eval", "where", "stats", "rex", "rename", "lookup", "tstats", "join", "transaction", "foreach",
        "|", "[", "]", "(", ")", '"', "'", "`", "\\", ",", "=", "!=", "<", ">", "*", ".", "+", "-", "/", "%",
        " ", "\n", "a", "b", "f", "x", "NOT", "AND", "OR", "XOR", "IN", "by", "as", "BY", "count", "sum(a)",
        "if(a=1,2,3)", "match(a,", "span=1h", "1", "0.5", '"text"', '"\\\\x*"', "case(", "mvmap(f,", "earliest=-1h",
        "from", "datamodel=Endpoint.Processes", "Processes.dest", "```", "$a$", "<<FIELD>>", "\x00", "é", "\ufdd0",
    ]
)  # fmt: skip


def outcome(text, dialect=Strictness.LENIENT):
    try:
        query = SPL.parse(Source("hostile", text), dialect)
        query.plan(SCHEMA, Settings())
    except HarnessError as error:
        assert error.render()
        return error.code
    return None


@settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_pieces_of_the_language_in_any_order(text):
    outcome(text)
    outcome(text, Strictness.STRICT)


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=200))
def test_any_text(text):
    outcome(text)


@settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.lists(PIECES, max_size=20).map(" ".join))
def test_what_is_read_can_be_printed_and_read_again(text):
    try:
        query = SPL.parse(Source("hostile", text))
    except HarnessError:
        return
    assert SPL.parse(Source("printed", query.render())) == query


@settings(max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=20).map(" ".join))
def test_lint_never_fails(text):
    for finding in SPL.lint(Source("hostile", text)):
        assert finding.render()


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000,
        "(" * 10_000 + "a=1" + ")" * 10_000,
        "| eval x=" + "(" * 10_000 + "1" + ")" * 10_000,
        "| eval x=" + "if(1=1," * 10_000,
        "NOT " * 10_000 + "a=1",
        "| where " + "NOT " * 10_000 + "a=1",
        "| eval x=" + "-" * 10_000 + "1",
        "[search " * 10_000,
        "search a " + "[search a " * 10_000 + "]" * 10_000,
        "| eval x=1" + "+1" * 10_000,
        "| stats count(eval(" + "(" * 10_000,
    ],
    ids=lambda t: t[:24],
)
def test_nesting_of_ten_thousand_is_an_error(text):
    assert outcome(text) in {
        "too-deep", "unclosed-parenthesis", "unclosed-bracket", "missing-operand", "unexpected",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "a=1 " * 16_000,
        "a OR " * 13_000 + "a",
        "| head" * 10_000,
        '"' * 65_535,
        "`" * 65_536,
        "\\" * 65_536,
        'x="' + "\\" * 65_000,
        "x=" + "*a" * 32_000,
        '| rex field=a "(?<x>' + "(a+)+" * 9_000 + ')"',
        "| table " + "a, " * 20_000,
        "| eval " + ",".join(f"x{i}={i}" for i in range(8_000)),
        "| stats " + " ".join(f"sum(a) as x{i}" for i in range(3_000)),
        "| rename " + " ".join(f"a as x{i}" for i in range(5_000)),
        "a IN (" + ",".join(f"v{i}" for i in range(9_000)) + ")",
        "[" * 32_000 + "]" * 32_000,
        "| where a=" + "b." * 20_000 + "b",
        "'" * 65_536,
        "| fields " + "* " * 30_000,
    ],
    ids=lambda t: t[:24],
)
def test_64_kb_take_a_bounded_time(text):
    start = time.process_time()
    outcome(text)
    assert time.process_time() - start < 10


def test_macros_that_grow_without_end_are_an_error():
    macros = {f"m{i}": {"definition": f"`m{i + 1}` `m{i + 1}`"} for i in range(60)} | {"m60": {"definition": "x"}}
    with pytest.raises(HarnessError) as raised:
        SPL.parse(Source("bomb", "search `m0`"), settings=Settings(macros=macros))
    assert raised.value.code == "macro-too-long"
