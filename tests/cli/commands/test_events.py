"""`detlab events`: what lies in a folder, a line each, whatever people put there."""

import bz2
import gzip
import json
import lzma
import sqlite3
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from tests.cli.command_line import detlab

SHAPES = Path(__file__).parents[2] / "telemetry/shapes"
EVENT = json.loads((SHAPES / "flat.ndjson").read_text().splitlines()[0])

STRANGERS = {
    "capture.pcap": (b"\xd4\xc3\xb2\xa1\x02\0\x04\0" + bytes(16), "a packet capture (pcap)"),
    "trace.pcapng": (b"\x0a\x0d\x0d\x0a" + bytes(24), "a packet capture (pcapng)"),
    "NTUSER.DAT": (b"regf" + bytes(60), "a hive of the registry"),
    "tool.exe": (b"MZ\x90\0" + bytes(60), "a Windows program"),
    "implant": (b"\x7fELF\x02\x01" + bytes(60), "a Linux program"),
    "report.pdf": (b"%PDF-1.7\n", "a PDF document"),
    "screen.png": (b"\x89PNG\r\n\x1a\n" + bytes(20), "a picture (PNG)"),
    "logs.7z": (b"7z\xbc\xaf\x27\x1c" + bytes(20), "an archive (7z)"),
    "logs.rar": (b"Rar!\x1a\x07\x01\0" + bytes(20), "an archive (RAR)"),
    "logs.tar": (bytes(257) + b"ustar\x0000" + bytes(300), "an archive (tar)"),
    "system.journal": (b"LPKSHHRH" + bytes(40), "a journal of systemd"),
    "old.evt": (b"\x30\0\0\0LfLe" + bytes(40), "an event log of Windows XP"),
    "page.html": (b"<!doctype html><html></html>", "a page of HTML"),
    "sysmonconfig.xml": (b"<Sysmon schemaversion='4.90'></Sysmon>", "XML with the root `Sysmon`"),
    "u_ex26.log": (b"#Software: Microsoft IIS\n#Version: 1.0\n#Fields: date\n", "a log of IIS"),
    "auth.log": (b"May  5 08:00:00 web01 sshd[1]: Accepted publickey for bob\n" * 3, "lines of syslog"),
    "arcsight.log": (b"CEF:0|Vendor|Product|1|100|name|5|src=10.0.0.1\n", "lines of CEF"),
    "access.log": (b'10.0.0.1 - - [05/May/2026:08:00:00 +0000] "GET / HTTP/1.1" 200 1\n', "an access log"),
    "audit.log": (b"type=SYSCALL msg=audit(1777968000.123:1): arch=c000003e\n", "a log of Linux auditd"),
    "rule.yml": (b"title: A rule\nid: 1\nlogsource:\n  product: windows\n", "a Sigma rule"),
    "notes.txt": (b"remember the milk\n", "plain text: `remember the milk`"),
    "README.md": (b"# What this is\n\nA folder.\n", "a page of Markdown"),
}


def survey(*arguments):
    ran = detlab("events", *arguments, "--json", "--in-process")
    assert ran.code == 0, ran.err
    return ran.document


def test_a_folder_of_strangers_has_a_line_for_each(tmp_path):
    for name, (content, _) in STRANGERS.items():
        (tmp_path / name).write_bytes(content)
    sqlite3.connect(tmp_path / "history.db").execute("create table t (x)").connection.close()
    (tmp_path / "ev.ndjson").write_text(json.dumps(EVENT))
    found = survey(tmp_path)
    assert found["events"] == 1
    told = {each["place"]: each["message"] for each in found["not_understood"]}
    assert set(told) == {*STRANGERS, "history.db"}
    assert {n: m for n, m in told.items() if n in STRANGERS and STRANGERS[n][1] not in m} == {}
    assert "an SQLite database" in told["history.db"]
    lines = detlab("events", tmp_path, "--in-process").out.splitlines()
    assert [len([line for line in lines if line.strip().startswith(f"{n}: ")]) for n in told] == [1] * len(told)


def test_every_example_of_the_table_is_a_line_with_its_shape():
    found = survey(SHAPES)
    files = {p.name for p in SHAPES.iterdir() if p.is_file() and p.suffix != ".py"}
    assert {each["file"] for each in found["shapes"]} == files
    assert "unknown" not in {each["shape"] for each in found["shapes"]}
    assert found["hosts"][0]["host"] == "ws01.corp.example"
    assert (found["first"], found["last"]) == ("2026-05-05T07:59:59.001000+00:00", "2026-05-05T08:00:09+00:00")


def test_several_shapes_in_one_file_are_each_read_for_what_they_are(tmp_path):
    names = ("winlogbeat.ndjson", "wazuh.ndjson", "evtx_dump.jsonl", "falcon.ndjson", "suricata.ndjson", "gelf.ndjson")
    (tmp_path / "mixed.ndjson").write_text("".join((SHAPES / name).read_text() for name in names))
    found = survey(tmp_path / "mixed.ndjson")
    counted = {each["shape"]: each["events"] for each in found["shapes"]}
    assert counted == {"winlogbeat": 4, "wazuh": 4, "evtx_dump": 4, "falcon": 1, "suricata": 1, "gelf": 5}
    assert found["not_understood"] == []


def write_zip(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("logs/a.ndjson", content)
        archive.writestr("logs/b.ndjson", content)
        archive.writestr("__MACOSX/logs/._a.ndjson", b"x")


PACKED = {
    "gzip": lambda path, content: path.write_bytes(gzip.compress(content)),
    "bzip2": lambda path, content: path.write_bytes(bz2.compress(content)),
    "xz": lambda path, content: path.write_bytes(lzma.compress(content)),
    "zstd": lambda path, content: path.write_bytes(pa.Codec("zstd").compress(content, asbytes=True)),
}


@pytest.mark.parametrize("how", PACKED)
def test_a_packed_file_is_read_as_what_is_in_it(tmp_path, how):
    PACKED[how](tmp_path / "x", (SHAPES / "flat.ndjson").read_bytes())
    found = survey(tmp_path / "x")
    assert (found["events"], found["damages"]) == (4, [])


@pytest.mark.parametrize("how", ["bzip2", "xz", "zstd"])
def test_packed_data_that_are_damaged_are_told(tmp_path, how):
    PACKED[how](tmp_path / "x", (SHAPES / "flat.ndjson").read_bytes() * 50)
    content = (tmp_path / "x").read_bytes()
    (tmp_path / "x").write_bytes(content[: len(content) // 2])
    (tmp_path / "y.ndjson").write_text(json.dumps(EVENT))
    found = survey(tmp_path)
    assert any(f"{how} data end here" in each["message"] for each in found["damages"])


def test_an_archive_is_its_files(tmp_path):
    write_zip(tmp_path / "logs.zip", (SHAPES / "flat.ndjson").read_bytes())
    found = survey(tmp_path / "logs.zip")
    assert [(each["file"], each["events"]) for each in found["shapes"]] == [
        ("logs.zip/logs/a.ndjson", 4),
        ("logs.zip/logs/b.ndjson", 4),
    ]


UNKNOWN = {
    "Windows": {"ProcessGuid": "{a}", "SubjectUserName": "bob", "NewProcessName": "a.exe"},
    "Falcon": {"aid": "a", "cid": "c", "TargetProcessId_decimal": "7"},
    "CloudTrail": {"event_source": "x", "event_name": "y", "aws_region": "z"},
}


@pytest.mark.parametrize("family", UNKNOWN)
def test_what_looks_like_a_known_event_and_fits_no_shape_is_told_where_a_rule_is_run(tmp_path, family):
    (tmp_path / "ev.ndjson").write_text(json.dumps({"@timestamp": "2026-05-05T08:00:00Z", **UNKNOWN[family]}))
    (tmp_path / "rule.spl").write_text("EventCode=3")
    ran = detlab("query", tmp_path / "rule.spl", "--events", tmp_path / "ev.ndjson", "--in-process")
    said = " ".join(ran.err.split())
    assert f"not understood: ev.ndjson: 1 events look like {family} events ({', '.join(UNKNOWN[family])})" in said
    asked = detlab("query", tmp_path / "rule.spl", "--events", tmp_path / "ev.ndjson", "--in-process", "--json")
    assert family in asked.document["not_understood"][0]["message"]


def test_json_of_another_kind_is_no_remark_of_a_rule_but_a_line_of_the_survey(tmp_path):
    (tmp_path / "ev.ndjson").write_text('{"@timestamp": "2026-05-05T08:00:00Z", "price": 3}')
    (tmp_path / "rule.spl").write_text("price=3")
    ran = detlab("query", tmp_path / "rule.spl", "--events", tmp_path / "ev.ndjson", "--in-process", "--json")
    assert (len(ran.document["rows"]), ran.document["not_understood"]) == (1, [])
    assert survey(tmp_path / "ev.ndjson")["not_understood"] == [
        {"place": "ev.ndjson", "message": "1 objects of no known shape keep their own names: @timestamp, price"}
    ]


def test_rules_that_could_see_some_of_it_and_those_that_could_not(tmp_path):
    (tmp_path / "rules").mkdir()
    sysmon = 'source="XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"'
    (tmp_path / "rules/network.spl").write_text(f"{sysmon} EventCode=3 Image=* Nonsense=*")
    (tmp_path / "rules/dns.spl").write_text(f"{sysmon} EventCode=22 QueryName=*")
    (tmp_path / "rules/falcon.cql").write_text("#event_simpleName=ProcessRollup2 | groupBy(aid)")
    (tmp_path / "rules/broken.spl").write_text("| nosuchcommand")
    found = survey(SHAPES / "splunk_export.json", "--rules", tmp_path / "rules")
    seen = {Path(each["rule"]).name: (each["events"], each["kinds"], each["absent"]) for each in found["rules"]}
    assert seen["network.spl"] == (1, ["sysmon 3"], ["Nonsense"])
    assert seen["dns.spl"][0] == 0
    assert seen["falcon.cql"][:2] == (1, ["falcon ProcessRollup2"])
    assert [each["error"]["code"] for each in found["rules"] if each["error"]] == ["unknown-command"]
    lines = detlab("events", SHAPES / "splunk_export.json", "--rules", tmp_path / "rules", "--in-process").out
    assert "2 of 4 rules could see some of it" in lines


def test_a_path_that_is_not_there_and_a_folder_without_rules(tmp_path):
    assert detlab("events", tmp_path / "nothing", "--in-process").code == 2
    (tmp_path / "ev.ndjson").write_text(json.dumps(EVENT))
    (tmp_path / "rules").mkdir()
    ran = detlab("events", tmp_path / "ev.ndjson", "--rules", tmp_path / "rules", "--in-process")
    assert (ran.code, "no-rules" in ran.err) == (2, True)
