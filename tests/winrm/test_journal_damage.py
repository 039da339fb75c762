"""Damaged journals at the door: the host is not known, is listed and not detonated on; all others are cleaned."""

import json
import shutil
from pathlib import Path

import pytest

from tests.winrm.detlab_command import detlab, write_atomics
from tests.winrm.windows_machine import Machine

TASK = ("A task", "schtasks.exe /Create /F /TN spawn /TR calc.exe", "schtasks.exe /Delete /TN spawn /F", {})
slow = pytest.mark.slow
QUICK = ("--yes", "--no-judge", "--quiet-for", "0.2")


@pytest.fixture
def owing(lab, tmp_path):
    """Two hosts that owe a clean-up each, because both refused it when it was tried."""
    made = [lab(machine=Machine(lag=0.02)) for _ in range(2)]
    (tmp_path / "hosts.yaml").write_text(made[0].text + made[1].text.split("hosts:\n")[1].replace("win10:", "win11:"))
    atomics = write_atomics(tmp_path, TASK)
    for one in made:
        one.inner = one.machine.do_schtasks
        one.machine.do_schtasks = lambda rest, p, io, inner=one.inner: 5 if "/Delete" in rest else inner(rest, p, io)
    run = detonate(tmp_path, atomics, "--host", "win10", "--host", "win11", "--out", tmp_path / "recording")
    assert run.returncode == 1, run.stdout + run.stderr
    for one in made:
        one.machine.do_schtasks = one.inner
    return made, tmp_path


def detonate(folder, atomics, *arguments, **environment):
    return detlab(folder, "detonate", "T1053.005-1", "--atomics", atomics, *QUICK, *arguments, **environment)


def journal_of(folder, host):
    (path,) = (folder / "state" / "journals").glob(f"*@{host}.journal")
    return path


def change_last_byte(path):
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"X\n")


def change_the_plan(path):
    path.write_bytes(path.read_bytes().replace(b"/Delete /TN spawn", b"/Delete /TN spawm", 1))


def change_the_mark(path):
    path.write_bytes(path.read_bytes().replace(b'"mark":"', b'"mark":"; calc ', 1))


def lose_the_started_line(path):
    path.write_bytes(b"".join(x for x in path.read_bytes().splitlines(keepends=True) if b'"started"' not in x))


def lose_the_end(path):
    path.write_bytes(path.read_bytes()[:-40])


def empty(path):
    path.write_bytes(b"")


def fold(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (change_last_byte, "this record is damaged"),
        pytest.param(change_the_plan, ":1: this record is damaged", marks=slow),
        pytest.param(change_the_mark, ":1: this record is damaged", marks=slow),
        pytest.param(lose_the_started_line, "does not follow what stands before it", marks=slow),
        pytest.param(lose_the_end, "are missing at its end", marks=slow),
        pytest.param(empty, "are missing at its end", marks=slow),
        pytest.param(fold, "cannot be read: is a directory", marks=slow),
        (Path.unlink, "is missing: it had"),
    ],
)
def test_a_damaged_journal_makes_its_host_not_known_and_all_others_are_cleaned(owing, change, reason):
    (first, second), folder = owing
    path = journal_of(folder, "win10")
    change(path)
    listed = detlab(folder, "cleanup", "--list")
    assert (listed.returncode, "nothing is owed" in listed.stdout) == (1, False)
    run = detlab(folder, "cleanup")
    assert run.returncode == 1, run.stdout + run.stderr
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("win10  not known: ")]
    assert (str(path) in line, reason in line) == (True, True), line
    assert "then: detlab cleanup --accept win10" in run.stdout
    assert "win11  T1053.005-1" in run.stdout
    assert (first.machine.tasks, second.machine.tasks) == ({"spawn": "calc.exe"}, {})
    sent = len(first.server.schedule.seen)
    refused = detonate(folder, folder / "atomics", "--host", "win10")
    assert refused.returncode == 2
    assert "refused[host-not-known]: what was done to win10 is not known" in refused.stdout
    assert "`detlab cleanup --accept win10`" in refused.stdout
    assert len(first.server.schedule.seen) == sent
    other = detonate(folder, folder / "atomics", "--host", "win11", "--out", folder / "r2")
    assert (other.returncode, second.machine.tasks) == (0, {}), other.stdout + other.stderr
    first.machine.tasks.clear()
    accepted = detlab(folder, "cleanup", "--accept", "win10")
    assert (accepted.returncode, accepted.stdout.startswith("win10  accepted as clean")) == (0, True)
    assert detlab(folder, "cleanup").stdout == "nothing is owed\n"
    again = detonate(folder, folder / "atomics", "--host", "win10", "--out", folder / "r3")
    assert (again.returncode, first.machine.tasks) == (0, {}), again.stdout + again.stderr


@slow
def test_what_a_damaged_journal_planned_is_shown_to_be_done_by_hand(owing):
    _, folder = owing
    change_last_byte(journal_of(folder, "win10"))
    run = detlab(folder, "cleanup", "--list")
    assert "by hand, if it ran (T1053.005-1): schtasks.exe /Delete /TN spawn /F" in run.stdout
    document = json.loads(detlab(folder, "cleanup", "--list", "--json").stdout)
    assert [u["host"] for u in document["unknown"]] == ["win10"]
    assert [(r["host"], r["done"]) for r in document["results"]] == [("win11", False)]


def test_a_stray_journal_hides_no_host_and_ends_no_clean_up(owing):
    made, folder = owing
    (folder / "state" / "journals" / "stray.journal").mkdir()
    run = detlab(folder, "cleanup")
    assert run.returncode == 1
    assert [one.machine.tasks for one in made] == [{}, {}]
    assert run.stdout.count("stray.journal cannot be read: is a directory") == 2


@slow
def test_a_host_that_left_the_inventory_and_one_that_fails_leave_the_others_alone(owing):
    (first, second), folder = owing
    text = (folder / "hosts.yaml").read_text()
    (folder / "hosts.yaml").write_text(text.replace("win10:", "win09:"))
    run = detlab(folder, "cleanup")
    assert run.returncode == 1
    assert "owed: the inventory has no host `win10`" in run.stdout
    assert (first.machine.tasks, second.machine.tasks) == ({"spawn": "calc.exe"}, {})
    (folder / "hosts.yaml").unlink()
    run = detlab(folder, "cleanup")
    assert (run.returncode, "owed: there is no inventory" in run.stdout) == (2, True)


@pytest.mark.parametrize("how", ["DETLAB_STATE", pytest.param("HOME", marks=slow), pytest.param("moved", marks=slow)])
def test_another_state_folder_is_no_clean_host(owing, how):
    (first, second), folder = owing
    changes = {"DETLAB_STATE": str(folder / "other")}
    where = folder / "other" / "journals"
    if how == "HOME":
        changes = {"DETLAB_STATE": None, "XDG_STATE_HOME": None, "HOME": str(folder / "home")}
        where = folder / "home" / ".local" / "state" / "detlab" / "journals"
    if how == "moved":
        shutil.move(folder / "state", folder / "elsewhere")
        changes, where = {}, folder / "state" / "journals"
    run = detlab(folder, "cleanup", **changes)
    assert (run.returncode, "nothing is owed" in run.stdout) == (1, False)
    for host in ("win10", "win11"):
        if how == "moved":
            assert f"{host}  not known: no journal at {where}" in run.stdout
        else:
            reason = f"no journal at {where}; its journals are in {folder / 'state'}, and the state folder is now"
            assert f"{host}  not known: {reason}" in run.stdout
    assert f"looked in {where}" in run.stderr
    if how == "moved":
        return
    refused = detonate(folder, folder / "atomics", "--host", "win10", **changes)
    assert refused.returncode == 2
    assert f"refused[host-not-known]: what was done to win10 is not known: its journals are in {folder / 'state'}" in (
        refused.stderr
    )
    assert detlab(folder, "cleanup").returncode == 0
    assert [one.machine.tasks for one in (first, second)] == [{}, {}]


def test_where_nothing_was_ever_done_a_clean_up_says_that_it_knows_nothing(lab, tmp_path):
    (tmp_path / "hosts.yaml").write_text(lab().text)
    run = detlab(tmp_path, "cleanup")
    assert run.returncode == 1
    assert f"win10  not known: no journal at {tmp_path / 'state' / 'journals'}" in run.stdout
    assert detlab(tmp_path, "cleanup", "--accept", "win10").returncode == 0
    assert detlab(tmp_path, "cleanup").stdout == "nothing is owed\n"


def test_without_an_inventory_and_without_journals_nothing_is_known(tmp_path):
    run = detlab(tmp_path, "cleanup", DETLAB_STATE=str(tmp_path / "state"))
    assert run.returncode == 1
    assert run.stdout == f"no host is known: no journal at {tmp_path / 'state' / 'journals'}\n"
    assert "there is no inventory" in run.stderr


def test_a_host_that_nobody_knows_is_an_error(owing):
    _, folder = owing
    run = detlab(folder, "cleanup", "--host", "win12")
    assert (run.returncode, "no journal and no inventory has a host `win12`" in run.stderr) == (2, True)
    run = detlab(folder, "cleanup", "--accept", "win12")
    assert (run.returncode, "nothing is owed by win12" in run.stderr) == (2, True)
