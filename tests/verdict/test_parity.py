"""Two renderings of one detection are told apart by the clause that separates them."""

import pytest

from harness.run import Bench
from harness.run_options import RunOptions
from harness.study_trials import build_trials
from harness.verdict.parity import parity

SPL = r"""index=wineventlog EventCode=3 NOT (Image="*\\chrome.exe" OR Image="*\\slack.exe")
| stats count as Total, values(DestinationPort) as Ports by host, Image, DestinationIp
| where Total >= 10"""
CQL = r"""#event_simpleName=NetworkConnectIP4
| !regex("(?i)(chrome|slack)\\.exe", field=ImageFileName)
| groupBy([ComputerName, ImageFileName, RemoteAddressIP4, RemotePort], function=count(as=Total))
| Total >= 10"""

BEACON = """\
title: {name}
activity: malicious
conditions: {{falcon: enriched}}
simulate:
  - {{behaviour: {behaviour}, host: WS01, given: {{server: 203.0.113.20, {given}}}}}
"""
CASES = {
    "plain": ("beacon", "times: 20"),
    "chrome": ("beacon", r"times: 20, image: 'C:\Tools\mychrome.exe'"),
    "ports": ("port_probe", "ports: [443, 8443, 4444], times: 5, every: 10m"),
    "few": ("beacon", "times: 3"),
}


@pytest.fixture
def compared(tmp_path):
    (tmp_path / "rule.spl").write_text(SPL)
    (tmp_path / "rule.cql").write_text(CQL)
    for name, (behaviour, given) in CASES.items():
        (tmp_path / f"{name}.yaml").write_text(BEACON.format(name=name, behaviour=behaviour, given=given))

    def run(search: bool):
        with Bench(RunOptions()) as bench:
            one, two = (build_trials(bench, tmp_path / n, [tmp_path]) for n in ("rule.spl", "rule.cql"))
            return parity(one, two, search=search)

    return run


def test_scenarios_are_told_apart_by_the_key_and_by_the_unanchored_name(compared):
    found = compared(False)
    assert {c.name.rpartition("/")[2]: [s.alerts for s in c.sides] for c in found.scenarios} == {
        "chrome.yaml": [1, 0],
        "few.yaml": [0, 0],
        "plain.yaml": [1, 1],
        "ports.yaml": [1, 0],
    }
    told = {d.cases[0].rpartition("/")[2]: (d.side, d.mutant.what.split(" in ")[0]) for d in found.differences}
    assert told == {
        "ports.yaml": (1, "`RemotePort` dropped from the keys"),
        "chrome.yaml": (1, "chrome dropped"),
    }
    chrome = next(c for c in found.scenarios if c.name.endswith("chrome.yaml"))
    assert chrome.sides[1].explanation is not None and chrome.sides[0].explanation is None


def test_probes_from_the_texts_of_both_find_what_no_scenario_shows(compared):
    found = compared(True)
    differing = [c.name for c in found.probes if not c.agree]
    assert any("xslack.exe" in name for name in differing)
    assert any("slack dropped" in d.mutant.what for d in found.differences)
    assert not found.agree
