"""Implants: each framework's interval and jitter, and the ways to be less regular."""

from collections import Counter

import numpy as np
import pytest

ENDLESS = {"lasts": "6h", "image": r"C:\Users\Public\x.exe"}


def called(rows, telemetry):
    return [r for r in rows(telemetry, "sysmon", "3") if r["DestinationPort"] != "53"]


def waits(calls):
    at = np.array([r["UtcTime"].replace(" ", "T") for r in calls], "datetime64[ms]")
    return np.diff(np.sort(at)) / np.timedelta64(1, "s")


@pytest.mark.parametrize(
    ("framework", "least", "most"),
    [
        ("cobalt_strike", 60, 61),
        ("sliver", 60, 91),
        ("empire", 5, 6.5),
        ("covenant", 4.5, 6.5),
        ("mythic", 7.7, 13),
        ("havoc", 1.7, 3.5),
        ("poshc2", 4, 7),
        ("merlin", 30, 34),
    ],
)
def test_a_framework_waits_as_long_as_it_is_published_to(framework, least, most, simulated, rows):
    found = waits(called(rows, simulated("implant", framework=framework, **ENDLESS)))
    assert len(found) > 100
    assert least <= found.min() and found.max() <= most


def test_sliver_only_adds_to_its_wait(simulated, rows):
    found = waits(called(rows, simulated("implant", framework="sliver", lasts="24h")))
    assert 74 < found.mean() < 76.5
    assert 0.10 < found.std() / found.mean() < 0.13


def test_cobalt_strike_only_takes_from_its_wait(simulated, rows):
    found = waits(called(rows, simulated("implant", framework="cobalt_strike", jitter=0.5, **ENDLESS)))
    assert 29.9 < found.min() < 33
    assert found.max() < 61


def test_a_kept_connection_is_seen_when_it_is_opened_again(simulated, rows):
    kept = called(rows, simulated("implant", channel="kept_alive", held="2h", lasts="10h"))
    polled = called(rows, simulated("implant", channel="poll", lasts="10h"))
    assert len(kept) == 5
    assert len(polled) > 500


def test_a_long_poll_is_as_long_as_the_server_holds_it(simulated, rows):
    found = waits(called(rows, simulated("implant", channel="long_poll", held="55s", **ENDLESS)))
    assert found.min() > 53 and found.max() < 58


def test_working_hours_are_those_of_the_host(simulated, rows):
    calls = called(rows, simulated("implant", hours=[9, 17], every="5m", lasts="7d"))
    assert {int(r["UtcTime"][11:13]) for r in calls} == set(range(9, 17))
    assert {np.datetime64(r["UtcTime"][:10]).astype(object).isoweekday() for r in calls} == {1, 2, 3, 4, 5}


def test_servers_and_ports_take_turns(simulated, rows):
    servers = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
    calls = called(rows, simulated("implant", servers=servers, ports=[443, 8443], rotation="30m", lasts="6h"))
    turns = Counter((r["DestinationIp"], r["DestinationPort"]) for r in calls)
    assert len(turns) == 6
    assert max(turns.values()) < 2.2 * min(turns.values())


def test_a_front_is_asked_for_by_name_and_has_the_ptr_of_its_network(simulated, rows):
    telemetry = simulated(
        "implant", endpoint="cdn.front.example", ptr="server-1.fra50.r.cloudfront.amazonaws.com", **ENDLESS
    )
    assert {r["DestinationHostname"] for r in called(rows, telemetry)} == {"server-1.fra50.r.cloudfront.amazonaws.com"}
    assert {r["QueryName"] for r in rows(telemetry, "sysmon", "22")} == {"cdn.front.example"}


def test_tasks_come_in_bursts(simulated, rows):
    found = waits(called(rows, simulated("implant", every="20m", tasks_per_hour=2.0, lasts="24h")))
    assert (found < 5).mean() > 0.5
    assert found.max() > 600


def test_windows_looks_for_updates_after_80_to_100_percent_of_22_hours(simulated, rows):
    events = rows(simulated("windows_update", lasts="9d"), "sysmon", "3")
    searches = [r for r in events if r["DestinationIp"] in ("203.0.113.30", "203.0.113.31")]
    found = waits(searches)
    rounds = found[found > 3600]
    assert len(rounds) >= 9
    assert rounds.min() > 17.4 * 3600 and rounds.max() < 22.1 * 3600


def test_a_runner_that_asks_every_three_seconds_opens_a_connection_an_hour(simulated, rows):
    events = rows(simulated("build_agent", lasts="24h"), "sysmon", "3")
    calls = [r for r in events if r["Image"].endswith("gitlab-runner.exe")]
    assert 24 <= len(calls) <= 30


def test_calls_that_come_in_are_not_initiated_here(simulated, rows):
    events = rows(simulated("inbound_service", host="DC01"), "sysmon", "3")
    assert {r["Initiated"] for r in events} == {"false"}
    assert {r["DestinationPort"] for r in events} == {"389", "88", "135", "49669"}


def test_a_backup_runs_at_its_hour_of_the_night(simulated, rows):
    events = rows(simulated("backup", hour=1, lasts="3d"), "sysmon", "3")
    uploads = [r for r in events if r["Image"].endswith("bkagent.exe")]
    assert {int(r["UtcTime"][11:13]) for r in uploads} <= {1, 2}
    assert len({r["UtcTime"][:10] for r in uploads}) == 3


def test_a_host_that_was_on_before_starts_nothing(simulated):
    assert simulated("startup", fresh=False).events == ()
    assert len(simulated("startup", fresh=True).of("sysmon", "1")[0]) > 12
