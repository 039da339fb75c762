"""Whatever is read by its columns is what the same events give one by one: values, kinds, times, damages, places."""

import json
import random
import re
import struct
from pathlib import Path

import pyarrow as pa
import pytest

from harness.telemetry.events.event import RECORD_FILE
from harness.telemetry.events.input import EventTables, Stream
from harness.telemetry.events.json_events import JsonEvents
from harness.telemetry.formats import csv_table, evtx, ndjson, windows_xml
from tests.telemetry.formats.event_log_file import event_log, sysmon
from tests.telemetry.formats.template_log_file import (
    BINARY,
    FILE_TIME,
    GUID,
    HEX_32,
    HEX_64,
    NESTED,
    NULL,
    NUMBERS,
    SID,
    TEXT,
    TEXT_LIST,
    TRUTH,
    Filled,
    Hole,
    Value,
    file_time,
    guid,
    number,
    sid,
    template_log,
    text,
)

SHAPES = Path(__file__).parents[1] / "shapes"
SAMPLES = Path("../shared/samples")


def read_lines_one_by_one(stream, tables):
    with JsonEvents(stream.name, tables) as events:
        for line, content in ndjson.find_texts(stream):
            tables.begin_record()
            ndjson.add_text(line, content, stream, tables, events)


def read_log_one_by_one(stream, tables):
    pieces = evtx.split_chunks(stream.blocks())
    header = next(pieces)
    for place, piece in enumerate(pieces, 1):
        for record in evtx.read_chunk(header, piece, f"{stream.name}: chunk {place}", stream):
            evtx.add_evtx_record(record, stream.name, tables)


def read_elements_one_by_one(stream, tables):
    reader = windows_xml.ElementReader(stream, tables)
    for block in stream.text_blocks():
        reader.add_one_by_one(block)
    reader.finder.finish()


def read_rows_one_by_one(stream, tables):
    with JsonEvents(stream.name, tables) as events:
        for line, fields in csv_table.find_rows(stream, tables.damage):
            tables.begin_record(keep=csv_table.RAW_FIELD in fields)
            csv_table.add_fields(line, fields, stream, tables, events)
            # One at a time: what does not wait for others has nothing to be put together with.
            events.rows.flush()


ONE_BY_ONE = {
    ".evtx": read_log_one_by_one,
    ".ndjson": read_lines_one_by_one,
    ".xml": read_elements_one_by_one,
    ".csv": read_rows_one_by_one,
}
BY_COLUMNS = {".evtx": evtx.read, ".ndjson": ndjson.read, ".xml": windows_xml.read, ".csv": csv_table.read}


def show(path, read):
    """All that reading gives: tables, damages, shapes and what was not understood."""
    tables = EventTables()
    stream = Stream(path, path.name, tables.damage)
    tables.open_file(stream)
    read(stream, tables)
    tables.report_times(path.name)
    telemetry = tables.telemetry()
    held = {(each.sensor, each.kind): (dict(each.constants), show_columns(each.columns)) for each in telemetry.events}
    return held, sorted(map(str, telemetry.damages)), tables.shapes, tables.unknown


def show_columns(table):
    names = [name for name in table.column_names if name != RECORD_FILE]
    return {name: plain(table.column(name)).to_pylist() for name in names}


def plain(column):
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def compare(path):
    by_columns, one_by_one = show(path, BY_COLUMNS[path.suffix]), show(path, ONE_BY_ONE[path.suffix])
    assert by_columns[1:] == one_by_one[1:]
    assert by_columns[0].keys() == one_by_one[0].keys()
    for kind, (constants, columns) in one_by_one[0].items():
        assert by_columns[0][kind][0] == constants
        assert by_columns[0][kind][1] == columns


def write_lines(tmp_path, lines, end=b"\n"):
    path = tmp_path / "events.ndjson"
    path.write_bytes(end.join(lines) + end)
    return path


@pytest.mark.parametrize("name", sorted(p.name for p in SHAPES.iterdir() if p.suffix in (".ndjson", ".jsonl")))
def test_lines_of_every_shape(name, tmp_path):
    lines = [line for line in (SHAPES / name).read_bytes().splitlines() if line.strip()] * 50
    random.Random(name).shuffle(lines)
    compare(write_lines(tmp_path, lines))


SPELLINGS = [
    *("1", "1.0", "1.10", "1e5", "1E+5", "-0", "-0.0", "0", "00", "01", "1.", ".5", "1e400", "0x1f", "NaN", "+1"),
    *("12345678901234567890", "-9223372036854775809", "18446744073709551616", "123456789012345678901234567890"),
    *("true", "false", "null", "True", '"a"', '""', '" b "', '"a\\"b\\\\"', '"\\\\"', '"\\\\\\""', '"\\/"', '"\\x"'),
    *('"\\u0041\\ud83d\\ude00"', '"\\ud800"', '"nul\\u0000x"', '"tab\tin"', '"é😀"', "[]", "[1,2]", '["a","b"]', "{}"),
    *('{"x":1}', '{"x":{"y":"z"}}', '{"x":1,"x":2}', '[{"a":1}]', '"{\\"a\\":1}"', '"<Event>x</Event>"', " 1 ", "1,2"),
    *('"a","b"', '"a":1', '"a", "B":2', "{", "}", "]", '"', "", "tru", "1 2", "[[[]]]", '"\x7f"', '"\u2028"'),
]
LINE = '{{"EventID":"4624","Channel":"Security","SystemTime":"2024-01-01T00:00:{:02}.5Z","A":{},"B":{},"C":"x{}"}}'


def spell(first, second):
    return [LINE.format(i % 60, first(i), second(i), i).encode() for i in range(60 * len(SPELLINGS))]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \r\n\n \n"])
def test_values_of_every_spelling(end, tmp_path):
    lines = spell(lambda i: SPELLINGS[i % len(SPELLINGS)], lambda i: '"same"')
    compare(write_lines(tmp_path, lines, end))


def test_two_values_of_every_spelling(tmp_path):
    chosen = random.Random(1)
    compare(write_lines(tmp_path, spell(lambda i: chosen.choice(SPELLINGS), lambda i: chosen.choice(SPELLINGS))))


@pytest.mark.parametrize("byte", [b"\xff", b"\xed\xa0\x80", b"\xc3", b"\x00", b"\x1f", b"\x0c", b"\r", b"\\", b'"'])
def test_lines_with_a_byte_too_much(byte, tmp_path):
    lines = [LINE.format(i % 60, i, '"v"', i).encode() for i in range(300)]
    places = random.Random(byte)
    for i in range(0, 300, 3):
        at = places.randrange(len(lines[i]) + 1)
        lines[i] = lines[i][:at] + byte + lines[i][at:]
    compare(write_lines(tmp_path, lines))


OBJECTS = {
    "a key twice": '{"EventID":1,"Channel":"Security","A":"1","A":"2","n":%d}',
    "a key with a dot": '{"EventID":1,"Channel":"Security","A.b":"1","A":{"b":"2"},"n":%d}',
    "a key without a name": '{"EventID":1,"Channel":"Security","":"1","n":%d}',
    "a key with escapes": '{"EventID":1,"Channel":"Security","a\\"b":"1","a\\\\":"2","\\u00e9":3,"n":%d}',
    "nothing within": '{"EventID":1,"Channel":"Security","o":{},"l":[],"n":%d}',
    "blanks": ' { "EventID" : 1 , "Channel" : "Security" , "l" : [ 1 , "a" ] , "n" : %d } ',
    "our own names": '{"EventID":1,"Channel":"Security","@time":"2020-01-01","@cause":"4","@place":"5","n":%d}',
    "our own events": '{"@sensor":"sysmon","@kind":"3","@time":"2020-01-01T00:00:00Z","Image":"x%d"}',
    "unknown": '{"ts":1588205199.82437,"src":"10.0.1.6","n":%d}',
    "unknown with objects": '{"ts":1588205199.82437,"m":{"a":[1,{"b":2}]},"n":%d}',
    "unknown around an event": '{"ts":1,"wrapped":{"EventID":1,"Channel":"Security","n":%d}}',
    "unknown with text": '{"ts":1588205199,"message":"hello %d"}',
    "unknown with an event as text": '{"ts":1,"message":"{\\"EventID\\":1,\\"Channel\\":\\"Security\\",\\"n\\":%d}"}',
    "no object": "[%d]",
    "unnamed data": '{"EventID":1,"Channel":"Security","EventData":{"Data":["a","b"]},"n":%d}',
    "named data": '{"EventID":1,"Channel":"Security","EventData":{"A":"a","B":7},"n":%d}',
    "user data": '{"EventID":1,"Channel":"Security","UserData":{"X":{"A":"a","B":7}},"n":%d}',
    "collector": '{"time":1700000000.5,"host":"h","index":"main","event":{"EventID":1,"Channel":"Security","n":%d}}',
    "collector of text": '{"time":1700000000.5,"host":"h","event":"line %d"}',
    "no collector": '{"EventID":1,"Channel":"Security","event":{"code":"1"},"n":%d}',
    "a list of events": '{"records":[{"EventID":1,"Channel":"Security","n":%d},{"EventID":2,"Channel":"Security"}]}',
    "a name of lists": '{"EventID":1,"Channel":"Security","records":"x","n":%d}',
    "bulk": '{"index":{"_id":"%d"}}',
    "impossible times": '{"EventID":1,"Channel":"Security","SystemTime":"2024-13-%d","n":1}',
    "times as numbers": '{"EventID":1,"Channel":"Security","SystemTime":17000000%02d,"n":1}',
    "times without a zone": '{"EventID":1,"Channel":"Security","TimeCreated":"2024-01-01 00:00:%02d","n":1}',
    "rendered": '{"Event":{"System":{"EventID":1,"Channel":"Security"},"EventData":{"A":"%d"}}}',
    "deep": '{"EventID":1,"Channel":"Security","n":' + '{"a":' * 60 + "%d" + "}" * 61,
}


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_of_every_kind(name, tmp_path):
    compare(write_lines(tmp_path, [(OBJECTS[name] % (i % 60)).encode() for i in range(130)]))


def test_absent_values_and_others_of_any_kind(tmp_path):
    chosen = random.Random(2)
    kinds = [lambda i: None, lambda i: i, lambda i: f"s{i}", lambda i: {"z": i}, lambda i: i / 7, lambda i: i % 2 == 0]
    lines = []
    for i in range(3000):
        fields = {name: chosen.choice(kinds[: 2 if i % 2 else 6])(i) for name in "ABCD"}
        lines.append(json.dumps({"EventID": 1, "Channel": "Security", "Computer": f"c{i % 3}", **fields}).encode())
    compare(write_lines(tmp_path, lines))


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not beside the checkout")
def test_lines_of_real_logs():
    for path in sorted(SAMPLES.rglob("*.ndjson")):
        if path.stat().st_size < 2 << 20:
            compare(path)


NATIVE = (
    "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Some-Provider' "
    "Guid='{{5770385F-C22A-43E0-BF4C-06F5698FFBD9}}'/><EventID>{number}</EventID><Version>5</Version><Level>4</Level>"
    "<Task>1</Task><Opcode>0</Opcode><Keywords>0x8000000000000000</Keywords><TimeCreated SystemTime='2024-01-01T00:00:"
    "{second:02}.{i:07}Z'/><EventRecordID>{i}</EventRecordID><Correlation/><Execution ProcessID='{process}' "
    "ThreadID='12'/><Channel>{channel}</Channel><Computer>ws{second:02}</Computer><Security UserID='S-1-5-18'/>"
    "</System><EventData><Data Name='Image'>C:\\a{i}.exe</Data><Data Name='User'>me</Data><Data Name='Empty'></Data>"
    "</EventData></Event>"
)
WITHOUT_NAMES = (
    "<Event><System><EventID Qualifiers='{second}'>{number}</EventID><Channel>{channel}</Channel><TimeCreated "
    "SystemTime='2024-01-01T00:00:{second:02}Z'/></System><EventData><Data>a{i}</Data><Data>b</Data><Data "
    "Name='EventID'>q{i}</Data><Data Name='X'>1</Data><Data Name='X'>{i}</Data><Binary>0a</Binary></EventData></Event>"
)
WITH_USER_DATA = (
    "<Event><System><Provider Name='P'/><EventID>{number}</EventID><Channel>{channel}</Channel></System><UserData>"
    "<X a='{i}'><A>{i}</A><B/><C></C><D k='1'>t{i}</D></X></UserData><RenderingInfo Culture='en'><Message>m{i}"
    "</Message></RenderingInfo></Event>"
)


def list_elements(count, template=NATIVE, channels=("Security", "Linux-Sysmon/Operational", "Some/Operational")):
    return [
        template.format(i=i, number=i % 2 + 4000, second=i % 60, process=i % 7, channel=channels[i % 3]).encode()
        for i in range(count)
    ]


def write_elements(tmp_path, content):
    path = tmp_path / "events.xml"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("template", [NATIVE, WITHOUT_NAMES, WITH_USER_DATA])
@pytest.mark.parametrize(
    "between", [b"\n", b"\r\n", b"", b"\n<13>Dec 12 10:01:18 host sysmon: ", b"\n<!-- c -->\n", b" x "]
)
def test_elements_of_every_kind(template, between, tmp_path):
    elements = list_elements(400, template)
    compare(write_elements(tmp_path, b"<?xml version='1.0'?>\n<Events>" + between.join(elements) + b"</Events>\n"))
    compare(write_elements(tmp_path, between.join(elements) + between))


@pytest.mark.parametrize("change", [(b"><", b">\n  <"), (b"'", b'"'), (b"<Data ", b"<Data  "), (b"me", b"\xff")])
def test_elements_spelled_otherwise(change, tmp_path):
    elements = [each.replace(*change) for each in list_elements(400)]
    compare(write_elements(tmp_path, b"\n".join(elements)))


INSERTED = [
    *(
        b"",
        b" ",
        b"\n",
        b"\t",
        b"\xc2\xa0",
        b"\xc3\xa9",
        b"\xff",
        b"\0",
        b"&amp;",
        b"&lt;x&gt;",
        b"&bad;",
        b"&#65;",
        b"&",
    ),
    *(
        b"&#32;a",
        b"&#x110000;",
        b">",
        b"<",
        b"'",
        b'"',
        b"=",
        b"a b",
        b"x='1'",
        b"<![CDATA[x]]>",
        b"<!-- c -->",
        b"]]>",
    ),
    *(b"<EventData>", b"</EventData>", b"<Event >", b"</Event>", b"<Event", b"00", b"2020-01-01"),
]


@pytest.mark.parametrize("place", [rb">()[^<>]*</", rb">[^<>]*()</", rb"='()[^']*'", rb"='[^']*()'", rb"()."])
def test_elements_with_something_inserted(place, tmp_path):
    chosen = random.Random(place)
    elements = list_elements(900)
    for i in range(0, 900, 2):
        at = chosen.choice(list(re.finditer(place, elements[i]))).start(1)
        elements[i] = elements[i][:at] + chosen.choice(INSERTED) + elements[i][at:]
    compare(write_elements(tmp_path, b"\n".join(elements)))


@pytest.mark.parametrize("place", [rb">([^<>]*)</", rb"='([^']*)'"])
def test_elements_with_other_values(place, tmp_path):
    chosen = random.Random(place)
    elements = list_elements(900)
    for i in range(0, 900, 2):
        begin, end = chosen.choice(list(re.finditer(place, elements[i]))).span(1)
        elements[i] = elements[i][:begin] + chosen.choice(INSERTED) + elements[i][end:]
    compare(write_elements(tmp_path, b"\n".join(elements)))


def test_elements_that_are_cut(tmp_path):
    elements = [each if i % 70 else each[: i % 900] for i, each in enumerate(list_elements(900))]
    compare(write_elements(tmp_path, b"\n".join(elements)[:-5]))


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not beside the checkout")
def test_elements_of_real_logs(tmp_path):
    for path in sorted(SAMPLES.rglob("*.xml")):
        if windows_xml.recognises(path.read_bytes()[:65536]):
            compare(path)
            compare(write_elements(tmp_path, path.read_bytes() * 50))


CELLS = [
    "a",
    "",
    " - ",
    "(null)",
    '"a,b"',
    '"a""b"',
    '"two\nlines"',
    " b ",
    "é",
    '"',
    "a,b,c",
    '""',
    "{}",
    '{"a":1}',
    "\0",
]


@pytest.mark.parametrize("name", sorted(p.name for p in SHAPES.iterdir() if p.suffix == ".csv"))
def test_tables_of_every_shape(name, tmp_path):
    header, *rows = (SHAPES / name).read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
    (tmp_path / "events.csv").write_bytes(header + b"".join(rows) * 50)
    compare(tmp_path / "events.csv")


@pytest.mark.parametrize(
    "header", ["EventID,Channel,A,B", "EventID,Channel,A,A", "EventID,Channel,,B", "ts,src,A,_raw"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_tables_with_cells_of_every_kind(header, end, tmp_path):
    chosen = random.Random(header)
    rows = [
        f"{4000 + i % 2},Security,{chosen.choice(CELLS) if i % 3 else i},{chosen.choice(CELLS)}" for i in range(2000)
    ]
    rows[500], rows[501], rows[502], rows[503] = header, "", ",,,", "4000,Security"
    (tmp_path / "events.csv").write_bytes(end.join([header, *rows]).encode("utf-8") + b"\n4000,Security,\xff,x\n")
    compare(tmp_path / "events.csv")


HOLES = {
    "Text": TEXT,
    "Guid": GUID,
    "Time": FILE_TIME,
    "Sid": SID,
    "Truth": TRUTH,
    "Hex": HEX_32,
    "Long": HEX_64,
    **{f"Number{kind}": kind for kind in NUMBERS},
}
DATA = (
    "EventData",
    (),
    tuple(("Data", (("Name", tag),), Hole(i, kind)) for i, (tag, kind) in enumerate(HOLES.items())),
)
EVENT = (
    "Event",
    (),
    (
        (
            "System",
            (),
            (
                ("Provider", (("Name", "Some-Provider"), ("Guid", Hole(0, GUID))), ""),
                ("EventID", (), Hole(1, 0x06)),
                ("TimeCreated", (("SystemTime", Hole(2, FILE_TIME)),), ""),
                ("EventRecordID", (), Hole(3, 0x0A)),
                ("Correlation", (("ActivityID", Hole(4, GUID)),), ""),
                ("Channel", (), Hole(5, TEXT)),
                ("Computer", (), Hole(6, TEXT)),
                ("Security", (("UserID", Hole(7, SID)),), ""),
            ),
        ),
    ),
)
# A fragment stands where an element would, so the data are an element of the event.
WITH_DATA = (EVENT[0], EVENT[1], (*EVENT[2], Hole(8, NESTED)))

NONE = Value(NULL, b"")
MOMENT = 1_700_000_000_000_000


def list_values(choose, i, broken=()):
    """Values of all kinds, some of them absent and some at their limits; `broken` are kinds with impossible ones."""
    texts = [f"text {i}", "a", "é😀", "x\0y", "\0", "\ud800", " b "]
    values = [
        choose([text(each) for each in texts]),
        choose([guid(f"12345678-1234-5678-9abc-{i % 50:012x}"), NONE]),
        choose([file_time(MOMENT + i), file_time(-5), NONE] + [Value(FILE_TIME, b"\xff" * 8)] * (FILE_TIME in broken)),
        choose([sid(5, 18), sid(5, 21, i, 2, 500), sid(2**40, 1), NONE] + [Value(SID, b"\1\2\0\0")] * (SID in broken)),
        choose([Value(TRUTH, struct.pack("<I", i % 2)), NONE] + [Value(TRUTH, b"\2\0\0\0")] * (TRUTH in broken)),
        choose([Value(HEX_32, struct.pack("<I", i)), Value(HEX_32, b"\xff" * 4), NONE]),
        choose([Value(HEX_64, struct.pack("<Q", i << 40)), Value(HEX_64, b"\xff" * 8), NONE]),
    ]
    for kind, form in NUMBERS.items():
        bits = 8 * struct.calcsize(form)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if form[1].islower() else (0, (1 << bits) - 1)
        values.append(choose([number(kind, i % 100), number(kind, low), number(kind, high), NONE]))
    return values


def build_record(i, values, *, channel="Some/Operational", tree=EVENT, own=0):
    system = (
        guid("5770385f-c22a-43e0-bf4c-06f5698ffbd9"),
        number(0x06, 4000 + i % 3),
        file_time(MOMENT + i * 1_234_567 + own),
        number(0x0A, i + 1),
        guid(f"00000000-0000-0000-0000-{i:012x}") if i % 2 else NONE,
        text(channel),
        text(f"ws{i % 4:02}"),
        sid(5, 18) if i % 3 else NONE,
    )
    return MOMENT * 10 + i * 12_345_670 + 7, Filled(tree, (*system, *values))


def write_log(tmp_path, content):
    path = tmp_path / "capture.evtx"
    path.write_bytes(content)
    return path


def list_varied_records(count, broken=()):
    chosen = random.Random(3)
    choices = (lambda values: values[0], lambda values: values[0], chosen.choice)
    data = [Filled(DATA, tuple(list_values(choices[i % 3], i, broken))) for i in range(count)]
    return [build_record(i, [each], tree=WITH_DATA) for i, each in enumerate(data)]


@pytest.mark.parametrize("broken", [(), (FILE_TIME,), (SID,), (TRUTH,)])
def test_records_of_templates_with_values_of_every_kind(broken, tmp_path):
    compare(write_log(tmp_path, template_log(list_varied_records(2000, broken), per_chunk=30)))


def test_most_records_are_read_by_their_columns(tmp_path):
    stream = Stream(write_log(tmp_path, template_log(list_varied_records(1500), per_chunk=30)), "capture.evtx", print)
    header, *chunks = evtx.split_chunks(stream.blocks())
    parts = evtx.RecordReader(header).read(chunks, [evtx.find_records(chunk) for chunk in chunks])
    assert sum(len(part.rows) for part in parts) >= 1000


@pytest.mark.parametrize("own", [1, -1_000_000, 60_000_000])
def test_forwarded_records_have_their_own_time(own, tmp_path):
    records = [build_record(i, [], own=own * (i % 2)) for i in range(200)]
    compare(write_log(tmp_path, template_log(records)))


@pytest.mark.parametrize("value", [Value(TEXT_LIST, "a\0b\0".encode("utf-16-le")), Value(BINARY, b"\1\2"), text("c")])
def test_other_kinds_of_values(value, tmp_path):
    tree = (EVENT[0], EVENT[1], (*EVENT[2], ("EventData", (), (("Data", (), Hole(8, value.kind)),))))
    records = [build_record(i, [value], tree=tree) for i in range(200)]
    compare(write_log(tmp_path, template_log(records)))


def test_records_of_many_channels_and_forms_in_one_chunk(tmp_path):
    trees = [(EVENT[0], EVENT[1], (*EVENT[2], (f"More{n}", (), (("A", (), Hole(8, TEXT)),)))) for n in range(5)]
    records = [build_record(i, [text(f"v{i}")], channel=f"C{i % 3}", tree=trees[i * 7 % 5]) for i in range(2000)]
    compare(write_log(tmp_path, template_log(records)))


@pytest.mark.parametrize("seed", range(10))
def test_damaged_logs(seed, tmp_path):
    records = [build_record(i, []) for i in range(400)]
    content = bytearray(template_log(records))
    chosen = random.Random(seed)
    for _ in range(20):
        content[4096 + chosen.randrange(len(content) - 4096)] = chosen.randrange(256)
    compare(write_log(tmp_path, bytes(content)))


def test_records_without_templates(tmp_path):
    compare(write_log(tmp_path, event_log([sysmon(n, {"Image": f"a{n}.exe"}) for n in range(1, 200)])))


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not beside the checkout")
def test_real_logs_repeated(tmp_path):
    logs = [log.read_bytes() for log in sorted(SAMPLES.rglob("*.evtx"))]
    assert len(logs) == 94
    # The same chunks again and again: enough records of one form to be read together.
    content = logs[0][:4096] + b"".join(log[4096 : 4096 + 65536] for log in logs * 45)
    compare(write_log(tmp_path, content))
