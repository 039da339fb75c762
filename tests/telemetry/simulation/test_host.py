import numpy as np
import pytest

from harness.telemetry.events.text_columns import (
    decimal,
    encode_hexadecimal,
    encode_times,
    epoch_seconds,
    long_ipv6,
    number_distinct,
)
from harness.telemetry.simulation.host import host_named
from harness.telemetry.simulation.identity import build_fixed_width_texts, guid, random_guids

START = np.datetime64("2026-03-03T09:12:00", "us")


def test_a_name_and_a_seed_make_a_host():
    one, same, other = (host_named("WS01", start=START, seed=s) for s in (1, 1, 2))
    assert (one.aid, one.address, one.user.account) == (same.aid, same.address, same.user.account)
    assert one.aid != other.aid
    assert one.computer == "WS01.corp.example"
    assert one.address.startswith("10.")


def test_hosts_of_a_domain_share_what_a_domain_shares():
    one, other = (host_named(n, start=START, seed=1) for n in ("WS01", "WS02"))
    assert (one.cid, one.public_address, one.resolvers) == (other.cid, other.public_address, other.resolvers)
    assert (one.aid, one.address, one.machine) != (other.aid, other.address, other.machine)
    assert one.user.sid.rpartition("-")[0] == other.user.sid.rpartition("-")[0]


def test_a_server_is_known_by_its_name():
    assert host_named("DC01", start=START).build == "10.0.20348"
    assert host_named("WS01", start=START).build != "10.0.20348"


def test_the_tree_of_processes_goes_back_to_the_system(host):
    names, process = [], host.process(r"C:\Windows\System32\cmd.exe")
    while process:
        names.append(process.name)
        process = process.parent
    assert names == ["cmd.exe", "explorer.exe", "userinit.exe", "winlogon.exe", "smss.exe", "System"]


def test_a_service_is_a_child_of_services_exe_under_its_account(host):
    service = host.service("Dnscache")
    assert service.parent.name == "services.exe"
    assert service.user.account == r"NT AUTHORITY\NETWORK SERVICE"
    assert service.command_line == r"C:\Windows\system32\svchost.exe -k NetworkService -p -s Dnscache"
    assert host.service("Dnscache") is service


def test_parents_start_before_their_children(host):
    process = host.process(r"C:\Windows\System32\cmd.exe")
    while process.parent:
        assert process.parent.started <= process.started
        process = process.parent


def test_processes_have_numbers_of_their_own_that_rise_with_time(host):
    minutes = START + np.arange(500) * np.timedelta64(60, "s")
    many = host.process("a.exe", started=minutes)
    assert len(set(many.pids.tolist())) > 400
    assert (np.diff(many.start_keys) > 0).all()
    assert (many.start_keys >> 48 == host.boot_number).all()
    assert (many.pids % 4 == 0).all()


def test_processes_of_one_moment_differ(host):
    keys = {int(host.process("a.exe").start_keys[0]) for _ in range(20)}
    assert len(keys) == 20


def test_a_process_of_an_array_can_be_taken_more_than_once(host):
    many = host.process("a.exe", started=START + np.arange(3) * np.timedelta64(1, "h"))
    assert many.take(np.array([0, 0, 2])).pids.tolist() == [many.pids[0], many.pids[0], many.pids[2]]


@pytest.mark.parametrize(
    ("destination", "source"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("::1", "::1")]
)
def test_a_call_to_this_host_comes_from_where_it_goes(destination, source, host):
    assert host.source_for(destination) == source


def test_a_call_elsewhere_comes_from_the_address_of_its_family(host):
    assert host.source_for("203.0.113.1") == host.address
    assert host.source_for("2001:db8::1") == host.address_v6


@pytest.mark.parametrize(
    ("short", "long"),
    [("::1", "0:0:0:0:0:0:0:1"), ("fe80::a", "fe80:0:0:0:0:0:0:a"), ("10.0.0.1", "10.0.0.1")],
)
def test_addresses_are_spelled_long(short, long):
    assert long_ipv6(short) == long


def test_times_are_spelled_to_the_millisecond():
    times = np.array(["2024-02-29T23:59:59.999499", "1999-12-31T00:00:00.001", "2026-03-03T09:12:00"], "datetime64[us]")
    assert encode_times(times).to_pylist() == [
        "2024-02-29 23:59:59.999",
        "1999-12-31 00:00:00.001",
        "2026-03-03 09:12:00.000",
    ]
    assert epoch_seconds(times[2:]).to_pylist() == ["1772529120.000"]


def test_many_times_are_spelled_like_few():
    times = START + np.arange(40_000) * np.timedelta64(1_234_567, "us")
    expected = np.datetime_as_string(times.astype("datetime64[ms]")).tolist()
    assert encode_times(times, between="T").to_pylist() == expected


@pytest.mark.parametrize("numbers", [[3, 1, 3], [5_000_000, 7, 5_000_000], [1, 2, 10**12], [-1, 4, -1], []])
def test_numbers_are_spelled_once_each(numbers):
    column = decimal(np.array(numbers, np.int64))
    assert column.to_pylist() == [str(n) for n in numbers]
    assert len(column.dictionary) == len(set(numbers))
    found, codes = number_distinct(np.array(numbers, np.int64))
    assert found[codes].tolist() == numbers


def test_pids_of_audit_records_are_hexadecimal():
    assert encode_hexadecimal(np.array([6448, 4])).to_pylist() == ["0x1930", "0x4"]


def test_guids_are_of_version_4():
    assert guid("a")[14] == "4"
    assert all(text[14] == "4" and len(text) == 36 for text in random_guids(np.random.default_rng(1), 20).to_pylist())


def test_texts_of_one_width_are_laid_side_by_side():
    assert build_fixed_width_texts(np.array([[65, 66], [67, 68]], np.uint8)).to_pylist() == ["AB", "CD"]
