"""What sensors make of batches that no behaviour of the pack has."""

import numpy as np
import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.events.windows_event import map_windows_sensors, sensor_of
from harness.telemetry.platform import sensor_names
from harness.telemetry.sensor import Sensor, SplunkInput, WindowsChannel, sensor
from harness.telemetry.simulation.activity import NetworkConnection
from harness.telemetry.simulation.coded_column import TextColumn
from harness.telemetry.simulation.simulate import complete_connection, record_activities

MINUTES = np.timedelta64(60, "s")


def recorded(names, call, **conditions):
    call = complete_connection(call, np.random.default_rng(1))
    return {
        (e.sensor, e.kind): e.columns.to_pylist()
        for e in record_activities([(0, call)], [sensor(n) for n in names], conditions, 1)
    }


@pytest.fixture
def web(host):
    return host.daemon(r"C:\Windows\System32\inetsrv\w3wp.exe")


def inbound(host, web):
    at = host.now + np.arange(3) * MINUTES
    return NetworkConnection(
        at=at,
        host=host,
        process=web,
        initiated=False,
        source_ip=TextColumn(values=("198.51.100.7", "198.51.100.8"), codes=np.array([0, 1, 0])),
        destination_ip=host.address,
        destination_port=443,
    )


def test_a_call_from_outside_ends_at_this_host(host, web):
    events = recorded(["sysmon"], inbound(host, web))[("sysmon", "3")]
    assert {(r["Initiated"], r["DestinationIp"], r["DestinationPort"]) for r in events} == {
        ("false", host.address, "443")
    }
    assert [r["SourceIp"] for r in events] == ["198.51.100.7", "198.51.100.8", "198.51.100.7"]


def test_old_versions_show_a_call_from_outside_as_going_there(host, web):
    events = recorded(["sysmon"], inbound(host, web), sysmon="sysmon10")[("sysmon", "3")]
    assert [r["DestinationIp"] for r in events] == ["198.51.100.7", "198.51.100.8", "198.51.100.7"]
    assert {(r["SourceIp"], r["SourcePort"], r["SourceHostname"]) for r in events} == {
        (host.address, "443", "WS01.corp.example")
    }
    assert all(49152 <= int(r["DestinationPort"]) < 65536 for r in events)


def test_a_call_from_outside_is_an_accepted_one_to_falcon(host, web):
    found = recorded(["falcon", "proxy"], inbound(host, web))
    assert set(found) == {("falcon", "NetworkReceiveAcceptIP4")}
    assert {(r["LocalPort"], r["ContextBaseFileName"]) for r in found[("falcon", "NetworkReceiveAcceptIP4")]} == {
        ("443", "w3wp.exe")
    }


def test_addresses_of_both_families_in_one_batch_go_their_ways(host, web):
    call = NetworkConnection(
        at=host.now + np.arange(4) * MINUTES,
        host=host,
        process=web,
        destination_ip=TextColumn(values=("203.0.113.1", "2001:db8::1"), codes=np.array([0, 1, 1, 0])),
        destination_port=np.array([80, 443, 8443, 80]),
        destination_hostname=TextColumn(values=(None, "six.example"), codes=np.array([0, 1, 1, 0])),
        established=np.array([True, True, False, True]),
    )
    found = recorded(["sysmon", "falcon"], call)
    assert len(found[("falcon", "NetworkConnectIP4")]) == 2
    assert [r["RemotePort"] for r in found[("falcon", "NetworkConnectIP6")]] == ["443", "8443"]
    completed = found[("sysmon", "3")]
    assert [r["DestinationPort"] for r in completed] == ["80", "443", "80"]
    assert [r["DestinationHostname"] for r in completed] == ["-", "six.example", "-"]
    assert [r["SourceIp"] for r in completed] == [host.address, completed[1]["SourceIp"], host.address]
    assert completed[1]["SourceIp"].startswith("2001:db8:20:")


def test_a_list_of_addresses_is_as_good_as_codes(host, web):
    call = NetworkConnection(
        at=host.now + np.arange(2) * MINUTES,
        host=host,
        process=web,
        destination_ip=["203.0.113.1", "203.0.113.2"],
        destination_port=80,
    )
    events = recorded(["sysmon"], call)[("sysmon", "3")]
    assert [r["DestinationIp"] for r in events] == ["203.0.113.1", "203.0.113.2"]


def test_a_sensor_is_called_as_its_file_and_says_where_its_events_come_from():
    assert {"sysmon", "falcon", "proxy"} < set(sensor_names())
    for name in sensor_names():
        found = sensor(name)
        assert found.name == name
        assert found.meaning
        assert found.page_words == () or isinstance(found.origin, SplunkInput)


def test_each_channel_is_that_of_one_sensor():
    assert sensor_of("Microsoft-Windows-Sysmon/OPERATIONAL") == "sysmon"
    assert sensor_of("Security") == "windows_security"
    assert sensor_of("Application") == "windows"
    assert {n for n in sensor_names() if isinstance(sensor(n).origin, WindowsChannel)} == set(map_windows_sensors())


def test_a_sensor_that_is_silent_about_its_origin_is_refused():
    with pytest.raises(HarnessError) as told:
        Sensor(name="edr", meaning="another sensor", records={})
    assert told.value.render() == (
        "error[registration]: the sensor `edr` does not say its `origin`\n"
        "  = help: give a WindowsChannel, or the index, source and sourcetype of a SplunkInput"
    )
