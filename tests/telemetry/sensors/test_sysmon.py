import gzip
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest

NAMESPACE = "{http://schemas.microsoft.com/win/2004/08/events/event}"
SYSTEM_LIKE = ("Execution_", "Security_", "Computer", "EventRecordID", "Provider_", "@")
ENVELOPE = {"EventID", "Version", "Level", "Task", "Opcode", "Keywords", "Channel"}


def data_of(path):
    return [d.get("Name") for d in ElementTree.fromstring(path.read_text("utf-8")).iter(f"{NAMESPACE}Data")]


def data_fields(telemetry, kind):
    (events,) = telemetry.of("sysmon", kind)
    return [f for f in events.fields if not f.startswith(SYSTEM_LIKE) and f not in ENVELOPE]


def test_event_3_has_the_fields_of_a_recorded_one_in_its_order(simulated, samples):
    recorded = data_of(samples / "splunk_security_content" / "sysmon_eventid_3.xml")
    assert data_fields(simulated("beacon", times=3), "3") == recorded


@pytest.mark.parametrize("kind", ["1", "5", "11"])
def test_version_11_has_the_fields_of_recorded_events_in_their_order(kind, simulated, samples):
    recorded = data_of(samples / "splunk_security_content" / f"sysmon_eventid_{kind}.xml")
    assert data_fields(simulated("beacon", times=3, conditions={"sysmon": "sysmon11"}), kind) == recorded


@pytest.mark.parametrize("kind", ["12", "13"])
def test_registry_events_have_the_fields_of_recorded_ones(kind, simulated, samples):
    recorded = data_of(samples / "splunk_security_content" / f"sysmon_eventid_{kind}.xml")
    assert data_fields(simulated("scheduled_task", conditions={"sysmon": "sysmon11"}), kind) == recorded


def test_event_22_has_the_fields_of_a_recorded_one(simulated, samples):
    recorded = data_of(samples / "splunk_security_content" / "sysmon_eventid_22.xml")
    assert data_fields(simulated("dns_lookups", conditions={"sysmon": "sysmon11"}), "22") == recorded


def test_the_newest_version_adds_users(simulated):
    telemetry = simulated("beacon", times=1)
    assert data_fields(telemetry, "1")[-1] == "ParentUser"
    assert data_fields(telemetry, "5")[-1] == "User"


@pytest.mark.parametrize("kind", ["1", "3", "5", "11"])
def test_the_envelope_is_that_of_recorded_events(kind, simulated, samples, rows):
    text = (samples / "splunk_security_content" / f"sysmon_eventid_{kind}.xml").read_text("utf-8")
    system = ElementTree.fromstring(text).find(f"{NAMESPACE}System")
    row = rows(simulated("beacon", times=1), "sysmon", kind)[0]
    for name in ENVELOPE:
        assert row[name] == system.find(NAMESPACE + name).text
    assert row["Provider_Guid"] == system.find(f"{NAMESPACE}Provider").get("Guid")
    assert row["Security_UserID"] == system.find(f"{NAMESPACE}Security").get("UserID")


def shape(text):
    """A value with its digits and letters made alike."""
    if text is None:
        return None
    return re.sub(r"[A-Z]+", "A", re.sub(r"[a-z]+", "a", re.sub(r"\d+", "9", text)))


def test_values_of_event_3_have_shapes_that_were_recorded(simulated, samples, rows):
    fields = ("UtcTime", "ProcessId", "Protocol", "Initiated", "SourceIp", "SourcePort", "SourceIsIpv6", "RuleName")
    seen = {field: set() for field in fields}
    with gzip.open(samples / "sysmon_1_3_22.ndjson.gz", "rt", encoding="utf-8") as file:
        for line in file:
            event = json.loads(line)
            if str(event.get("EventID")) == "3":
                for field in fields:
                    seen[field].add(shape(event.get(field)))
    for event in rows(simulated("beacon", times=50), "sysmon", "3"):
        assert {field: event[field] for field in fields if shape(event[field]) not in seen[field]} == {}


def test_a_process_guid_holds_its_start_time_low_word_first(simulated, rows):
    (event,) = [r for r in rows(simulated("beacon", times=1), "sysmon", "1") if r["Image"].endswith("powershell.exe")]
    _, low, high, *_ = event["ProcessGuid"].strip("{}").split("-")
    started = np.datetime64(int(high + low, 16), "s")
    assert str(started).replace("T", " ") == event["UtcTime"][:19]


def test_the_end_of_a_modern_process_guid_is_the_process_start_key(simulated, rows):
    for event in rows(simulated("beacon", times=1), "sysmon", "1"):
        *_, four, five = event["ProcessGuid"].strip("{}").split("-")
        key = int.from_bytes(bytes.fromhex(four + five), "little")
        assert 0 < key >> 48 < 1000
        assert 0 < key & 0xFFFFFFFFFFFF < 10_000_000


def test_a_logon_guid_ends_with_the_logon_id(simulated, rows):
    for event in rows(simulated("beacon", times=1), "sysmon", "1"):
        *_, four, five = event["LogonGuid"].strip("{}").split("-")
        assert hex(int.from_bytes(bytes.fromhex(four + five), "little")) == event["LogonId"]


def test_old_versions_end_their_guids_differently(simulated, rows):
    (event, *_) = rows(simulated("beacon", times=1, conditions={"sysmon": "sysmon10"}), "sysmon", "1")
    assert re.search(r"-0000-0010[0-9A-F]{8}\}$", event["ProcessGuid"])
    assert re.search(r"-0000-0020[0-9A-F]{8}\}$", event["LogonGuid"])


def test_a_process_has_the_same_guid_in_all_its_events(simulated, rows):
    telemetry = simulated("beacon", times=3)
    (started,) = [r for r in rows(telemetry, "sysmon", "1") if r["Image"].endswith("powershell.exe")]
    assert {r["ProcessGuid"] for r in rows(telemetry, "sysmon", "3")} == {started["ProcessGuid"]}
    assert {r["ProcessGuid"] for r in rows(telemetry, "sysmon", "11")} == {started["ProcessGuid"]}
    assert started["ProcessGuid"] in {r["ProcessGuid"] for r in rows(telemetry, "sysmon", "5")}


def test_each_run_of_a_task_has_a_guid_of_its_own(simulated, rows):
    telemetry = simulated("scheduled_task", server="203.0.113.10", times=4)
    called = [r["ProcessGuid"] for r in rows(telemetry, "sysmon", "3")]
    runs = [r for r in rows(telemetry, "sysmon", "1") if r["Image"].endswith("powershell.exe")]
    assert len(set(called)) == 4
    assert called == [r["ProcessGuid"] for r in runs]


def test_a_call_to_this_host_without_a_listener_leaves_no_event_3(simulated):
    assert simulated("beacon", server="127.0.0.1", port=8888, times=5).of("sysmon", "3") == ()


def test_a_call_to_this_host_with_a_listener_leaves_a_pair(simulated, rows):
    pair = rows(simulated("beacon", server="127.0.0.1", port=8888, times=1, listener=True), "sysmon", "3")
    assert {(r["Initiated"], r["Image"].rpartition("\\")[2]) for r in pair} == {
        ("true", "powershell.exe"),
        ("false", "python.exe"),
    }
    assert {(r["SourceIp"], r["DestinationIp"], r["DestinationPort"]) for r in pair} == {("127.0.0.1",) * 2 + ("8888",)}
    assert len({r["SourcePort"] for r in pair}) == 1
    assert {r["DestinationHostname"] for r in pair} == {"WS01.corp.example"}


def test_old_versions_mirror_the_listeners_record(simulated, rows):
    pair = rows(
        simulated("beacon", server="127.0.0.1", port=8888, times=1, listener=True, conditions={"sysmon": "sysmon10"}),
        "sysmon",
        "3",
    )
    called, accepted = sorted(pair, key=lambda r: r["Initiated"], reverse=True)
    assert (accepted["SourcePort"], accepted["DestinationPort"]) == ("8888", called["SourcePort"])


@pytest.mark.parametrize(("version", "nothing"), [("sysmon15", "-"), ("sysmon11", "-"), ("sysmon10", "")])
def test_what_stands_for_an_unknown_name(version, nothing, simulated, rows):
    (event,) = rows(simulated("beacon", times=1, conditions={"sysmon": version}), "sysmon", "3")
    assert (event["DestinationHostname"], event["RuleName"], event["SourcePortName"]) == (nothing,) * 3


def test_a_ptr_name_is_the_destination_s_name_only_with_lookup(simulated, rows):
    given = {"times": 1, "ptr": "ec2-203-0-113-10.compute.amazonaws.com"}
    (found,) = rows(simulated("beacon", **given), "sysmon", "3")
    (blind,) = rows(simulated("beacon", **given, conditions={"sysmon_hostname_lookup": "off"}), "sysmon", "3")
    assert found["DestinationHostname"] == "ec2-203-0-113-10.compute.amazonaws.com"
    assert found["DestinationPortName"] == "https"
    assert (blind["DestinationHostname"], blind["SourceHostname"], blind["DestinationPortName"]) == ("-",) * 3


def test_ipv6_is_written_out_without_leading_zeros(simulated, rows):
    (event,) = rows(simulated("beacon", server="2001:db8::a", times=1), "sysmon", "3")
    assert event["DestinationIp"] == "2001:db8:0:0:0:0:0:a"
    assert event["DestinationIsIpv6"] == event["SourceIsIpv6"] == "true"


def test_event_3_is_written_a_second_or_two_late(simulated):
    (events,) = simulated("beacon", every="5s", times=2000).of("sysmon", "3")
    written = events.columns.column("@time").to_numpy().astype("datetime64[ms]")
    happened = np.array([t.replace(" ", "T") for t in events.columns.column("UtcTime").to_pylist()], "datetime64[ms]")
    lag = (written - happened) / np.timedelta64(1, "s")
    assert 1.0 < np.median(lag) < 1.6
    assert lag.min() > 0.9
    assert lag.max() < 6.1


def test_a_common_filter_drops_loopback_and_keeps_listed_images(simulated):
    swift = {"sysmon_config": "swift"}
    agent = simulated("vendor_heartbeat", conditions=swift).of("sysmon", "3")
    local = simulated("beacon", server="127.0.0.1", listener=True, conditions=swift).of("sysmon", "3")
    beacon = simulated("beacon", times=7, conditions=swift).of("sysmon", "3")
    assert (agent, local) == ((), ())
    assert len(beacon[0]) == 7


@pytest.mark.parametrize(("status", "results"), [(9003, "-"), (1460, "-"), (0, "203.0.113.9;")])
def test_results_of_an_address_query(status, results, simulated, rows):
    telemetry = simulated("dns_lookups", domains=["a.example"], status=status, answers=["203.0.113.9"])
    (event,) = rows(telemetry, "sysmon", "22")
    assert (event["QueryName"], event["QueryStatus"], event["QueryResults"]) == ("a.example", str(status), results)


def test_a_query_for_both_families_shows_mapped_addresses(simulated, rows):
    given = {"domains": ["a.example"], "status": 0, "answers": ["203.0.113.9"], "query_type": "A+AAAA"}
    (event,) = rows(simulated("dns_lookups", **given), "sysmon", "22")
    assert event["QueryResults"] == "::ffff:203.0.113.9;"


def test_task_launched_powershell_descends_from_the_schedule_service(simulated, rows):
    telemetry = simulated("scheduled_task", times=1)
    (run,) = [r for r in rows(telemetry, "sysmon", "1") if r["Image"].endswith("powershell.exe")]
    assert run["ParentImage"] == r"C:\Windows\System32\svchost.exe"
    assert run["ParentCommandLine"] == r"C:\Windows\system32\svchost.exe -k netsvcs -p -s Schedule"


def test_creating_a_task_changes_the_registry_as_recorded(simulated, samples, rows):
    recorded = []
    for line in (samples / "security_datasets" / "schtasks_create_sequence.ndjson").read_text("utf-8").splitlines():
        event = json.loads(line)
        if event["EventID"] in (12, 13) and "TaskCache" in event.get("TargetObject", ""):
            recorded.append((event["EventID"], event["TargetObject"].replace("MordorSchtask", "X")))
    telemetry = simulated("scheduled_task", task_name="X")
    made = [(int(r["EventID"]), r["TargetObject"]) for kind in ("12", "13") for r in rows(telemetry, "sysmon", kind)]

    def nameless(keys):
        return sorted((kind, re.sub(r"\{[0-9A-Fa-f-]{36}\}", "{}", key)) for kind, key in keys)

    assert nameless(made) == nameless(recorded)
