"""Benign software: who calls whom, how regularly."""

from collections import Counter
from ipaddress import ip_address

import numpy as np
import pytest

from harness.diagnostics import HarnessError

AGENTS = ("edr_agent", "monitoring_agent", "vendor_heartbeat", "remote_management", "chat")
TASKS = ("threat_intel_feed", "configuration_runbook", "software_update", "build_pipeline")


def outside(rows, telemetry):
    return [r for r in rows(telemetry, "sysmon", "3") if not r["DestinationIp"].startswith("10.")]


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_is_one_process_that_runs_since_before(name, simulated, rows):
    telemetry = simulated(name, lasts="4h")
    assert len({r["ProcessGuid"] for r in outside(rows, telemetry)}) == 1
    assert telemetry.of("sysmon", "1") == ()


@pytest.mark.parametrize("name", TASKS)
def test_a_job_is_a_process_of_its_own_each_time(name, simulated, rows):
    telemetry = simulated(name, every="30m", lasts="4h")
    calls = outside(rows, telemetry)
    started = {r["ProcessGuid"] for r in rows(telemetry, "sysmon", "1")}
    assert len({r["ProcessGuid"] for r in calls}) == len(calls) > 3
    assert {r["ProcessGuid"] for r in calls} <= started


@pytest.mark.parametrize("name", AGENTS + TASKS)
def test_a_period_and_a_length_give_the_number_of_calls(name, behaviours, simulated, rows):
    given = {"every": "12m", "lasts": "4h", "jitter": 0.0}
    calls = outside(rows, simulated(name, **given))
    rounds = 3 if name == "build_pipeline" else 1
    assert len(calls) == 21 * rounds


@pytest.mark.parametrize("name", AGENTS)
def test_a_name_is_looked_up_before_its_address_is_called(name, simulated, rows):
    telemetry = simulated(name, lasts="1h")
    asked = [r["UtcTime"] for r in rows(telemetry, "sysmon", "22")]
    called = [r["UtcTime"] for r in outside(rows, telemetry)]
    assert min(asked) < min(called)
    assert len(asked) <= 13


def test_software_without_a_name_looks_nothing_up(simulated):
    assert simulated("vendor_heartbeat", endpoint=None, lasts="1h").of("sysmon", "22") == ()


def test_a_runbook_is_a_child_of_the_task_scheduler(simulated, rows):
    events = rows(simulated("configuration_runbook", lasts="1h"), "sysmon", "1")
    runs = [r for r in events if r["Image"].endswith("powershell.exe")]
    assert {r["ParentCommandLine"].rpartition(" ")[2] for r in runs} == {"Schedule"}
    assert {r["User"] for r in runs} == {r"NT AUTHORITY\SYSTEM"}


def test_a_page_is_a_burst_of_connections_to_changing_addresses(simulated, rows):
    calls = outside(rows, simulated("browsing", lasts="8h"))
    times = np.array([r["UtcTime"].replace(" ", "T") for r in calls], "datetime64[ms]")
    gaps = np.diff(times) / np.timedelta64(1, "s")
    assert (gaps < 1).mean() > 0.8
    assert gaps.max() > 300
    assert len({r["DestinationIp"] for r in calls}) > 40


def test_popular_sites_get_most_of_the_visits(simulated, rows):
    events = rows(simulated("browsing", lasts="8h"), "sysmon", "22")
    counts = sorted(Counter(r["QueryName"] for r in events).values(), reverse=True)
    assert counts[0] > 4 * counts[len(counts) // 2]


def test_nobody_browses_nowhere(simulated):
    assert simulated("browsing", pages_per_hour=0.0).events == ()


def test_internal_services_stay_inside(simulated, rows):
    events = rows(simulated("internal_services", lasts="4h"), "sysmon", "3")
    assert all(ip_address(r["DestinationIp"]).is_private for r in events)
    assert {r["DestinationPort"] for r in events} == {"88", "123", "389", "445", "8530"}


def test_chatter_is_multicast_or_link_local(simulated, rows):
    events = rows(simulated("multicast_chatter", lasts="4h"), "sysmon", "3")
    assert all(
        ip_address(r["DestinationIp"]).is_multicast or ip_address(r["DestinationIp"]).is_link_local for r in events
    )
    assert "ff02:0:0:0:0:0:1:3" in {r["DestinationIp"] for r in events}


def test_a_dns_server_asks_all_root_servers_by_their_names(simulated, rows):
    events = rows(simulated("root_dns", host="DC01"), "sysmon", "3")
    pairs = {r["DestinationHostname"]: r["DestinationIp"] for r in events}
    assert len(pairs) == 13
    assert pairs["m.root-servers.net"] == "202.12.27.33"


def test_every_behaviour_says_in_a_sentence_what_it_is(behaviours):
    for name in behaviours:
        assert behaviours[name].summary.endswith((".", ",", ":")), name


def test_every_behaviour_leaves_something_without_parameters(behaviours, simulated):
    # One does what an atomic does, which an action has to name.
    assert {name for name in behaviours if name != "atomic_command" and not len(simulated(name))} == set()


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("edr_agent", {"every": "0s"}),
        ("edr_agent", {"every": "1ms", "lasts": "3000d"}),
        ("browsing", {"lasts": "3650d", "pages_per_hour": 1e9}),
        ("browsing", {"lasts": "3650d"}),
        ("build_pipeline", {"artifacts": 1_000_000}),
        ("multicast_chatter", {"per_hour": 1e12}),
        ("port_probe", {"times": 1_000_000, "ports": [1, 2, 3, 4]}),
        ("http_callbacks", {"counts": [1_000_000] * 4}),
    ],
)
def test_what_is_too_much_to_hold_is_refused(name, given, simulated):
    with pytest.raises(HarnessError, match="too-much"):
        simulated(name, **given)
