"""A scenario to begin with is written from an atomic, and holds at once."""

from pathlib import Path
from random import Random

import pytest

from harness.run import run_scenarios
from harness.scenario.atomic_library import Library
from tests.cli.command_line import detlab

SHARED = Path(__file__).parents[4] / "shared"
LIBRARY = SHARED / "samples" / "dev" / "atomics"
ATOMICS = """attack_technique: T1112
display_name: Modify Registry
atomic_tests:
- name: Set a value, twice!
  auto_generated_guid: 11111111-2222-3333-4444-555555555555
  description: x
  supported_platforms: [windows]
  input_arguments:
    name: {description: x, type: string, default: Value}
  executor:
    name: command_prompt
    command: |
      reg add HKCU\\Software\\Detlab /v #{name} /t REG_DWORD /d 1 /f
      reg add HKLM\\Software\\Detlab /v #{name} /d text /f
- name: On another system
  auto_generated_guid: 11111111-2222-3333-4444-666666666666
  description: x
  supported_platforms: [linux]
  executor: {name: bash, command: id}
"""


@pytest.fixture
def library(tmp_path):
    home = tmp_path / "atomics" / "T1112"
    home.mkdir(parents=True)
    (home / "T1112.yaml").write_text(ATOMICS)
    return home.parent


def new(folder, library, address, *options):
    return detlab("new", "scenario", "--atomic", address, "--atomics", str(library), "--out", str(folder), *options)


def test_its_signals_hold_as_it_is_written(tmp_path, library):
    done = new(tmp_path / "scenarios", library, "T1112-1", "--set", "name=Other", "--json")
    assert done.code == 0, done.out + done.err
    path = tmp_path / "scenarios" / "T1112" / "1-set-a-value-twice.yaml"
    assert done.document["written"] == [str(path), str(path.parent / "T1112.yaml")]
    outcomes = run_scenarios([path])
    assert not outcomes.broken
    assert all(v.as_expected for v in outcomes.visibilities)
    asked = [v.signal.where for v in outcomes.visibilities if str(v.signal.event) == "13"]
    assert asked == [
        {"TargetObject": "HKU\\*\\Software\\Detlab\\Other*", "Details": "DWORD (0x00000001)"},
        {"TargetObject": "HKLM\\Software\\Detlab\\Other", "Details": "text"},
    ]


def test_a_file_that_is_there_is_kept(tmp_path, library):
    folder = tmp_path / "scenarios"
    assert new(folder, library, "T1112-1").code == 0
    again = new(folder, library, "T1112-1")
    assert again.code == 2
    assert "is there already" in again.err


@pytest.mark.parametrize(
    ("address", "options", "message"),
    [
        ("T1112-2", (), "only hosts of Windows are simulated"),
        ("T1112-3", (), "T1112 has tests 1 to 2, not 3"),
        ("T1112", (), "names 2 tests"),
        ("T1112-1", ("--set", "nmae=x"), "has no argument `nmae`"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_written(tmp_path, library, address, options, message):
    done = new(tmp_path / "scenarios", library, address, *options)
    assert done.code == 2
    assert message in (done.out + done.err)
    assert not (tmp_path / "scenarios").exists()


@pytest.mark.slow
def test_fifty_tests_of_the_library_drawn_by_lot(tmp_path):
    if not LIBRARY.is_dir():
        pytest.skip("the library is not here")
    tests = [
        a for a in Library((LIBRARY,)).read()
        if "windows" in a.test.supported_platforms and a.test.executor.name in ("powershell", "command_prompt")
    ]  # fmt: skip
    for atomic in Random(20261201).sample(tests, 50):
        done = new(tmp_path / "scenarios", LIBRARY, atomic.name)
        assert done.code == 0, (atomic.name, (done.out + done.err))
    outcomes = run_scenarios([tmp_path / "scenarios"])
    assert outcomes.scenarios == 50
    assert not outcomes.broken
    assert len(outcomes.visibilities) >= 50
    assert [v for v in outcomes.visibilities if not v.as_expected] == []


def test_a_rule_with_its_page_a_behaviour_and_an_atomic_are_ones_that_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("spl", "cql"):
        assert detlab("new", "rule", f"Programs {name}", "--language", name).code == 0
        assert detlab("lint", f"rules/programs-{name}.{name}", "--strict").code == 0
    assert "title: Programs spl" in (tmp_path / "rules" / "programs-spl.spl.yaml").read_text()
    assert detlab("new", "behaviour", "print_spooler").code == 0
    assert detlab("new", "scenario", "--behaviour", "print_spooler", "--activity", "benign").code == 0
    assert detlab("new", "atomic", "T1059.001", "Our own dropper").code == 0
    assert detlab("new", "scenario", "--atomic", "T1059.001-1", "--atomics", "atomics").code == 0
    ran = detlab("run", "--json")
    assert ran.code == 0, ran.out
    assert ran.document["summary"]["signals"] > 2


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["scenario", "--behaviour", "nosuch"], "unknown-behaviour"),
        (["scenario"], "usage"),
        (["behaviour", "print spooler"], "wrong-name"),
        (["behaviour", "class"], "wrong-name"),
        (["atomic", "../T1059", "x"], "wrong-technique"),
        (["rule", "x", "--language", "kql"], "unknown-language"),
    ],
)
def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    ran = detlab("new", *arguments)
    assert (ran.code, ran.err.startswith(f"error[{code}]")) == (2, True), ran.err
    assert list(tmp_path.iterdir()) == []


def test_nothing_new_takes_the_place_of_what_is_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert detlab("new", "rule", "Mine").code == 0
    (tmp_path / "rules" / "mine.spl").write_text("index=own")
    assert detlab("new", "rule", "Mine").code == 2
    assert (tmp_path / "rules" / "mine.spl").read_text() == "index=own"
