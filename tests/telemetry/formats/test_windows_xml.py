"""Exported Windows XML of any shape, whole and damaged, and what is done to harm a reader of XML."""

import time
from pathlib import Path

import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.format import read_telemetry
from tests.columns import list_rows

SAMPLES = Path("../shared/samples")

SYSTEM = (
    "<System><Provider Name='Microsoft-Windows-Sysmon' Guid='{5770385F-C22A-43E0-BF4C-06F5698FFBD9}'/>"
    "<EventID>3</EventID><Version>5</Version><Level>4</Level><Task>3</Task><Opcode>0</Opcode><Keywords>0x8000000000000000</Keywords>"
    "<TimeCreated SystemTime='2022-09-15T12:56:22.958249300Z'/><EventRecordID>156837</EventRecordID><Correlation/>"
    "<Execution ProcessID='2684' ThreadID='1380'/><Channel>Microsoft-Windows-Sysmon/Operational</Channel>"
    "<Computer>dc.attackrange.local</Computer><Security UserID='S-1-5-18'/></System>"
)
OPEN = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>"


def event(data="<Data Name='Image'>a.exe</Data>", *, system=SYSTEM, after=""):
    return f"{OPEN}{system}<EventData>{data}</EventData>{after}</Event>"


def recorded(tmp_path, content, name="capture.xml"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    telemetry = read_telemetry(path)
    rows = [
        {n: v for n, v in {**e.constants, **row}.items() if v is not None}
        for e in telemetry.events
        for row in list_rows(e)
    ]
    return rows, [str(d) for d in telemetry.damages]


def images(rows):
    return [row.get("Image") for row in rows]


def test_one_event_as_the_log_renders_it(tmp_path):
    (row,), damages = recorded(tmp_path, event("<Data Name='Image'>a &amp; b</Data><Data Name='RuleName'></Data>"))
    assert damages == []
    at = row.pop("@time")
    assert at.isoformat() == "2022-09-15T12:56:22.958249+00:00"
    assert row == {
        "@cause": -1,
        "Provider_Name": "Microsoft-Windows-Sysmon",
        "Provider_Guid": "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}",
        "EventID": "3",
        "Version": "5",
        "Level": "4",
        "Task": "3",
        "Opcode": "0",
        "Keywords": "0x8000000000000000",
        "SystemTime": "2022-09-15T12:56:22.958249300Z",
        "EventRecordID": "156837",
        "Execution_ProcessID": "2684",
        "Execution_ThreadID": "1380",
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "Computer": "dc.attackrange.local",
        "Security_UserID": "S-1-5-18",
        "Image": "a & b",
        "RuleName": "",
    }


PRETTY = event("\n  <Data Name='Image'>a.exe</Data>\n", system=SYSTEM.replace("><", ">\n<")).replace("'", '"')

SHAPES = {
    "one a line": f"{event()}\n{event()}\n",
    "side by side": event() + event(),
    "in a root": f"<?xml version='1.0' encoding='utf-8' standalone='yes'?>\n<Events>{event()}{event()}</Events>\n",
    "indented, double quotes": f'<?xml version="1.0"?>\n<Events>\n{PRETTY}\n{PRETTY}\n</Events>',
    "with comments": f"<!-- from WS01 -->{event()}<!-- and -->{event()}",
    "rendered for people": event(after="<RenderingInfo Culture='en'><Message>Network</Message></RenderingInfo>") * 2,
    "with character data": event("<Data Name='Image'><![CDATA[a.exe]]></Data>") * 2,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_export_has_two_events(tmp_path, shape, encoding):
    rows, damages = recorded(tmp_path, SHAPES[shape].encode(encoding))
    assert (images(rows), damages) == (["a.exe", "a.exe"], [])
    assert {row["Execution_ProcessID"] for row in rows} == {"2684"}


def test_entities_numbers_and_line_ends_are_kept(tmp_path):
    data = "<Data Name='TaskContent'>&lt;Task&gt;\r\n  &#169; &quot;x&quot; &#x41;\t&apos;\r\n</Data>"
    (row,), _ = recorded(tmp_path, event(data))
    assert row["TaskContent"] == '<Task>\r\n  \u00a9 "x" A\t\'\r\n'


def test_of_a_repeated_name_the_first_value_counts_and_unnamed_data_are_a_list(tmp_path):
    data = "<Data Name='Image'>first</Data><Data Name='Image'>second</Data><Data>x</Data><Data>y</Data>"
    (row,), _ = recorded(tmp_path, event(data))
    assert (row["Image"], row["Data[0]"], row["Data[1]"]) == ("first", "x", "y")


def test_data_named_as_a_system_field_is_told_apart(tmp_path):
    (row,), _ = recorded(tmp_path, event("<Data Name='Level'>high</Data>"))
    assert (row["Level"], row["Data_Level"]) == ("4", "high")


def test_user_data_have_the_names_of_their_elements(tmp_path):
    user = "<UserData><Operation xmlns='x'><Id>1</Id><Who><Name>me</Name></Who></Operation></UserData>"
    (row,), _ = recorded(tmp_path, f"{OPEN}{SYSTEM}{user}</Event>")
    assert (row["Id"], row["Who.Name"]) == ("1", "me")


DAMAGED = {
    "the file ends within an event": (
        f"{event()}\n{event()[:-30]}",
        ["a.exe"],
        ["capture.xml: line 2: the file ends within this event"],
    ),
    "an event has no end": (
        f"{event()[:-20]}\n{event()}\n",
        ["a.exe"],
        ["capture.xml: line 1: the event has no end before the next one starts"],
    ),
    "text between events": (
        f"{event()}\n01/14/2021 11:41:39 PM\nLogName=Security\n{event()}",
        ["a.exe", "a.exe"],
        ["capture.xml: line 2: this is no event in XML: `01/14/2021 11:41:39 PM`"],
    ),
    "a tag is not closed": (
        f"{event('<Data Name=' + chr(39) + 'Image' + chr(39) + '>x')}\n{event()}",
        ["a.exe"],
        ["capture.xml: line 1: malformed XML: `</EventData>` ends no open element"],
    ),
    "no time": (
        event(system=SYSTEM.replace("<TimeCreated SystemTime='2022-09-15T12:56:22.958249300Z'/>", "")),
        ["a.exe"],
        ["capture.xml: events without a time that can be read: 1; they stand at the end of the known times"],
    ),
    "bytes of another encoding": (
        event("<Data Name='Image'>a.exe</Data><Data Name='User'>M\u00fcller</Data>").encode("latin-1"),
        ["a.exe"],
        ["capture.xml: line 1: bytes that are no UTF-8 are replaced (the first is at 642 of this event)"],
    ),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damage_costs_one_event_and_is_told_with_its_line(tmp_path, what):
    content, whole, told = DAMAGED[what]
    rows, damages = recorded(tmp_path, content)
    assert (images(rows), damages) == (whole, told)


def test_entities_of_a_document_type_are_never_expanded(tmp_path):
    entities = "".join(f"<!ENTITY l{n + 1} '{f'&l{n};' * 10}'>" for n in range(9))
    bomb = f"<!DOCTYPE Events [<!ENTITY l0 'lol'>{entities}<!ENTITY f SYSTEM 'file:///etc/passwd'>]>\n"
    content = (
        bomb + event("<Data Name='Image'>&l9;</Data>") + "\n" + event("<Data Name='Image'>&f;</Data>") + "\n" + event()
    )
    rows, damages = recorded(tmp_path, content)
    assert images(rows) == ["a.exe"]
    assert damages[1:] == [
        "capture.xml: line 2: malformed XML: `&l9;` is no entity",
        "capture.xml: line 3: malformed XML: `&f;` is no entity",
    ]
    assert damages[0].startswith("capture.xml: line 1: this is no event in XML: `<!DOCTYPE Events [")


def test_deep_elements_are_damage(tmp_path):
    rows, damages = recorded(tmp_path, event("<a>" * 10_000 + "</a>" * 10_000) + event())
    assert images(rows) == ["a.exe"]
    assert damages == ["capture.xml: line 1: malformed XML: elements lie more than 50 deep in one another"]


def test_an_event_that_never_ends_is_skipped_in_bounded_memory(tmp_path):
    path = tmp_path / "capture.xml"
    with path.open("wb") as file:
        file.write(OPEN.encode())
        for _ in range(40):
            file.write(b"<Data>" + b"x" * (1 << 20))
        file.write(event().encode())
    begun = time.monotonic()
    telemetry = read_telemetry(path)
    assert [len(e) for e in telemetry.events] == [1]
    assert [str(d) for d in telemetry.damages] == [
        "capture.xml: line 1: no event ends within 16 MiB; skipped to the next one"
    ]
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "hostile",
    ["<Event " + "a='1' " * 100_000, "<Event>" + "<!--" * 100_000, "<Event " + " " * 10**6, "<Event " * 300_000],
)
def test_markup_made_to_be_slow_is_not(tmp_path, hostile):
    begun = time.monotonic()
    with pytest.raises(HarnessError, match="no event could be read from"):
        recorded(tmp_path, hostile + "</Event>")
    assert time.monotonic() - begun < 5


@pytest.mark.skipif(not SAMPLES.exists(), reason="the real recordings are not beside the checkout")
def test_real_exports_are_read():
    assert len(read_telemetry(SAMPLES / "evtx_to_mitre_attack")) == 33
    raw = read_telemetry(SAMPLES / "certutil_sysmon1_security4688.raw")
    assert {(e.sensor, e.kind): len(e) for e in raw.events} == {("sysmon", "1"): 20, ("windows_security", "4688"): 20}
    assert len(raw.damages) == 4
