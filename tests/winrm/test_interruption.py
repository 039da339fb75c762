"""Ctrl-C, SIGTERM, SIGHUP, a kill: tests that had ended are whole recordings, and the summary says what ran."""

import json
import signal

import pytest

from harness.telemetry.lab.host_record import list_owed_cleanups
from harness.telemetry.recording import open_recording
from tests.winrm.detlab_command import detlab, start, wait_until, write_atomics
from tests.winrm.windows_machine import Machine

FIRST = ("First", "schtasks.exe /Create /F /TN one /TR calc.exe", "schtasks.exe /Delete /TN one /F", {})
SECOND = (
    "Second",
    "schtasks.exe /Create /F /TN two /TR calc.exe\ntimeout /t 60",
    "schtasks.exe /Delete /TN two /F",
    {},
)
THIRD = ("Third", "schtasks.exe /Create /F /TN three /TR calc.exe", "schtasks.exe /Delete /TN three /F", {})
TESTS = ("T1053.005-1", "T1053.005-2", "T1053.005-3")
slow = pytest.mark.slow
SCENARIO = """\
title: A task is recorded
technique: T1053.005
atomic_test: 1
activity: malicious
replay: [{path: unused.xml}]
telemetry:
  - {sensor: windows_security, event: 4698, where: {TaskName: '\\one'}, exactly: 1}
"""


@pytest.fixture
def interrupted(lab, tmp_path):
    """Starts three tests, and sends signals once the second runs: what the process said, and how it ended."""
    made = lab(machine=Machine(lag=0.02))
    (tmp_path / "hosts.yaml").write_text(made.text)
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    atomics = write_atomics(tmp_path, FIRST, SECOND, THIRD)

    def run(*signals, json_output=False):
        given = (
            "--host",
            "win10",
            "--yes",
            "--atomics",
            atomics,
            "--quiet-for",
            "0.3",
            "--out",
            tmp_path / "recording",
        )
        process = start(tmp_path, "detonate", *TESTS, *given, *(["--json"] if json_output else []))
        wait_until(lambda: any(c.startswith("timeout") for c in made.machine.ran))
        for number in signals:
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert "Traceback" not in err
        return made.machine, process.returncode, out, err

    return run


def replay(folder):
    run = detlab(folder, "run", folder / "scenario.yaml", "--replay", folder / "recording", "--json")
    document = json.loads(run.stdout)
    assert [(s["recorded"], s["as_expected"]) for s in document["signals"]] == [(1, True)], run.stdout + run.stderr
    assert run.returncode == 0
    return run.stderr


@pytest.mark.parametrize(
    ("number", "json_output"),
    [
        (signal.SIGINT, True),
        pytest.param(signal.SIGINT, False, marks=slow),
        pytest.param(signal.SIGTERM, True, marks=slow),
        (signal.SIGHUP, False),
    ],
)
def test_a_request_to_end_cleans_up_keeps_what_was_recorded_and_says_what_ran(
    interrupted, tmp_path, number, json_output
):
    machine, code, out, err = interrupted(number, json_output=json_output)
    assert (code, machine.tasks) == (130, {}), out + err
    assert list_owed_cleanups(tmp_path / "state") == ()
    assert "interrupted: cleaning up" in err
    if json_output:
        document = json.loads(out)
        assert document["interrupted"] is True
        assert [(t["test"], t["status"], t["cleaning"]) for t in document["tests"]] == [
            ("T1053.005-1", "finished", "cleaned"),
            ("T1053.005-2", "timed out", "cleaned"),
            ("T1053.005-3", "not run", "not needed"),
        ]
        assert [(r["test"], r["events"] > 0) for r in document["recorded"]] == [(TESTS[0], True), (TESTS[1], True)]
        assert document["recording"] == str(tmp_path / "recording")
    else:
        assert "win10  T1053.005-1  finished, exit code 0, cleaned" in out
        assert "win10  T1053.005-2  timed out, cleaned\n    it was interrupted and was killed" in out
        assert "win10  T1053.005-3  not run\n    interrupted" in out
        assert "win10  T1053.005-1  recorded" in out
    told = replay(tmp_path)
    assert "is of a run that was cut off; judged is what it had recorded: win10 T1053.005-1, win10 T1053.005-2" in told
    recorded = {t.name: (t.status, t.cleaning) for t in open_recording(tmp_path / "recording").manifest.tests}
    assert recorded[TESTS[0]] == ("finished", "cleaned")
    assert recorded[TESTS[2]] == ("not run", "not needed")


def test_a_kill_leaves_the_tests_that_had_ended_whole(interrupted, tmp_path):
    machine, code, _, _ = interrupted(signal.SIGKILL)
    assert (code, machine.tasks) == (-signal.SIGKILL, {"two": "calc.exe"})
    assert not (tmp_path / "recording" / "manifest.json").exists()
    assert "cut off; judged is what it had recorded: win10 T1053.005-1" in replay(tmp_path)
    shown = detlab(tmp_path, "record", "show", tmp_path / "recording")
    assert (shown.returncode, "the run was cut off" in shown.stdout) == (0, True)
    (test,) = open_recording(tmp_path / "recording").manifest.tests
    assert (test.name, test.status, test.cleaning) == ("T1053.005-1", "finished", "cleaned")
    changed = tmp_path / "recording" / "win10" / "T1053.005-1" / "Security.xml"
    changed.write_bytes(changed.read_bytes() + b" ")
    broken = detlab(tmp_path, "run", tmp_path / "scenario.yaml", "--replay", tmp_path / "recording")
    assert (broken.returncode, "is not what was recorded" in broken.stderr) == (2, True)
    assert detlab(tmp_path, "cleanup").returncode == 0
    assert machine.tasks == {}


@slow
def test_a_second_request_leaves_the_rest_to_the_clean_up_and_says_so(interrupted, tmp_path, lab):
    machine, code, out, _ = interrupted(signal.SIGTERM, signal.SIGTERM, json_output=True)
    assert code == 130
    assert json.loads(out)["tests"][0]["status"] == "finished"
    replay(tmp_path)
    assert detlab(tmp_path, "cleanup").returncode == 0
    assert machine.tasks == {}


@slow
def test_an_interrupted_clean_up_says_what_it_did(interrupted, tmp_path):
    machine, _, _, _ = interrupted(signal.SIGKILL)
    inner = machine.do_schtasks
    machine.do_schtasks = lambda rest, p, io: (
        machine.do_timeout("60", p, io) if "/Delete" in rest else inner(rest, p, io)
    )
    process = start(tmp_path, "cleanup")
    wait_until(lambda: any("/Delete /TN two" in c for c in machine.ran))
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "interrupted: what is not listed as done here is still owed" in err) == (130, True)
    machine.do_schtasks = inner
    assert detlab(tmp_path, "cleanup").returncode == 0
    assert machine.tasks == {}
