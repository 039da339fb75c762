"""A long list of values is looked up, and finds what the tests for each of its values would find."""

import pytest

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal
from harness.detection.plan.nodes import Select, Values

TEXTS = ("5", "5.0", "007", "abc", "ABC", "", None, "1e1", "nan", "x")
ROWS = Values(columns={"t": Kind.TEXT, "n": Kind.NUMBER}, rows=tuple((t, i) for i, t in enumerate(TEXTS)))


@pytest.fixture(scope="module")
def duckdb():
    opened = open_engine("duckdb")
    opened.load(())
    yield opened
    opened.close()


def as_number_or_text(value):
    return ops.coalesce(
        ops.equal(ops.to_number(Column("t")), Literal(float(value))), ops.equal(Column("t"), Literal(value))
    )


@pytest.mark.parametrize(
    ("test", "values"),
    [
        (lambda v: ops.equal(Column("t"), Literal(v)), ["abc", "007"]),
        (lambda v: ops.equal_ci(Column("t"), Literal(v)), ["aBc", "x", "1E1"]),
        (lambda v: ops.equal(Column("n"), Literal(float(len(v)))), ["", "abc"]),
        (as_number_or_text, ["5", "7", "10"]),
        (lambda v: ops.in_(Column("t"), Literal(v), Literal("x")), ["abc"]),
    ],
)
def test_a_long_list_finds_what_its_tests_find_one_by_one(duckdb, test, values):
    absent = [str(10**9 + i) for i in range(200)]
    one_by_one = Select(source=ROWS, columns=tuple((f"c{i}", test(v)) for i, v in enumerate(values)))
    expected = [
        True if True in row else None if None in row else False for row in map(list, duckdb.run(one_by_one).rows)
    ]
    many = ops.or_(*(test(v) for v in [*absent, *values]))
    node = Select(source=ROWS, columns=(("found", many),))
    assert list(duckdb.run(node).column("found")) == expected
    assert True in expected
    assert len(duckdb.sql(node)) < 20_000


def test_tests_of_texts_and_of_numbers_stay_apart(duckdb):
    texts = [ops.equal(Column("n"), Literal(f"{i}")) for i in range(60)]
    numbers = [ops.equal(Column("n"), Literal(float(i))) for i in range(100, 160)]
    node = Select(source=ROWS, columns=(("found", ops.or_(*texts, *numbers)),))
    assert list(duckdb.run(node).column("found")) == [True] * len(TEXTS)
