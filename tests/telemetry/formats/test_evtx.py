"""Event logs: repaired as the log itself prints them, and read as far as they are whole."""

from pathlib import Path

import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.format import read_telemetry
from tests.columns import list_rows
from tests.telemetry.formats.event_log_file import event_log, sysmon

SAMPLES = Path("../shared/samples/dev/sigma_regression")


def recorded(tmp_path, content):
    path = tmp_path / "capture.evtx"
    path.write_bytes(content)
    telemetry = read_telemetry(path)
    rows = [
        {n: v for n, v in {**e.constants, **row}.items() if v is not None}
        for e in telemetry.events
        for row in list_rows(e)
    ]
    return rows, [str(d) for d in telemetry.damages]


def five(per_chunk=2):
    return event_log([sysmon(n, {"Image": f"a{n}.exe"}) for n in range(1, 6)], per_chunk=per_chunk)


def images(rows):
    return [row["Image"] for row in rows]


def test_guids_have_braces_and_times_nine_digits_again(tmp_path):
    data = {
        "ProcessGuid": "8105C205-56B4-64DC-4704-000000000800",
        "ScriptBlockId": "5a4fa6b8-2478-401a-be72-d1d40c3c0022",
        "DestinationHostname": "",
    }
    (event,), damages = recorded(tmp_path, event_log([sysmon(9, data)]))
    assert damages == []
    assert event["Provider_Guid"] == "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}"
    assert event["ProcessGuid"] == "{8105C205-56B4-64DC-4704-000000000800}"
    assert event["ScriptBlockId"] == "5a4fa6b8-2478-401a-be72-d1d40c3c0022"
    assert event["SystemTime"] == "2024-01-01T10:00:00.250300400Z"
    assert event["DestinationHostname"] == ""
    assert (event["EventID"], event["EventRecordID"], event["Computer"]) == ("3", "9", "WS01")


def test_unnamed_data_are_a_list(tmp_path):
    ticks, (tag, attributes, (system, _)) = sysmon(1, {})
    tree = (tag, attributes, [system, ("EventData", {}, [("Data", {}, "a"), ("Data", {}, "b")])])
    (event,), _ = recorded(tmp_path, event_log([(ticks, tree)]))
    assert (event["Data[0]"], event["Data[1]"]) == ("a", "b")


def test_all_chunks_of_a_whole_log_are_read(tmp_path):
    rows, damages = recorded(tmp_path, five())
    assert (images(rows), damages) == (["a1.exe", "a2.exe", "a3.exe", "a4.exe", "a5.exe"], [])


def test_of_a_log_cut_within_a_chunk_the_whole_records_are_read(tmp_path):
    content = five(per_chunk=5)
    third = content.index(b"a\x003\x00.\x00")
    rows, damages = recorded(tmp_path, content[:third])
    assert images(rows) == ["a1.exe", "a2.exe"]
    assert damages[0] == f"capture.evtx: chunk 1: the file ends after {third - 4096} of its 65536 bytes"
    assert damages[1].startswith("capture.evtx: record 3: ")


def test_of_a_log_cut_between_chunks_the_missing_ones_are_counted(tmp_path):
    rows, damages = recorded(tmp_path, five()[: 4096 + 65536])
    assert images(rows) == ["a1.exe", "a2.exe"]
    assert damages == ["capture.evtx: the file ends after chunk 1; its header counts 3"]


def test_a_chunk_overwritten_costs_only_itself(tmp_path):
    content = bytearray(five())
    content[4096 + 65536 : 4096 + 65536 + 600] = b"X" * 600
    rows, damages = recorded(tmp_path, bytes(content))
    assert images(rows) == ["a1.exe", "a2.exe", "a5.exe"]
    assert len(damages) == 1
    assert damages[0].startswith("capture.evtx: chunk 2: ")


def test_a_record_overwritten_is_told_by_its_number_and_the_others_are_read(tmp_path):
    content = bytearray(five(per_chunk=5))
    at = content.index(b"a\x002\x00.\x00")
    start = content.rindex(b"**\0\0", 0, at)
    content[start + 28] = 0x7F
    rows, damages = recorded(tmp_path, bytes(content))
    assert images(rows) == ["a1.exe", "a3.exe", "a4.exe", "a5.exe"]
    assert any(damage.startswith("capture.evtx: record 2: ") for damage in damages)


def test_an_altered_value_shows_in_the_checksum(tmp_path):
    content = five().replace(b"a\x001\x00.\x00", b"b\x001\x00.\x00")
    rows, damages = recorded(tmp_path, content)
    assert images(rows)[0] == "b1.exe"
    assert damages == ["capture.evtx: chunk 1: its checksum is not that of its data: values may be altered"]


@pytest.mark.parametrize("size", [8, 100, 4095])
def test_a_log_that_ends_in_its_header_is_damage(tmp_path, size):
    (tmp_path / "capture.evtx").write_bytes(five()[:size])
    with pytest.raises(HarnessError, match=r"no event could be read from .*: the file ends within its header"):
        read_telemetry(tmp_path / "capture.evtx")


def test_an_empty_log_says_so(tmp_path):
    header = bytearray(five()[:4096])
    header[42:44] = b"\0\0"
    (tmp_path / "capture.evtx").write_bytes(header)
    with pytest.raises(HarnessError, match=r"no event could be read from .*: the log holds no records"):
        read_telemetry(tmp_path / "capture.evtx")


@pytest.mark.parametrize("seed", range(20))
def test_noise_never_ends_in_a_traceback(tmp_path, seed):
    content = bytearray(five())
    for n in range(200):
        place = 4096 + (seed * 7919 + n * 104729) % (len(content) - 4096)
        content[place] = (seed * 31 + n * 17) % 256
    rows, damages = recorded(tmp_path, bytes(content))
    assert len(rows) == 5 or damages


@pytest.mark.skipif(not SAMPLES.exists(), reason="the real event logs are not beside the checkout")
def test_real_event_logs_are_read_whole():
    logs = sorted(SAMPLES.glob("*/*.evtx"))
    assert len(logs) == 94
    telemetry = [read_telemetry(log) for log in logs]
    assert sum(len(t) for t in telemetry) == 110
    assert [str(d) for t in telemetry for d in t.damages] == []
