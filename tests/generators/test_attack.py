"""The four tests: what happens, told by the events."""

from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest


def hours(telemetry):
    (events,) = telemetry.of("sysmon", "3")
    times = events.columns.column("@time").to_numpy().astype("datetime64[h]")
    return [n for _, n in sorted(Counter(times.tolist()).items())]


def waits(rows):
    times = np.array([r["UtcTime"].replace(" ", "T") for r in rows], "datetime64[ms]")
    return np.diff(times) / np.timedelta64(1, "s")


def test_a_beacon_without_jitter_fills_every_hour_alike(simulated):
    start = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
    first, *full, last = hours(simulated("beacon", every="60s", jitter=0, times=300, start=start))
    assert all(n in (59, 60) for n in [first, *full])
    assert last <= 60


@pytest.mark.parametrize(
    ("shape", "jitter", "least", "most"),
    [("around", 0.2, 48, 72), ("longer", 0.5, 60, 90), ("shorter", 0.37, 37.8, 60)],
)
def test_jitter_moves_waits_within_its_range(shape, jitter, least, most, simulated, rows):
    found = waits(rows(simulated("beacon", jitter=jitter, shape=shape, times=500), "sysmon", "3"))
    assert found.min() > least
    assert found.max() < most + 0.6
    assert found.max() - found.min() > 0.8 * (most - least)


def test_an_agent_that_sleeps_five_seconds_has_the_intervals_that_were_measured(simulated, rows):
    found = waits(rows(simulated("beacon", every="5s", jitter=0, times=2000), "sysmon", "3"))
    assert found.mean() == pytest.approx(5.13, abs=0.02)
    assert found.std() < 0.1
    assert found.min() > 5.05


def test_the_published_beacon_leaves_what_it_leaves(simulated):
    telemetry = simulated("beacon", server="127.0.0.1", port=8888, every="30s", times=5)
    counted = {(e.sensor, e.kind): len(e) for e in telemetry.events}
    assert counted[("powershell", "4104")] == 1
    assert counted[("falcon", "NetworkConnectIP4")] == 5
    assert ("sysmon", "3") not in counted


def test_the_command_line_says_what_is_done(simulated, rows):
    telemetry = simulated("beacon", server="127.0.0.1", port=8888, every="30s", times=5)
    (started,) = [r for r in rows(telemetry, "sysmon", "1") if r["Image"].endswith("powershell.exe")]
    assert started["CommandLine"] == (
        '"C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe" -NoProfile -Command "1..5 | ForEach-Object { '
        "Invoke-WebRequest -UseBasicParsing -DisableKeepAlive -Uri 'http://127.0.0.1:8888/' | Out-Null; "
        'Start-Sleep -Seconds 30 }"'
    )


def test_a_binary_of_its_own_has_no_script(simulated):
    telemetry = simulated("beacon", image=r"C:\Users\Public\mychrome.exe", times=2)
    assert telemetry.of("powershell") == ()


def test_calls_come_in_the_hours_that_are_given(simulated):
    assert hours(simulated("http_callbacks", counts=[3, 7])) == [3, 7]


def test_an_hour_may_stay_empty(simulated, rows):
    times = [r["UtcTime"][11:13] for r in rows(simulated("http_callbacks", counts=[2, 0, 2]), "sysmon", "3")]
    assert times == ["09", "09", "11", "11"]


def test_calls_come_after_the_waits_that_are_given(simulated, rows):
    after = [f"{2 * n}m" for n in range(11)]
    start = datetime(2026, 3, 3, 10, 50, tzinfo=UTC)
    telemetry = simulated("http_callbacks", counts=[], after=after, start=start)
    assert hours(telemetry) == [5, 6]
    assert np.allclose(waits(rows(telemetry, "sysmon", "3")), 120)


@pytest.mark.parametrize(("listener", "recorded"), [(None, 0), (False, 0), (True, 6)])
def test_a_probe_of_this_host_is_recorded_where_somebody_listens(listener, recorded, simulated, rows):
    telemetry = simulated("port_probe", listener=listener)
    assert len(rows(telemetry, "sysmon", "3")) == recorded
    assert {r["RemotePort"] for r in rows(telemetry, "falcon", "NetworkConnectIP4")} == {"4444", "8080", "8443"}


def test_a_refused_port_costs_a_second_or_two(simulated, rows):
    times = [float(r["ContextTimeStamp"]) for r in rows(simulated("port_probe"), "falcon", "NetworkConnectIP4")]
    assert all(1.0 < w < 2.2 for w in np.diff(times))


def test_rounds_of_a_probe_visit_every_port(simulated, rows):
    telemetry = simulated("port_probe", server="203.0.113.10", every="40m", times=4)
    ports = Counter(r["DestinationPort"] for r in rows(telemetry, "sysmon", "3"))
    assert ports == {"4444": 4, "8080": 4, "8443": 4}


def test_lookups_ask_for_every_domain_in_turn(simulated, rows):
    events = rows(simulated("dns_lookups"), "sysmon", "22")
    assert [r["QueryName"] for r in events] == [
        "update-check.example",
        "cdn-sync.example",
        "telemetry-relay.example",
        "vps-gateway.test",
        "c2-staging.test",
    ]
    assert {(r["QueryStatus"], r["Image"].rpartition("\\")[2]) for r in events} == {("9003", "powershell.exe")}


def test_the_resolver_s_service_carries_lookups_to_the_network(simulated, rows):
    assert simulated("dns_lookups").of("sysmon", "3") == ()
    events = rows(simulated("dns_lookups", packets=True), "sysmon", "3")
    assert {(r["Protocol"], r["DestinationPort"], r["User"]) for r in events} == {
        ("udp", "53", r"NT AUTHORITY\NETWORK SERVICE")
    }


def test_a_task_runs_on_its_schedule_in_processes_of_its_own(simulated, rows):
    telemetry = simulated("scheduled_task", server="203.0.113.10", every="10m", times=24)
    events = rows(telemetry, "sysmon", "3")
    assert np.allclose(waits(events), 600, atol=2)
    assert len({r["ProcessGuid"] for r in events}) == 24
    assert hours(telemetry)[1:-1] == [6, 6, 6]


def test_a_removed_task_is_recorded_by_all_who_watch(simulated):
    kinds = {(e.sensor, e.kind) for e in simulated("scheduled_task", removed_after="20m").events}
    assert {("windows_security", "4699"), ("task_scheduler", "141"), ("falcon", "ScheduledTaskDeleted")} <= kinds


def test_a_command_through_winrm_has_its_chain_of_parents(simulated, rows):
    line = "powershell -encodedcommand RwBlAHQALQBEAGEAdABlAA=="
    image = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
    events = rows(simulated("process", image=image, command_line=line, through="winrm"), "sysmon", "1")
    parents = {r["Image"].rpartition("\\")[2]: r["ParentImage"].rpartition("\\")[2] for r in events}
    assert parents["winrshost.exe"] == "svchost.exe"
    assert parents["cmd.exe"] == "winrshost.exe"
    assert parents["powershell.exe"] == "cmd.exe"
    assert {(r["TerminalSessionId"], r["IntegrityLevel"]) for r in events} == {("0", "High")}
