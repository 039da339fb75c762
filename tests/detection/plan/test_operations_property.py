"""Operations against models in Python, over generated values."""

import math
import re
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal, build_call
from harness.detection.plan.nodes import Select, Values
from harness.detection.plan.operations import choose_test
from harness.detection.plan.value import compute_values
from harness.detection.plan.values.regex import library, re2

OPENED = open_engine("duckdb")
OPENED.load(())
FEW = settings(max_examples=10, deadline=None, derandomize=True)
TEXTS = st.lists(st.text(alphabet="aAbB*%_\\.é\n!\x01[]?", max_size=8), min_size=1, max_size=30)
NUMBERS = st.lists(st.floats(allow_subnormal=False), min_size=1, max_size=40)


def column(kind, values, *expressions):
    """Each expression over a column `x` of these values."""
    source = Values(columns={"x": kind}, rows=tuple((v,) for v in values))
    named = tuple((f"y{i}", e) for i, e in enumerate(expressions))
    return OPENED.run(Select(source=source, columns=named)).rows


X = Column("x")


@FEW
@given(st.lists(st.from_regex(r"[-+]?[0-9.]{0,4}([eE][-+]?[0-9]{0,3})?[ _\n]?", fullmatch=True), min_size=1))
def test_to_number_reads_numbers_and_nothing_else(texts):
    for text, (found,) in zip(texts, column(Kind.TEXT, texts, ops.to_number(X)), strict=True):
        fits = re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text)
        assert found == (float(text) if fits else None), repr(text)


@FEW
@given(NUMBERS)
def test_to_text_is_an_integer_or_the_shortest_decimal(numbers):
    for number, (text,) in zip(numbers, column(Kind.NUMBER, numbers, ops.to_text(X)), strict=True):
        if math.isfinite(number) and number == int(number) and abs(number) < 1e38:
            assert text == str(int(number))
        elif math.isnan(number):
            assert text == "nan"
        else:
            assert float(text) == number
            assert len(text) <= len(repr(number)) + 1


@FEW
@given(st.lists(st.floats(-1e12, 1e12) | st.integers(-(10**6), 10**6).map(lambda n: n / 1000), min_size=1))
@pytest.mark.parametrize("digits", [0, 1, 2, 5, 12, -2])
def test_round_is_half_away_from_zero_on_the_shortest_decimal(digits, numbers):
    for number, (found,) in zip(numbers, column(Kind.NUMBER, numbers, ops.round(X, Literal(digits))), strict=True):
        assert found == float(Decimal(repr(float(number))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)), number


@FEW
@given(TEXTS, st.text(alphabet="aAbB*%_\\.é\n[]?", max_size=6))
def test_a_glob_is_a_star_and_nothing_else(texts, pattern):
    model = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)
    blind = re.compile(".*".join(map(re.escape, pattern.lower().split("*"))), re.DOTALL)
    rows = column(Kind.TEXT, texts, ops.glob(X, Literal(pattern)), ops.glob_ci(X, Literal(pattern)))
    for text, (exact, any_case) in zip(texts, rows, strict=True):
        assert exact == bool(model.fullmatch(text)), (text, pattern)
        assert any_case == bool(blind.fullmatch(text.lower())), (text, pattern)


@FEW
@given(TEXTS, st.text(alphabet="aAbB*%_\\.é\n", max_size=6))
def test_a_like_is_percent_and_underscore_and_nothing_else(texts, pattern):
    words = {"%": ".*", "_": "."}
    model = re.compile("".join(words.get(c) or re.escape(c) for c in pattern), re.DOTALL)
    source = Values(columns={"x": Kind.TEXT, "p": Kind.TEXT}, rows=tuple((t, pattern) for t in texts))
    literal, as_column = ops.like(X, Literal(pattern)), ops.like(X, Column("p"))
    rows = OPENED.run(Select(source=source, columns=(("a", literal), ("b", as_column)))).rows
    assert rows == tuple((bool(model.fullmatch(t)),) * 2 for t in texts)


@FEW
@given(TEXTS, st.text(alphabet="aAbB%_\\.é\n", max_size=4))
@pytest.mark.parametrize("operation", [ops.starts_with, ops.ends_with, ops.contains])
def test_affixes_are_literal_with_and_without_case(operation, texts, affix):
    test = {ops.starts_with: str.startswith, ops.ends_with: str.endswith, ops.contains: str.__contains__}[operation]
    tests = [build_call(choose_test(operation, ci), X, Literal(affix)) for ci in (False, True)]
    rows = column(Kind.TEXT, texts, *tests)
    assert rows == tuple((test(t, affix), test(t.lower(), affix.lower())) for t in texts)


@FEW
@given(st.lists(st.sampled_from(["10.1.1.1", "10", "172.16.0.1", "::1", "::11", "", "x10.", "127.0.0.1\n", None])))
def test_a_long_or_means_the_same_as_its_members(addresses):
    members = [ops.starts_with_ci(X, Literal(p)) for p in ("10.", "172.16.", "127.", "192.168.")]
    members += [ops.equal_ci(X, Literal("::1")), ops.in_(X, Literal(""), Literal("x.y"))]
    many = ops.or_(*members)
    closed = ops.or_(*(ops.is_true(m) for m in members))
    one_by_one = [ops.is_true(m) for m in members]
    for row in column(Kind.TEXT, [*addresses, None], many, closed, *one_by_one):
        assert row[1] == any(row[2:])
        assert row[0] in (row[1], None)
    assert "regexp_matches" in OPENED.sql(
        Select(source=Values(columns={"x": Kind.TEXT}, rows=(("a",),)), columns=(("y", many),))
    )


PATTERNS = [
    "a", "^a", "a$", "^$", "[aA]b*", "(?i)AB", "a|b$", r"\bA", r"[^a]", r"a{2,}", "(a)(b)?", r"\Aa", r"b\z", r"b\Z",
    r"\s", r"\W", r"[\w.]+", r"(?s).", ".", r"\\", r"[\]\\]", "(?m)^b", "(?-i:a)B", r"\x41", r"(?:a|b)+?",
]  # fmt: skip


@FEW
@given(TEXTS)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_re2_and_the_library_find_the_same(pattern, texts):
    compiled = library(pattern, "")
    assert re2(pattern) is not None
    rows = column(Kind.TEXT, texts, ops.regex_found(X, Literal(pattern), Literal("")))
    assert rows == tuple((compiled.search(t) is not None,) for t in texts)
    if compiled.groups:
        rows = column(Kind.TEXT, texts, ops.regex_extract(X, Literal(pattern), Literal(""), Literal(1)))
        assert rows == tuple((m[1] if (m := compiled.search(t)) else None,) for t in texts)


ZONES = ["UTC", "Europe/London", "America/New_York", "Asia/Kolkata", "+05:30", "-0300", "Pacific/Apia"]
MOMENTS = st.lists(st.floats(-2e9, 4e9).map(lambda s: round(s, 3)) | st.just(1698541200.0), min_size=1)


@FEW
@given(MOMENTS)
@pytest.mark.parametrize("zone", ZONES)
def test_times_in_sql_are_those_of_python(zone, moments):
    form = "%Y-%m-%d %H:%M:%S.%f %j %a %A %b %B %I %p %U %W %V %G %u %w %y"
    units = ("second", "minute", "hour", "day", "week", "isoweek", "month", "quarter", "year")
    parts = ("year", "month", "day", "hour", "minute", "second", "dayofweek", "dayofyear", "isoweek")
    asked = [(ops.format_time, form)] + [(ops.calendar_floor, u) for u in units] + [(ops.time_part, p) for p in parts]
    rows = column(Kind.NUMBER, moments, *(build_call(op, X, Literal(how), Literal(zone)) for op, how in asked))
    for moment, row in zip(moments, rows, strict=True):
        for (operation, how), found in zip(asked, row, strict=True):
            wanted = compute_values(operation, [(moment, how, zone)])[0]
            assert found == (pytest.approx(wanted, abs=1e-5) if isinstance(wanted, float) else wanted), (moment, how)


@FEW
@given(st.lists(st.lists(st.text(alphabet="ab1é", max_size=2), min_size=1, max_size=5), min_size=1), st.integers(-6, 6))
def test_lists_are_those_of_python(lists, place):
    at = Literal(place)
    rows = column(
        Kind.LIST,
        [tuple(x) for x in lists],
        ops.list_sort(X),
        ops.list_distinct(X),
        ops.list_get(X, at),
        ops.list_contains(X, Literal("a")),
        ops.list_position(X, Literal("a")),
        ops.list_join(X, Literal("-")),
    )
    for held, row in zip(lists, rows, strict=True):
        index = place - 1 if place > 0 else place + len(held)
        inside = held[index] if place and 0 <= index < len(held) else None
        assert row == (
            sorted(held, key=str.encode),
            list(dict.fromkeys(held)),
            inside,
            "a" in held,
            float(held.index("a") + 1) if "a" in held else None,
            "-".join(held),
        )
