"""The subcommands of the real lab, as a person types them, against the protocol server."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.telemetry.lab.host_record import list_owed_cleanups
from harness.telemetry.lab.services import Ports, query_dns_sink, start_listener
from tests.winrm.windows_machine import Machine
from tests.winrm.wsman_server import PASSWORD

ROOT = Path(__file__).parents[2]
PUBLISHED = [
    f"scenarios/T1583.004/{name}.yaml"
    for name in ("1-beacon-check-in", "2-dns-lookups", "3-non-standard-ports", "4-scheduled-task")
]


def detlab(made, folder, *arguments, **environment):
    (folder / "hosts.yaml").write_text(made.text)
    command = [sys.executable, "-c", "from harness.cli.main import main; main()", *arguments]
    if arguments[0] in ("detonate", "cleanup", "doctor"):
        command += ["--inventory", str(folder / "hosts.yaml")]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, env={**os.environ, **environment}
    )
    for text in (run.stdout, run.stderr):
        assert PASSWORD not in text
        assert "Traceback" not in text
    return run


def free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def published_listener(tmp_path):
    if not all(free(p) for p in (8888, 4444, 8080, 8443)):
        pytest.skip("a published port is in use on this machine")
    running = start_listener(ROOT / "lab", Ports(dns=(0,)), tmp_path / "seen.ndjson")
    yield running
    running.stop()


def cells(document):
    """What each Splunk rule said of each scenario, and whether that is as expected."""
    return {
        (Path(v["scenario"]["path"]).name, v["rule"]["path"]): (v["observed"], v["as_expected"])
        for v in document["verdicts"]
        if v["rule"]["path"].endswith(".spl")
    }


def test_the_four_tests_give_the_verdicts_of_the_simulation(lab, published_listener, tmp_path):
    machine = Machine(resolver=lambda name: query_dns_sink("127.0.0.1", published_listener.ports["dns"][0], name))
    made = lab(machine=machine)
    recording = tmp_path / "recording"
    run = detlab(
        made,
        tmp_path,
        "detonate",
        "T1583.004",
        "--host",
        "win10",
        "--yes",
        "--set",
        "interval=0",
        *(word for path in PUBLISHED for word in ("--scenarios", path)),
        "--quiet-for",
        "1",
        "--json",
        "--out",
        str(recording),
    )
    detonated = json.loads(run.stdout)
    # With interval=0 it is not quite what the scenario says, and it is told.
    differing = [s for s in detonated["signals"] + detonated["verdicts"] if not s["as_expected"]]
    assert [s.get("apart") for s in differing] == [[29, 32]]
    assert run.returncode == 1
    simulated = json.loads(detlab(made, tmp_path, "run", *PUBLISHED, "--json").stdout)
    real, expected = cells(detonated), cells(simulated)
    assert len(real) == 4
    assert real == {key: expected[key] for key in real}
    assert machine.tasks == {}
    again = detlab(made, tmp_path, "run", PUBLISHED[0], "--replay", str(recording), "--json")
    key = ("1-beacon-check-in.yaml", "scenarios/T1583.004/server.spl")
    assert cells(json.loads(again.stdout)) == {key: real[key]}
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert PASSWORD.encode() not in written


def test_what_if_prints_and_does_nothing(lab, tmp_path):
    made = lab()
    run = detlab(made, tmp_path, "detonate", "T1583.004-4", "--host", "win10", "--what-if")
    assert run.returncode == 0
    assert "command: set DETLAB=" in run.stdout
    assert "cleanup: set DETLAB=" in run.stdout
    assert made.server.schedule.seen == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["T1583.004-1", "--host", "win10", "--yes", "--set", "server=203.0.113.9"], 2, "refused[target-outside-lab]"),
        (["T1583.004-1", "--host", "win11", "--yes"], 2, "the inventory has no host `win11`"),
        (["T1583.004-1", "--host", "win10", "--yes", "--set", "sevrer=x"], 2, "did you mean `server`?"),
        (["T1583.004-9", "--host", "win10", "--yes"], 2, "T1583.004 has tests 1 to 4, not 9"),
        (["T1583.004-1", "--host", "win10"], 2, "nobody is there to confirm the plan"),
    ],
)
def test_a_refusal_says_which_rule_and_what_helps(lab, tmp_path, arguments, code, message):
    made = lab()
    run = detlab(made, tmp_path, "detonate", *arguments)
    assert run.returncode == code
    assert message in run.stderr
    assert made.server.schedule.seen == []


def test_a_wrong_password_ends_with_3_and_one_message(lab, tmp_path):
    run = detlab(
        lab(), tmp_path, "detonate", "T1583.004-4", "--host", "win10", "--yes", LAB_TEST_PASSWORD="wrong-password-1"
    )
    assert run.returncode == 3
    assert run.stdout.count("error[credentials]") == 1
    assert "wrong-password-1" not in run.stdout + run.stderr


@pytest.mark.slow
def test_an_unset_password_is_told_by_the_name_of_its_variable(lab, tmp_path):
    run = detlab(lab(), tmp_path, "detonate", "T1583.004-4", "--host", "win10", "--yes", LAB_TEST_PASSWORD="")
    assert run.returncode == 2
    assert "the environment variable LAB_TEST_PASSWORD is not set" in run.stdout + run.stderr


@pytest.mark.slow
def test_what_is_owed_is_listed_and_paid(lab, tmp_path):
    machine = Machine()
    made = lab(machine=machine)
    inner = machine.do_schtasks
    machine.do_schtasks = lambda rest, p, io: 5 if "/Delete" in rest else inner(rest, p, io)
    run = detlab(
        made,
        tmp_path,
        "detonate",
        "T1583.004-4",
        "--host",
        "win10",
        "--yes",
        "--no-judge",
        "--quiet-for",
        "0.3",
        "--out",
        str(tmp_path / "r"),
    )
    assert run.returncode == 1
    assert "owed" in run.stdout
    listed = detlab(made, tmp_path, "cleanup", "--list")
    assert listed.returncode == 1
    assert "win10  T1583.004-4" in listed.stdout
    assert 'schtasks.exe /Delete /TN "WindowsNetworkHealth" /F' in listed.stdout
    machine.do_schtasks = inner
    paid = detlab(made, tmp_path, "cleanup")
    assert (paid.returncode, machine.tasks) == (0, {})
    assert "cleaned" in paid.stdout
    assert detlab(made, tmp_path, "cleanup").stdout == "nothing is owed\n"


def test_what_a_host_says_does_nothing_to_the_terminal(lab, tmp_path):
    machine = Machine()
    made = lab(machine=machine)
    inner = machine.do_schtasks

    def hostile(rest, process, io):
        if "/Delete" not in rest:
            return inner(rest, process, io)
        io.err("\x1b[2Jgone\x07 \u202e")
        return 5

    machine.do_schtasks = hostile
    how = ["--yes", "--no-judge", "--quiet-for", "0.3", "--set", "port=1", "--out", str(tmp_path / "r")]
    run = detlab(made, tmp_path, "detonate", "T1583.004-4", "--host", "win10", *how)
    paid = detlab(made, tmp_path, "cleanup")
    for text in (run.stdout, paid.stdout):
        assert r"the clean-up ended with exit code 5: \x1b[2Jgone\x07 \u202e" in text
    assert (run.returncode, paid.returncode) == (1, 1)


@pytest.mark.slow
def test_an_interruption_kills_the_test_and_cleans_up(lab, tmp_path):
    machine = Machine()
    made = lab(machine=machine)
    (tmp_path / "hosts.yaml").write_text(made.text)
    given = [
        "detonate",
        "T1583.004-1",
        "--host",
        "win10",
        "--yes",
        "--no-judge",
        "--set",
        "interval=60",
        "--set",
        "port=1",
    ]
    command = [
        sys.executable,
        "-c",
        "from harness.cli.main import main; main()",
        *given,
        "--inventory",
        str(tmp_path / "hosts.yaml"),
    ]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not any("Start-Sleep -Seconds 60" in c for c in machine.ran) and time.monotonic() < end:
        time.sleep(0.1)
    run.send_signal(signal.SIGTERM)
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130, told
    assert "cleaning up" in told
    assert not any("Start-Sleep" in p.line for p in machine.processes.values())
    assert list_owed_cleanups(Path(os.environ["DETLAB_STATE"])) == ()


@pytest.mark.slow
def test_signals_beside_an_atomic_are_judged(lab, tmp_path):
    home = tmp_path / "atomics" / "T1053.005"
    home.mkdir(parents=True)
    (home / "T1053.005.yaml").write_text(ATOMIC)
    (home / "T1053.005.signals.yaml").write_text(
        "'1':\n- {sensor: windows_security, event: 4698, where: {TaskName: '\\spawn'}, exactly: 1}\n"
        "- {sensor: task_scheduler, event: 106, exactly: 2}\n"
    )
    made = lab(machine=Machine())
    given = (
        "--atomics",
        str(home.parent),
        "--host",
        "win10",
        "--yes",
        "--quiet-for",
        "0.5",
        "--json",
        "--out",
        str(tmp_path / "r"),
    )
    run = detlab(made, tmp_path, "detonate", "T1053.005-1", *given)
    document = json.loads(run.stdout)
    assert [(s["sensor"], s["recorded"], s["as_expected"]) for s in document["signals"]] == [
        ("windows_security", 1, True),
        ("task_scheduler", 1, False),
    ]
    assert (run.returncode, made.machine.tasks) == (1, {})


ATOMIC = """\
attack_technique: T1053.005
display_name: Scheduled Task
atomic_tests:
- name: Scheduled task Local
  auto_generated_guid: 0f7c5301-6859-45ba-8b4d-1fac30fc31ed
  description: Creates a task.
  supported_platforms: [windows]
  executor:
    name: command_prompt
    command: schtasks.exe /Create /F /SC ONCE /TN spawn /TR cmd.exe /ST 20:10
    cleanup_command: schtasks.exe /Delete /TN spawn /F >nul 2>&1
"""
