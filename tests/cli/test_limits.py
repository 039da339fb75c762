"""Limits of time and memory hold whatever a rule does, and cost one result."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.hostile_inputs import measure, write_inputs

SCENARIO = """title: Five calls
activity: malicious
simulate:
  - behaviour: beacon
    given: {server: 203.0.113.10, every: 30s, jitter: 0, times: 5}
expect:
"""
# Imports and start of a process, on a machine that is busy with other tests.
ALLOWANCE = 12.0


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    return write_inputs(tmp_path)


@pytest.mark.parametrize("name", ["mvrange_1e9.spl", "replace_9.spl"])
def test_a_rule_that_keeps_python_busy_is_ended_at_its_limit(events, name):
    found = measure("query", name, "--events", events, "--time-limit", "1", "--memory-limit", "2GB")
    assert found.code == 2
    assert found.said.startswith("error[time-limit]: it ran for more than 1 s and was stopped")
    assert found.seconds < 2 + ALLOWANCE


def test_a_rule_that_needs_too_much_memory_is_ended_at_its_limit(events):
    found = measure(
        "query", "mvrange_1e9.spl", "--events", events, "--time-limit", "100", "--memory-limit", "600MB", "--json"
    )
    assert found.code == 2
    (error,) = json.loads(found.said)["errors"]
    assert (error["code"], error["message"]) == ("memory-limit", "it needed more than 600 MB of memory and was stopped")
    assert found.megabytes < 600


def test_a_small_limit_of_memory_is_enough_for_an_ordinary_rule(events):
    found = measure("query", "quick.spl", "--events", events, "--memory-limit", "600MB", "--json")
    assert found.code == 0
    assert json.loads(found.said)["rows"] == [{"count": 26}]


def test_a_rule_beyond_its_limit_is_one_broken_result_of_a_run(events, tmp_path):
    for name, rules in (("a", ["mvrange_1e9.spl", "quick.spl"]), ("b", ["quick.spl"])):
        expected = "".join(f"  - {{rule: {rule}, outcome: true positive}}\n" for rule in rules)
        (tmp_path / f"{name}.yaml").write_text(SCENARIO + expected)
    found = measure("run", "a.yaml", "b.yaml", "--time-limit", "4", "--json")
    assert found.code == 2
    report = json.loads(found.said)
    assert [Path(b["path"]).name for b in report["broken"]] == ["a.yaml"]
    assert report["broken"][0]["error"]["code"] == "time-limit"
    assert [v["as_expected"] for v in report["verdicts"]] == [True, True]


def test_coverage_goes_on_after_a_rule_beyond_its_limit(events, tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    for name in ("mvrange_1e9.spl", "quick.spl"):
        (rules / name).write_text((tmp_path / name).read_text())
    found = measure("coverage", rules, "--time-limit", "4", "--json")
    stages = {Path(r["path"]).name: r["stage"] for r in json.loads(found.said)["covered"]}
    assert stages["quick.spl"] == "runs"
    assert stages["mvrange_1e9.spl"] != "runs"


def test_in_one_process_it_is_said_that_limits_are_not_hard(events):
    found = measure("query", "quick.spl", "--events", events, "--in-process")
    assert found.said.startswith("note: in one process, so limits of time and memory are not hard")
    assert found.code == 0


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from harness.cli.main import main; main()", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(condition) -> bool:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_no_child_outlives_its_parent(events, sent, code):
    process = start("query", "foreach_nested.spl", "--events", str(events))
    assert wait_for(lambda: children(process.pid))
    (child,) = children(process.pid)
    os.kill(process.pid, sent)
    assert process.wait(30) == code
    assert wait_for(lambda: not Path(f"/proc/{child}").exists())


def test_a_child_reaches_no_network(events, tmp_path):
    (tmp_path / "generators").mkdir()
    (tmp_path / "generators" / "caller.py").write_text(
        "import socket\n\n\ndef caller(host, start, random):\n"
        "    socket.create_connection(('127.0.0.1', 9))\n    yield from ()\n"
    )
    given = "    given: {server: 203.0.113.10, every: 30s, jitter: 0, times: 5}\n"
    page = SCENARIO.replace("beacon", "caller").replace(given, "")
    (tmp_path / "c.yaml").write_text(page + "  - {rule: quick.spl, outcome: true positive}\n")
    found = measure("run", "c.yaml")
    assert "permission denied" in found.said.lower()
    assert f"note: Python of this pack runs: {tmp_path / 'generators'}" in found.said


def test_python_that_ends_its_process_is_one_broken_scenario(events, tmp_path):
    (tmp_path / "generators").mkdir()
    (tmp_path / "generators" / "quitter.py").write_text(
        "import os\n\n\ndef quitter(host, start, random):\n    os._exit(0)\n    yield\n"
    )
    given = "    given: {server: 203.0.113.10, every: 30s, jitter: 0, times: 5}\n"
    expected = "  - {rule: quick.spl, outcome: true positive}\n"
    (tmp_path / "bad.yaml").write_text(SCENARIO.replace("beacon", "quitter").replace(given, "") + expected)
    (tmp_path / "good.yaml").write_text(SCENARIO + expected)
    found = measure("run", "bad.yaml", "good.yaml", "--json")
    assert found.code == 2
    report = json.loads(found.said.partition("\n")[2])
    assert [(b["path"], b["error"]["code"]) for b in report["broken"]] == [("bad.yaml", "process-died")]
    assert [v["as_expected"] for v in report["verdicts"]] == [True]
