"""Realism: simulated events held against recorded ones."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from harness.cli.commands.realism import read_known_fields
from harness.cli.main import main
from harness.telemetry.events.event import Telemetry
from harness.telemetry.format import write_telemetry
from harness.telemetry.simulation.realism import compare_with_recorded
from harness.telemetry.simulation.realism_measures import (
    FREE,
    Notation,
    describe_middle_half,
    foreign,
    measure_distance,
    notation,
    notations,
)
from tests.columns import text_column

ROOT = Path(__file__).parents[3]


@pytest.fixture
def log(simulated, tmp_path):
    """What a beacon leaves, as the event log itself renders it: the recorded side."""
    path = tmp_path / "log.xml"
    with path.open("wb") as out:
        write_telemetry(simulated("beacon", times=150, server="203.0.113.9"), "windows_xml", out)
    return path


def changed(telemetry, kind, **columns):
    """The same telemetry with other columns in Sysmon's events of a kind; None takes a column out."""
    events = []
    for e in telemetry.events:
        if (e.sensor, e.kind) == ("sysmon", kind):
            table = e.columns
            for name, value in columns.items():
                at = table.schema.get_field_index(name)
                if value is None:
                    table = table.remove_column(at)
                elif at < 0:
                    table = table.append_column(name, text_column([value] * len(table)))
                else:
                    table = table.set_column(at, name, text_column([value] * len(table)))
            e = e.with_columns(table)
        events.append(e)
    return replace(telemetry, events=tuple(events))


def found(log, telemetry):
    return [(d.kind, d.field, d.message) for d in compare_with_recorded([log], telemetry).structural]


def test_events_are_like_themselves(log, simulated):
    assert found(log, simulated("beacon", times=150, server="203.0.113.9", seed=2)) == []


@pytest.mark.parametrize(
    ("columns", "field", "message"),
    [
        ({"DestinationIp": None}, "DestinationIp", "every recorded event has this field"),
        ({"Verdict": "bad"}, "Verdict", "no recorded event has this field"),
        ({"Initiated": "True"}, "Initiated", "is written as truth, capitalised word"),
        (
            {"ProcessGuid": "5770385f-c22a-43e0-bf4c-06f5698ffbd9"},
            "ProcessGuid",
            "is written as guid, lower case, bare",
        ),
        ({"UtcTime": "2026-03-03T09:12:00.1Z"}, "UtcTime", "is written as time, ISO 8601 with a zone"),
        ({"ProcessId": "0x1a4"}, "ProcessId", "is written as hexadecimal, 0x and lower case"),
    ],
)
def test_each_tampering_is_told_with_its_place(log, simulated, columns, field, message):
    telemetry = changed(simulated("beacon", times=150, server="203.0.113.9"), "3", **columns)
    assert found(log, telemetry) == [("sysmon 3", field, message)]


def test_another_order_of_fields_is_told(log, simulated):
    telemetry = simulated("beacon", times=150, server="203.0.113.9")
    events = []
    for e in telemetry.events:
        names = [n for n in e.columns.column_names if n != "Image"]
        moved = e.columns.select([*names, "Image"]) if (e.sensor, e.kind) == ("sysmon", "3") else e.columns
        events.append(e.with_columns(moved))
    told = found(log, replace(telemetry, events=tuple(events)))
    assert told == [("sysmon 3", "User", "stands where log.xml has Image")]


def test_another_version_of_an_event_is_told(log, simulated):
    telemetry = simulated("beacon", times=150, server="203.0.113.9")
    events = tuple(
        replace(e, constants={**e.constants, "Version": "4"}) if e.kind == "3" else e for e in telemetry.events
    )
    assert found(log, replace(telemetry, events=events)) == [
        ("sysmon 3", "Version", "no recorded event has this value")
    ]


def test_rates_of_a_slower_beacon_lie_apart(log, simulated):
    slower = simulated("beacon", times=150, server="203.0.113.9", every="10m")
    measures = {m.name: m for m in compare_with_recorded([log], slower).measures["sysmon 3"]}
    waits = measures["seconds between calls of a process to one endpoint"]
    assert waits.distance == 1.0
    same = simulated("beacon", times=150, server="203.0.113.9", seed=5)
    measures = {m.name: m for m in compare_with_recorded([log], same).measures["sysmon 3"]}
    assert measures["seconds between calls of a process to one endpoint"].distance < 0.2


def test_kinds_that_nobody_simulated_are_listed(log):
    assert compare_with_recorded([log], Telemetry()).only_recorded["sysmon 3"] == 150


@pytest.mark.parametrize(
    ("value", "family"),
    [
        ("", "missing"),
        ("-", "missing"),
        ("{5770385F-C22A-43E0-BF4C-06F5698FFBD9}", "guid"),
        ("2026-03-03 09:12:00.123", "time"),
        ("0x3e7", "hexadecimal"),
        ("%%1936", "message"),
        ("S-1-5-18", "sid"),
        ("203.0.113.9", "ipv4"),
        ("0:0:0:0:0:0:0:1", "ipv6"),
        ("::1", "ipv6"),
        ("SHA1=AB,MD5=CD", "hashes"),
        (r"C:\Windows\System32\cmd.exe", "path"),
        ("::ffff:192.0.2.1;", "list"),
        ("NT AUTHORITY\\SYSTEM", "text"),
    ],
)
def test_a_value_s_notation_is_known(value, family):
    assert notation(value).family == family


def test_free_text_and_missing_values_say_nothing():
    assert foreign({notation("0x1"): "0x1"}, [FREE], cased=True) == []
    assert foreign({notation("-"): "-"}, [notation("12")], cased=True) == []
    assert foreign({notation("::1"): "::1"}, [notation("192.0.2.1")], cased=True) == []
    assert foreign({notation("::1"): "::1"}, [notation("0:0:0:0:0:0:0:1")], cased=True) == [
        (Notation("ipv6", "compressed"), "::1")
    ]
    assert set(notations(["1", "2", None, "-"])) == {Notation("number", "decimal"), Notation("missing", "dash")}


def test_case_of_digits_counts_only_in_the_log_itself():
    guid = "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}"
    assert foreign({notation(guid): guid}, [notation(guid.lower())], cased=False) == []
    assert len(foreign({notation(guid): guid}, [notation(guid.lower())], cased=True)) == 1


def test_distributions_are_apart_from_nothing_to_all():
    same, other = pa.array([1.0, 2.0, 3.0]).to_numpy(), pa.array([7.0, 8.0]).to_numpy()
    assert measure_distance(same, same) == 0.0
    assert measure_distance(same, other) == 1.0
    assert describe_middle_half(same) == "2 (1.5 to 2.5)"


def test_known_fields_are_read_by_kind(tmp_path):
    path = tmp_path / "known.tsv"
    path.write_text("DnsRequest\tDomainName aid\nsysmon 5\tUser Version=3\tsince 13.30\n")
    assert read_known_fields((path,)) == {
        "falcon DnsRequest": {"DomainName", "aid"},
        "sysmon 5": {"User", "Version=3"},
    }


def test_simulated_events_have_no_structural_difference_from_the_samples(samples):
    known = [samples / "falcon_fieldsets/fieldsets_win_2025.tsv", ROOT / "scenarios/worlds/known-fields.tsv"]
    real = [samples / n for n in ("sysmon_1_3_22.ndjson.gz", "splunk_security_content", "evtx_to_mitre_attack")]
    real += [samples / n for n in ("security_datasets", "panther_analysis", "dev/sysmon_real", "dev/sigma_regression")]
    arguments = [a for path in real for a in ("--real", str(path))]
    arguments += [a for path in known for a in ("--fields", str(path))]
    for scenario in ("1-beacon-check-in", "2-dns-lookups", "4-scheduled-task", "benign/browsers"):
        arguments += ["--scenario", str(ROOT / f"scenarios/T1583.004/{scenario}.yaml")]
    ran = CliRunner().invoke(main, ["realism", *arguments, "--condition", "falcon=raw"])
    assert "0 structural differences in" in ran.output
    assert ran.exit_code == 0


def test_a_difference_is_printed_with_both_sides_and_fails(log, tmp_path):
    ran = CliRunner().invoke(
        main,
        ["realism", "--real", str(log), "--scenario", str(ROOT / "scenarios/T1583.004/routable/old-sysmon.yaml")],
    )
    assert ran.exit_code == 1
    assert "structural: User: every recorded event has this field" in ran.output


def relations(log, telemetry):
    return [(d.field, d.message) for d in compare_with_recorded([log], telemetry).relations]


@pytest.fixture
def many(simulated, tmp_path):
    """A log of processes with parents, and the same as telemetry."""
    telemetry = simulated("scheduled_task", times=60)
    path = tmp_path / "many.xml"
    with path.open("wb") as out:
        write_telemetry(telemetry, "windows_xml", out)
    return path, telemetry


def test_what_is_recorded_is_related_as_what_is_simulated(many):
    path, telemetry = many
    assert relations(path, telemetry) == []


def test_a_parent_that_no_recorded_process_has_is_a_difference(many):
    path, telemetry = many
    strange = changed(telemetry, "1", ParentImage=r"C:\Windows\System32\taskhostw.exe")
    assert ("Image, ParentImage", "parent of a program: `powershell.exe` never has taskhostw.exe") in relations(
        path, strange
    )


def test_the_name_of_a_sid_is_compared(many, simulated):
    path, telemetry = many
    events = tuple(
        e.with_columns(
            e.columns.set_column(
                e.columns.schema.get_field_index("SubjectUserName"),
                "SubjectUserName",
                text_column(["SYSTEM"] * len(e)),
            )
        )
        if e.kind == "4688"
        else e
        for e in telemetry.events
    )
    found = relations(path, replace(telemetry, events=events))
    assert ("SubjectUserSid, SubjectUserName", "account of a SID: `S-1-5-18` never has SYSTEM") in found


def test_a_constant_that_should_vary_is_a_difference(simulated, tmp_path):
    path = tmp_path / "log.xml"
    with path.open("wb") as out:
        write_telemetry(simulated("browsing"), "windows_xml", out)
    made = simulated("browsing")
    assert len(made.of("sysmon", "3")[0]) > 200
    assert relations(path, made) == []
    found = relations(path, changed(made, "3", DestinationIp="203.0.113.1"))
    assert ("DestinationIp", "is the same in all simulated events and varies in recorded ones") in found


def test_a_classifier_tells_what_betrays_and_guesses_where_nothing_does(simulated, tmp_path):
    path = tmp_path / "log.xml"
    with path.open("wb") as out:
        write_telemetry(simulated("browsing", seed=1), "windows_xml", out)
    alike = compare_with_recorded([path], simulated("browsing", seed=2), classify=True)
    same = {c.kind: c for c in alike.classifications}["sysmon 3"]
    assert same.accuracy < 0.75
    long = changed(simulated("browsing", seed=2), "3", DestinationPortName="a-name-of-a-port-that-nobody-has")
    (told,) = [c for c in compare_with_recorded([path], long, classify=True).classifications if c.kind == "sysmon 3"]
    assert told.accuracy > 0.95
    assert told.betrayals[0].feature.endswith("of DestinationPortName")


def test_distances_come_with_their_interval_and_the_command_prints_the_classifier(log, simulated):
    (measure,) = [
        m
        for m in compare_with_recorded([log], simulated("beacon", times=150, jitter=0.5)).measures["sysmon 3"]
        if m.name.startswith("seconds between")
    ]
    low, high = measure.interval
    assert low <= measure.distance <= high
    ran = CliRunner().invoke(main, ["realism", "--real", str(log), "--classify"])
    assert "classifier:" in ran.output
