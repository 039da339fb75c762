"""Programs of a world: who starts them, what their lines look like, what they leave, on which hosts."""

import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

from harness.diagnostics import HarnessError, SourceError
from harness.scenario.world import read_world
from harness.telemetry.simulation.world.simulate_world import simulate_world
from harness.telemetry.store.reader import read_stored_telemetry

ROOT = Path(__file__).parents[4]
HEAD = """title: Programs
start: 2026-03-23T00:00:00Z
hosts: 4
days: 2
sites: [{name: Berlin, time_zone: Europe/Berlin}]
roles:
  desktop: {prefix: PC, share: 2, runs: workdays, hours: {spread_minutes: 0, absent: 0}}
  file server: {prefix: FIL, share: 2, user: false}
software: {}
programs:
"""
PROGRAMS = r"""
  shell:
    image: '{system32}\cmd.exe'
    during: working
    per_hour: 6
    lasts: 30
    lines: ['cmd.exe /c {one:dir|type} {document}.txt', '"{image}"']
  tools:
    {image: '{system32}\{one:whoami|ipconfig}.exe', parent: shell, during: working, per_parent: 2, lasts: 1}
  word:
    image: '{program_files}\Office\WINWORD.EXE'
    during: working
    per_hour: 4
    lasts: 300
    files: {'{profile}\Documents\{document}.docx': 3}
    registry: {'HKU\{sid}\Software\Word\{number:1-25} = [F0]{document}': 2, '+HKU\{sid}\Software\Word\{hex:4}': 1}
    libraries: {'{system32}\amsi.dll': 1}
    pipes: {'\word.{digits:6}': 1, '>\srvsvc': 1}
    names: {'cdn.{word}.example': 2, '!{word}.{domain}': 1}
    calls: {'api.{word}.example:8443': 1}
  task:
    {image: '{system32}\taskhostw.exe', on: [file server], parent: Schedule, account: SYSTEM, per_hour: 3, lasts: 20}
  indexer: {image: System, on: [file server], standing: true, files: {'D:\Shares\{word}\{document}.docx': 30}}
"""


@pytest.fixture(scope="module")
def world_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    (folder / "generators").symlink_to(ROOT / "generators")

    def read(programs, name="world"):
        path = folder / f"{name}.yaml"
        path.write_text(HEAD + programs)
        return read_world(path)

    return read


@pytest.fixture(scope="module")
def recorded(world_of, tmp_path_factory):
    path = tmp_path_factory.mktemp("recorded") / "world"
    simulate_world(world_of(PROGRAMS), path)
    return read_stored_telemetry(path)


@pytest.fixture(scope="module")
def kinds(recorded):
    @cache
    def read(sensor, kind):
        return [
            {**part.constants, **row, "cause": recorded.causes[row["@cause"]]}
            for part in recorded.of(sensor, kind)
            for row in part.columns.to_pylist()
        ]

    return read


def test_every_child_was_started_within_the_life_of_the_program_that_starts_it(kinds):
    started = {r["ProcessGuid"]: r for r in kinds("sysmon", "1")}
    ended = {r["ProcessGuid"]: r["UtcTime"] for r in kinds("sysmon", "5")}
    children = [r for r in started.values() if r["cause"].name == "tools"]
    assert {r["Image"].rpartition("\\")[2] for r in children} == {"whoami.exe", "ipconfig.exe"}
    for child in children:
        parent = started[child["ParentProcessGuid"]]
        assert (parent["cause"].name, parent["CommandLine"]) == ("shell", child["ParentCommandLine"])
        assert parent["UtcTime"] <= child["UtcTime"] <= ended.get(parent["ProcessGuid"], "9")


def test_command_lines_are_filled_in_and_differ(kinds):
    lines = [r["CommandLine"] for r in kinds("sysmon", "1") if r["Image"].endswith("cmd.exe")]
    known = re.compile(r'cmd\.exe /c (dir|type) [A-Z]\w+ \w+( \d+)?\.txt|"C:\\Windows\\System32\\cmd\.exe"')
    assert [v for v in lines if not known.fullmatch(v)] == []
    assert len(set(lines)) > 20
    # Each sensor tells of the same lines.
    assert Counter(r["CommandLine"] for r in kinds("sysmon", "1")) == Counter(
        r["CommandLine"] for r in kinds("windows_security", "4688")
    )
    assert Counter(r["CommandLine"] for r in kinds("falcon", "ProcessRollup2")) == Counter(
        r["CommandLine"] for r in kinds("sysmon", "1")
    )


def test_what_a_program_leaves_is_its_own_processs(kinds):
    guids = {r["ProcessGuid"] for r in kinds("sysmon", "1") if r["cause"].name == "word"}
    for kind in ("7", "11", "12", "13", "17", "18", "22", "3"):
        found = [
            r for r in kinds("sysmon", kind) if r["cause"].name == "word" and not r["Image"].endswith("svchost.exe")
        ]
        assert len(found) > 5, kind
        assert {r["ProcessGuid"] for r in found} <= guids, kind
    files = [r["TargetFilename"] for r in kinds("sysmon", "11") if r["cause"].name == "word"]
    assert all(re.fullmatch(r"C:\\Users\\[a-z.]+\\Documents\\.+\.docx", f) for f in files)
    assert {r["Details"][:4] for r in kinds("sysmon", "13")} == {"[F0]"}
    assert {r["EventType"] for r in kinds("sysmon", "12")} == {"CreateKey"}
    assert {r["PipeName"] for r in kinds("sysmon", "18")} == {r"\srvsvc"}


def test_names_resolve_and_calls_go_where_they_resolve_to(kinds):
    asked = [r for r in kinds("sysmon", "22") if r["cause"].name == "word"]
    missing = {r["QueryName"] for r in asked if r["QueryStatus"] == "9003"}
    assert missing
    assert all(n.endswith(".corp.example") for n in missing)
    answers = defaultdict(set)
    for r in asked:
        answers[r["QueryName"]] |= set(re.findall(r"198\.\d+\.\d+\.\d+", r["QueryResults"]))
    calls = [r for r in kinds("sysmon", "3") if r["DestinationPort"] == "8443"]
    known = set().union(*(v for k, v in answers.items() if k.startswith("api.")))
    assert calls
    assert {r["DestinationIp"] for r in calls} <= known


def test_programs_run_on_the_hosts_of_their_roles_while_somebody_works(kinds):
    by_cause = defaultdict(set)
    for r in kinds("sysmon", "1"):
        by_cause[r["cause"].name].add(r["Computer"][:2])
    assert by_cause["shell"] == {"PC"}
    assert by_cause["task"] == {"FI"}
    tasks = [r for r in kinds("sysmon", "1") if r["cause"].name == "task"]
    assert {(r["User"], r["ParentImage"]) for r in tasks} == {
        ("NT AUTHORITY\\SYSTEM", "C:\\Windows\\System32\\svchost.exe")
    }
    assert {r["Image"] for r in kinds("sysmon", "11") if r["cause"].name == "indexer"} == {"System"}
    assert {r["@time"].hour for r in kinds("sysmon", "1") if r["cause"].name == "shell"} <= set(range(7, 18))


@pytest.mark.parametrize(
    ("programs", "message"),
    [
        ("  a: {image: 'x', on: [cleaner]}", "no role is called `cleaner`"),
        ("  a: {image: 'x', account: root}", "accounts are SYSTEM"),
        ("  a: {image: 'x', parent: b, per_parent: 1}", "is a program further up"),
        ("  a: {image: 'x', lasts: 0}", "`lasts` is more than 0 s"),
        ("  a: {image: 'x', files: {'{hex:8}': -1}}", "rates are from 0"),
    ],
)
def test_a_program_that_cannot_be_is_refused_at_its_place(programs, message, world_of):
    with pytest.raises(SourceError, match=re.escape(message)) as caught:
        world_of(programs, "wrong")
    assert caught.value.span.start > 0


def test_a_placeholder_that_nobody_knows_is_refused_with_the_one_that_was_meant(world_of, tmp_path):
    world = world_of("  a: {image: 'C:\\{hexx:8}.exe', during: working, per_hour: 1}", "placeholder")
    with pytest.raises(HarnessError) as caught:
        simulate_world(world, tmp_path / "w")
    assert (caught.value.code, caught.value.help) == ("unknown-placeholder", "did you mean `hex`?")
