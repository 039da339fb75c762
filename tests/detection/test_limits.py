"""What a hostile rule or event does: bounded time, one clear message, never a crash or an empty result."""

import pytest

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Lambda, LambdaParameter, Literal, build_call
from harness.detection.plan.nodes import Derive, Filter, Scan, Select, Values
from harness.diagnostics import HarnessError

C, L = Column, Literal
ROWS = Values(
    columns={"t": Kind.TEXT, "n": Kind.NUMBER, "l": Kind.LIST},
    rows=(("a" * 40 + "!", 1, ("x", "y")), ("b", 2, None)),
)


@pytest.fixture(scope="module")
def duckdb():
    opened = open_engine("duckdb")
    opened.load(())
    yield opened
    opened.close()


def test_a_pattern_that_explodes_is_an_error_and_no_hang(duckdb):
    node = Filter(source=ROWS, condition=ops.regex_found(C("t"), L(r"^(a|aa)+(?=$)x"), L("")))
    with pytest.raises(HarnessError) as error:
        duckdb.run(node)
    assert error.value.render() == (
        "error[regex-timeout]: a regular expression took longer than 2 s for one value\n"
        "  = help: rewrite nested repetitions such as `(a+)+` so that there is one way to match"
    )


def test_a_pattern_that_would_explode_elsewhere_is_harmless_in_re2(duckdb):
    node = Filter(source=ROWS, condition=ops.regex_found(C("t"), L(r"^(a+)+$"), L("")))
    assert duckdb.run(node).rows == ()


def test_an_or_of_five_thousand_members_runs(duckdb):
    many = ops.or_(*(ops.glob_ci(C("t"), L(f"*v{i}*")) for i in range(4999)), ops.equal(C("t"), L("b")))
    assert duckdb.run(Filter(source=ROWS, condition=many)).column("n") == (2.0,)


def test_an_or_nested_five_thousand_deep_runs(duckdb):
    nested = ops.equal(C("t"), L("b"))
    for i in range(5000):
        nested = ops.or_(nested, ops.equal(C("t"), L(str(i))))
    assert duckdb.run(Filter(source=ROWS, condition=nested)).column("n") == (2.0,)


@pytest.mark.parametrize("operation", [ops.upper, ops.reverse, ops.url_decode])
def test_calls_nested_by_hundreds_run(duckdb, operation):
    nested = C("t")
    for _ in range(300 if operation != ops.url_decode else 30):
        nested = build_call(operation, nested)
    node = Select(source=ROWS, columns=(("x", nested),))
    assert duckdb.run(node).rows[1][0] == ("B" if operation == ops.upper else "b")


def test_a_chain_of_a_thousand_ifs_runs(duckdb):
    chain = L("other")
    for i in range(1000):
        chain = ops.if_(ops.equal(C("n"), L(i)), L(f"is {i}"), chain)
    assert duckdb.run(Select(source=ROWS, columns=(("x", chain),))).column("x") == ("is 1", "is 2")


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_an_expression_that_nests_too_deep_is_an_error(duckdb, depth):
    nested = C("n")
    for _ in range(depth):
        nested = ops.negate(nested)
    with pytest.raises(HarnessError) as error:
        duckdb.run(Select(source=ROWS, columns=(("x", nested),)))
    assert error.value.render() == (
        "error[too-deep]: the query nests too deep to be run\n  = help: split the expression into several steps"
    )


def test_a_part_that_stands_in_many_places_is_written_once(duckdb):
    shared = C("t")
    for _ in range(16):
        shared = ops.concat(shared, shared)
    node = Select(source=ROWS, columns=(("x", ops.length(shared)),))
    assert duckdb.run(node).column("x") == (41.0 * 2**16, 2.0**16)
    assert len(duckdb.sql(node)) < 5_000


def test_a_pipeline_of_five_hundred_steps_runs(duckdb):
    node = ROWS
    for _ in range(500):
        node = Derive(source=node, columns=(("n", ops.add(C("n"), L(1))),))
    assert duckdb.run(node).column("n") == (501.0, 502.0)


def test_numbers_at_the_edge_neither_raise_nor_overflow(duckdb):
    edge = Values(columns={"n": Kind.NUMBER}, rows=((1e308,), (-1e308,), (float("nan"),), (float("inf"),), (0,)))
    for name in (ops.sin, ops.exp, ops.sqrt, ops.ln, ops.ceil, ops.to_text, ops.truncate, ops.abs):
        assert len(duckdb.run(Select(source=edge, columns=(("x", build_call(name, C("n"))),)))) == 5
    for name in (ops.multiply, ops.power, ops.modulo, ops.divide, ops.bit_and, ops.shift_left):
        assert len(duckdb.run(Select(source=edge, columns=(("x", build_call(name, C("n"), C("n"))),)))) == 5
    for unit in ("hour", "day", "month"):
        node = Select(source=edge, columns=(("x", ops.calendar_floor(C("n"), L(unit), L("Europe/London"))),))
        assert duckdb.run(node).column("x")[:4] == (None, None, None, None)
    wide = ops.substring(L("abc"), C("n"), C("n"))
    assert len(duckdb.run(Select(source=edge, columns=(("x", wide),)))) == 5


def test_what_python_computes_inside_a_list_function_sees_each_element(duckdb):
    x = LambdaParameter("x")
    second = ops.regex_found(x, L("^(?!x)"), L(""))
    node = Select(source=ROWS, columns=(("l", ops.list_filter(C("l"), Lambda(x, second))),))
    assert duckdb.run(node).column("l") == (["y"], None)


def test_what_python_computes_inside_a_list_function_may_read_the_row_too(duckdb):
    pairs = Values(
        columns={"l": Kind.LIST, "t": Kind.TEXT},
        rows=((("a=1 b=2", "b=3"), "b"), (("a=1",), "a"), (("a=1",), None), (None, "a")),
    )
    x = LambdaParameter("x")
    looked_up = ops.key_value(x, C("t"), L("="), L(" "))
    node = Select(source=pairs, columns=(("l", ops.list_map(C("l"), Lambda(x, looked_up))),))
    assert duckdb.run(node).column("l") == (["2", "3"], ["1"], None, None)


def test_a_table_that_the_store_has_not_is_an_error(duckdb):
    scan = Scan(table="lookups", columns={"x": Kind.TEXT})
    with pytest.raises(HarnessError, match="the store has no table `lookups`"):
        duckdb.run(scan)
