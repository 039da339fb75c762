"""Detonation end to end: real clients, real protocol, real listener and DNS sink, and a machine that records events."""

import threading
import time
from functools import partial
from pathlib import Path

import msgspec
import pytest

from harness.scenario.atomic_command import render_atomic
from harness.scenario.atomic_library import Library
from harness.telemetry.lab import winrm
from harness.telemetry.lab.cleanup import clean_up
from harness.telemetry.lab.collection import Collector, FolderCollector, Waiting
from harness.telemetry.lab.detonate import Detonation, detonate, what_if
from harness.telemetry.lab.guard import Allowances
from harness.telemetry.lab.host_record import list_owed_cleanups
from harness.telemetry.lab.inventory import EventSource
from harness.telemetry.lab.journal import list_journals
from harness.telemetry.lab.recorder import Recorder
from harness.telemetry.lab.remote import connect
from harness.telemetry.lab.services import Ports, query_dns_sink, start_listener
from harness.telemetry.recording import open_recording
from tests.telemetry.lab.listener_log import seen_by
from tests.winrm.powershell_shell import PowerShellShell
from tests.winrm.windows_machine import POWERSHELL, SYSMON, Machine

ROOT = Path(__file__).parents[2]
PACK = Library((ROOT / "scenarios",))
FAST = Waiting(quiet=0.6, patience=8, poll=0.1)


@pytest.fixture
def listener(tmp_path):
    running = start_listener(ROOT / "lab", Ports(http=(0,), tcp=(0, 0, 0), dns=(0,)), tmp_path / "seen.ndjson")
    yield running
    running.stop()


def published(run, listener, numbers=(1, 2, 3, 4)):
    http, tcp = listener.ports["http"][0], ",".join(str(p) for p in listener.ports["tcp"])
    given = {
        1: {"port": http, "interval": 0, "run": run},
        2: {"interval": 0},
        3: {"ports": tcp},
        4: {"port": http, "run": run},
    }
    return tuple(render_atomic(PACK.find(f"T1583.004-{n}")[0], given[n]) for n in numbers)


def plan(tmp_path, tests, **options):
    return Detonation(run="20261122T000000-abc123", lab="purple", tests=tests, state=tmp_path / "state", **options)


def recorder(tmp_path, todo):
    return Recorder(
        path=tmp_path / "recording", run=todo.run, lab=todo.lab, tests={t.atomic.name: t for t in todo.tests}
    )


def watch(todo, kept, waiting=FAST):
    return lambda host, remote, facts: Collector(
        host=host, remote=remote, facts=facts, run=todo.run, keep=kept, waiting=waiting
    )


def counts(telemetry):
    found = {}
    for events in telemetry.events:
        causes = events.columns.column("@cause").to_pylist()
        found[events.sensor, events.kind] = (sum(c == 0 for c in causes), len(causes))
    return found


def test_the_four_tests_are_detonated_recorded_and_cleaned_up(lab, listener, tmp_path):
    resolve = lambda name: query_dns_sink("127.0.0.1", listener.ports["dns"][0], name)  # noqa: E731
    machine = Machine(offset=7200.0, resolver=resolve)
    made = lab(machine=machine)
    todo = plan(tmp_path, published("20261122T000000-abc123", listener))
    recording = recorder(tmp_path, todo)
    (outcome,) = detonate(todo, [made.host], connect, watch(todo, recording.keep))
    assert outcome.error is None
    assert [(t.test, t.status, t.cleaning, t.exit_code) for t in outcome.tests] == [
        ("T1583.004-1", "finished", "nothing to clean", 0),
        ("T1583.004-2", "finished", "cleaned", 0),
        ("T1583.004-3", "finished", "nothing to clean", 0),
        ("T1583.004-4", "finished", "cleaned", 0),
    ]
    assert outcome.facts.offset == pytest.approx(7200, abs=1)
    assert (outcome.exit_code, machine.tasks, list_owed_cleanups(todo.state)) == (0, {}, ())
    seen = seen_by(listener)
    assert sum(s["kind"] == "http" and s["agent"] == f"detlab/{todo.run}" for s in seen) == 6
    assert sum(s["kind"] == "dns" and s["answered"] for s in seen) == 5
    assert sum(s["kind"] == "tcp" for s in seen) == 3
    path = recording.finish(outcome.tests, todo.state)
    read = open_recording(path)
    one, two, three, four = (counts(read.telemetry("T1583.004", n)) for n in (1, 2, 3, 4))
    assert one["sysmon", "3"] == (10, 10)
    assert one["powershell", "4104"][0] == 1
    assert two["sysmon", "22"] == (5, 5)
    assert three["sysmon", "3"] == (6, 6)
    assert four["windows_security", "4698"] == (1, 1)
    assert four["sysmon", "3"] == (2, 2)
    assert all(t.losses == () and not t.late for t in read.manifest.tests)


@pytest.mark.slow
def test_times_of_a_host_whose_clock_is_wrong_are_put_right(lab, listener, tmp_path):
    made = lab(machine=Machine(offset=-86_400.0))
    todo = plan(tmp_path, published("20261122T000000-abc123", listener, (3,)))
    recording = recorder(tmp_path, todo)
    before = time.time()
    (outcome,) = detonate(todo, [made.host], connect, watch(todo, recording.keep))
    telemetry = open_recording(recording.finish(outcome.tests, todo.state)).telemetry()
    times = [t.timestamp() for e in telemetry.of("sysmon", "3") for t in e.columns.column("@time").to_pylist()]
    assert all(before - 2 < t < time.time() + 2 for t in times)


@pytest.mark.slow
def test_a_run_leaves_other_peoples_events_unlabelled(lab, listener, tmp_path):
    machine = Machine()
    made = lab(machine=machine)
    todo = plan(tmp_path, published("20261122T000000-abc123", listener, (3,)))
    recording = recorder(tmp_path, todo)

    def noisy(host, collected):
        recording.keep(host, collected)

    stranger = machine.started(None, r"C:\Windows\System32\curl.exe", "curl.exe http://127.0.0.1/")
    inner = machine.do_powershell

    def with_noise(rest, process, io):
        machine.connected(stranger, 443, 51_000)
        return inner(rest, process, io)

    machine.do_powershell = with_noise
    (outcome,) = detonate(todo, [made.host], connect, watch(todo, noisy))
    telemetry = open_recording(recording.finish(outcome.tests, todo.state)).telemetry()
    ours, all_ = counts(telemetry)["sysmon", "3"]
    assert (ours, all_ > ours) == (6, True)


@pytest.mark.parametrize(
    ("machine", "rule"),
    [
        (Machine(marker=""), "no-lab-marker"),
        (Machine(marker="another lab"), "no-lab-marker"),
        (Machine(product="LanmanNT"), "domain-controller"),
    ],
)
def test_a_host_outside_the_rules_is_not_touched(lab, listener, tmp_path, machine, rule):
    made = lab(machine=machine)
    todo = plan(tmp_path, published("r", listener, (4,)))
    (outcome,) = detonate(todo, [made.host], connect)
    assert outcome.error.code == rule
    assert "--allow-" in outcome.error.render()
    assert outcome.exit_code == 2
    assert not any("schtasks" in c for c in machine.ran)
    assert list_journals(todo.state) == ()


def test_what_if_shows_every_command_and_touches_nothing(lab, listener, tmp_path):
    made = lab()
    shown = "\n".join(what_if(plan(tmp_path, published("r7", listener)), [made.host]))
    assert shown.count("command: set DETLAB=20261122T000000-abc123.") == 4
    assert 'schtasks.exe /Delete /TN "WindowsNetworkHealth" /F' in shown
    assert made.server.schedule.seen == []


def test_a_task_that_is_already_there_blocks_the_test_and_stays(lab, listener, tmp_path):
    machine = Machine()
    machine.tasks["WindowsNetworkHealth"] = "somebody's"
    made = lab(machine=machine)
    (outcome,) = detonate(plan(tmp_path, published("r", listener, (4,))), [made.host], connect)
    (test,) = outcome.tests
    assert (test.status, test.cleaning) == ("blocked", "not needed")
    assert "No task called WindowsNetworkHealth may be there before" in test.why
    assert machine.tasks == {"WindowsNetworkHealth": "somebody's"}
    assert outcome.exit_code == 1


@pytest.mark.slow
def test_a_test_over_its_time_is_killed_and_cleaned_up(lab, listener, tmp_path):
    machine = Machine()
    made = lab(machine=machine)
    slow = render_atomic(PACK.find("T1583.004-1")[0], {"port": listener.ports["http"][0], "interval": 30})
    (outcome,) = detonate(plan(tmp_path, (slow,), timeout=1.5), [made.host], connect)
    (test,) = outcome.tests
    assert (test.status, test.cleaning) == ("timed out", "nothing to clean")
    assert test.why == "it did not end within 2 s and was killed"
    assert not any("Start-Sleep" in p.line for p in machine.processes.values())


def test_a_failed_clean_up_is_owed_and_the_next_one_pays(lab, listener, tmp_path):
    machine = Machine()
    made = lab(machine=machine)
    todo = plan(tmp_path, published("r", listener, (4,)))
    inner = machine.do_schtasks
    machine.do_schtasks = lambda rest, p, io: 5 if "/Delete" in rest else inner(rest, p, io)
    (outcome,) = detonate(todo, [made.host], connect)
    assert (outcome.tests[0].cleaning, outcome.exit_code) == ("owed", 1)
    assert outcome.tests[0].why_owed == "the clean-up ended with exit code 5"
    (again,) = detonate(plan(tmp_path, todo.tests), [made.host], connect)
    assert again.error.render() == (
        "refused[owed-cleanup]: win10 still owes a clean-up after T1583.004-4\n  = allow: `detlab cleanup` first"
    )
    (still,) = clean_up(todo.state, made.inventory, connect)
    assert (still.done, still.owed.tried) == (False, 1)
    machine.do_schtasks = inner
    (paid,) = clean_up(todo.state, made.inventory, connect)
    assert (paid.done, machine.tasks, list_owed_cleanups(todo.state)) == (True, {}, ())
    assert clean_up(todo.state, made.inventory, connect) == ()


def test_lost_records_are_said_with_what_helps(lab, listener, tmp_path):
    machine = Machine()
    machine.logs[SYSMON].capacity = 4
    machine.logs["Security"].enabled = False
    del machine.logs["Microsoft-Windows-DNS-Client/Operational"]
    made = lab(machine=machine)
    todo = plan(tmp_path, published("r", listener, (1,)))
    kept = []
    detonate(todo, [made.host], connect, watch(todo, lambda host, collected: kept.append(collected)))
    told = {loss.channel: str(loss) for loss in kept[0].losses}
    assert "records are lost: the log rolled over" in told[SYSMON]
    assert 'wevtutil sl "Microsoft-Windows-Sysmon/Operational" /ms:' in told[SYSMON]
    assert told["Security"] == 'Security: this channel is off (run: wevtutil sl "Security" /e:true /q:true)'
    assert told["Microsoft-Windows-DNS-Client/Operational"].endswith("this channel is not there")


@pytest.mark.slow
@pytest.mark.parametrize("wire", ["winrm", "psrp"])
def test_pages_over_four_mebibytes_lose_nothing_but_what_is_larger_by_itself(lab, listener, tmp_path, wire):
    machine = Machine(lag=0)
    made = lab(machine=machine, wire=wire, powershell=PowerShellShell)
    todo = plan(tmp_path, published("r", listener, (3,)))
    inner = machine.do_powershell

    def verbose(rest, process, io):
        if "UtcNow" not in rest:
            for number in range(170):
                machine.write(POWERSHELL, 4104, {"Number": number, "ScriptBlockText": "x" * 30_000})
            machine.write(POWERSHELL, 4104, {"ScriptBlockText": "y" * (5 << 20)})
        return inner(rest, process, io)

    machine.do_powershell = verbose
    kept = []
    waiting = Waiting(quiet=0.6, patience=60, poll=0.1)
    (outcome,) = detonate(
        todo, [made.host], connect, watch(todo, lambda host, collected: kept.append(collected), waiting)
    )
    assert outcome.error is None
    numbers = [r.fields["Number"] for r in kept[0].records if "Number" in r.fields]
    assert numbers == [str(n) for n in range(170)]
    assert [str(loss) for loss in kept[0].losses] == [f"{POWERSHELL}: 1 record is lost: larger than 4 MiB each"]


def test_what_had_come_before_a_host_went_is_kept(lab, listener, tmp_path):
    machine = Machine(lag=0)
    made = lab(machine=machine)
    todo = plan(tmp_path, published("r", listener, (3,)))
    inner, asked = machine.do_wevtutil, []

    def going(rest, process, io):
        asked.append(rest.split()[0])
        if asked[-1] == "gl" and "qe" in asked:
            made.server.schedule.faults = dict.fromkeys(range(1, 10_000), "before")
        return inner(rest, process, io)

    machine.do_wevtutil = going
    kept = []
    watched = watch(todo, lambda host, collected: kept.append(collected), Waiting(quiet=3, patience=20, poll=0.3))
    (outcome,) = detonate(todo, [made.host], partial(winrm.connect, reconnect=0.3), watched)
    assert outcome.error.code == "lost"
    assert len(kept[0].records) > 10
    assert str(kept[0].losses[0]).startswith("all channels: not read to the end: the connection")


def test_the_time_of_a_run_ends_a_test_and_its_collection_but_not_its_clean_up(lab, listener, tmp_path):
    machine = Machine(lag=0)
    made = lab(machine=machine)
    slow = render_atomic(PACK.find("T1583.004-1")[0], {"port": listener.ports["http"][0], "interval": 60})
    tests = (*published("r", listener, (4,)), slow, *published("r", listener, (3,)))
    kept = []
    todo = plan(tmp_path, tests, whole=6)
    start = time.monotonic()
    (outcome,) = detonate(todo, [made.host], connect, watch(todo, lambda host, collected: kept.append(collected)))
    assert time.monotonic() - start < 20
    assert [(t.status, t.cleaning) for t in outcome.tests] == [
        ("finished", "cleaned"),
        ("timed out", "nothing to clean"),
        ("not run", "not needed"),
    ]
    assert outcome.tests[2].why == "the run's time was over"
    assert str(kept[1].losses[0]) == "all channels: not read to the end: the run's time was over"
    assert (outcome.exit_code, machine.tasks, list_owed_cleanups(todo.state)) == (1, {}, ())


@pytest.mark.slow
def test_many_events_are_read_page_by_page(lab, listener, tmp_path):
    machine = Machine()
    made = lab(machine=machine)
    todo = plan(tmp_path, published("r", listener, (3,)))
    inner = machine.do_powershell

    def busy(rest, process, io):
        for number in range(950):
            machine.write("Security", 5156, {"Number": number})
        return inner(rest, process, io)

    machine.do_powershell = busy
    kept = []
    detonate(todo, [made.host], connect, watch(todo, lambda host, collected: kept.append(collected)))
    numbers = [r.fields["Number"] for r in kept[0].records if r.fields.get("EventID") == "5156"]
    assert numbers[:950] == [str(n) for n in range(950)]
    assert kept[0].losses == ()


def test_a_full_disk_stops_the_recording_after_the_clean_up(lab, listener, tmp_path):
    machine = Machine()
    made = lab(machine=machine)
    todo = plan(tmp_path, published("r", listener, (4,)))

    def full(host, collected):
        raise OSError(28, "No space left on device")

    (outcome,) = detonate(todo, [made.host], connect, watch(todo, full))
    assert (outcome.error.code, outcome.exit_code) == ("recording", 2)
    assert "the recording cannot be written: no space left on device" in outcome.error.message
    assert (machine.tasks, outcome.tests[0].cleaning) == ({}, "cleaned")


@pytest.mark.slow
def test_two_hosts_in_parallel_take_little_longer_than_one(lab, listener, tmp_path):
    def hosts(count):
        made = [lab(machine=Machine()) for _ in range(count)]
        names = [type(m.host)(name=f"win{i}", entry=m.host.entry, folder=m.host.folder) for i, m in enumerate(made)]
        test = render_atomic(
            PACK.find("T1583.004-1")[0], {"port": listener.ports["http"][0], "interval": 1, "count": 3}
        )
        todo = Detonation(run=f"r{count}", lab="purple", tests=(test,), state=tmp_path / f"state{count}")
        start = time.perf_counter()
        outcomes = detonate(todo, names, connect)
        assert [o.exit_code for o in outcomes] == [0] * count
        return time.perf_counter() - start

    alone = hosts(1)
    assert hosts(2) < 1.3 * alone


def test_an_elevated_test_needs_an_elevated_account(lab, tmp_path):
    library = ROOT.parent / "shared" / "samples" / "dev" / "atomics"
    if not library.is_dir():
        pytest.skip("the sample library is not on this machine")
    test = render_atomic(Library((library,)).find("T1053.005-1")[0])
    made = lab(machine=Machine(elevated=False))
    (outcome,) = detonate(plan(tmp_path, (test,), allowed=Allowances(elevation=True)), [made.host], connect)
    assert outcome.error.code == "not-elevated"


def test_events_may_come_from_a_collectors_folder(lab, listener, tmp_path):
    machine = Machine(lag=0.05)
    made = lab(machine=machine)
    folder = tmp_path / "forwarded"
    folder.mkdir()
    stop = threading.Event()

    def forward():
        while not stop.wait(0.1):
            for number, log in enumerate(list(machine.logs.values())):
                text = "<Events>" + "".join(x for _, x in log.records) + "</Events>"
                other = text.replace("<Computer>WIN10</Computer>", "<Computer>OTHER</Computer>")
                (folder / f".{number}").write_text(text + other)
                (folder / f".{number}").rename(folder / f"{number}.xml")

    threading.Thread(target=forward, daemon=True).start()
    entry = msgspec.structs.replace(made.host.entry, events=EventSource(folder=str(folder)))
    host = type(made.host)(name="win10", entry=entry, folder=tmp_path)
    todo = plan(tmp_path, published("20261122T000000-abc123", listener, (3,)))
    recording = recorder(tmp_path, todo)

    def watched(host, remote, facts):
        return FolderCollector(host=host, facts=facts, run=todo.run, keep=recording.keep, waiting=FAST)

    (outcome,) = detonate(todo, [host], connect, watched)
    stop.set()
    assert outcome.error is None
    telemetry = open_recording(recording.finish(outcome.tests, todo.state)).telemetry()
    assert counts(telemetry)["sysmon", "3"] == (6, 6)
    assert not any("wevtutil" in c for c in machine.ran)
