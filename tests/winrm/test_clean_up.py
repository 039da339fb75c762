"""Clean-up survives anything: SIGKILL at every step of the journal, and faults at every step of the protocol."""

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from harness.scenario.atomic_command import render_atomic
from harness.scenario.atomic_library import Library
from harness.telemetry.lab import winrm
from harness.telemetry.lab.cleanup import accept, clean_up
from harness.telemetry.lab.detonate import Detonation, detonate
from harness.telemetry.lab.host_lock import lock_host
from harness.telemetry.lab.host_record import list_owed_cleanups, read_host_record
from harness.telemetry.lab.journal import journal_of, read_journal
from harness.telemetry.lab.remote import connect
from tests.winrm.windows_machine import Machine

ROOT = Path(__file__).parents[2]
TASK = render_atomic(Library((ROOT / "scenarios",)).find("T1583.004-4")[0], {"port": 1, "run": "r1"})
slow = pytest.mark.slow


def die(made, folder, when, step):
    (folder / "hosts.yaml").write_text(made.text)
    command = [sys.executable, str(Path(__file__).with_name("dying_run.py")), str(folder), when, step]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, env=here)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


@pytest.mark.parametrize(
    ("when", "step", "started", "deletions"),
    [
        pytest.param("before", "planned", False, 0, marks=slow),
        pytest.param("after", "planned", False, 0, marks=slow),
        pytest.param("before", "started", False, 0, marks=slow),
        ("after", "started", True, 0),
        pytest.param("before", "finished", True, 1, marks=slow),
        ("after", "finished", True, 1),
        pytest.param("torn", "finished", True, 1, marks=slow),
        pytest.param("before", "cleaning", True, 1, marks=slow),
        pytest.param("after", "cleaning", True, 1, marks=slow),
        ("before", "cleaned", True, 1),
        pytest.param("after", "cleaned", False, 1, marks=slow),
        pytest.param("before", "ended", False, 1, marks=slow),
    ],
)
def test_killed_at_any_step_the_next_clean_up_does_what_is_owed(lab, tmp_path, when, step, started, deletions):
    machine = Machine()
    made = lab(machine=machine)
    die(made, tmp_path, when, step)
    items = list_owed_cleanups(tmp_path / "state")
    assert [(o.host, o.test) for o in items] == ([("win10", "T1583.004-4")] if started else [])
    assert read_host_record(tmp_path / "state", "win10").damages == []
    results = clean_up(tmp_path / "state", made.inventory, connect)
    assert all(r.done for r in results)
    assert (machine.tasks, list_owed_cleanups(tmp_path / "state")) == ({}, ())
    assert sum("schtasks.exe /Delete" in c for c in machine.ran) == deletions
    assert clean_up(tmp_path / "state", made.inventory, connect) == ()
    assert sum("schtasks.exe /Delete" in c for c in machine.ran) == deletions


def test_a_second_detlab_on_the_same_host_is_refused(lab, tmp_path):

    made = lab()
    with lock_host(tmp_path / "state", "win10"):
        (outcome,) = detonate(plan(tmp_path), [made.host], connect)
    assert (
        outcome.error.render()
        == "refused[host-busy]: another detlab works on win10\n  = allow: wait until it has ended"
    )


def plan(folder, **options):
    return Detonation(run="r1", lab="purple", tests=(TASK,), state=folder / "state", **options)


def schedules(count):
    """Up to three faults each, at any of the first sixteen messages."""
    chance = random.Random(1583)
    kinds = ["before", "after", "fault", "busy", "http", "hang", "reboot"]
    for number in range(count):
        places = chance.sample(range(1, 17), chance.choice([1, 1, 1, 2, 3]))
        yield number, {place: chance.choice(kinds) for place in places}


ALL = list(schedules(240))


def every_clean_up_is_done_or_owed(made, machine, folder, planned):
    made.server.schedule.faults = dict(planned)
    made.server.schedule.patience = 0.05
    made.server.schedule.seen = []
    host = partial(winrm.connect, reconnect=0.3)
    (outcome,) = detonate(plan(folder, timeout=5, cleaning_timeout=5), [made.host], host)
    content = read_journal(journal_of(folder / "state", "r1", "win10"))
    steps = [e.step for e in content.entries]
    assert read_host_record(folder / "state", "win10").damages == []
    debt = list_owed_cleanups(folder / "state")
    assert bool(debt) == ("started" in steps and "cleaned" not in steps)
    assert debt or not machine.tasks, "a task is left and nothing says so"
    (test,) = outcome.tests
    assert (test.cleaning == "owed") == bool(debt)
    assert outcome.exit_code != 0 or (test.status == "finished" and not debt)
    made.server.schedule.faults = {}
    results = clean_up(folder / "state", made.inventory, connect)
    assert [r.why for r in results] == [""] * len(debt)
    assert (machine.tasks, list_owed_cleanups(folder / "state")) == ({}, ())
    runs = sum("schtasks.exe /Create" in c for c in machine.ran)
    assert runs <= 1, "the test ran more than once"


@pytest.mark.parametrize("part", [range(15), *(pytest.param(range(a, a + 45), marks=slow) for a in range(15, 240, 45))])
def test_whatever_fails_every_clean_up_is_done_or_owed(lab, tmp_path, part):
    made = lab()
    for number, planned in (ALL[i] for i in part):
        machine = made.server.machine = Machine(lag=0)
        folder = tmp_path / str(number)
        try:
            every_clean_up_is_done_or_owed(made, machine, folder, planned)
        except AssertionError as error:
            raise AssertionError(f"schedule {number} {planned}: {error}") from error


@pytest.mark.slow
def test_a_host_that_is_gone_leaves_its_clean_up_on_the_list(lab, tmp_path):
    machine = Machine()
    made = lab(machine=machine)
    die(made, tmp_path, "after", "finished")
    made.server.http.shutdown()
    made.server.http.server_close()
    made.server.http.shutdown = made.server.http.server_close = lambda: None
    (result,) = clean_up(tmp_path / "state", made.inventory, partial(winrm.connect, reconnect=0.2))
    assert not result.done
    assert "cannot be reached: it refuses the connection" in result.why
    assert len(list_owed_cleanups(tmp_path / "state")) == 1


@pytest.mark.slow
def test_a_host_that_left_the_inventory_stays_on_the_list(lab, tmp_path):
    machine = Machine()
    made = lab(machine=machine)
    die(made, tmp_path, "after", "started")
    from dataclasses import replace  # noqa: PLC0415

    (result,) = clean_up(tmp_path / "state", replace(made.inventory, hosts={}), connect)
    assert (result.done, result.why) == (False, "the inventory has no host `win10`")


@pytest.mark.slow
def test_a_person_may_say_that_a_host_is_clean(lab, tmp_path):
    made = lab()
    die(made, tmp_path, "after", "started")
    assert accept(tmp_path / "state", "r1", "T1583.004-4") == 1
    assert list_owed_cleanups(tmp_path / "state") == ()


@pytest.mark.slow
def test_processes_of_a_killed_run_are_killed_before_the_clean_up(lab, tmp_path):
    machine = Machine()
    made = lab(machine=machine)
    die(made, tmp_path, "after", "started")
    line = r"C:\Windows\System32\cmd.exe /C set DETLAB=r1.1& ping -t 127.0.0.1"
    left = machine.started(machine.dcom, r"C:\Windows\System32\cmd.exe", line)
    other = machine.started(machine.dcom, r"C:\Windows\System32\cmd.exe", line.replace("r1.1&", "r1.10&"))
    (result,) = clean_up(tmp_path / "state", made.inventory, connect)
    time.sleep(0.1)
    assert (result.done, left.alive, other.alive) == (True, False, True)
