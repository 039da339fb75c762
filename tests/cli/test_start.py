"""What commands import: those that run nothing load neither an engine nor tables, and one start reads few modules."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.detection.language import list_switch_names, list_switches
from harness.telemetry.platform import list_condition_names, platform, platform_names, sensor_names
from harness.telemetry.sensor import sensor

ROOT = Path(__file__).parents[2]
RULES = ROOT / "scenarios" / "T1583.004"
ENGINES_AND_TABLES = {"duckdb", "sqlglot", "pyarrow", "numpy"}

LIST_IMPORTED = """
import sys
from harness.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert end.code in (0, 1), end.code
sys.stderr.write("imported " + " ".join(sys.modules))
"""


def list_imported(*arguments: str) -> set[str]:
    """The modules that a command line imports in its own process."""
    done = subprocess.run(
        [sys.executable, "-c", LIST_IMPORTED, *arguments], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(done.stderr.rpartition("imported ")[2].split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["list"],
        ["list", "scenarios"],
        ["list", "languages"],
        ["lint", "--in-process", str(RULES / "server.spl")],
        ["lint", "--in-process", str(RULES / "server.cql")],
    ],
    ids=" ".join,
)
def test_what_runs_nothing_imports_no_engine_and_no_tables(arguments):
    assert list_imported(*arguments) & ENGINES_AND_TABLES == set()


def test_help_reads_no_subcommand():
    assert {m for m in list_imported("--help") if m.startswith("harness.cli.commands.")} == set()


def test_a_list_of_names_imports_no_language_whole():
    imported = list_imported("list")
    assert "harness.detection.languages.spl.switches" in imported
    assert {
        m for m in imported if m.startswith(("harness.telemetry.sensors.", "harness.telemetry.platforms."))
    } == set()
    languages = {m for m in imported if m.startswith("harness.detection.languages.")}
    assert {m for m in languages if m.endswith((".planner", ".parser", ".registry"))} == set()


def test_names_read_without_importing_are_those_that_there_are():
    assert list_switch_names() == list(list_switches())
    conditions = [c.name for name in sensor_names() for c in sensor(name).conditions]
    conditions += [c.name for name in platform_names() for c in platform(name).conditions]
    assert list_condition_names() == conditions


def test_a_scenario_imports_no_files_of_others():
    imported = list_imported("run", "--in-process", str(RULES / "1-beacon-check-in.yaml"))
    assert "duckdb" in imported
    # Parquet, Sigma and regular expressions of an app's settings are for runs that have them.
    assert imported & {"pyarrow.parquet", "harness.scenario.sigma.detection", "regex", "lxml", "evtx"} == set()
    # The engine's text is written here; pyarrow would import pandas for its first array, where it is installed.
    assert imported & {"sqlglot", "pandas"} == set()


@pytest.mark.parametrize(("dialect", "loaded"), [("duckdb", set()), ("snowflake", {"sqlglot"})])
def test_another_dialect_than_the_engines_imports_what_prints_it(dialect, loaded):
    imported = list_imported("compile", "--in-process", str(RULES / "server.spl"), "--dialect", dialect)
    assert imported & {"sqlglot"} == loaded
