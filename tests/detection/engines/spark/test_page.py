"""The commands of `docs/when-one-machine-is-not-enough.md` that need no server, and the same rows on both engines."""

import json
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.more
pytest.importorskip("pyspark", reason="Spark is not installed: pip install 'detlab[spark]'")
deltalake = pytest.importorskip("deltalake", reason="deltalake is not installed: pip install 'detlab[spark]'")

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "when-one-machine-is-not-enough.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]
# A module of its own holds every page against Spark.
ELSEWHERE = "detlab conformance"


def run(command, *more):
    words = [*shlex.split(command)[1:], *more]
    return subprocess.run(
        [Path(sys.executable).parent / "detlab", *words], cwd=ROOT, capture_output=True, text=True, timeout=900
    )


@pytest.fixture(scope="module")
def estate(tmp_path_factory):
    """A store of a scenario's events."""
    made = tmp_path_factory.mktemp("lake") / "estate.store"
    scenario = "scenarios/T1583.004/1-beacon-check-in.yaml"
    recorded = made.with_suffix(".ndjson")
    assert run(f"detlab simulate {scenario} --out {recorded}").returncode == 0
    assert run(f"detlab ingest {recorded} --out {made}").returncode == 0
    return made


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """A folder with a table of connections as Parquet in two files, and the same as Delta."""
    folder = tmp_path_factory.mktemp("tables") / "lake"
    (folder / "connections").mkdir(parents=True)
    start = datetime(2026, 1, 5, tzinfo=UTC)
    rows = [
        {
            "at": start + timedelta(minutes=n),
            "device": f"WS0{n % 2}",
            "process": {"path": r"C:\Windows\System32\powershell.exe"},
            "remote_ip": "203.0.113.10",
            "remote_name": "c2.example.net",
            "remote_port": "443",
            "record": n,
        }
        for n in range(1000)
    ]
    for number, part in enumerate((rows[:500], rows[500:])):
        table = pa.Table.from_pylist(part)
        pq.write_table(table, folder / "connections" / f"{number}.parquet")
        deltalake.write_deltalake(folder / "connections.delta", table, mode="append", partition_by=["device"])
    # A version whose files a reader of the folder alone would still find.
    deltalake.DeltaTable(folder / "connections.delta").delete("record >= 900")
    return folder


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith(ELSEWHERE)])
def test_a_command_of_the_page_does_what_it_says(command, estate, lake):
    done = run(command.replace("estate.store", str(estate)).replace("lake/", f"{lake}/"))
    assert done.returncode == 0, done.stderr


def test_a_table_gives_the_rows_of_its_own_last_version(lake):
    spl, cql = (json.loads(run(c.replace("lake/", f"{lake}/"), "--json").stdout) for c in COMMANDS if "--lake" in c)
    assert (spl["events"], cql["events"]) == (1000, 900)
    counted = [(row["host"], row["TotalConnections"], row["FirstSeen"]) for row in spl["rows"]]
    assert sorted(counted) == [("WS00", 500, "2026-01-05 00:00:00"), ("WS01", 500, "2026-01-05 00:00:00")]
    assert sorted((row["ComputerName"], row["TotalConnections"]) for row in cql["rows"]) == [
        ("WS00", 450),
        ("WS01", 450),
    ]


def test_a_project_says_once_what_a_table_is(lake, tmp_path):
    fields = {"host": "device", "DestinationIp": "remote_ip"}
    project = {"lakes": {"connections": {"table": str(lake / "connections"), "time": "at", "fields": fields}}}
    (tmp_path / "detlab.yaml").write_text(json.dumps(project))
    (tmp_path / "one.spl").write_text("DestinationIp=203.0.113.10 | stats count min(_time) as first by host")
    found = run(
        f"detlab query {tmp_path}/one.spl --settings {tmp_path}/detlab.yaml --lake connections --engine spark --json"
    )
    rows = json.loads(found.stdout)["rows"]
    assert [(r["host"], r["count"], r["first"]) for r in rows] == [("WS00", 500, 1767571200), ("WS01", 500, 1767571260)]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ("--lake {lake}/connections --engine spark", 2, "error[no-time]"),
        ("--lake {lake}/connections --lake-time when --engine spark", 2, "error[unknown-column]"),
        ("--lake {lake}/connections --lake-time at", 2, "error[no-lakes]"),
        ("--lake {lake}/gone --lake-time at --engine spark", 2, "error[unreadable]"),
        ("--lake nowhere --engine spark", 2, "error[unknown-lake]"),
        ("--lake-time at --engine spark", 2, "error[usage]"),
    ],
)
def test_what_a_table_lacks_is_told(options, code, said, lake):
    done = run(f"detlab query scenarios/T1583.004/server.spl {options.format(lake=lake)}")
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


@pytest.mark.parametrize("rule", ["server.spl", "server.cql"])
def test_a_store_gives_spark_the_rows_that_it_gives_duckdb(rule, estate):
    command = f"detlab query scenarios/T1583.004/{rule} --events {estate} --json"
    found = {engine: json.loads(run(command, "--engine", engine).stdout) for engine in ("duckdb", "spark")}
    assert found["spark"]["rows"] == found["duckdb"]["rows"]
