"""How events lie on disk: codes with one dimension a field, texts that hardly repeat as they are."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.events.event import CAUSE, TIME, TIME_TYPE, Cause, Events, Telemetry, TelemetryOrigin
from harness.telemetry.format import read_telemetry
from harness.telemetry.store.ingest import StoreSink, ingest
from harness.telemetry.store.manifest import read_manifest
from harness.telemetry.store.reader import CodedStore, TimeStretch
from harness.telemetry.store.writer import open_parquet, open_scratch_parquet


def make_events(columns, first=0, cause=-1):
    """Events a second apart; None is an absent field."""
    size = len(next(iter(columns.values())))
    texts = {n: pa.array(v, pa.string()).dictionary_encode() for n, v in columns.items()}
    own = {
        TIME: pa.array((np.arange(size) + first) * 1_000_000).cast(TIME_TYPE),
        CAUSE: pa.array(np.full(size, cause, np.int32)),
    }
    return Events(sensor="sysmon", kind="3", constants={"EventID": "3"}, columns=pa.table({**own, **texts}))


def write(folder, *parts, causes=()):
    """A store of these parts, handed on one after another."""
    sink = StoreSink(folder)
    for events in parts:
        sink.take(Telemetry(events=(events,), causes=causes, origin=TelemetryOrigin.REPLAYED))
    sink.finish({}, ())
    return CodedStore(folder)


def list_texts(store, name):
    """The texts of a field in each row group of the first table."""
    (table,) = store.manifest.tables
    return list(store.list_texts(table, next(f for f in table.fields if f.name == name)))


def read_fields(store, name):
    """The texts of a field, in the order of files."""
    return [v for t in store.manifest.tables for _, e in store.pieces(t) for v in e.columns.column(name).to_pylist()]


def test_texts_that_repeat_are_codes_and_others_texts(tmp_path):
    images, lines = ["a", "b", None] * 4000, [f"line {i}" for i in range(12_000)]
    store = write(tmp_path, make_events({"Image": images, "CommandLine": lines}))
    (table,) = store.manifest.tables
    assert {f.name: str(f.form) for f in table.fields} == {"Image": "codes", "CommandLine": "texts"}
    assert {f.name: f.nulls for f in table.fields} == {"Image": True, "CommandLine": False}
    assert list(store.manifest.dimensions) == ["Image"]
    assert store.texts("Image").to_pylist() == ["a", "b"]
    held = pq.read_table(tmp_path / table.files[0])
    assert held.column("Image").to_pylist()[:3] == [0, 1, None]
    assert held.column("@event").to_pylist() == list(range(12_000))
    assert (read_fields(store, "Image"), read_fields(store, "CommandLine")) == (images, lines)


FIRST = 1_767_571_200_022
FALCON = [FIRST + 37 * i for i in range(5000)]


@pytest.mark.parametrize(
    ("times", "form"),
    [
        (pa.array(FALCON, pa.int64()), "milliseconds"),
        (pa.array([float(n) for n in FALCON], pa.float64()), "milliseconds"),
        (pa.array([n / 1e3 for n in FALCON], pa.float64()), "seconds"),
        # Nobody says of which of them whether it has one.
        (pa.array([None, *FALCON[1:]], pa.int64()), "texts"),
        (pa.array([n // 1000 for n in FALCON], pa.int64()), "codes"),
        (pa.array([n + 0.5 for n in FALCON], pa.float64()), "texts"),
        (pa.array([str(n) for n in FALCON], pa.string()), "texts"),
    ],
)
def test_a_time_that_is_a_number_is_held_once_and_read_as_its_text(tmp_path, times, form):
    size = len(FALCON)
    table = {
        "@timestamp": times,
        "#event_simpleName": ["NetworkConnectIP4"] * size,
        "ComputerName": [f"WS{i % 7}" for i in range(size)],
        "RemoteAddressIP4": [f"10.0.0.{i % 9}" for i in range(size)],
    }
    path = tmp_path / "falcon.parquet"
    pq.write_table(pa.table(table), path)
    ingest([path], tmp_path / "store")
    store = CodedStore(tmp_path / "store")
    assert {str(f.form) for t in store.manifest.tables for f in t.fields if f.name == "@timestamp"} == {form}
    wanted = [e.columns for e in read_telemetry(path).events]
    found = [e.columns for t in store.manifest.tables for _, e in store.pieces(t)]
    for name in (TIME, "@timestamp"):
        assert [v for c in found for v in c.column(name).to_pylist()] == [
            v for c in wanted for v in c.column(name).to_pylist()
        ]


def test_parts_share_codes_and_a_table_grows_by_fields(tmp_path):
    first, second = make_events({"Image": ["a", "b"]}), make_events({"Image": ["c", "b"], "User": ["u", None]}, first=2)
    store = write(tmp_path, first, second, make_events({"Image": ["c"]}, first=4))
    # The last has fewer fields than the table before, and is rows of it.
    assert [(t.columns, t.rows) for t in store.manifest.tables] == [(("Image",), 2), (("Image", "User"), 3)]
    assert store.texts("Image").to_pylist() == ["a", "b", "c"]
    assert [(t.first, t.last) for t in store.manifest.tables] == [(0, 1_000_000), (2_000_000, 4_000_000)]


def test_a_few_last_rows_with_texts_that_are_known_stay_codes(tmp_path):
    addresses = [f"10.0.0.{i % 2000}" for i in range(10_000)]
    store = write(tmp_path, make_events({"Ip": addresses}), make_events({"Ip": addresses[:1900]}, first=10_000))
    assert [t.rows for t in store.manifest.tables] == [11_900]


def test_texts_of_a_field_are_listed_until_there_can_be_no_other(tmp_path):
    parts = [["a", "a"], [None, None], ["b", None, "a"], ["b"]]
    store = write(tmp_path, *(make_events({"Image": p}, first=3 * i) for i, p in enumerate(parts)))
    assert list_texts(store, "Image") == [["a"], [], ["b", "a"]]


@pytest.mark.parametrize("codes", [["c", "c"], ["a", "c"]])
def test_codes_of_texts_that_are_not_there_are_a_damaged_store(tmp_path, codes):
    store = write(tmp_path, make_events({"Image": ["a", "b"]}), make_events({"Image": codes}, first=2))
    file = tmp_path / store.manifest.dimensions["Image"].file
    pq.write_table(pq.read_table(file).slice(0, 2), file)
    with pytest.raises(HarnessError, match="codes of texts that are not there"):
        list_texts(CodedStore(tmp_path), "Image")


def test_a_store_that_is_thrown_away_holds_the_same_as_one_that_is_kept(tmp_path):
    columns = {"Image": ["a", None] * 4000, "CommandLine": [f"line {i}" for i in range(8000)]}
    stores = []
    for name, how in (("kept", open_parquet), ("scratch", open_scratch_parquet)):
        sink = StoreSink(tmp_path / name, open_file=how)
        sink.take(Telemetry(events=(make_events(columns),), origin=TelemetryOrigin.REPLAYED))
        sink.finish({}, ())
        stores.append(CodedStore(tmp_path / name))
    (kept,), (scratch,) = (s.manifest.tables for s in stores)
    assert kept == scratch
    held = [pq.read_table(s.path / kept.files[0]) for s in stores]
    assert held[0] == held[1]


def test_causes_of_a_recording_in_parts_are_there_once(tmp_path):
    causes = (Cause(name="agent", malicious=False), Cause(name="implant", malicious=True))
    parts = [make_events({"Image": ["a"]}, first=i, cause=i % 2) for i in range(4)]
    store = write(tmp_path, *parts, causes=causes)
    assert store.causes == causes
    assert [
        c for t in store.manifest.tables for _, e in store.pieces(t) for c in e.columns.column(CAUSE).to_pylist()
    ] == [*(0, 1, 0, 1)]


def test_only_row_groups_of_a_window_are_read(tmp_path):
    store = write(tmp_path, *(make_events({"Image": ["a"] * 10}, first=10 * i) for i in range(5)))
    (table,) = store.manifest.tables
    window = TimeStretch(begin=15_000_000, end=22_000_000)
    assert len(list(store.groups(table, window))) == 2
    assert [len(e) for _, e in store.pieces(table, None, window)] == [5, 2]


@pytest.mark.parametrize("damage", ["codes", "missing", "format", "elsewhere"])
def test_a_damaged_store_is_told(tmp_path, damage):
    write(tmp_path, make_events({"Image": ["a", "b"]}))
    manifest = read_manifest(tmp_path)
    text = (tmp_path / "store.json").read_text()
    if damage == "codes":
        pq.write_table(pa.table({"value": ["a"]}), tmp_path / manifest.dimensions["Image"].file)
    elif damage == "missing":
        Path(tmp_path / manifest.tables[0].files[0]).unlink()
    elif damage == "format":
        (tmp_path / "store.json").write_text(text.replace('"format": 3', '"format": 99'))
    else:
        (tmp_path / "store.json").write_text(text.replace(manifest.tables[0].files[0], "../../etc/passwd"))
    with pytest.raises(HarnessError) as caught:
        CodedStore(tmp_path).telemetry()
    assert caught.value.code == "damaged-store"
