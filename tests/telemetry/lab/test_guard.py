"""Guard rails: every refusal names its rule and how to allow it; a server is found however it is spelled."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("publicsuffixlist", reason="the packages of the lab are not installed")

from harness.scenario.atomic_command import render_atomic
from harness.scenario.atomic_library import Library
from harness.telemetry.lab.command_targets import find_servers
from harness.telemetry.lab.guard import Allowances, HostFacts, RefusedError, check_host, check_tests
from harness.telemetry.lab.server_name import is_allowed_target

ROOT = Path(__file__).parents[3]
PACK = Library((ROOT / "scenarios",))


def published(number, **given):
    return render_atomic(PACK.find(f"T1583.004-{number}")[0], given)


def test_the_published_tests_stay_inside_the_lab():
    assert list(check_tests([published(n) for n in (1, 2, 3, 4)], (), Allowances())) == []


@pytest.mark.parametrize("number", [1, 3, 4])
def test_a_server_outside_the_lab_is_refused_until_it_is_named(number):
    rendered = published(number, server="203.0.113.10")
    (refusal,) = check_tests([rendered], (), Allowances())
    assert str(refusal) == (
        f"refused[target-outside-lab]: T1583.004-{number} talks to 203.0.113.10, which is no sink of the lab\n"
        "  = allow: --allow-target 203.0.113.10, or add it to `sinks:` in the inventory"
    )
    assert list(check_tests([rendered], ("203.0.113.0/24",), Allowances())) == []
    assert list(check_tests([rendered], (), Allowances(targets=frozenset({"203.0.113.10"})))) == []


def test_a_domain_outside_the_lab_is_refused():
    (refusal,) = check_tests([published(2, domains="c2.evil.com,fine.example")], (), Allowances())
    assert "talks to c2.evil.com" in refusal.message


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("IWR https://user@c2.evil.org:8443/x?y=127.0.0.1", {"c2.evil.org", "127.0.0.1"}),
        (r"net use \\files\share", {"files"}),
        (r"copy C:\a\\b C:\c", set()),
        ("ping 198.51.100.7", {"198.51.100.7"}),
        ("[System.Net.ServicePointManager]::SecurityProtocol; $x.Com", set()),
        ("nslookup c2.evil.com", {"c2.evil.com"}),
        ("connect 2001:db8:0:0:0:0:0:7", {"2001:db8:0:0:0:0:0:7"}),
        ("powershell.exe C:\\Windows\\write.exe a.ps1", set()),
    ],
)
def test_servers_are_found_in_a_command(text, named):
    assert find_servers(text) == named


@pytest.mark.parametrize(
    "target",
    [
        "127.0.0.1",
        "127.9.9.9",
        "::1",
        "localhost",
        "a.example",
        "b.test",
        "c.example.com",
        "web.lab.internal",
        "10.20.3.4",
    ],
)
def test_what_is_inside(target):
    assert is_allowed_target(target, ("*.lab.internal", "10.20.0.0/16"))


@pytest.mark.parametrize(
    "target",
    ["8.8.8.8", "evilexample.com", "example.com.evil.net", "lab.internal.evil.net", "10.21.0.1", "xlab.internal"],
)
def test_what_is_outside(target):
    assert not is_allowed_target(target, ("*.lab.internal", "10.20.0.0/16", "not/a network"))


GOOD = {"marker": "purple", "product": "WinNT", "elevated": True}


@pytest.mark.parametrize(
    ("facts", "rule", "allowance"),
    [
        ({"marker": ""}, "no-lab-marker", Allowances(unmarked=True)),
        ({"marker": "other"}, "no-lab-marker", Allowances(unmarked=True)),
        ({"product": "LanmanNT"}, "domain-controller", Allowances(domain_controller=True)),
        ({"product": ""}, "domain-controller", Allowances(domain_controller=True)),
    ],
)
def test_a_host_that_is_no_lab_host_is_refused(facts, rule, allowance):
    (refusal,) = check_host("win10", HostFacts(**{**GOOD, **facts}), "purple", [], Allowances())
    assert refusal.rule == rule
    assert "--allow-" in refusal.allow
    assert list(check_host("win10", HostFacts(**{**GOOD, **facts}), "purple", [], allowance)) == []


def test_elevation_is_asked_for_by_name():
    library = ROOT.parent / "shared" / "samples" / "dev" / "atomics"
    if not library.is_dir():
        pytest.skip("the sample library is not on this machine")
    startup = render_atomic(Library((library,)).find("T1053.005-1")[0])
    assert [r.rule for r in check_tests([startup], (), Allowances())] == ["elevation"]
    assert list(check_tests([startup], (), Allowances(elevation=True))) == []
    plain = HostFacts(**{**GOOD, "elevated": False})
    assert [r.rule for r in check_host("win10", plain, "purple", [startup], Allowances(elevation=True))] == [
        "not-elevated"
    ]


def test_all_refusals_are_told_together():
    refusals = list(check_host("win10", HostFacts(), "purple", [], Allowances()))
    text = RefusedError(refusals).render()
    assert text.count("refused[") == 2
    assert text.count("= allow:") == 2


def read_spellings(path):
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines() if "\t" in line and line[:1] != "#"]
    return [(command, "allowed" in answer) for command, answer in rows]


INVENTORY = """\
lab: purple
sinks: [127.0.0.0/8, localhost, 192.168.56.1]
hosts:
  win10: {address: 192.0.2.10, user: lab, password: {env: GUARD_TEST_PASSWORD}}
"""


def write_atomics(folder, commands):
    home = folder / "atomics" / "T1071"
    home.mkdir(parents=True)
    tests = [
        {
            "name": f"Spelling {number}",
            "description": "One command line.",
            "supported_platforms": ["windows"],
            "executor": {"name": "command_prompt", "command": command},
        }
        for number, command in enumerate(commands, 1)
    ]
    technique = {"attack_technique": "T1071", "display_name": "Application Layer Protocol", "atomic_tests": tests}
    (home / "T1071.yaml").write_text(json.dumps(technique), "utf-8")
    (folder / "hosts.yaml").write_text(INVENTORY)


def detonate(folder, *arguments):
    given = ["detonate", "T1071", "--host", "win10", "--yes", "--json", "--atomics", str(folder / "atomics")]
    given += ["--inventory", str(folder / "hosts.yaml"), *arguments]
    environment = {**os.environ, "DETLAB_STATE": str(folder / "state"), "GUARD_TEST_PASSWORD": "xK7-mv2_Qr9!"}
    run = subprocess.run(
        [sys.executable, "-c", "from harness.cli.main import main; main()", *given],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    return run.returncode, json.loads(run.stdout)


@pytest.mark.parametrize(
    "path", [Path(__file__).with_name("guard_spellings.tsv"), ROOT.parent / "shared" / "cases" / "guard.txt"]
)
def test_every_spelling_of_a_server_outside_is_refused_by_detonate_and_nothing_else(tmp_path, path):
    if not path.is_file():
        pytest.skip("the shared cases are not on this machine")
    spellings = read_spellings(path)
    write_atomics(tmp_path, [command for command, _ in spellings])
    code, document = detonate(tmp_path)
    assert (code, {r["rule"] for r in document["errors"][0]["refusals"]}) == (2, {"target-outside-lab"})
    told = " ".join(r["message"] for r in document["errors"][0]["refusals"])
    refused = {number for number in range(1, len(spellings) + 1) if f"T1071-{number} " in told}
    assert refused == {number for number, (_, allowed) in enumerate(spellings, 1) if not allowed}
    assert not (tmp_path / "state").exists()


def test_what_is_not_understood_is_refused_with_its_text_and_allowed_by_it(tmp_path):
    write_atomics(tmp_path, ["curl http://%site%/"])
    _, document = detonate(tmp_path)
    (refusal,) = document["errors"][0]["refusals"]
    assert refusal["message"] == ("T1071-1 may talk to any server: %site% is no name and no address that is understood")
    assert refusal["allow"] == "look at the command (--what-if), then --allow-target %site%"
    (test,) = [render_atomic(a) for a in Library((tmp_path / "atomics",)).find("T1071")]
    assert list(check_tests([test], (), Allowances(targets=frozenset({"%site%"})))) == []


def test_hosts_of_the_inventory_may_be_named(tmp_path):
    write_atomics(tmp_path, ["ping win10", "net use \\\\192.0.2.10\\c$", "ping win11"])
    _, document = detonate(tmp_path)
    assert [r["message"] for r in document["errors"][0]["refusals"]] == [
        "T1071-3 talks to win11, which is no sink of the lab"
    ]


def test_real_atomics_are_refused_for_what_they_name_only():
    library = ROOT.parent / "shared" / "samples" / "dev" / "atomics"
    if not library.is_dir():
        pytest.skip("the sample library is not on this machine")
    windows = [a for a in Library((library,)).read() if "windows" in a.test.supported_platforms]
    allowed = Allowances(elevation=True)
    refused = [a for a in windows if any(check_tests([render_atomic(a)], (), allowed, get=False))]
    assert len(windows) > 1000
    assert len(refused) / len(windows) < 0.25


@pytest.mark.parametrize(
    "letters", ["(", "'", ":", "a-", "$a ", "ping $a ", "set a=%a%&", "a|%{", "for %i in (", "\\\\a\\b "]
)
def test_a_long_hostile_command_is_searched_in_bounded_time(letters):
    began = time.process_time()
    find_servers(letters * ((64 << 10) // len(letters)))
    assert time.process_time() - began < 5
