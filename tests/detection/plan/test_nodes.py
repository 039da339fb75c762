"""What each node of the plan gives, run on the engine: literal rows in, literal rows out."""

import pytest

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Aggregation, Column, Kind, Lambda, LambdaParameter, Literal, SortKey
from harness.detection.plan.nodes import (
    Aggregate,
    Derive,
    Filter,
    Frame,
    Join,
    JoinKind,
    Limit,
    Reverse,
    Select,
    Sort,
    Union,
    Unnest,
    Values,
    Window,
)
from harness.detection.sql.groups import CROWD

C, L = Column, Literal
PLAIN = Values(
    columns={"host": Kind.TEXT, "n": Kind.NUMBER},
    rows=(("b", 3), ("a", 1), ("b", None), (None, 7), ("a", 2)),
)
LISTS = Values(
    columns={"k": Kind.TEXT, "l": Kind.LIST},
    rows=(("x", ("2", "1")), ("x", None), ("y", ("1", "10"))),
)


@pytest.fixture(scope="module")
def duckdb():
    opened = open_engine("duckdb")
    opened.load(())
    yield opened
    opened.close()


def agg(operation, *arguments, **more):
    return Aggregation(operation, arguments, **more)


def only(node, *names):
    return Select(source=node, columns=tuple((n, C(n)) for n in names))


def test_a_column_that_is_not_there_is_null(duckdb):
    node = Select(source=PLAIN, columns=(("x", C("nosuch")), ("y", ops.is_null(C("nosuch")))))
    assert duckdb.run(Limit(source=node, count=1)).rows == ((None, True),)


def test_names_that_differ_only_in_case_are_two_columns(duckdb):
    source = Values(columns={"Id": Kind.TEXT, "ID": Kind.TEXT, "id": Kind.TEXT}, rows=(("1", "2", "3"),))
    made = duckdb.run(Derive(source=source, columns=(("iD", ops.concat(C("ID"), C("id"))),)))
    assert made.columns == ("Id", "ID", "id", "iD")
    assert made.rows == (("1", "2", "3", "23"),)


def test_names_may_hold_any_characters(duckdb):
    names = ['a"b', "", "x y", "a;--", "é", "@row", "a.b", "count(x)"]
    source = Values(columns=dict.fromkeys(names, Kind.TEXT), rows=(tuple("12345678"),))
    made = duckdb.run(Filter(source=source, condition=ops.equal(C("x y"), L("3"))))
    assert made.columns == tuple(names)
    assert made.rows == (tuple("12345678"),)


def test_text_may_hold_any_characters(duckdb):
    odd = 'it\'s \\ "q" \n\t{} -- /* ; é \U0001f600'
    assert duckdb.run(Select(source=Limit(source=PLAIN, count=1), columns=(("x", L(odd)),))).rows == ((odd,),)


def test_values_keep_their_order_and_their_nulls(duckdb):
    assert duckdb.run(PLAIN).column("n") == (3.0, 1.0, None, 7.0, 2.0)


def test_no_rows_have_columns_all_the_same(duckdb):
    made = duckdb.run(Values(columns={"a": Kind.TEXT, "b": Kind.LIST}, rows=()))
    assert (made.columns, made.rows) == (("a", "b"), ())


def test_a_filter_keeps_rows_for_which_the_condition_is_true_not_null(duckdb):
    assert duckdb.run(Filter(source=PLAIN, condition=ops.greater(C("n"), L(1)))).column("n") == (
        3.0,
        7.0,
        2.0,
    )
    kept = Filter(source=PLAIN, condition=ops.not_(ops.greater(C("n"), L(1))))
    assert duckdb.run(kept).column("n") == (1.0,)


def test_all_expressions_of_a_derive_read_the_row_as_it_was(duckdb):
    node = Derive(source=PLAIN, columns=(("n", ops.add(C("n"), L(1))), ("m", C("n"))))
    made = duckdb.run(Limit(source=node, count=2))
    assert made.columns == ("host", "n", "m")
    assert made.rows == (("b", 4.0, 3.0), ("a", 2.0, 1.0))


def test_a_select_of_nothing_has_rows_without_columns(duckdb):
    made = duckdb.run(Select(source=PLAIN, columns=()))
    assert (made.columns, len(made)) == ((), 5)


def test_a_group_is_a_combination_of_keys_and_null_is_a_key(duckdb):
    node = Aggregate(
        source=PLAIN, keys=(("host", C("host")),), measures=(("rows", agg(ops.count)), ("sum", agg(ops.sum, C("n"))))
    )
    assert duckdb.run(node).rows == (("a", 2.0, 3.0), ("b", 2.0, 3.0), (None, 1.0, 7.0))


def test_an_aggregate_without_keys_is_one_row_even_of_none(duckdb):
    none = Filter(source=PLAIN, condition=L(False))
    node = Aggregate(
        source=none,
        keys=(),
        measures=(("c", agg(ops.count)), ("s", agg(ops.sum, C("n"))), ("v", agg(ops.values, C("host")))),
    )
    assert duckdb.run(node).rows == ((0.0, None, None),)


def test_number_keys_are_in_the_order_of_numbers_and_text_keys_in_that_of_bytes(duckdb):
    source = Values(columns={"n": Kind.NUMBER, "t": Kind.TEXT}, rows=((10, "b"), (9, "B"), (9, "a")))
    by_number = Aggregate(source=source, keys=(("n", C("n")),), measures=())
    by_text = Aggregate(source=source, keys=(("t", C("t")),), measures=())
    assert duckdb.run(by_number).rows == ((9.0,), (10.0,))
    assert duckdb.run(by_text).rows == (("B",), ("a",), ("b",))


AGGREGATES = [
    (ops.count, (), {}, 5.0),
    (ops.count, (C("n"),), {}, 4.0),
    (ops.count, (), {"where": ops.equal(C("host"), L("b"))}, 2.0),
    (ops.count_distinct, (C("host"),), {}, 2.0),
    (ops.sum, (C("n"),), {}, 13.0),
    (ops.mean, (C("n"),), {}, 3.25),
    (ops.minimum, (C("n"),), {}, 1.0),
    (ops.maximum, (C("host"),), {}, "b"),
    (ops.stdev_sample, (C("n"),), {"where": ops.equal(C("host"), L("a"))}, 0.7071067811865476),
    (ops.stdev_sample, (C("n"),), {"where": ops.equal(C("n"), L(7))}, None),
    (ops.stdev_population, (C("n"),), {"where": ops.equal(C("n"), L(7))}, 0.0),
    (ops.variance_sample, (C("n"),), {"where": ops.equal(C("host"), L("a"))}, 0.5),
    (ops.variance_population, (C("n"),), {"where": ops.equal(C("host"), L("a"))}, 0.25),
    (ops.percentile, (C("n"), L(0.5)), {}, 2.5),
    (ops.percentile, (C("n"), L(0.95)), {}, 6.4),
    (ops.percentile_below, (C("n"), L(0.95)), {}, 3.0),
    (ops.percentile_below, (C("n"), L(1)), {}, 7.0),
    (ops.mode, (C("host"),), {}, "a"),
    (ops.values, (C("host"),), {}, ["a", "b"]),
    (ops.collect, (C("host"),), {}, ["b", "a", "b", "a"]),
    (ops.first, (C("n"),), {}, 3.0),
    (ops.first, (C("n"),), {"order": (SortKey(C("n"), descending=True),)}, 7.0),
    (ops.last, (C("n"),), {}, 2.0),
    (ops.last, (C("host"),), {"where": ops.greater(C("n"), L(2))}, "b"),
    (ops.least_by, (C("host"), C("n")), {}, "a"),
    (ops.greatest_by, (C("host"), C("n")), {}, "b"),
    (ops.all_true, (ops.greater(C("n"), L(1)),), {}, False),
    (ops.any_true, (ops.greater(C("n"), L(6)),), {}, True),
    (ops.slope, (C("n"), ops.multiply(C("n"), L(2))), {}, 0.5),
    (ops.intercept, (C("n"), ops.multiply(C("n"), L(2))), {}, 0.0),
    (ops.r_squared, (C("n"), ops.multiply(C("n"), L(2))), {}, 1.0),
]


@pytest.mark.parametrize(("operation", "arguments", "more", "wanted"), AGGREGATES)
def test_an_aggregate_has_its_one_meaning(duckdb, operation, arguments, more, wanted):
    node = Aggregate(source=PLAIN, keys=(), measures=(("x", agg(operation, *arguments, **more)),))
    assert duckdb.run(node).rows[0][0] == (pytest.approx(wanted) if isinstance(wanted, float) else wanted)


@pytest.mark.parametrize("rows", [2, 0])
def test_an_aggregate_is_the_same_beside_many_others(duckdb, rows):
    # More measures than that are spelled otherwise (groups.CROWD).
    shown = [(o, a, m) for o, a, m, _ in AGGREGATES]
    lists = [(o, (C("l"),), {}) for o in (ops.values, ops.collect)]
    first = {"order": (SortKey(C("n"), descending=True),)}
    shown += [(o, (C("host"),), first) for o in (ops.first, ops.last)]
    wide = Values(
        columns={"k": Kind.TEXT, "host": Kind.TEXT, "n": Kind.NUMBER, "l": Kind.LIST},
        rows=(
            ("x", "a", 1, ("2", "1")), ("x", None, 2, None), ("y", "b", None, ("1",)), ("x", "b", 2, ("1", "10")),
            ("x", "a", 1e300, None), ("x", "c", 0.5, None), ("y", None, None, None), ("z", None, None, None),
        )[: None if rows else 0],
    )  # fmt: skip
    measures = [(f"m{i}", agg(o, *a, **m)) for i, (o, a, m) in enumerate([*shown, *lists])]
    assert len(measures) > CROWD
    together = list(duckdb.run(Aggregate(source=wide, keys=(("k", C("k")),), measures=tuple(measures))).records())
    for name, measure in measures:
        alone = duckdb.run(Aggregate(source=wide, keys=(("k", C("k")),), measures=((name, measure),))).records()
        # As text, in which NaN is itself: the square of 1e300 is no double.
        assert str([r.get(name) for r in together]) == str([r.get(name) for r in alone]), measure


def test_values_and_collect_count_the_elements_of_lists(duckdb):
    measures = (("v", agg(ops.values, C("l"))), ("c", agg(ops.collect, C("l"))))
    node = Aggregate(source=LISTS, keys=(("k", C("k")),), measures=measures)
    assert duckdb.run(node).rows == (("x", ["1", "2"], ["2", "1"]), ("y", ["1", "10"], ["1", "10"]))


def test_numbers_among_values_are_written_out_and_sorted_as_text(duckdb):
    source = Values(columns={"n": Kind.NUMBER}, rows=((80,), (443,), (8080,), (80,)))
    node = Aggregate(source=source, keys=(), measures=(("v", agg(ops.values, C("n"))),))
    assert duckdb.run(node).rows == ((["443", "80", "8080"],),)


def test_ordinary_calls_may_surround_aggregations(duckdb):
    one = ops.if_(ops.equal(agg(ops.count, C("n")), L(1)), L(0), agg(ops.stdev_sample, C("n")))
    node = Aggregate(source=PLAIN, keys=(("host", C("host")),), measures=(("s", one), ("c", agg(ops.count, C("n")))))
    assert duckdb.run(node).rows == (("a", pytest.approx(0.7071067811865476), 2.0), ("b", 0.0, 1.0), (None, 0.0, 1.0))


def test_a_group_by_an_expression_reads_the_row_as_it_was(duckdb):
    node = Aggregate(
        source=PLAIN, keys=(("host", ops.upper(C("host"))),), measures=(("h", agg(ops.values, C("host"))),)
    )
    assert duckdb.run(node).rows == (("A", ["a"]), ("B", ["b"]), (None, None))


def test_a_window_over_all_sees_the_whole_partition(duckdb):
    node = Window(
        source=PLAIN, partition=(C("host"),), measures=(("s", agg(ops.sum, C("n"))), ("f", agg(ops.first, C("n"))))
    )
    assert duckdb.run(node).rows == (
        ("b", 3.0, 3.0, 3.0),
        ("a", 1.0, 3.0, 1.0),
        ("b", None, 3.0, 3.0),
        (None, 7.0, 7.0, 7.0),
        ("a", 2.0, 3.0, 1.0),
    )


@pytest.mark.parametrize(
    ("frame", "rows", "wanted"),
    [
        (Frame.RUNNING, None, [3, 4, 4, 11, 13]),
        (Frame.BEFORE, None, [None, 3, 4, 4, 11]),
        (Frame.RUNNING, 2, [3, 4, 1, 7, 9]),
        (Frame.BEFORE, 2, [None, 3, 4, 1, 7]),
        (Frame.RUNNING, 1, [3, 1, None, 7, 2]),
    ],
)
def test_a_running_window_ends_with_the_current_row_or_before_it(duckdb, frame, rows, wanted):
    node = Window(source=PLAIN, measures=(("s", agg(ops.sum, C("n"))),), frame=frame, rows=rows)
    assert list(duckdb.run(node).column("s")) == wanted


def test_window_operations_look_at_rows_in_their_order(duckdb):
    measures = (
        ("i", agg(ops.row_number)),
        ("before", agg(ops.lag, C("n"), L(1))),
        ("after", agg(ops.lead, C("n"), L(2))),
        ("filled", agg(ops.fill, C("n"))),
    )
    made = duckdb.run(Window(source=PLAIN, measures=measures))
    assert made.column("i") == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert made.column("before") == (None, 3.0, 1.0, None, 7.0)
    assert made.column("after") == (None, 7.0, 2.0, None, None)
    assert made.column("filled") == (3.0, 1.0, 1.0, 7.0, 2.0)


def test_a_window_of_values_distinct_and_collected(duckdb):
    measures = (
        ("v", agg(ops.values, C("host"))),
        ("c", agg(ops.collect, C("host"))),
        ("d", agg(ops.count_distinct, C("host"))),
    )
    made = duckdb.run(Window(source=PLAIN, measures=measures, frame=Frame.RUNNING))
    assert made.column("v")[-1] == ["a", "b"]
    assert made.column("c")[-1] == ["b", "a", "b", "a"]
    assert made.column("d") == (1.0, 2.0, 2.0, 2.0, 2.0)


@pytest.mark.parametrize("descending", [False, True])
def test_a_window_by_time_has_rows_less_than_the_range_away(duckdb, descending):
    times = [0, 10, 10, 59.5, 60, 200]
    rows = tuple((t,) for t in (reversed(times) if descending else times))
    source = Values(columns={"t": Kind.NUMBER}, rows=rows)
    node = Window(source=source, measures=(("c", agg(ops.count)),), frame=Frame.RUNNING, time=C("t"), range=60)
    wanted = (1, 1, 2, 3, 4, 4) if descending else (1, 2, 3, 4, 4, 1)
    assert duckdb.run(node).column("c") == wanted


def test_a_sort_is_stable_and_puts_nulls_last(duckdb):
    node = Sort(source=PLAIN, keys=(SortKey(C("host"), descending=True),))
    assert duckdb.run(node).rows == (("b", 3.0), ("b", None), ("a", 1.0), ("a", 2.0), (None, 7.0))
    first = Sort(source=PLAIN, keys=(SortKey(C("n"), nulls_first=True),))
    assert duckdb.run(first).column("n") == (None, 1.0, 2.0, 3.0, 7.0)


def test_a_limit_takes_the_first_rows_or_the_last(duckdb):
    assert duckdb.run(Limit(source=PLAIN, count=2)).column("n") == (3.0, 1.0)
    assert duckdb.run(Limit(source=PLAIN, count=2, offset=1)).column("n") == (1.0, None)
    assert duckdb.run(Limit(source=PLAIN, count=2, last=True)).column("n") == (7.0, 2.0)
    assert duckdb.run(Limit(source=PLAIN, count=2, offset=1, last=True)).column("n") == (None, 7.0)
    assert duckdb.run(Limit(source=PLAIN, count=0)).rows == ()


def test_a_reverse_of_a_sort_of_a_reverse(duckdb):
    back = Reverse(source=PLAIN)
    assert duckdb.run(back).column("n") == (2.0, 7.0, None, 1.0, 3.0)
    assert duckdb.run(Limit(source=back, count=1)).column("n") == (2.0,)
    node = Sort(source=back, keys=(SortKey(C("host")),))
    assert duckdb.run(node).rows == (("a", 2.0), ("a", 1.0), ("b", None), ("b", 3.0), (None, 7.0))


OWNERS = Values(columns={"h": Kind.TEXT, "owner": Kind.TEXT, "n": Kind.NUMBER}, rows=(("a", "eve", 9), ("a", "bob", 8)))


def test_an_inner_join_has_every_partner_in_order(duckdb):
    node = Join(left=PLAIN, right=OWNERS, keys=((C("host"), C("h")),), columns=(("owner", C("owner")),))
    assert duckdb.run(node).rows == (("a", 1.0, "eve"), ("a", 1.0, "bob"), ("a", 2.0, "eve"), ("a", 2.0, "bob"))


def test_a_left_join_replaces_columns_where_there_is_a_partner_and_takes_the_first_of_several(duckdb):
    columns = (("owner", C("owner")), ("n", C("n")))
    node = Join(left=PLAIN, right=OWNERS, kind=JoinKind.LEFT, keys=((C("host"), C("h")),), columns=columns, most=1)
    assert duckdb.run(node).rows == (
        ("b", 3.0, None),
        ("a", 9.0, "eve"),
        ("b", None, None),
        (None, 7.0, None),
        ("a", 9.0, "eve"),
    )


def test_a_condition_of_a_join_sees_both_sides(duckdb):
    near = ops.less(ops.add(C("n"), L(0)), L(2))
    both = ops.and_(near, ops.equal(C("owner"), L("bob")))
    node = Join(left=PLAIN, right=OWNERS, keys=((C("host"), C("h")),), condition=both, columns=(("owner", C("owner")),))
    assert duckdb.run(node).rows == (("a", 1.0, "bob"),)
    first = Join(left=PLAIN, right=OWNERS, condition=near, columns=(("owner", C("owner")),), most=1)
    assert duckdb.run(first).rows == (("a", 1.0, "eve"),)


def test_semi_and_anti_joins_add_nothing_and_null_agrees_with_nothing(duckdb):
    keys = ((C("host"), C("h")),)
    assert duckdb.run(Join(left=PLAIN, right=OWNERS, kind=JoinKind.SEMI, keys=keys)).column("n") == (1.0, 2.0)
    assert duckdb.run(Join(left=PLAIN, right=OWNERS, kind=JoinKind.ANTI, keys=keys)).column("n") == (3.0, None, 7.0)


def test_a_cross_join_has_every_pair(duckdb):
    node = Join(left=LISTS, right=OWNERS, kind=JoinKind.CROSS, columns=(("owner", C("owner")),))
    assert duckdb.run(only(node, "k", "owner")).rows == (
        ("x", "eve"), ("x", "bob"), ("x", "eve"), ("x", "bob"), ("y", "eve"), ("y", "bob"),
    )  # fmt: skip


def test_a_union_puts_rows_one_after_the_other_and_joins_kinds(duckdb):
    node = Union(sources=(only(Sort(source=PLAIN, keys=(SortKey(C("n")),)), "n"), only(OWNERS, "owner", "n"), LISTS))
    made = duckdb.run(only(node, "n", "owner", "l"))
    assert made.column("n") == (1.0, 2.0, 3.0, 7.0, None, 9.0, 8.0, None, None, None)
    assert made.column("owner") == (None,) * 5 + ("eve", "bob") + (None,) * 3
    mixed = Union(sources=(only(PLAIN, "n"), Select(source=LISTS, columns=(("n", C("k")),))))
    assert duckdb.run(mixed).column("n") == ("3", "1", None, "7", "2", "x", "x", "y")


def test_an_unnest_has_a_row_for_each_element_in_order(duckdb):
    assert duckdb.run(Unnest(source=LISTS, column="l")).rows == (("x", "2"), ("x", "1"), ("y", "1"), ("y", "10"))
    kept = Unnest(source=LISTS, column="l", keep_empty=True, position="i")
    assert duckdb.run(kept).rows == (
        ("x", "2", 0.0), ("x", "1", 1.0), ("x", None, 0.0), ("y", "1", 0.0), ("y", "10", 1.0),
    )  # fmt: skip


def test_a_node_used_twice_is_one_relation(duckdb):
    node = Union(sources=(PLAIN, PLAIN))
    assert len(duckdb.run(node)) == 10
    assert duckdb.sql(node).count("VALUES") == 1


def test_columns_that_nobody_reads_are_not_computed(duckdb):
    node = only(Derive(source=PLAIN, columns=(("h", ops.sha512(C("host"))),)), "n")
    assert "sha512" not in duckdb.sql(node)


def test_a_value_that_python_computes_can_feed_another_and_a_condition(duckdb):
    entropy = ops.entropy(ops.sha512(C("host")))
    node = Filter(source=PLAIN, condition=ops.greater(entropy, L(1)))
    assert duckdb.run(node).column("host") == ("b", "a", "b", "a")
    grouped = Aggregate(source=PLAIN, keys=(("e", ops.entropy(C("host"))),), measures=(("n", agg(ops.count)),))
    assert duckdb.run(grouped).rows == ((0.0, 4.0), (None, 1.0))


def test_a_column_may_have_the_name_of_a_lambdas_parameter_or_of_an_inner_name(duckdb):
    x = LambdaParameter("x")
    source = Values(columns={"x": Kind.LIST, "~": Kind.TEXT, "~:x": Kind.TEXT}, rows=((("b", "a", "b"), "t", "u"),))
    columns = (
        ("d", ops.list_distinct(C("x"))),
        ("f", ops.list_filter(C("x"), Lambda(x, ops.equal(x, L("a"))))),
        ("z", ops.list_zip(C("x"), C("x"), C("~"))),
        ("j", ops.list_join(C("x"), C("~:x"))),
    )
    assert duckdb.run(Select(source=source, columns=columns)).rows == (
        (["b", "a"], ["a"], ["btb", "ata", "btb"], "buaub"),
    )
