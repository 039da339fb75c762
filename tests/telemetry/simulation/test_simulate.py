from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.events.event import CAUSE, TIME, TIME_TYPE, TelemetryOrigin
from harness.telemetry.platform import sensor_names
from harness.telemetry.sensor import sensor
from harness.telemetry.simulation.behaviour import load_behaviours
from harness.telemetry.simulation.simulate import ScheduledAction, simulate


def texts(telemetry):
    return [(e.sensor, e.kind, dict(e.constants), e.columns.to_pydict()) for e in telemetry.events]


def test_the_same_seed_gives_the_same_telemetry(simulated):
    assert texts(simulated("scheduled_task", times=3)) == texts(simulated("scheduled_task", times=3))


def test_the_same_seed_gives_the_same_bytes(simulated):
    def written(telemetry):
        sink = pa.BufferOutputStream()
        for events in telemetry.events:
            with pa.ipc.new_stream(sink, events.columns.schema) as stream:
                stream.write_table(events.columns)
        return sink.getvalue().to_pybytes()

    assert written(simulated("browsing", lasts="1h")) == written(simulated("browsing", lasts="1h"))


def test_another_seed_gives_other_telemetry(simulated):
    assert texts(simulated("beacon", seed=1)) != texts(simulated("beacon", seed=2))


def test_a_step_more_leaves_the_processes_of_the_others_as_they_are(behaviours, start, rows):
    beacon, agent = (
        ScheduledAction(behaviour="beacon", given={"times": 3}),
        ScheduledAction(behaviour="edr_agent", given={"lasts": "1h"}),
    )
    alone = simulate([beacon], behaviours=behaviours, start=start, seed=1)
    both = simulate([beacon, agent], behaviours=behaviours, start=start, seed=1)
    started = [r["ProcessGuid"] for r in rows(alone, "sysmon", "1")]
    assert [r["ProcessGuid"] for r in rows(both, "sysmon", "1")] == started


def test_each_step_is_a_cause_and_its_events_say_so(behaviours, start):
    steps = [
        ScheduledAction(behaviour="beacon", given={"times": 7}, malicious=True),
        ScheduledAction(behaviour="vendor_heartbeat", host="WS02", given={"lasts": "30m", "endpoint": None}),
    ]
    telemetry = simulate(steps, behaviours=behaviours, start=start, seed=1)
    assert [(c.name, c.malicious, c.host) for c in telemetry.causes] == [
        ("beacon", True, "WS01"),
        ("vendor_heartbeat", False, "WS02"),
    ]
    (events,) = telemetry.of("sysmon", "3")
    causes = events.columns.column(CAUSE).to_numpy()
    computers = np.array(events.columns.column("Computer").to_pylist())
    assert set(computers[causes == 0]) == {"WS01.corp.example"}
    assert set(computers[causes == 1]) == {"WS02.corp.example"}
    assert (causes == 0).sum() == 7
    assert telemetry.origin is TelemetryOrigin.SIMULATED


def test_events_of_a_kind_are_in_order_of_time(behaviours, start):
    steps = [ScheduledAction(behaviour="beacon", given={"times": 50}, at=timedelta(minutes=m)) for m in (30, 0, 10)]
    telemetry = simulate(steps, behaviours=behaviours, start=start, seed=1)
    for events in telemetry.events:
        assert events.columns.schema.field(TIME).type == TIME_TYPE
        assert (np.diff(events.columns.column(TIME).cast(pa.int64()).to_numpy()) >= 0).all()


def test_record_numbers_of_a_channel_on_a_host_rise_by_one_over_all_kinds(behaviours, start):
    steps = [ScheduledAction(behaviour="scheduled_task", host=host, given={"times": 4}) for host in ("WS01", "WS02")]
    telemetry = simulate(steps, behaviours=behaviours, start=start, seed=1)
    for name in ("sysmon", "windows_security", "task_scheduler"):
        for computer in ("WS01.corp.example", "WS02.corp.example"):
            records = [
                (row[TIME], int(row["EventRecordID"]))
                for events in telemetry.of(name)
                for row in events.columns.to_pylist()
                if row["Computer"] == computer
            ]
            numbers = [number for _, number in sorted(records, key=lambda r: r[1])]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert [t for t, _ in sorted(records, key=lambda r: r[1])] == sorted(t for t, _ in records)


def test_text_is_dictionary_encoded_and_says_every_word_once(simulated):
    for events in simulated("scheduled_task", times=3).events:
        for name in events.columns.column_names:
            if name not in (TIME, CAUSE):
                (chunk,) = events.columns.column(name).chunks
                assert chunk.type == pa.dictionary(pa.int32(), pa.string())
                words = chunk.dictionary.to_pylist()
                assert len(words) == len(set(words)), name


def test_a_delay_moves_a_step(behaviours, start, rows):
    step = ScheduledAction(behaviour="process", at=timedelta(hours=2))
    (event, *_) = rows(simulate([step], behaviours=behaviours, start=start, seed=1), "sysmon", "1")
    assert event["UtcTime"].startswith("2026-03-03 11:12:00.")


def test_a_start_in_another_zone_is_the_same_moment(behaviours, start, rows):
    paris = start.astimezone(timezone(timedelta(hours=1)))
    here = simulate([ScheduledAction(behaviour="beacon")], behaviours=behaviours, start=start, seed=1)
    there = simulate([ScheduledAction(behaviour="beacon")], behaviours=behaviours, start=paris, seed=1)
    naive = simulate(
        [ScheduledAction(behaviour="beacon")], behaviours=behaviours, start=start.replace(tzinfo=None), seed=1
    )
    assert texts(here) == texts(there) == texts(naive)


def test_a_skewed_clock_moves_what_the_host_writes_and_not_what_the_cloud_receives(behaviours, host, rows):
    slow = host.__class__(**{n: getattr(host, n) for n in host.__slots__} | {"clock_skew": np.timedelta64(-90, "s")})
    start = datetime(2026, 3, 3, 9, 12, tzinfo=UTC)
    right, wrong = (
        simulate(
            [ScheduledAction(behaviour="beacon", given={"times": 1})],
            behaviours=behaviours,
            start=start,
            hosts={"WS01": h},
        )
        for h in (host, slow)
    )
    (one,), (other,) = rows(right, "sysmon", "3"), rows(wrong, "sysmon", "3")
    assert one[TIME] - other[TIME] == timedelta(seconds=90)
    (one,), (other,) = rows(right, "falcon", "NetworkConnectIP4"), rows(wrong, "falcon", "NetworkConnectIP4")
    assert one["timestamp"] == other["timestamp"]
    assert float(one["ContextTimeStamp"]) - float(other["ContextTimeStamp"]) == pytest.approx(90)


def test_a_value_that_a_condition_has_not_is_refused(simulated):
    with pytest.raises(HarnessError) as error:
        simulated("beacon", conditions={"sysmon": "sysmon12"})
    assert error.value.render() == (
        "error[unknown-condition-value]: condition `sysmon` has no value `sysmon12`\n  = help: did you mean `sysmon15`?"
    )


def test_conditions_have_names_of_their_own_and_a_meaning():
    conditions = [c for name in sensor_names() for c in sensor(name).conditions]
    names = [c.name for c in conditions]
    assert len(names) == len(set(names))
    assert {"sysmon", "falcon", "sysmon_hostname_lookup", "audit_other_object_access"} <= set(names)
    assert all(c.meaning and len(c.values) > 1 for c in conditions)


def test_a_behaviour_without_end_is_stopped(tmp_path, start):
    (tmp_path / "endless.py").write_text(
        "from harness.telemetry.activity import NetworkConnection\n"
        "import numpy as np\n"
        "def endless(host, start, random):\n"
        "    process = host.process('a.exe')\n"
        "    at = np.full(400_000, start)\n"
        "    while True:\n"
        "        yield NetworkConnection(at=at, host=host, process=process, destination_ip='203.0.113.1',"
        " destination_port=1, source_port=2)\n",
        "utf-8",
    )
    with pytest.raises(HarnessError, match="endless"):
        simulate([ScheduledAction(behaviour="endless")], behaviours=load_behaviours(tmp_path), start=start)


def test_no_sensor_sees_nothing_and_no_step_leaves_nothing(behaviours, start):
    assert simulate([], behaviours=behaviours, start=start).events == ()
    quiet = simulate([ScheduledAction(behaviour="beacon")], behaviours=behaviours, start=start, sensors=["dns_client"])
    assert quiet.events == ()


def test_an_unknown_sensor_is_refused(behaviours, start):
    with pytest.raises(HarnessError, match="did you mean `sysmon`"):
        simulate([ScheduledAction(behaviour="beacon")], behaviours=behaviours, start=start, sensors=["symon"])
