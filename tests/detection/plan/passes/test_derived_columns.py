"""Steps that add columns are one step to the engine where none looks at another's, and mean the same."""

import time

import pytest

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal
from harness.detection.plan.nodes import Derive, Filter, Join, JoinKind, Union, Values, walk_nodes
from harness.detection.plan.passes.derived_columns import merge_derives

C, L = Column, Literal
ROWS = Values(columns={"a": Kind.NUMBER, "b": Kind.TEXT}, rows=((1, "x"), (2, "y")))


@pytest.fixture(scope="module")
def duckdb():
    opened = open_engine("duckdb")
    opened.load(())
    yield opened
    opened.close()


def derived(source, **columns):
    return Derive(source=source, columns=tuple(columns.items()))


def steps(node):
    return [tuple(n for n, _ in each.columns) for each in walk_nodes(merge_derives(node)) if isinstance(each, Derive)]


def test_steps_that_do_not_look_at_one_another_are_one():
    assert steps(derived(derived(ROWS, c=C("a")), d=C("b"))) == [("c", "d")]


def test_a_step_that_reads_a_new_column_stays_apart():
    assert steps(derived(derived(ROWS, c=C("a")), d=ops.add(C("c"), L(1)))) == [("c",), ("d",)]


def test_a_step_that_reads_what_the_step_before_it_replaced_stays_apart(duckdb):
    node = derived(derived(ROWS, a=ops.add(C("a"), L(10))), d=C("a"))
    assert steps(node) == [("a",), ("d",)]
    assert duckdb.run(node).column("d") == (11.0, 12.0)


def test_a_column_that_is_replaced_again_has_its_last_value(duckdb):
    node = derived(derived(ROWS, c=C("a")), c=C("b"))
    assert steps(node) == [("c",)]
    assert duckdb.run(node).column("c") == ("x", "y")


def test_what_stands_between_keeps_steps_apart():
    node = derived(Filter(source=derived(ROWS, c=C("a")), condition=ops.equal(C("c"), L(1))), d=C("b"))
    assert steps(node) == [("c",), ("d",)]


def test_a_step_that_two_read_is_not_taken_from_either(duckdb):
    shared = derived(ROWS, c=C("a"))
    both = Union(sources=(derived(shared, d=C("b")), derived(shared, e=C("a"))))
    assert sorted(steps(both)) == [("c",), ("d",), ("e",)]
    assert duckdb.run(both).column("c") == (1.0, 2.0, 1.0, 2.0)
    pair = Join(left=derived(shared, d=C("b")), right=shared, kind=JoinKind.SEMI, keys=((C("a"), C("c")),))
    assert duckdb.run(pair).column("d") == ("x", "y")


def test_a_thousand_new_columns_take_seconds_and_not_minutes(duckdb):
    node = ROWS
    for i in range(1000):
        node = derived(node, **{f"x{i}": ops.add(C("a"), L(i))})
    start = time.monotonic()
    rows = duckdb.run(node)
    assert time.monotonic() - start < 30
    assert rows.column("x999") == (1000.0, 1001.0)
