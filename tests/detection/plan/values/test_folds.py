"""Operations that Python folds over rows in order, by themselves and in a plan."""

import time

import pytest

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import NULL, Column, Kind, Literal, SortKey
from harness.detection.plan.nodes import Frame, Sort, Values, Window
from harness.detection.plan.values.folds import compute_series_of, compute_session_of, smooth_exponentially

C, L = Column, Literal


@pytest.fixture(scope="module")
def duckdb():
    opened = open_engine("duckdb")
    opened.load(())
    yield opened
    opened.close()


def rows(*members, span=None, pause=None, most=None, connected=True, ends_match=True, limits=False):
    return [(span, pause, most, connected, ends_match, limits, *m) for m in members]


def test_a_limit_closes_a_session_that_rows_open_only_where_that_is_asked_for():
    far = [(600, False, True, "a"), (0, True, False, "a")]
    assert compute_session_of(rows(*far, span=60)) == [-1, -2]
    assert compute_session_of(rows(*far, span=60, limits=True)) == [1, -2]


def test_a_session_is_as_long_as_its_span_counted_from_its_first_row():
    times = [(t, None, None, "a") for t in (130, 80, 60, 5)]
    assert compute_session_of(rows(*times, span=60)) == [1, 1, -2, -2]


def test_sessions_are_cut_at_pauses_and_at_so_many_rows():
    assert compute_session_of(rows(*[(t, None, None, "a") for t in (100, 90, 10)], pause=30)) == [1, 1, -2]
    assert compute_session_of(rows(*[(t, None, None, "a") for t in (3, 2, 1)], most=2)) == [1, 1, -2]


def test_rows_hand_the_session_on_from_key_to_key():
    chain = [(3, None, None, None, "b"), (2, None, None, "a", "b"), (1, None, None, "a", None)]
    assert compute_session_of(rows(*chain)) == [-1, -1, -1]
    apart = [(3, None, None, "a", "c"), (2, None, None, "a", "b"), (1, None, None, None, None)]
    assert compute_session_of(rows(*apart)) == [-1, -2, None]


def test_a_row_that_shares_no_key_joins_only_where_it_need_not():
    strangers = [(2, None, None, "a", None), (1, None, None, None, "b")]
    assert compute_session_of(rows(*strangers)) == [-1, -2]
    assert compute_session_of(rows(*strangers, connected=False)) == [-1, -1]


def test_a_session_is_closed_by_the_rows_that_begin_and_end_it():
    members = [(4, False, False, "a"), (3, True, False, "a"), (2, False, True, "a"), (1, False, True, "a")]
    assert compute_session_of(rows(*members)) == [-1, 2, 2, -3]


def test_a_row_that_opens_or_closes_may_do_without_keys():
    members = [(2, False, False, "a"), (1, False, True, None), (0, False, False, None)]
    assert compute_session_of(rows(*members)) == [-1, None, None]
    assert compute_session_of(rows(*members, ends_match=False)) == [-1, -1, None]


def test_sessions_of_many_keys_take_time_in_proportion():
    members = rows(*[(float(-i), None, None, "host", f"cookie{i}") for i in range(30_000)])
    began = time.perf_counter()
    assert len(set(compute_session_of(members))) == 30_000
    assert time.perf_counter() - began < 5


def test_a_series_starts_and_ends_where_rows_say_so():
    members = [(None, None, t, s, e) for t, s, e in ((1, 0, 0), (2, 1, 0), (3, 0, 1), (4, 0, 0), (5, 1, 0), (6, 1, 0))]
    assert compute_series_of(members) == [None, 1, 1, None, 2, 3]
    assert compute_series_of([(None, None, t, None, t == 2) for t in (1, 2, 3)]) == [1, 1, 2]


def test_a_series_is_cut_at_its_longest_pause_and_duration():
    assert compute_series_of([(None, 10, t, None, None) for t in (0, 10, 21, 22)]) == [1, 1, 2, 2]
    assert compute_series_of([(15, None, t, None, None) for t in (0, 10, 15, 16, 31)]) == [1, 1, 1, 2, 2]
    assert compute_series_of([(None, 10, t, t == 0, None) for t in (0, 5, 30, 31)]) == [1, 1, None, None]
    assert compute_series_of([]) == []


def test_a_window_folds_each_partition_by_itself_in_the_current_order(duckdb):
    source = Values(
        columns={"host": Kind.TEXT, "t": Kind.NUMBER, "k": Kind.TEXT},
        rows=(("x", 1, "a"), ("y", 2, "a"), ("x", 100, "a"), ("x", 90, "a"), ("x", 5, None)),
    )
    session = ops.session_of(L(60.0), NULL, NULL, L(True), L(True), L(False), C("t"), NULL, NULL, C("k"))
    node = Window(
        source=Sort(source=source, keys=(SortKey(C("t"), descending=True),)),
        partition=(ops.upper(C("host")),),
        measures=(("s", session),),
        frame=Frame.RUNNING,
    )
    found = duckdb.run(node)
    assert found.columns == ("host", "t", "k", "s")
    assert found.rows == (
        ("x", 100, "a", 1),
        ("x", 90, "a", 1),
        ("x", 5, None, None),
        ("y", 2, "a", -1),
        ("x", 1, "a", -2),
    )
    assert "session_of of the rows of" in duckdb.sql(node)


def test_an_average_keeps_so_much_of_the_one_before():
    assert smooth_exponentially([(1.0, 0.5), (4.0, 0.5), (None, 0.5), (7.0, 0.5)]) == [1.0, 2.5, 2.5, 4.75]
    assert smooth_exponentially([(None, 0.5)]) == [None]
