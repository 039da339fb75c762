"""Two engines that run plans held against each other: here one engine twice, under two values of a switch."""

from harness.product_comparison import compare_runs
from harness.run import run_scenarios
from harness.run_options import RunOptions

SCENARIO = """title: Calls to two ports
technique: T1583.004
activity: malicious
simulate:
  - behaviour: beacon
    given: {server: 203.0.113.10, port: 8888, every: 30s, jitter: 0, times: 5}
  - behaviour: beacon
    given: {server: 203.0.113.10, port: 443, every: 30s, jitter: 0, times: 2}
expect:
  - {rule: low.spl, outcome: true positive}
  - {rule: count.spl, outcome: true positive}
"""


def test_engines_that_say_otherwise_part_at_a_step_that_a_switch_explains(tmp_path, monkeypatch):
    (tmp_path / "calls.yaml").write_text(SCENARIO)
    (tmp_path / "low.spl").write_text("index=wineventlog EventCode=3\n| stats perc25(DestinationPort) as low by host")
    (tmp_path / "count.spl").write_text("index=wineventlog EventCode=3 | stats count by host")
    for name in ("low", "count"):
        (tmp_path / f"{name}.spl.yaml").write_text("title: a rule\ntechnique: T1583.004\n")
    monkeypatch.chdir(tmp_path)
    options = (RunOptions(jobs=1), RunOptions(jobs=1, switches={"percentiles": "nearest-rank"}))
    outcomes = tuple(run_scenarios([tmp_path / "calls.yaml"], each) for each in options)
    (found,) = compare_runs(outcomes, options)
    assert (found.rule.name, found.parting.number, found.parting.span.text) == (
        "low.spl",
        2,
        "stats perc25(DestinationPort) as low by host",
    )
    assert found.parting.only == (("host=WS01, low=4665.5",), ("host=WS01, low=443",))
    assert found.switches == ((("percentiles", "nearest-rank"),),)
