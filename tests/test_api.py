"""detlab as a library: what a notebook gets, and the notebook in docs/."""

import ast
import inspect
import json
import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pyarrow as pa
import pytest

import harness
from harness.diagnostics import HarnessError

ROOT = Path(__file__).parents[1]
PACK = ROOT / "scenarios" / "T1583.004"
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A file of events: one beacon, and a process whose command line holds markup."""
    path = tmp_path_factory.mktemp("events") / "events.ndjson"
    channel = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "Computer": "WS01"}
    lines = [{**channel, "UtcTime": f"2026-03-03 09:1{n}:00.000", "CommandLine": "<b>&"} for n in range(3)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_importing_the_package_imports_nothing_heavy():
    said = (
        "import sys, harness; print(sorted(m for m in sys.modules if m in ('pyarrow', 'duckdb', 'numpy', 'msgspec')))"
    )
    printed = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True, cwd=ROOT)
    assert printed.stdout == "[]\n"


def test_every_public_name_is_there_typed_and_described():
    assert {"query", "explain", "simulate", "judge", "tune"} <= set(harness.__all__) <= set(dir(harness))
    for name in set(harness.__all__) - {"__version__"}:
        function = getattr(harness, name)
        assert function.__doc__
        assert inspect.signature(function).return_annotation != inspect.Signature.empty
    folder = Path(harness.__file__).parent
    assert (folder / "py.typed").is_file()
    # What type checkers see is what there is.
    stub = ast.parse((folder / "__init__.pyi").read_text("utf-8"))
    imported = {alias.name for n in stub.body if isinstance(n, ast.ImportFrom) for alias in n.names}
    assert imported == set(harness.__all__) - {"__version__"}
    with pytest.raises(AttributeError, match="no attribute 'quary'"):
        _ = harness.quary


def test_a_query_gives_a_table_and_html_in_which_nothing_is_markup(recorded):
    text = 'EventCode=1 | stats count by host | eval said="<b>&"'
    found = harness.query(text, recorded, language="spl")
    assert isinstance(found.table, pa.Table)
    assert found.table.to_pylist() == [{"host": "WS01", "count": 3.0, "said": "<b>&"}]
    assert (len(found), found.events, found.alerts) == (1, 3, 0)
    html = found._repr_html_()
    assert "&lt;b&gt;&amp;" in html and "<b>" not in html
    with pytest.raises(FrozenInstanceError):
        found.events = 4


def test_a_wrong_query_is_an_error_with_its_place(recorded):
    with pytest.raises(HarnessError) as raised:
        harness.query("EventCode=1 | eval a=rond(1)", recorded, language="spl")
    assert (raised.value.code, raised.value.span.text) == ("unknown-function", "rond")
    with pytest.raises(HarnessError, match="no path but a text"):
        harness.query("EventCode=1 | head", recorded)
    with pytest.raises(HarnessError, match="no choice `dialekt`"):
        harness.query(PACK / "server.spl", recorded, dialekt="strict")


def test_an_attack_is_simulated_judged_and_explained():
    scenario = PACK / "1-beacon-check-in.yaml"
    left = harness.simulate(scenario)
    counted = {(r["sensor"], r["kind"]): r["events"] for r in left.table.to_pylist()}
    assert left.read_kind("sysmon", "3").num_rows == counted["sysmon", "3"]
    assert {"EventCode", "index"} <= set(left.present("splunk")[-1].schema.names)
    judged = harness.judge(scenario)
    assert judged.as_expected and judged.table.column("observed").to_pylist() == ["false negative"] * 2
    lost = harness.explain(PACK / "server.spl", scenario=scenario)
    assert lost.lost_at.startswith("index=wineventlog")
    assert any(clause.startswith('DestinationIp="127.*" lost ') for clause in lost.clauses)
    assert "<table>" in left._repr_html_() and "lost at" in lost._repr_html_()


def test_settings_of_a_rule_are_tuned():
    found = harness.tune(PACK / "server.spl", PACK / "routable", PACK / "benign", seconds_for_texts=0, recall=0.5)
    assert found.table.num_rows > 1
    assert found.published["literals.TotalConnections >= 10"] == 10
    assert found.recommended is not None and found.diff.startswith("---")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_of_a_notebook_runs(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    document = json.loads(path.read_text("utf-8"))
    names: dict[str, object] = {}
    shown = [run_cell("".join(c["source"]), names) for c in document["cells"] if c["cell_type"] == "code"]
    assert len(shown) > 3
    assert all(value is not None for value in shown)
    # Kept without outputs, which would be those of one machine.
    assert [c["outputs"] for c in document["cells"] if c["cell_type"] == "code" and c["outputs"]] == []
    assert os.getcwd() == str(ROOT)


def run_cell(text, names):
    """The value of a cell's last line, as a notebook shows it."""
    tree = ast.parse(text)
    if isinstance(tree.body[-1], ast.Expr):
        last = tree.body.pop()
        tree.body.append(ast.copy_location(ast.Assign([ast.Name("shown", ast.Store())], last.value), last))
    # Cells of a notebook of ours, as jupyter would run them.
    exec(compile(ast.fix_missing_locations(tree), "cell", "exec"), names)  # noqa: S102
    value = names.get("shown")
    return value._repr_html_() if hasattr(value, "_repr_html_") else value
