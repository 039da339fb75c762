"""Recordings: hashes, schema, other names; the doctor; what every written file may not hold."""

import hashlib
import json
from pathlib import Path

import pytest

from harness.diagnostics import HarnessError
from harness.scenario.atomic_command import render_atomic
from harness.scenario.atomic_library import Library
from harness.telemetry.lab.anonymise import anonymise
from harness.telemetry.lab.collection import Collector, Waiting
from harness.telemetry.lab.detonate import Detonation, detonate
from harness.telemetry.lab.doctor import examine_host, format_checks, healthy
from harness.telemetry.lab.recorder import Recorder
from harness.telemetry.lab.remote import connect
from harness.telemetry.recording import open_recording
from harness.telemetry.scenario_telemetry import replay
from tests.winrm.detlab_command import detlab
from tests.winrm.windows_machine import Machine

ROOT = Path(__file__).parents[2]
TASK = render_atomic(Library((ROOT / "scenarios",)).find("T1583.004-4")[0], {"port": 1, "run": "r1"})


@pytest.fixture
def recording(lab, tmp_path):
    """A recording of test 4, and the lab that it was made in."""

    def make(machine=None):
        made = lab(machine=machine or Machine(lag=0.05))
        todo = Detonation(run="r1", lab="purple", tests=(TASK,), state=tmp_path / "state")
        recorder = Recorder(path=tmp_path / "rec", run="r1", lab="purple", tests={TASK.atomic.name: TASK})
        waiting = Waiting(quiet=0.3, patience=5, poll=0.1)

        def watch(host, remote, facts):
            return Collector(host=host, remote=remote, facts=facts, run="r1", keep=recorder.keep, waiting=waiting)

        (outcome,) = detonate(todo, [made.host], connect, watch)
        return recorder.finish(outcome.tests, todo.state)

    return make


def test_a_recording_is_telemetry_with_the_attack_labelled(recording):
    telemetry = replay(recording(), malicious=True)
    assert (telemetry.origin, [c.name for c in telemetry.causes]) == ("detonated", ["T1583.004-4"])
    (created,) = telemetry.of("windows_security", "4698")
    assert created.columns.column("@cause").to_pylist() == [0]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("events.parquet", "is not what was recorded"),
        ("Security.xml", "is not what was recorded"),
        ("journal.txt", "is not what"),
    ],
)
def test_a_changed_file_is_refused(recording, file, message):
    path = recording()
    (found,) = path.rglob(file)
    found.write_bytes(found.read_bytes() + b" ")
    with pytest.raises(HarnessError, match=message):
        replay(path)


def test_a_missing_file_and_another_schema_are_refused(recording):
    path = recording()
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "schema": 99}))
    with pytest.raises(HarnessError, match="has schema 99, this detlab reads schema 1"):
        open_recording(path)
    (path / "manifest.json").write_text("[]")
    with pytest.raises(HarnessError, match="cannot be read"):
        open_recording(path)
    (path / "manifest.json").write_text(json.dumps(manifest))
    (path / "win10/T1583.004-4/Security.xml").unlink()
    with pytest.raises(HarnessError, match=r"has no win10/T1583.004-4/Security.xml"):
        open_recording(path)


def replay_at_the_door(path):
    return detlab(path.parent, "run", "scenarios/T1583.004/4-scheduled-task.yaml", "--replay", path)


def change_manifest(path, change):
    manifest = json.loads((path / "manifest.json").read_text())
    change(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../outside.xml", "names `../outside.xml` for T1583.004-4, which is not among its files"),
        ("../../outside.xml", "names `../../outside.xml` for T1583.004-4, which is not among its files"),
        ("capture.xml", "names `capture.xml` for T1583.004-4, which is not among its files: it has no hash"),
        ("/etc/passwd", "names `/etc/passwd` for T1583.004-4, which is not among its files"),
        ("win10/../capture.xml", "which is not among its files"),
    ],
)
@pytest.mark.parametrize("key", ["events", "raw"])
def test_a_manifest_names_only_files_that_it_lists(recording, name, message, key):
    path = recording()
    for place in (path, path.parent):
        (place / "capture.xml").write_text("<Events></Events>")
        (place / "outside.xml").write_text("<Events></Events>")
    change_manifest(path, lambda m: m["tests"][0].update({key: name if key == "events" else {"Security": name}}))
    run = replay_at_the_door(path)
    assert (run.returncode, message in run.stderr) == (2, True), run.stderr


@pytest.mark.parametrize("name", ["../outside.xml", "/etc/hostname", "win10//x.xml", "./capture.xml", "", "a\\b.xml"])
def test_a_listed_file_is_inside_the_recording_whatever_its_hash(recording, name):
    path = recording()
    outside = path.parent / "outside.xml"
    outside.write_text("<Events></Events>")
    digest = hashlib.sha256(outside.read_bytes()).hexdigest()

    def change(manifest):
        manifest["files"][name] = digest
        manifest["tests"][0]["events"] = name

    change_manifest(path, change)
    run = replay_at_the_door(path)
    assert (run.returncode, f"names the file `{name}`, which is not inside the recording" in run.stderr) == (2, True)


@pytest.mark.parametrize("linked", ["win10/T1583.004-4/events.parquet", "win10/T1583.004-4", "win10", "manifest.json"])
def test_a_symbolic_link_is_no_part_of_a_recording(recording, linked):
    path = recording()
    (path / linked).rename(path.parent / "elsewhere")
    (path / linked).symlink_to(path.parent / "elsewhere")
    run = replay_at_the_door(path)
    assert (run.returncode, f"{path / linked} is a symbolic link" in run.stderr) == (2, True), run.stderr


def test_names_become_others_the_same_everywhere(recording, tmp_path):
    machine = Machine(lag=0.05)
    machine.name = "BERLIN-PC7.corp.contoso.com"
    inner = machine.do_schtasks

    def telling(rest, process, io):
        machine.write(
            "Security",
            4688,
            {
                "SubjectUserSid": "S-1-5-21-111-222-333-1104",
                "SubjectUserName": "anna.schmidt",
                "SubjectDomainName": "CONTOSO",
                "CommandLine": r"C:\Users\anna.schmidt\a.exe \\BERLIN-PC7\share 10.1.2.3 93.184.216.34 127.0.0.1",
            },
        )
        return inner(rest, process, io)

    machine.do_schtasks = telling
    path = recording(machine)
    target = tmp_path / "public"
    anonymise(path, target)
    text = "\n".join(p.read_text() for p in target.rglob("*.xml")) + (target / "manifest.json").read_text()
    for name in ("berlin", "contoso", "anna", "schmidt", "S-1-5-21-111-222-333", "10.1.2.3", "93.184.216.34"):
        assert name.lower() not in text.lower(), name
    assert r"C:\Users\user01\a.exe" in text or r"C:\Users\user02\a.exe" in text
    assert "127.0.0.1" in text
    before, after = replay(path), replay(target)
    assert [(e.sensor, e.kind, len(e)) for e in before.events] == [(e.sensor, e.kind, len(e)) for e in after.events]
    for one, other in zip(before.events, after.events, strict=True):
        assert one.columns.column("@cause").to_pylist() == other.columns.column("@cause").to_pylist()
    values = {
        v
        for e in after.events
        for n in e.columns.column_names
        if not n.startswith("@")
        for v in e.columns.column(n).to_pylist()
        if v
    }
    assert not any("anna" in v.lower() or "berlin" in v.lower() for v in values)
    assert open_recording(target).manifest.anonymised


def test_the_doctor_finds_nothing_wrong_with_a_good_host(lab):
    made = lab()
    made.machine.registry[r"HKLM\SOFTWARE\Policies\Microsoft\Windows\PowerShell\ScriptBlockLogging"] = {
        "EnableScriptBlockLogging": 1
    }
    remote = connect(made.host)
    checks = examine_host(made.inventory, made.host, remote)
    remote.close()
    assert healthy(checks), "\n".join(format_checks(checks))
    assert not any(c in " ".join(made.machine.ran) for c in ("/set", "reg add", "wevtutil sl"))


def test_the_doctor_names_what_is_missing_and_the_command_for_it(lab):
    made = lab(machine=Machine(marker="", sysmon=False, offset=600))
    made.machine.audited = False
    made.machine.logs["Microsoft-Windows-DNS-Client/Operational"].enabled = False
    remote = connect(made.host)
    text = "\n".join(format_checks(examine_host(made.inventory, made.host, remote)))
    remote.close()
    assert 'MISSING  lab marker: none\n         run: reg add HKLM\\SOFTWARE\\detlab /v Lab /d "purple" /f' in text
    assert "MISSING  Sysmon: does not run\n         run: lab\\windows\\provision.ps1" in text
    assert 'run: wevtutil sl "Microsoft-Windows-DNS-Client/Operational" /e:true /q:true' in text
    assert 'run: auditpol /set /subcategory:"{0CCE9227-69AE-11D9-BED3-505054503030}" /success:enable' in text
    assert "EnableScriptBlockLogging /t REG_DWORD /d 1 /f" in text
    assert "note     clock: +600.0 s" in text or "note     clock: +599.9 s" in text
