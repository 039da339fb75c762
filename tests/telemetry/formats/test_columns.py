"""Tables of others are read by their columns, and give what the same rows give one by one."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.telemetry.events.event import RECORD_FILE, RECORD_NUMBER
from harness.telemetry.events.input import EventTables
from harness.telemetry.events.json_events import JsonEvents
from harness.telemetry.events.json_values import flat_fields
from harness.telemetry.format import read_telemetry

SHAPES = Path(__file__).parents[1] / "shapes"


def load_rows(path):
    """The objects of an example, flat and each a few times, so that kinds are mixed."""
    text = path.read_text("utf-8-sig")
    if path.suffix == ".csv":
        rows = [{n: v for n, v in row.items() if n and v} for row in csv.DictReader(text.splitlines())]
    else:
        rows = [flat_fields(json.loads(line)) for line in text.splitlines() if line.strip()]
    return [dict(row) for row in rows * 45]


EXAMPLES = sorted(
    p.name for p in SHAPES.iterdir() if p.suffix in (".csv", ".ndjson", ".jsonl") and p.name != "get_winevent.csv"
)


def read_one_by_one(rows, name):
    tables = EventTables()
    with JsonEvents(name, tables) as events:
        # One at a time: what does not wait for others has nothing to be put together with.
        for row in rows:
            events.add_object(row)
            events.rows.flush()
    tables.report_times(name)
    return tables.telemetry()


def show(telemetry):
    """All that is in telemetry, a row a set of texts."""
    return {
        (each.sensor, each.kind): (
            dict(each.constants),
            sorted(str(sorted(row.items())) for row in list_present(each.columns)),
        )
        for each in telemetry.events
    }, sorted(map(str, telemetry.damages))


def list_present(table):
    """Rows without their absent fields."""
    own = (RECORD_NUMBER, RECORD_FILE)
    return [{n: str(v) for n, v in row.items() if v is not None and n not in own} for row in table.to_pylist()]


@pytest.mark.parametrize("example", EXAMPLES)
def test_columns_give_what_rows_give(tmp_path, example):
    rows = load_rows(SHAPES / example)
    names = list(dict.fromkeys(name for row in rows for name in row))
    # In the table's order of names, which a row on its own would not have.
    ordered = [{n: row[n] for n in names if n in row} for row in rows]
    pq.write_table(pa.table({n: [row.get(n) for row in rows] for n in names}), tmp_path / "e.parquet")
    assert show(read_telemetry(tmp_path / "e.parquet")) == show(read_one_by_one(ordered, "e.parquet"))
    (tmp_path / "e.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in ordered))
    assert show(read_telemetry(tmp_path / "e.ndjson")) == show(read_one_by_one(ordered, "e.ndjson"))


def read_columns(tmp_path, **columns):
    pq.write_table(pa.table(columns), tmp_path / "e.parquet")
    (events,) = read_telemetry(tmp_path / "e.parquet").events
    return events


SYSMON = {"Channel": ["Microsoft-Windows-Sysmon/Operational"] * 2, "Computer": ["a", "b"]}


def test_numbers_with_gaps_are_whole_as_they_were(tmp_path):
    events = read_columns(
        tmp_path, **SYSMON, EventID=pa.array([3.0, 3.0]), DestinationPort=pa.array([443.0, float("nan")])
    )
    assert (events.sensor, events.kind) == ("sysmon", "3")
    assert events.columns.column("DestinationPort").to_pylist() == ["443", None]


def test_fractions_and_truths_are_texts(tmp_path):
    events = read_columns(tmp_path, **SYSMON, EventID=[3, 3], Score=[1.5, 2.0], Initiated=[True, False])
    assert events.columns.column("Score").to_pylist() == ["1.5", "2.0"]
    assert events.columns.column("Initiated").to_pylist() == ["true", "false"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_a_column_of_times_is_the_time(tmp_path, unit, zone):
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    times = pa.array([moment, moment]).cast(pa.timestamp("us", "UTC")).cast(pa.timestamp(unit, zone))
    events = read_columns(tmp_path, **SYSMON, EventID=[3, 3], UtcTime=times)
    assert [t.replace(tzinfo=UTC) for t in events.columns.column("@time").to_pylist()] == [moment, moment]


def test_a_time_that_the_first_field_does_not_spell_is_that_of_the_next(tmp_path):
    events = read_columns(
        tmp_path, **SYSMON, EventID=[3, 3], _time=["soon", "2026-01-02T03:04:05Z"], UtcTime=["2026-01-02 03:04:06"] * 2
    )
    assert [t.second for t in events.columns.column("@time").to_pylist()] == [6, 5]


def test_kinds_of_one_table_come_apart(tmp_path):
    channel = ["Microsoft-Windows-Sysmon/Operational", "Security"]
    pq.write_table(
        pa.table({"EventID": ["1", "4688"], "Channel": channel, "Computer": ["a", "b"], "Image": ["x", None]}),
        tmp_path / "e.parquet",
    )
    found = {(e.sensor, e.kind): e.columns.column_names for e in read_telemetry(tmp_path / "e.parquet").events}
    assert set(found) == {("sysmon", "1"), ("windows_security", "4688")}
    assert ["Image" in names for names in found.values()] == [True, False]


def test_values_with_parts_are_read_row_by_row(tmp_path):
    events = read_columns(tmp_path, **SYSMON, EventID=[3, 3], Tags=[["a", "b"], ["c"]])
    assert events.columns.column("Tags[0]").to_pylist() == ["a", "c"]


def test_events_of_one_kind_keep_the_order_of_their_rows(tmp_path):
    count = 60
    columns = {
        "EventID": ["3"] * count,
        "Channel": SYSMON["Channel"][:1] * count,
        "Computer": ["a"] * count,
        "UtcTime": ["2026-01-02 03:04:05.000"] * count,
        "Image": [None if row % 3 else "x" for row in range(count)],
        "Number": [str(row) for row in range(count)],
    }
    events = read_columns(tmp_path, **columns)
    assert events.columns.column("Number").to_pylist() == columns["Number"]


@pytest.mark.parametrize("name", ["@cause", "@place", "@time"])
@pytest.mark.parametrize("file", ["e.parquet", "e.ndjson"])
def test_a_field_with_a_name_of_our_own_is_told_and_left_out(tmp_path, name, file):
    row = {**{n: v[0] for n, v in SYSMON.items()}, "EventID": "3", "UtcTime": "2026-01-02 03:04:05.000", name: "x"}
    if file == "e.parquet":
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / file)
    else:
        (tmp_path / file).write_text(json.dumps(row))
    found = read_telemetry(tmp_path / file)
    assert len(found) == 1
    assert [name in d.message for d in found.damages] == [True]


def test_rows_that_lack_other_fields_each_keep_their_order_and_cost_no_more_than_objects(tmp_path):
    count, wide = 4_000, 14
    sparse = {f"F{c}": [None if row >> c & 1 else f"v{row % 7}" for row in range(count)] for c in range(wide)}
    columns = {
        "EventID": ["3"] * count,
        "Channel": SYSMON["Channel"][:1] * count,
        "Computer": ["a"] * count,
        "UtcTime": ["2026-01-02 03:04:05.000"] * count,
        "Number": [str(row) for row in range(count)],
    }
    rows = [{n: v[row] for n, v in {**columns, **sparse}.items() if v[row] is not None} for row in range(count)]
    (tmp_path / "e.ndjson").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    began = process_time()
    read_telemetry(tmp_path / "e.ndjson")
    middle = process_time()
    events = read_columns(tmp_path, **columns, **sparse)
    ended = process_time()
    assert events.columns.column("Number").to_pylist() == columns["Number"]
    assert events.columns.column("F3").to_pylist() == sparse["F3"]
    # 20 times as much where each set of fields was built as columns of its own.
    assert ended - middle < 5 * (middle - began)


def test_a_value_that_a_shape_sets_is_set_in_every_row(tmp_path):
    count = 50
    event = {"UtcTime": "2026-01-02 03:04:05.000", "ProcessGuid": "{1}", "Image": "x", "CommandLine": "y"}
    columns = {name: [value] * count for name, value in event.items()} | {"ParentImage": ["p"] * count}
    # A Sysmon event trimmed to its data: its System fields are set, whatever a row has there.
    columns["Provider_Name"] = ["1"] + ["other"] * (count - 1)
    events = read_columns(tmp_path, **columns)
    assert (events.sensor, events.kind) == ("sysmon", "1")
    assert events.constants["Provider_Name"] == "Microsoft-Windows-Sysmon"


def test_what_is_told_of_a_kind_is_told_once(tmp_path):
    count = 90
    row = {**{n: v[:1] * count for n, v in SYSMON.items()}, "EventID": ["3"] * count, "@cause": ["x"] * count}
    half = [None if i % 2 else "z" for i in range(count)]
    pq.write_table(pa.table({**row, "Other": half}), tmp_path / "e.parquet")
    assert sum("@cause" in d.message for d in read_telemetry(tmp_path / "e.parquet").damages) == 1
