"""A simulated organisation: who records what, when, and the same each time."""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness.diagnostics import HarnessError, SourceError
from harness.scenario.world import read_world
from harness.telemetry.simulation.world.population import allot_shares, build_world_population, outages, workdays
from harness.telemetry.simulation.world.simulate_world import (
    WORLD_ROWS_AT_ONCE,
    SimulationOrder,
    describe_world,
    gather_shard_activity,
    simulate_shards,
    simulate_world,
)
from harness.telemetry.store.dimension import Dimensions
from harness.telemetry.store.manifest import read_manifest
from harness.telemetry.store.reader import CodedStore, read_stored_telemetry


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(small, folder, tmp_path):
    simulate_world(small, tmp_path / "again", sensors=["sysmon", "falcon"])
    assert contents(tmp_path / "again") == contents(folder)
    simulate_world(small, tmp_path / "other", sensors=["sysmon", "falcon"], seed=2)
    assert contents(tmp_path / "other").keys() == contents(folder).keys()
    assert contents(tmp_path / "other") != contents(folder)


def test_processes_that_share_the_work_write_the_same_bytes(small, tmp_path):
    simulate_world(small, tmp_path / "shared", hosts=36, days=1, sensors=["sysmon"])
    people = build_world_population(small, hosts=36, days=1, seed=1)
    order = SimulationOrder(people=people, conditions={}, sensors=("sysmon",), folder=tmp_path / "alone")
    order.folder.mkdir(exist_ok=True)
    dimensions = Dimensions()
    parts = list(simulate_shards(order, 3, dimensions, 1))
    describe_world(order, [table for part in parts for table in part], dimensions)
    (order.folder / "drafts").rmdir()
    shared = contents(tmp_path / "shared")
    del shared["store.json"]
    assert contents(tmp_path / "alone") == shared


def with_fleet(world, fleet):
    return msgspec.structs.replace(world, body=msgspec.structs.replace(world.body, fleet=fleet))


def test_hosts_of_a_fleet_have_versions_of_their_own_that_hold_all_along(small, tmp_path):
    world = with_fleet(small, {"sysmon": {"sysmon15": 0.6, "sysmon10": 0.4}})
    simulate_world(world, tmp_path / "mixed", sensors=["sysmon"])
    versions = defaultdict(set)
    for events in read_stored_telemetry(tmp_path / "mixed").of("sysmon", "1"):
        for computer in set(events.columns["Computer"].to_pylist()):
            versions[computer].add("ParentUser" in events.fields)
    assert {len(v) for v in versions.values()} == {1}
    assert {True, False} == {next(iter(v)) for v in versions.values()}
    # What is asked for holds for all of them.
    simulate_world(world, tmp_path / "one", sensors=["sysmon"], conditions={"sysmon": "sysmon15"})
    simulate_world(small, tmp_path / "none", sensors=["sysmon"], conditions={"sysmon": "sysmon15"})
    assert contents(tmp_path / "one") == contents(tmp_path / "none")


@pytest.mark.parametrize(
    ("fleet", "code"),
    [({"sysmom": {"sysmon15": 1.0}}, "unknown-condition"), ({"sysmon": {"sysmon9": 1.0}}, "unknown-condition-value")],
)
def test_a_fleet_of_what_no_sensor_has_is_refused(fleet, code, small, tmp_path):
    with pytest.raises(HarnessError) as raised:
        simulate_world(with_fleet(small, fleet), tmp_path / "mixed")
    assert raised.value.code == code


def test_every_event_knows_its_software_and_its_host(events):
    for sensor, kind, name in (("sysmon", "3", "Computer"), ("falcon", "NetworkConnectIP4", None)):
        found = events(sensor, kind)
        assert {r["cause"].name for r in found} >= {"EDR sensor", "browser", "runbook", "Cobalt Strike"}
        assert all(name is None or r[name].startswith(r["cause"].host) for r in found)
    assert {r["cause"].malicious for r in events("sysmon", "3") if r["cause"].name == "Cobalt Strike"} == {True}


def test_records_of_a_channel_are_numbered_without_gaps_through_all_boots(recorded):
    numbers = defaultdict(list)
    for part in recorded.of("sysmon"):
        for row in part.columns.select(["Computer", "EventRecordID"]).to_pylist():
            numbers[row["Computer"]].append(int(row["EventRecordID"]))
    assert len(numbers) == 6
    for found in numbers.values():
        assert sorted(found) == list(range(min(found), min(found) + len(found)))


def test_a_host_that_is_off_or_asleep_records_nothing(events):
    at_night = [
        r for r in events("sysmon", "3") if r["Computer"].startswith(("PC", "LT")) and not 4 <= r["@time"].hour < 22
    ]
    assert at_night == []
    assert {r["@time"].hour for r in events("sysmon", "3") if r["Computer"].startswith("SRV")} == set(range(24))


def test_nobody_browses_on_sunday_or_at_night(events):
    pages = [r for r in events("sysmon", "3") if r["cause"].name == "browser"]
    assert len(pages) > 100
    assert {r["@time"].isoweekday() for r in pages} <= {1, 2, 3, 4, 5}


def test_a_desktop_that_is_shut_down_has_new_processes_each_day(events):
    seen = defaultdict(set)
    for r in events("sysmon", "3"):
        if r["Image"].endswith("CSFalconService.exe") and r["Computer"].startswith("PC"):
            seen[r["Computer"], r["@time"].date()].add(r["ProcessGuid"])
    assert {len(v) for v in seen.values()} == {1}
    computers = {c for c, _ in seen}
    for computer in computers:
        of_days = [next(iter(v)) for (c, _), v in seen.items() if c == computer]
        assert len(set(of_days)) == len(of_days) > 1


def test_a_laptop_that_sleeps_keeps_its_processes(events):
    seen = defaultdict(set)
    days = defaultdict(set)
    for r in events("sysmon", "3"):
        if r["Image"].endswith("CSFalconService.exe") and r["Computer"].startswith("LT"):
            seen[r["Computer"]].add(r["ProcessGuid"])
            days[r["Computer"]].add(r["@time"].date())
    assert all(len(seen[c]) < len(days[c]) for c in seen)


def test_a_boot_leaves_its_process_tree(events):
    started = [
        r for r in events("sysmon", "1") if r["cause"].name == "start of host" and r["Computer"].startswith("PC")
    ]
    boots = Counter(r["Computer"] for r in started if r["Image"].endswith("\\services.exe"))
    assert set(boots.values()) == {3}
    by_guid = {r["ProcessGuid"]: r for r in events("sysmon", "1")}
    linked = [r for r in started if r["ParentProcessGuid"] in by_guid]
    assert len(linked) > 0.7 * len(started)
    assert all(by_guid[r["ParentProcessGuid"]]["UtcTime"] <= r["UtcTime"] for r in linked)


def test_process_guids_are_unique_and_tell_the_start(events):
    started = events("sysmon", "1")
    guids = [r["ProcessGuid"] for r in started]
    assert len(set(guids)) == len(guids)
    for r in started[:200]:
        low, high = r["ProcessGuid"].split("-")[1:3]
        seconds = int(high + low, 16)
        assert abs(seconds - datetime.fromisoformat(r["UtcTime"]).replace(tzinfo=UTC).timestamp()) <= 1


def test_while_the_way_out_is_down_attempts_are_seen_and_connections_are_not(small, events):
    people = build_world_population(small, hosts=6, days=5, seed=1)
    down = outages(small.body.sites[0], people.begin, 5, 1)
    longest = max(down, key=lambda s: s[1] - s[0])

    def in_it(text):
        moment = np.datetime64(text, "us")
        return longest[0] + np.timedelta64(10, "s") < moment < longest[1] - np.timedelta64(10, "s")

    outside = ("203.0.113.", "198.51.100.", "192.0.2.")
    completed = [
        r
        for r in events("sysmon", "3")
        if in_it(r["UtcTime"].replace(" ", "T")) and r["DestinationIp"].startswith(outside)
    ]
    attempts = [
        r
        for r in events("falcon", "NetworkConnectIP4")
        if in_it(np.datetime64(round(float(r["ContextTimeStamp"]) * 1e6), "us"))
        and r["RemoteAddressIP4"].startswith(outside)
    ]
    assert completed == []
    assert len(attempts) > 5


def test_no_more_is_held_at_once_however_long_a_world_lasts(small, tmp_path):
    people = build_world_population(small, hosts=6, days=75, seed=1)
    known = SimulationOrder(people=people, conditions={}, sensors=("sysmon",), folder=tmp_path).known()
    sizes = [sum(len(activity) for _, activity in piece) for piece in gather_shard_activity(people, known, 0)]
    assert sum(sizes) > 3 * WORLD_ROWS_AT_ONCE
    assert max(sizes) < WORLD_ROWS_AT_ONCE + 25_000
    assert len(sizes) >= 3


def test_shares_are_met_to_the_host():
    assert Counter(allot_shares({"a": 0.5, "b": 0.3, "c": 0.2}, 11)) == {"a": 6, "b": 3, "c": 2}


def test_people_have_different_names_from_everybody_else(small):
    found = [m.person for m in build_world_population(small, hosts=400, days=1, seed=1).members if m.role.user]
    assert len(set(found)) == len(found) > 250


def test_people_differ_in_their_habits(small):
    people = build_world_population(small, hosts=40, days=5, seed=1)
    laptops = [m for m in people.members if m.role_name == "laptop"]
    first = {workdays(m.role.hours, people.nights["Berlin"], m.name, 1)[0].arrival for m in laptops}
    assert len(first) == len(laptops)


def test_the_dataset_says_what_it_is(folder):
    found = read_manifest(folder)
    assert (found.world.hosts, found.world.days, found.origin) == (6, 5, "simulated")
    assert found.rows == sum(t.rows for t in found.tables) > 10_000
    assert {"EDR sensor", "Cobalt Strike"} <= {c.name for c in CodedStore(folder).causes}


def test_a_folder_with_something_else_in_it_is_not_touched(small, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(HarnessError, match="is there already and is no store"):
        simulate_world(small, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_parameter_that_a_behaviour_has_not_is_told_at_its_place(small, tmp_path):
    text = Path(small.path).read_text().replace("{pages_per_hour: 4}", "{pages_an_hour: 4}")
    wrong = small.path.with_name("wrong.yaml")
    wrong.write_text(text)
    with pytest.raises(SourceError) as caught:
        simulate_world(read_world(wrong), tmp_path / "x")
    assert caught.value.help == "did you mean `pages_per_hour`?"
    assert not (tmp_path / "x").exists()


def test_half_a_world_is_no_world(folder, tmp_path):
    damaged = tmp_path / "half"
    damaged.mkdir()
    (damaged / "store.json").write_text((folder / "store.json").read_text()[:500])
    with pytest.raises(HarnessError, match="cannot be read"):
        read_manifest(damaged)


def test_a_world_that_names_files_elsewhere_is_refused(folder, tmp_path):
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    text = (folder / "store.json").read_text().replace('"sysmon-3/00000.parquet"', '"../../etc/passwd"')
    (hostile / "store.json").write_text(text)
    with pytest.raises(HarnessError, match="lies outside the folder"):
        read_manifest(hostile)
