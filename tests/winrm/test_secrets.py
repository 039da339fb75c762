"""Secrets by reference: what is executed is rendered again, what is recorded stays, what is shown hides them."""

import json
import signal
import xml.etree.ElementTree as ElementTree

import pytest

from harness.telemetry.recording import open_recording
from tests.winrm.detlab_command import detlab, start, wait_until, write_atomics
from tests.winrm.windows_machine import Machine
from tests.winrm.wsman_server import PASSWORD

TASK = (
    "A task",
    "schtasks.exe /Create /F /TN #{task} /TR calc.exe",
    "schtasks.exe /Delete /TN #{task} /F",
    {"task": "spawn"},
)
WAITING = (TASK[0], TASK[1] + "\ntimeout /t 60", *TASK[2:])
QUICK = ("--host", "win10", "--yes", "--no-judge", "--quiet-for", "0.3")
SECOND = "Kx7-tangle_42"


@pytest.fixture
def place(lab, tmp_path):
    made = lab(machine=Machine(lag=0.05))
    (tmp_path / "hosts.yaml").write_text(made.text)
    return made, tmp_path


def kill_while_it_runs(made, folder, *arguments, **environment):
    run = start(
        folder,
        "detonate",
        "T1053.005-1",
        "--atomics",
        write_atomics(folder, WAITING),
        *QUICK,
        *arguments,
        **environment,
    )
    wait_until(lambda: any(c.startswith("timeout") for c in made.machine.ran))
    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=30)


def files_with(folder, text):
    forms = (text.encode(), text.encode("utf-16-le"), json.dumps(text)[1:-1].encode())
    return [p.name for p in folder.rglob("*") if p.is_file() and any(f in p.read_bytes() for f in forms)]


@pytest.mark.parametrize(
    ("user", "password", "reason"),
    [
        ("vagrant", "vagrant", "it has fewer than 8 characters"),
        (r"WIN10\detonator", "detonator", "it is the account's name or a part of it"),
        ("lab", "Passw0rd!", "it is a common word, with or without figures"),
        ("lab", "Schtasks.exe", "it stands in the text of T1053.005-1"),
        ("lab", "correcthorse", "it is one word of letters"),
        ("lab", "20261122", "it is figures and signs only, as times, numbers and addresses are"),
    ],
)
def test_a_password_that_is_a_word_of_ordinary_telemetry_is_refused_before_anything_is_sent(
    place, user, password, reason
):
    made, folder = place
    (folder / "hosts.yaml").write_text(made.text.replace("user: lab", f"user: {user}"))
    atomics = write_atomics(folder, TASK)
    run = detlab(folder, "detonate", "T1053.005-1", "--atomics", atomics, *QUICK, LAB_TEST_PASSWORD=password)
    assert run.returncode == 2
    assert (
        "refused[ordinary-password]: the password of win10 (the environment variable LAB_TEST_PASSWORD) "
        f"is a word of ordinary telemetry: {reason}\n  = allow: give the account on win10 another password"
    ) in run.stderr
    assert made.server.schedule.seen == []


def test_a_clean_up_with_the_password_in_it_is_executed_as_it_was_meant(place):
    made, folder = place
    kill_while_it_runs(made, folder, "--set", f"task={PASSWORD}")
    assert made.machine.tasks == {PASSWORD: "calc.exe"}
    assert files_with(folder / "state", PASSWORD) == []
    listed = detlab(folder, "cleanup", "--list")
    by_hand = "by hand: schtasks.exe /Delete /TN <secret: the environment variable LAB_TEST_PASSWORD> /F"
    assert (listed.returncode, by_hand in listed.stdout) == (1, True)
    paid = detlab(folder, "cleanup")
    assert (paid.returncode, made.machine.tasks) == (0, {})
    assert f"schtasks.exe /Delete /TN {PASSWORD} /F" in made.machine.ran


def test_without_its_secret_a_clean_up_stays_owed_and_says_which_one_is_missing(place):
    made, folder = place
    kill_while_it_runs(made, folder, "--secret", "task=TASK_SECRET", TASK_SECRET=SECOND)
    assert files_with(folder / "state", SECOND) == []
    tried = detlab(folder, "cleanup")
    assert tried.returncode == 1
    assert "owed: the environment variable TASK_SECRET is not set" in tried.stdout
    assert "by hand: schtasks.exe /Delete /TN <secret: the environment variable TASK_SECRET> /F" in tried.stdout
    assert made.machine.tasks == {SECOND: "calc.exe"}
    refused = detlab(folder, "detonate", "T1053.005-1", "--atomics", folder / "atomics", *QUICK)
    assert "refused[owed-cleanup]: win10 still owes a clean-up after T1053.005-1" in refused.stdout
    paid = detlab(folder, "cleanup", TASK_SECRET=SECOND)
    assert (paid.returncode, made.machine.tasks) == (0, {})


@pytest.mark.parametrize("change", [pytest.param("changed", marks=pytest.mark.slow), "removed"])
def test_an_atomic_that_was_changed_or_removed_since_is_cleaned_up_as_it_was(place, change):
    made, folder = place
    kill_while_it_runs(made, folder)
    file = folder / "atomics" / "T1053.005" / "T1053.005.yaml"
    if change == "removed":
        file.unlink()
    else:
        file.write_text(file.read_text().replace("/Delete /TN #{task}", "/Delete /TN other"))
    paid = detlab(folder, "cleanup")
    assert (paid.returncode, made.machine.tasks) == (0, {})


def test_recorded_events_stay_as_they_are_and_a_secret_in_them_is_told(place):
    made, folder = place
    secret = "a<b>&c-S3cret"
    hostile = made.machine.do_schtasks

    def careless(rest, process, io):
        io.out(f"password is {secret} and {PASSWORD}\r\n")
        made.machine.write("Security", 4688, {"CommandLine": f"net use /user:lab {secret}"})
        return hostile(rest, process, io)

    made.machine.do_schtasks = careless
    recording = folder / "recording"
    atomics = write_atomics(
        folder, (*TASK[:3], {"task": "spawn"}), ("Other", "echo #{word}", "echo", {"word": "hello"})
    )
    given = ("--atomics", atomics, *QUICK, "--out", recording, "--raw", "word", "--secret", "word=WORD_SECRET")
    run = detlab(folder, "detonate", "T1053.005-1", "T1053.005-2", *given, "--json", WORD_SECRET=secret)
    document = json.loads(run.stdout)
    assert run.returncode == 0, run.stderr
    assert "password is <secret> and <secret>" in document["tests"][0]["stdout"]
    assert document["hidden"] >= 3
    where = "1 time in win10/T1053.005-1/Security.xml, 1 time in win10/T1053.005-1/events.parquet"
    told = f"the secret WORD_SECRET occurs {where}"
    assert any(line.startswith(told) for line in document["revealed"])
    text = (recording / "win10/T1053.005-1/Security.xml").read_text("utf-8")
    lines = [e.text for e in ElementTree.fromstring(text).iter() if e.get("Name") == "CommandLine"]
    assert lines.count(f"net use /user:lab {secret}") == 1
    assert told in detlab(folder, "record", "show", recording).stdout
    (folder / "all.spl").write_text("index=* | stats count")
    events = recording / "win10/T1053.005-1/Security.xml"
    query = detlab(folder, "query", folder / "all.spl", "--events", events, "--json")
    assert (query.returncode, "malformed" in query.stderr) == (0, False)
    assert json.loads(query.stdout)["rows"] == [{"count": text.count("</Event>")}]
    (test,) = open_recording(recording).tests("T1053.005", 2)
    assert test.arguments == {"word": "<secret: the environment variable WORD_SECRET>"}
    assert test.secrets == {"word": ("the environment variable WORD_SECRET",)}
    assert len(test.definition) == 64
    others = [p for p in recording.rglob("*") if p.name in ("manifest.json", "journal.txt", "test.json")]
    assert len(others) == 4
    assert not any(secret in p.read_text("utf-8") for p in others)


def test_a_recording_with_a_secret_is_anonymised_only_if_the_secret_can_be_replaced(place):
    made, folder = place
    inner = made.machine.do_schtasks

    def careless(rest, process, io):
        made.machine.write("Security", 4688, {"CommandLine": f"net use /user:lab {PASSWORD}x"})
        return inner(rest, process, io)

    made.machine.do_schtasks = careless
    recording = folder / "recording"
    detlab(folder, "detonate", "T1053.005-1", "--atomics", write_atomics(folder, TASK), *QUICK, "--out", recording)
    message = f"values of the environment variable LAB_TEST_PASSWORD stand in the events of {recording}"
    for changed, why in ((None, "is not set"), ("another-one-77", "it has another value now")):
        run = detlab(folder, "record", "anonymise", recording, folder / "public", LAB_TEST_PASSWORD=changed)
        assert (run.returncode, message in run.stderr, why in run.stderr) == (2, True, True)
    run = detlab(folder, "record", "anonymise", recording, folder / "public")
    assert run.returncode == 0, run.stderr
    assert files_with(folder / "public", PASSWORD) == []
    assert "net use /user:lab secret01x" in (folder / "public").rglob("Security.xml").__next__().read_text("utf-8")


@pytest.mark.slow
def test_a_password_of_another_host_in_the_inventory_is_by_reference_too(place):
    made, folder = place
    other = made.text.split("hosts:\n")[1].replace("win10:", "dc:").replace("LAB_TEST_PASSWORD", "DC_PASSWORD")
    (folder / "hosts.yaml").write_text(made.text + other)
    kill_while_it_runs(made, folder, "--set", f"task={SECOND}", DC_PASSWORD=SECOND)
    assert files_with(folder / "state", SECOND) == []
    assert "DC_PASSWORD is not set" in detlab(folder, "cleanup").stdout
    assert detlab(folder, "cleanup", DC_PASSWORD=SECOND).returncode == 0
    assert made.machine.tasks == {}
