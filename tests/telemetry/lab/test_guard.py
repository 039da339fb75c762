"""Guard rails: every refusal names its rule and how to allow it."""

from pathlib import Path

import pytest

from harness.scenario.atomic_command import render_atomic
from harness.scenario.atomic_library import Library
from harness.telemetry.lab.guard import (
    Allowances,
    HostFacts,
    RefusedError,
    check_host,
    check_tests,
    find_servers,
    is_allowed_target,
)

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
