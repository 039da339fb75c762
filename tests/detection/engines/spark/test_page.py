"""The commands of `docs/when-one-machine-is-not-enough.md` that need no server, and the same rows on both engines."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.more
pytest.importorskip("pyspark", reason="Spark is not installed: pip install 'detlab[spark]'")

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


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith(ELSEWHERE)])
def test_a_command_of_the_page_does_what_it_says(command, estate):
    done = run(command.replace("estate.store", str(estate)))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("rule", ["server.spl", "server.cql"])
def test_a_store_gives_spark_the_rows_that_it_gives_duckdb(rule, estate):
    command = f"detlab query scenarios/T1583.004/{rule} --events {estate} --json"
    found = {engine: json.loads(run(command, "--engine", engine).stdout) for engine in ("duckdb", "spark")}
    assert found["spark"]["rows"] == found["duckdb"]["rows"]
