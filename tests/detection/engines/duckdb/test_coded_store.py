"""A coded store is read where it lies: text by its codes, numbers by their divisor."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.detection.engine import AttachesStore, StoredColumn, StoredTable, open_engine
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal, SortKey
from harness.detection.plan.nodes import Aggregate, Filter, Scan, Select, Sort

C, L = Column, Literal
COLUMNS = {"EventCode": Kind.TEXT, "_time": Kind.NUMBER, "Image": Kind.TEXT, "image": Kind.TEXT, "Tags": Kind.LIST}
SCAN = Scan(columns=COLUMNS)
EVENT = StoredColumn(held="@event", kind=Kind.EVENT)


def presented(**more):
    time = StoredColumn(held="@time", kind=Kind.NUMBER, divisor=1e6, default=5_000_000)
    return {"@event": EVENT, "_time": time, **more}


@pytest.fixture(params=[0, 1_000], ids=["codes", "values"])
def opened(tmp_path, request):
    pq.write_table(pa.table({"value": ["cmd.exe", "CMD.EXE", "a'b"]}), tmp_path / "image.parquet")
    tags = pa.table({"value": pa.array([["x", "y"], None, ["z"]], pa.list_(pa.string()))})
    first = pa.table(
        {
            "@event": pa.array([0, 1, 3], pa.int64()),
            "@time": pa.array([1_500_000, None, 2_000_000], pa.int64()),
            "Image": pa.array([2, 0, None], pa.int32()),
            "image": pa.array([1, 1, 0], pa.int32()),
            "Tags": pa.array([0, 1, 2], pa.int32()),
        }
    )
    second = pa.table({"@event": pa.array([2], pa.int64()), "@time": pa.array([3], pa.int64()), "Image": ["plain"]})
    pq.write_table(first.slice(0, 2), tmp_path / "1.parquet")
    pq.write_table(first.slice(2), tmp_path / "2.parquet")
    pq.write_table(second, tmp_path / "3.parquet")
    coded = {n: StoredColumn(held=n, kind=Kind.TEXT, dimension="Image") for n in ("Image", "image")}
    lists = StoredColumn(held="Tags", kind=Kind.LIST, dimension="Tags")
    made = open_engine("duckdb")
    made.codes_from = request.param
    columns = made.attach_store(
        [tmp_path],
        [
            StoredTable(
                files=(tmp_path / "1.parquet", tmp_path / "2.parquet"),
                constants={"EventCode": "3"},
                columns=presented(**coded, Tags=lists),
            ),
            StoredTable(
                files=(tmp_path / "3.parquet",),
                constants={"EventCode": "1"},
                columns=presented(Image=StoredColumn(held="Image", kind=Kind.TEXT)),
            ),
        ],
        {"Image": tmp_path / "image.parquet", "Tags": tags},
        COLUMNS,
    )
    assert columns == COLUMNS
    yield made
    made.close()


def in_order(node):
    return Select(source=Sort(source=node, keys=(SortKey(C("@event")),)), columns=tuple((n, C(n)) for n in COLUMNS))


def test_the_engine_attaches_stores():
    assert isinstance(open_engine("duckdb"), AttachesStore)


def test_codes_times_and_constants_are_shown_as_values(opened):
    scan = Scan(columns={**COLUMNS, "@event": Kind.EVENT})
    assert opened.run(in_order(scan)).rows == (
        ("3", 1.5, "a'b", "CMD.EXE", ["x", "y"]),
        ("3", 5.0, "cmd.exe", "CMD.EXE", None),
        ("1", 3e-6, "plain", None, None),
        ("3", 2.0, None, "cmd.exe", ["z"]),
    )


def test_a_condition_and_groups_see_values(opened):
    found = Filter(source=SCAN, condition=ops.and_(ops.equal(C("EventCode"), L("3")), ops.is_null(C("Image"))))
    assert opened.run(found).column("image") == ("cmd.exe",)
    count = Aggregate(source=SCAN, keys=(("image", C("image")),), measures=(("n", ops.count()),))
    assert sorted(opened.run(count).rows, key=str) == [("CMD.EXE", 2.0), ("cmd.exe", 1.0), (None, 1.0)]


def test_a_store_is_attached_again_after_its_connection_died(opened):
    opened.run(SCAN)
    opened.store.connection.close()
    assert len(opened.run(SCAN)) == 4


def test_other_events_take_the_place_of_a_store(opened):
    opened.run(SCAN)
    opened.load([])
    assert opened.run(SCAN).rows == ()


# Of Splunk's seconds and of LogScale's whole milliseconds.
@pytest.mark.parametrize(("divisor", "whole"), [(1e6, False), (1e3, True)], ids=["seconds", "milliseconds"])
def test_a_stretch_of_time_reads_only_the_row_groups_that_it_lies_in(tmp_path, divisor, whole):
    rows, group = 20_480, 2_048
    times = pa.array([1_767_571_200_000_000 + 1_000_000 * i for i in range(rows)], pa.int64())
    table = pa.table({"@event": pa.array(range(rows), pa.int64()), "@time": times})
    pq.write_table(table, tmp_path / "events.parquet", row_group_size=group)
    time = StoredColumn(held="@time", kind=Kind.NUMBER, divisor=divisor, whole=whole)
    stored = StoredTable(files=(tmp_path / "events.parquet",), constants={}, columns={"@event": EVENT, "_time": time})
    made = open_engine("duckdb")
    try:
        made.attach_store([tmp_path], [stored], {}, {"_time": Kind.NUMBER})
        first = 1_767_571_200_000_000 / divisor
        begun = ops.greater_equal(C("_time"), L(first + 3_000e6 / divisor))
        ended = ops.less(C("_time"), L(first + 3_060e6 / divisor))
        chosen = Filter(source=Scan(columns={"_time": Kind.NUMBER}), condition=ops.and_(begun, ended))
        assert len(made.run(chosen).rows) == 60
        told = made.store.execute(f"EXPLAIN ANALYZE {made.sql(chosen)}").fetchall()[0][1]
    finally:
        made.close()
    assert f"Row Groups Scanned: 1 / {rows // group}" in told
