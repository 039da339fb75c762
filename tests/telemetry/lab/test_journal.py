"""The journal is a chain: whatever happens to one byte, line or file of it makes its host not known."""

import json
import os
import threading
from pathlib import Path

import msgspec
import pytest

from harness.diagnostics import HarnessError
from harness.scenario.atomic_command import render_atomic
from harness.scenario.atomic_library import Library
from harness.telemetry.lab.guard import RefusedError
from harness.telemetry.lab.host_ledger import ledger_of
from harness.telemetry.lab.host_lock import lock_host
from harness.telemetry.lab.host_record import accept_host, list_recorded_hosts, read_host_record
from harness.telemetry.lab.journal import Journal, JournalStep, journal_of, read_journal
from harness.telemetry.lab.owed_cleanup import plan_cleanup

ROOT = Path(__file__).parents[3]
TASK = render_atomic(Library((ROOT / "scenarios",)).find("T1583.004-4")[0], {"port": 1, "run": "r1"})
NAME = TASK.atomic.name


def write_journal(state, host="win10", run="r1", *, cleaned=False):
    journal = Journal(state, run, host)
    journal.write(JournalStep.PLANNED, NAME, **msgspec.to_builtins(plan_cleanup(TASK, f"{run}.1")))
    journal.write(JournalStep.STARTED, NAME)
    journal.write(JournalStep.FINISHED, NAME, exit_code=0, timed_out=False)
    if cleaned:
        journal.write(JournalStep.CLEANING, NAME)
        journal.write(JournalStep.CLEANED, NAME, nothing=False)
    journal.close()
    return journal.path


def test_a_whole_journal_says_what_is_owed(tmp_path):
    write_journal(tmp_path)
    record = read_host_record(tmp_path, "win10")
    assert ([o.test for o in record.owed], record.damages, record.torn) == ([NAME], [], [])
    assert record.owed[0].plan.render() == TASK.cleanup


def test_each_record_has_its_length_its_number_and_the_hash_of_the_one_before(tmp_path):
    lines = write_journal(tmp_path).read_bytes().splitlines()
    before = ""
    for number, line in enumerate(lines, 1):
        length, digest, body = line.split(b" ", 2)
        record = json.loads(body)
        assert (int(length), record["number"], record["before"]) == (len(body), number, before)
        before = digest.decode()


@pytest.mark.parametrize("cleaned", [False, True])
def test_one_byte_changed_anywhere_makes_the_host_not_known(tmp_path, cleaned):
    path = write_journal(tmp_path, cleaned=cleaned)
    content = path.read_bytes()
    for at in range(len(content)):
        bits = (0x01, 0x20, 0x52)[at % 3]
        path.write_bytes(content[:at] + bytes([content[at] ^ bits]) + content[at + 1 :])
        record = read_host_record(tmp_path, "win10")
        assert (bool(record.damages), record.owed) == (True, []), f"byte {at} of {len(content)} changed by {bits}"


def test_any_line_that_is_missing_doubled_or_out_of_order_makes_the_host_not_known(tmp_path):
    path = write_journal(tmp_path, cleaned=True)
    lines = path.read_bytes().splitlines(keepends=True)
    for at in range(len(lines)):
        for changed in (
            [*lines[:at], *lines[at + 1 :]],
            [*lines[: at + 1], *lines[at:]],
            [*lines[:at], b"\n", *lines[at:]],
            [*reversed(lines[: at + 2]), *lines[at + 2 :]],
            [*lines[:at], lines[at][: len(lines[at]) // 2] + b"\n", *lines[at + 1 :]],
        ):
            path.write_bytes(b"".join(changed))
            assert read_host_record(tmp_path, "win10").damages, (at, changed)


def test_a_journal_that_lost_its_end_is_not_taken_for_one_that_a_crash_cut_off(tmp_path):
    path = write_journal(tmp_path)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        assert read_host_record(tmp_path, "win10").damages, f"{size} of {len(content)} bytes are left"


@pytest.mark.parametrize("torn", [b"1", b"312 ab", b'1234abcd {"v":1,"at":"2026-', b"\x00\x00\x00"])
def test_a_last_line_that_a_crash_tore_is_told_and_its_step_is_not_known(tmp_path, torn):
    path = write_journal(tmp_path)
    with path.open("ab") as file:
        file.write(torn)
    record = read_host_record(tmp_path, "win10")
    assert (len(record.owed), record.damages) == (1, [])
    assert record.torn == [f"{path}: its last line is torn by a crash: the step that it announced is not known"]
    journal = Journal(tmp_path, "r1", "win10")
    journal.write(JournalStep.CLEANED, NAME)
    journal.close()
    assert [e.step for e in read_journal(path).entries][-2:] == ["torn", "cleaned"]
    record = read_host_record(tmp_path, "win10")
    assert (record.owed, record.damages, record.torn) == ([], [], [])


def test_a_crash_between_journal_and_ledger_is_no_damage(tmp_path):
    write_journal(tmp_path)
    noted = ledger_of(tmp_path, "win10").read_bytes()
    journal = Journal(tmp_path, "r1", "win10")
    journal.write(JournalStep.CLEANED, NAME)
    journal.close()
    ledger_of(tmp_path, "win10").write_bytes(noted)
    record = read_host_record(tmp_path, "win10")
    assert (record.owed, record.damages) == ([], [])


def test_one_byte_changed_in_the_ledger_makes_the_host_not_known(tmp_path):
    write_journal(tmp_path)
    path = ledger_of(tmp_path, "win10")
    content = path.read_bytes()
    for at in range(len(content)):
        changed = content[:at] + bytes([content[at] ^ 0x11]) + content[at + 1 :]
        path.write_bytes(changed)
        assert read_host_record(tmp_path, "win10").damages, f"byte {at} changed: {changed!r}"
    path.unlink()
    assert read_host_record(tmp_path, "win10").damages == [
        f"{path} is missing: it says which journals there have to be"
    ]


def empty(path):
    path.write_bytes(b"")


def fold(path):
    path.unlink()
    path.mkdir()


def swell(path):
    os.truncate(path, 65 << 20)


def age(path):
    path.write_text(
        '00000000 {"at":"2026-11-22T00:00:00+00:00","data":{},"host":"win10","run":"r1","step":"ended","v":1}\n'
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (Path.unlink, "{} is missing: it had 3 records"),
        (empty, "{}: of 3 records that were written 3 are missing at its end"),
        (fold, "{} cannot be read: is a directory"),
        (swell, "{} is larger than 64 MiB"),
        (age, "{}:1: this journal was written by an older detlab, which kept commands with secrets taken out"),
    ],
)
def test_a_journal_that_is_missing_empty_or_unreadable_makes_its_host_not_known_and_no_other(tmp_path, change, reason):
    path = write_journal(tmp_path)
    write_journal(tmp_path, "win11")
    change(path)
    record = read_host_record(tmp_path, "win10")
    assert (record.damages, record.owed) == ([reason.format(path)], [])
    other = read_host_record(tmp_path, "win11")
    assert (other.damages, len(other.owed)) == ([], 1)


def test_a_journal_of_another_host_or_run_is_damage(tmp_path):
    path = write_journal(tmp_path)
    write_journal(tmp_path, "win11")
    journal_of(tmp_path, "r1", "win11").write_bytes(path.read_bytes())
    (damage,) = read_host_record(tmp_path, "win11").damages
    assert damage.endswith("@win11.journal:1: it is about win10 in run r1")
    journal_of(tmp_path, "r2", "win10").write_bytes(path.read_bytes())
    (damage,) = read_host_record(tmp_path, "win10").damages
    assert damage.endswith("r2@win10.journal:1: it is about win10 in run r1")


def test_an_older_journal_is_about_the_hosts_that_it_names(tmp_path):
    write_journal(tmp_path, "win11", cleaned=True)
    old = tmp_path / "journals" / "20260101T000000-aaaaaa.journal"
    old.write_text('00000000 {"at":"x","data":{},"host":"win10","run":"r","step":"started","test":"T1-1","v":1}\n')
    assert list_recorded_hosts(tmp_path) == ["win10", "win11"]
    (damage,) = read_host_record(tmp_path, "win10").damages
    assert "was written by an older detlab" in damage
    assert read_host_record(tmp_path, "win11").damages == []
    assert accept_host(tmp_path, "win10") == [damage]
    assert read_host_record(tmp_path, "win10").damages == []


def test_a_journal_of_no_host_makes_every_host_not_known(tmp_path):
    write_journal(tmp_path, cleaned=True)
    (tmp_path / "journals" / "stray.journal").mkdir()
    (damage,) = read_host_record(tmp_path, "win10").damages
    assert damage.endswith("stray.journal cannot be read: is a directory")


def test_what_a_person_accepts_is_this_damage_and_not_the_next(tmp_path):
    path = write_journal(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"X\n")
    (damage,) = read_host_record(tmp_path, "win10").damages
    assert accept_host(tmp_path, "win10") == [damage]
    assert read_host_record(tmp_path, "win10").damages == []
    path.write_bytes(content[:-2] + b"Y\n")
    assert read_host_record(tmp_path, "win10").damages != []


def test_what_damaged_journals_planned_is_kept_for_a_person(tmp_path):
    path = write_journal(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"started", b"startee") + lines[2])
    record = read_host_record(tmp_path, "win10")
    assert [(o.test, o.plan.print()) for o in record.unsure] == [(NAME, TASK.cleanup.text.strip())]


def test_a_full_disk_leaves_a_whole_journal(tmp_path, monkeypatch):
    path = write_journal(tmp_path)
    journal = Journal(tmp_path, "r1", "win10")
    whole = path.read_bytes()
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, line: write(handle, line[:20]))
    with pytest.raises(HarnessError, match="no space left on device"):
        journal.write(JournalStep.CLEANING, NAME)
    assert path.read_bytes() == whole
    monkeypatch.undo()
    journal.write(JournalStep.CLEANED, NAME)
    journal.close()
    record = read_host_record(tmp_path, "win10")
    assert (record.owed, record.damages) == ([], [])


def test_hosts_of_any_name_have_journals_of_their_own(tmp_path):
    names = ["win10", "win/10", "win 10", "../win10", "WIN10@corp", ".win", "w\u00fcn"]
    threads = [threading.Thread(target=write_journal, args=(tmp_path, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list_recorded_hosts(tmp_path) == sorted(names)
    assert all(len(read_host_record(tmp_path, name).owed) == 1 for name in names)


def test_one_detlab_at_a_time_works_on_a_host(tmp_path):
    with (
        lock_host(tmp_path, "win10"),
        lock_host(tmp_path, "win11"),
        pytest.raises(RefusedError, match="another detlab"),
    ):
        lock_host(tmp_path, "win10").__enter__()
