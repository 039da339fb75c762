import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench.measure import Line
from bench.page import format_page, format_table
from bench.process import Cost
from bench.rows import digest
from bench.slopes import fit_slope

ROOT = Path(__file__).parents[2]
# As the command is installed, of the checkout that is tested.
DETLAB = shlex.join([sys.executable, "-c", "from harness.cli.main import main; main()"])


def bench(*arguments):
    command = [sys.executable, "-m", "bench", "--detlab", DETLAB, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The SPL rule by every way and competitor that this interpreter has, at the smallest size."""
    folder = tmp_path_factory.mktemp("bench")
    report, page = folder / "bench.json", folder / "bench.html"
    sizes = ("--quick", "--rounds", "1", "--events", "20000")
    done = bench("spl", *sizes, "--python", sys.executable, "--json", report, "--page", page)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout, json.loads(report.read_text("utf-8"))["lines"], page.read_text("utf-8")


def test_the_command_and_sql_give_the_same_rows_and_no_bar_fails_a_quick_run(quick):
    _, lines, _ = quick
    measured = [line for line in lines if line["missing"] is None]
    assert measured
    assert all(line["equal"] and line["rows"].startswith(tuple("123456789")) for line in measured)
    assert all(line["cost"]["cpu"] > 0 and line["cost"]["memory"] > 10_000_000 for line in measured)
    assert not any(line["judged"] for line in measured)
    assert not any(line["fails"] for line in lines)


def test_what_is_not_installed_is_said(quick):
    table, lines, page = quick
    polars = next(line for line in lines if line["yardstick"] == "Polars")
    # The environment of the tests has none of the competitors but DuckDB.
    assert polars["missing"].startswith("needs polars")
    assert "not measured: needs polars" in table
    assert "not measured: needs polars" in page


def test_the_page_has_ratios_and_plots_and_no_seconds(quick):
    _, lines, page = quick
    sql = next(line for line in lines if line["subject"] == "best SQL on Parquet")
    assert f"<td>{sql['value']:.3g}</td>" in page
    assert "<svg" in page
    assert f"{sql['cost']['cpu']:.2f} s" not in page


def test_without_an_interpreter_of_competitors_the_option_is_named(tmp_path):
    report = tmp_path / "bench.json"
    done = bench("readers", "--quick", "--rounds", "1", "--shared", tmp_path / "absent", "--json", report)
    assert done.returncode == 0, done.stderr
    told = {line["missing"] for line in json.loads(report.read_text("utf-8"))["lines"]}
    assert "needs duckdb, in an interpreter that --python or DETLAB_BENCH_PYTHON names" in told
    assert "needs samples/dev/cross/events.ndjson in a folder `../shared` or one that --shared names" in told


def test_a_measure_that_does_not_exist_is_named():
    done = bench("spll")
    assert done.returncode == 2
    assert "no measure is called spll" in done.stderr


def test_a_command_that_ends_with_an_error_fails_the_run(tmp_path):
    broken = shlex.join([sys.executable, "-c", "import sys; sys.exit('it broke' if sys.argv[1:] != ['--help'] else 0)"])
    done = bench("simulate", "--quick", "--rounds", "1", "--detlab", broken)
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert "it broke" in done.stdout


COST = Cost(cpu=2.0, wall=3.0, memory=50_000_000)


def line(**changed):
    return Line(measure="m", subject="s", yardstick="y", cost=COST, against=COST, **changed)


@pytest.mark.parametrize(
    ("changed", "fails"),
    [
        ({"value": 0.13, "bar": 0.12}, True),
        ({"value": 0.12, "bar": 0.12}, False),
        ({"value": 0.4, "bar": 0.5, "at_least": True}, True),
        ({"value": 0.6, "bar": 0.5, "at_least": True}, False),
        ({"value": 0.13, "bar": 0.12, "judged": False}, False),
        ({"value": 0.1, "bar": 0.12, "equal": False}, True),
        ({"value": 0.1, "bar": 0.12, "equal": False, "judged": False}, True),
        ({"missing": "needs polars"}, False),
        ({"missing": "it broke", "broken": True}, True),
    ],
)
def test_a_bar_that_is_missed_rows_that_differ_and_errors_fail(changed, fails):
    assert line(**changed).fails is fails


def test_the_table_says_what_came_of_each_line():
    table = format_table([line(value=0.13, bar=0.12), line(value=0.1, bar=0.12, equal=False)])
    assert "<= 0.12  MISSED" in table
    assert "ROWS DIFFER" in table
    assert "2.00 s, 3.00 s, 50 MB" in table


def test_a_page_escapes_what_it_prints():
    assert "<b>" not in format_page([line(missing="<b>needs</b>")])


def test_order_types_and_last_digits_do_not_change_a_digest():
    assert digest([[1, "a", ["y", "x"]], [0.1 + 0.2, None, []]]) == digest([[0.3, None, []], [1.0, "a", ["x", "y"]]])
    assert digest([[1, "a"]]) != digest([[1, "b"]])
    assert digest([[1], [1]]) != digest([[1]])
    assert digest([[1.000001]]) != digest([[1.000002]])


def test_a_slope_is_that_of_the_logarithms():
    assert fit_slope([(size, 3 * size**1.5) for size in (10, 100, 1000)]) == pytest.approx(1.5)
    assert fit_slope([(size, 7.0) for size in (10, 100, 1000)]) == pytest.approx(0.0)


def test_a_slope_is_drawn_beside_the_slope_of_one():
    page = format_page([line(value=2.0, bar=1.1, points=[(10, 1.0), (100, 100.0)])])
    # Twice as high as wide, within a square of 120.
    assert 'points="0.0,120.0 60.0,0.0"' in page
