"""`detlab ingest`: any input as a store that every command takes."""

import gzip
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.command_line import detlab
from tests.hostile_inputs import measure

SHAPES = Path(__file__).parents[2] / "telemetry" / "shapes"
RULE = """index=wineventlog EventCode=*
| stats count dc(host) as hosts values(Image) as images by EventCode
| sort EventCode
"""


@pytest.fixture
def rule(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.spl").write_text(RULE)
    return tmp_path / "all.spl"


def rows_of(*arguments):
    ran = detlab("query", *arguments, "--json")
    assert ran.code == 0, ran.err
    return ran.document["rows"]


@pytest.mark.parametrize("name", ["winlogbeat.ndjson", "evtxecmd.csv", "get_winevent.clixml", "falcon.ndjson"])
def test_a_store_of_a_file_gives_what_the_file_gives(rule, name):
    assert detlab("ingest", SHAPES / name, "--out", "store").code == 0
    assert rows_of(rule, "--events", "store") == rows_of(rule, "--events", SHAPES / name)


def test_a_folder_and_several_paths_are_one_store(rule, tmp_path):
    (tmp_path / "a").mkdir()
    shutil.copy(SHAPES / "winlogbeat.ndjson", tmp_path / "a")
    (tmp_path / "b.gz").write_bytes(gzip.compress((SHAPES / "nxlog.ndjson").read_bytes()))
    ran = detlab("ingest", "a", "b.gz", "--out", "store", "--json")
    single = [len(rows_of(rule, "--events", p)) for p in ("a", "b.gz")]
    both = rows_of(rule, "--events", "a", "--events", "b.gz")
    assert min(single) > 0
    assert rows_of(rule, "--events", "store") == both
    assert ran.document["events"] == sum(kind["events"] for kind in ran.document["kinds"]) == 8


def test_every_command_takes_a_store(rule, tmp_path):
    detlab("ingest", SHAPES / "winlogbeat.ndjson", "--out", "store")
    rules = Path("rules")
    rules.mkdir()
    shutil.copy(rule, rules)
    for arguments in (
        ("run", "--rule", "all.spl", "--events", "store"),
        ("coverage", "rules", "--events", "store"),
        ("events", "store"),
        ("explain", "all.spl", "--events", "store"),
    ):
        ran = detlab(*arguments)
        assert ran.code == 0, (arguments, ran.err, ran.out)


def test_what_could_not_be_read_is_told_again_by_each_query(rule, tmp_path):
    text = (SHAPES / "winlogbeat.ndjson").read_text()
    (tmp_path / "torn.ndjson").write_text(text + '{"broken": ')
    said = detlab("ingest", "torn.ndjson", "--out", "store").err
    assert "torn.ndjson: line 5" in said
    assert "torn.ndjson: line 5" in detlab("query", rule, "--events", "store").err


def test_conditions_are_kept_until_others_are_given(rule, tmp_path):
    (tmp_path / "old.spl").write_text('sourcetype="XmlWinEventLog:*" | stats count')
    detlab("ingest", SHAPES / "winlogbeat.ndjson", "--out", "store", "--condition", "addon=legacy")
    assert rows_of("old.spl", "--events", "store") == [{"count": 4.0}]
    assert rows_of("old.spl", "--events", "store", "--condition", "addon=current") == [{"count": 0.0}]


def test_a_store_that_is_there_is_not_overwritten_silently(rule):
    detlab("ingest", SHAPES / "winlogbeat.ndjson", "--out", "store")
    ran = detlab("ingest", SHAPES / "nxlog.ndjson", "--out", "store")
    assert (ran.code, ran.err) == (
        2,
        "error[already-there]: store is there already\n  = help: name a new folder, or add --overwrite\n",
    )
    assert detlab("ingest", SHAPES / "nxlog.ndjson", "--out", "store", "--overwrite").code == 0
    Path("other").mkdir()
    Path("other/notes.txt").write_text("mine")
    ran = detlab("ingest", SHAPES / "nxlog.ndjson", "--out", "other", "--overwrite")
    assert ran.code == 2 and "is there already and is no store" in ran.err


def test_what_cannot_be_read_leaves_no_store(rule, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing of the kind\n")
    ran = detlab("ingest", "notes.txt", "--out", "store")
    assert ran.code == 2 and "error[unknown-format]" in ran.err
    assert not Path("store").exists() and sorted(p.name for p in tmp_path.iterdir()) == ["all.spl", "notes.txt"]


def test_a_world_of_an_older_program_is_refused_with_a_word(rule):
    Path("world").mkdir()
    Path("world/world.json").write_text('{"format": 1}')
    ran = detlab("query", rule, "--events", "world")
    assert ran.code == 2 and "error[old-store]: world was written by an older detlab" in ran.err


def test_times_that_nobody_wrote_stand_at_the_end(rule, tmp_path):
    lines = (SHAPES / "winlogbeat.ndjson").read_text().splitlines()
    without = json.loads(lines[0])
    del without["@timestamp"]
    without["winlog"].pop("time_created", None)
    (tmp_path / "some.ndjson").write_text("\n".join([json.dumps(without), *lines[1:]]))
    (tmp_path / "times.spl").write_text("index=* | stats min(_time) as first max(_time) as last count")
    detlab("ingest", "some.ndjson", "--out", "store")
    assert rows_of("times.spl", "--events", "store") == rows_of("times.spl", "--events", "some.ndjson")


def write_large(path, megabytes):
    """Events of Sysmon 3, no two of the same process; so many megabytes of NDJSON."""
    line = json.dumps(
        {
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "EventID": 3,
            "Provider_Name": "Microsoft-Windows-Sysmon",
            "SystemTime": "2026-03-03T09:12:%02d.%06dZ",
            "Computer": "WS%02d",
            "Image": r"C:\\Windows\\%d.exe",
            "CommandLine": "x" * 400 + "%d",
        }
    )
    with path.open("w") as out:
        for number in range(megabytes * 1_000_000 // (len(line) + 10)):
            values = (number // 1000 % 60, number, number % 50, number % 97, number)
            out.write(line % values + "\n")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["ndjson", "csv", "parquet"])
def test_memory_is_bounded_whatever_is_read(rule, tmp_path, monkeypatch, form):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    path = tmp_path / f"large.{form}"
    write_large(tmp_path / "large.ndjson", 2_000)
    if form != "ndjson":
        convert(tmp_path / "large.ndjson", path)
    found = measure("ingest", path, "--out", "store", "--memory-limit", "600MB", "--json")
    assert found.code == 0, found.said
    assert found.megabytes < 600


def convert(source, path):
    """The same events as CSV or Parquet, a part after another."""
    writer = None
    with source.open() as lines, path.open("w" if path.suffix == ".csv" else "wb") as out:
        rows = []
        for line in lines:
            rows.append(json.loads(line))
            if len(rows) == 50_000:
                writer = write_rows(rows, out, writer, path.suffix)
                rows = []
        writer = write_rows(rows, out, writer, path.suffix)
        if path.suffix == ".parquet":
            writer.close()


def write_rows(rows, out, writer, suffix):
    """Adds rows to a file."""
    if suffix == ".csv":
        if writer is None:
            out.write(",".join(rows[0]) + "\n")
        out.writelines(",".join(str(v) for v in row.values()) + "\n" for row in rows)
        return True
    table = pa.Table.from_pylist(rows)
    writer = writer or pq.ParquetWriter(out, table.schema)
    writer.write_table(table)
    return writer


@pytest.mark.slow
def test_what_is_large_is_a_store_in_passing(rule, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    write_large(tmp_path / "large.ndjson", 150)
    ample, scarce = (
        measure("query", rule, "--events", "large.ndjson", "--json", "--memory-limit", limit)
        for limit in ("4GB", "540MB")
    )
    assert json.loads(ample.said)["rows"] == json.loads(scarce.said)["rows"] != []
    assert scarce.megabytes < 540
