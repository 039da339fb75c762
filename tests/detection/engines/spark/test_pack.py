"""The whole pack on Spark, in one run: every verdict and signal is DuckDB's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.more
pytest.importorskip("pyspark", reason="Spark is not installed: pip install 'detlab[spark]'")

ROOT = Path(__file__).parents[4]


def judge(engine):
    command = [Path(sys.executable).parent / "detlab", "run", "--engine", engine, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def list_verdicts(report):
    return sorted(
        (v["scenario"]["path"], v["rule"]["path"], str(v["conditions"]), v["observed"], v["as_expected"])
        for v in report["verdicts"]
    )


def test_every_verdict_of_the_pack_is_that_of_duckdb():
    here, there = judge("duckdb"), judge("spark")
    assert list_verdicts(there) == list_verdicts(here)
    assert len(here["verdicts"]) == 94
