"""Files and folders: what is read, what is said of the rest, and packed files made to harm."""

import gzip
import json
import os
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.events.event import TelemetryOrigin
from harness.telemetry.format import list_readers, read_telemetry

SAMPLES = Path("../shared/samples")

EVENT = {"event_simpleName": "DnsRequest", "timestamp": "1682707778681", "DomainName": "a.example"}
LINE = json.dumps(EVENT).encode() + b"\n"


def failure(path):
    with pytest.raises(HarnessError) as found:
        read_telemetry(path)
    return found.value.render()


def damages(telemetry):
    return [str(d) for d in telemetry.damages]


def test_a_folder_is_all_its_files_by_name_and_one_table_a_kind(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.json").write_bytes(LINE.replace(b"a.example", b"c.example"))
    (tmp_path / "1.anything").write_bytes(LINE)
    (tmp_path / "a.gz").write_bytes(gzip.compress(LINE.replace(b"a.example", b"b.example")))
    (tmp_path / ".hidden").write_bytes(LINE)
    (tmp_path / "notes.txt").write_text("hello\n")
    (tmp_path / "z").write_bytes(b"")
    telemetry = read_telemetry(tmp_path)
    (events,) = telemetry.events
    assert events.columns.column("DomainName").to_pylist() == ["a.example", "b.example", "c.example"]
    assert events.constants == {"event_simpleName": "DnsRequest"}
    assert telemetry.origin == TelemetryOrigin.REPLAYED
    assert damages(telemetry) == ["notes.txt: is no format that can be read: plain text: `hello`", "z: is empty"]


def test_a_path_that_is_not_there(tmp_path):
    assert failure(tmp_path / "x.evtx") == f"error[no-such-file]: {tmp_path / 'x.evtx'} is not there"


def test_an_empty_folder_and_an_empty_file(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_bytes(b"\n \n")
    assert failure(tmp_path / "a") == f"error[no-events]: {tmp_path / 'a'} holds no files"
    assert failure(tmp_path / "b") == f"error[no-events]: {tmp_path / 'b'} is empty"


LOOKS = {
    "plain text: `hello`": b"hello",
    "an archive or a document of an office program (zip)": b"PK\x03\x04zip",
    "binary data": bytes(range(256)),
    "data packed twice (gzip); unpack them first": gzip.compress(gzip.compress(LINE)),
    "an SQLite database; export its table as CSV": b"SQLite format 3\0" + bytes(100),
    "a page of HTML": b"<!DOCTYPE HTML><html><body>hello</body></html>",
    "XML with the root `Sysmon`, which holds no Windows events": b"<Sysmon><HashAlgorithms/></Sysmon>",
    "lines of syslog; read them with --sourcetype syslog": b"May  5 08:00:00 web01 sshd[1]: Accepted, for bob",
    "lines of CEF; read them with --sourcetype": b"CEF:0|Vendor|Product|1|100|name|5|src=10.0.0.1",
}


@pytest.mark.parametrize("look", LOOKS)
def test_an_unknown_format_says_what_it_looks_like_and_names_the_known_ones(tmp_path, look):
    path = tmp_path / "x"
    path.write_bytes(LOOKS[look])
    assert failure(path) == (
        f"error[unknown-format]: {path} is no format that can be read: {look}\n"
        "  = help: formats are clixml, csv_table, evtx, ndjson, parquet, windows_xml, each also packed (gzip, zstd, "
        "xz, bzip2, zip); plain text needs --sourcetype"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(LINE)
    path.chmod(0)
    assert failure(path) == "error[unreadable]: x.json: Permission denied"


def test_of_gzip_cut_short_the_whole_records_are_read(tmp_path):
    path = tmp_path / "x.gz"
    lines = b"".join(LINE.replace(b"a.example", f"{n:032x}.example".encode()) for n in range(5_000))
    path.write_bytes(gzip.compress(lines)[:-5_000])
    telemetry = read_telemetry(path)
    assert 3_000 < len(telemetry) < 5_000
    assert damages(telemetry)[0].startswith("x.gz: gzip data end here: ")


def test_gzip_whose_bytes_are_damaged(tmp_path):
    path = tmp_path / "x.gz"
    content = bytearray(gzip.compress(LINE * 100))
    content[-6] ^= 0xFF
    path.write_bytes(bytes(content))
    telemetry = read_telemetry(path)
    assert len(telemetry) <= 100
    assert damages(telemetry)[0].startswith("x.gz: gzip data end here: ")


@pytest.mark.slow
def test_a_gzip_bomb_is_unpacked_only_so_far(tmp_path):
    path = tmp_path / "x.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(LINE)
        for _ in range(1200):
            file.write(b" " * (1 << 20))
    begun = time.monotonic()
    telemetry = read_telemetry(path)
    assert len(telemetry) == 1
    assert damages(telemetry)[-1] == f"x.gz: gzip data unpack to more than {most(path)} MiB; the rest is not read"
    assert time.monotonic() - begun < 30


def most(path):
    return max(256, 300 * path.stat().st_size >> 20)


def test_somebody_elses_parquet_has_a_field_a_column(tmp_path):
    path = tmp_path / "x.parquet"
    table = pa.table(
        {"ts": [1588205199.5, 1588205200.0], "dport": pa.array([53, None], pa.int32()), "ok": [True, False]}
    )
    pq.write_table(table, path)
    telemetry = read_telemetry(path)
    (events,) = telemetry.events
    rows = events.columns.drop_columns(["@time", "@cause"]).to_pylist()
    assert rows == [
        {"ts": "1588205199.5", "dport": "53", "ok": "true"},
        {"ts": "1588205200.0", "dport": None, "ok": "false"},
    ]
    assert [t.isoformat() for t in events.columns.column("@time").to_pylist()] == [
        "2020-04-30T00:06:39.500000+00:00",
        "2020-04-30T00:06:40+00:00",
    ]


def test_parquet_of_windows_events_is_known_by_its_columns(tmp_path):
    path = tmp_path / "x.parquet"
    columns = {
        "EventID": [3, 1],
        "Channel": ["Microsoft-Windows-Sysmon/Operational"] * 2,
        "SystemTime": ["2024-01-01"] * 2,
    }
    pq.write_table(pa.table(columns), path)
    assert [(e.sensor, e.kind) for e in read_telemetry(path).events] == [("sysmon", "3"), ("sysmon", "1")]


@pytest.mark.parametrize("size", [4, 100, 400])
def test_damaged_parquet_is_an_error_with_the_reason(tmp_path, size):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"ts": [1588205199.5]}), path)
    path.write_bytes(path.read_bytes()[:size])
    assert failure(path).startswith("error[damaged-parquet]: x.parquet cannot be read as Parquet: ")


@pytest.mark.parametrize(
    "layout", [b"{", b"[]", b'{"tables":[{"rows":5}]}', b'{"tables":[],"causes":[{"x":1}],"origin":"simulated"}']
)
def test_parquet_whose_layout_is_not_ours_is_an_error(tmp_path, layout):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"ts": [1.5]}).replace_schema_metadata({b"detlab": layout}), path)
    assert failure(path).startswith("error[damaged-parquet]: x.parquet cannot be read as Parquet: ")


def test_formats_are_the_readers_files():
    assert list_readers() == ("clixml", "csv_table", "evtx", "ndjson", "parquet", "windows_xml")


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLES.exists(), reason="the real recordings are not beside the checkout")
def test_all_real_recordings_are_read_without_a_traceback():
    telemetry = read_telemetry(SAMPLES)
    assert len(telemetry) > 39_000
    assert all(d.place and d.message for d in telemetry.damages)
