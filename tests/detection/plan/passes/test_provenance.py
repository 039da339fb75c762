"""Each row of a traced plan knows the events that it came from."""

import pyarrow as pa
import pytest

from harness.detection.engine import open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal, SortKey
from harness.detection.plan.nodes import (
    Aggregate,
    Filter,
    Join,
    JoinKind,
    Limit,
    Scan,
    Select,
    Sort,
    Union,
    Unnest,
    Values,
    Window,
)
from harness.detection.plan.passes.provenance import trace_events
from harness.telemetry.platform import View
from harness.verdict.alerts import as_events

C = Column


@pytest.fixture(scope="module")
def store():
    opened = open_engine()
    table = pa.table(
        {
            "@event": pa.array([10, 11, 12, 13], pa.int64()),
            "@cause": pa.array([0, 0, 1, 1], pa.int32()),
            "_time": [1.0, 2.0, 3.0, 4.0],
            "host": ["a", "a", "b", None],
            "ports": pa.array([["1", "2"], ["3"], None, ["4"]], pa.list_(pa.string())),
        }
    )
    columns = opened.load([View(columns=table)])
    yield opened, Scan(columns=columns, order=(SortKey(C("_time")),))
    opened.close()


def events(opened, node):
    rows = opened.run(trace_events(node))
    return [(row[0], as_events(row[rows.columns.index("@event")])) for row in rows.rows]


def only(node, *names):
    return Select(source=node, columns=tuple((n, C(n)) for n in names))


def test_an_event_is_its_own(store):
    opened, scan = store
    assert events(opened, only(scan, "host")) == [("a", (10,)), ("a", (11,)), ("b", (12,)), (None, (13,))]


def test_a_group_has_the_events_of_its_rows_and_a_group_of_groups_those_of_all(store):
    opened, scan = store
    grouped = Aggregate(source=scan, keys=(("host", C("host")),), measures=(("n", ops.count()),))
    assert events(opened, grouped) == [("a", (10, 11)), ("b", (12,)), (None, (13,))]
    whole = Aggregate(source=grouped, keys=(), measures=(("n", ops.sum(C("n"))),))
    assert events(opened, whole) == [(4.0, (10, 11, 12, 13))]


def test_a_filter_a_limit_a_window_and_an_unnest_keep_each_rows_events(store):
    opened, scan = store
    kept = Filter(source=scan, condition=ops.equal(C("host"), Literal("a")))
    windowed = Window(source=kept, measures=(("n", ops.count()),))
    many = Unnest(source=Limit(source=windowed, count=1), column="ports")
    assert events(opened, only(many, "ports")) == [("1", (10,)), ("2", (10,))]


def test_a_joined_row_has_the_events_of_both_sides(store):
    opened, scan = store
    grouped = Aggregate(source=scan, keys=(("host", C("host")),), measures=(("n", ops.count()),))
    last = Limit(source=scan, count=2, last=True)
    joined = Join(
        left=last, right=grouped, kind=JoinKind.LEFT, keys=((C("host"), C("host")),), columns=(("n", C("n")),)
    )
    assert events(opened, only(joined, "host")) == [("b", (12,)), (None, (13,))]
    again = Join(left=scan, right=grouped, keys=((C("host"), C("host")),), columns=(("n", C("n")),))
    assert events(opened, only(again, "_time")) == [(1.0, (10, 11)), (2.0, (10, 11)), (3.0, (12,))]


def test_a_row_that_only_had_to_have_a_partner_keeps_its_own_events(store):
    opened, scan = store
    listed = Values(columns={"h": Kind.TEXT}, rows=(("b",),))
    semi = Join(left=scan, right=listed, kind=JoinKind.SEMI, keys=((C("host"), C("h")),))
    assert events(opened, only(semi, "host")) == [("b", (12,))]


def test_a_union_of_events_groups_and_rows_without_events_has_lists(store):
    opened, scan = store
    grouped = Aggregate(source=scan, keys=(("host", C("host")),), measures=())
    made = Values(columns={"host": Kind.TEXT}, rows=(("made",),))
    union = Union(sources=(only(scan, "host"), Limit(source=grouped, count=1), made))
    assert events(opened, union) == [
        ("a", (10,)),
        ("a", (11,)),
        ("b", (12,)),
        (None, (13,)),
        ("a", (10, 11)),
        ("made", ()),
    ]


def test_steps_are_found_by_the_identity_of_their_nodes(store):
    opened, scan = store
    kept = Filter(source=scan, condition=ops.equal(C("host"), Literal("a")))
    sorted_rows = Sort(source=kept, keys=(SortKey(C("_time"), descending=True),))
    known = {}
    last = trace_events(sorted_rows, known)
    assert last.source is known[id(kept)]
    assert len(opened.run(known[id(scan)])) == 4
