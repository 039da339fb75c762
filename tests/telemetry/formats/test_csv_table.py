"""Tables with a header, and texts that only look so."""

import random

import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.events import input as reading
from harness.telemetry.format import read_telemetry
from harness.telemetry.formats import csv_table


def recorded(tmp_path, content):
    path = tmp_path / "table"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    telemetry = read_telemetry(path)
    rows = [
        {n: v for n, v in {**e.constants, **row}.items() if v is not None and n not in ("@time", "@cause")}
        for e in telemetry.events
        for row in e.columns.to_pylist()
    ]
    return rows, [str(d) for d in telemetry.damages]


TABLES = {
    "commas": "time,user,cmd\n2026-05-05T08:00:00Z,bob,whoami\n",
    "tabs": "time\tuser\tcmd\n2026-05-05T08:00:00Z\tbob\twhoami\n",
    "semicolons": "time;user;cmd\n2026-05-05T08:00:00Z;bob;whoami\n",
    "bars": "time|user|cmd\n2026-05-05T08:00:00Z|bob|whoami\n",
    "quotes": '"time","user","cmd"\r\n"2026-05-05T08:00:00Z","bob","whoami"\r\n',
    "a delimiter named for Excel": "sep=;\ntime;user;cmd\n2026-05-05T08:00:00Z;bob;whoami\n",
    "a type named by PowerShell": "#TYPE System.Object\r\ntime,user,cmd\r\n2026-05-05T08:00:00Z,bob,whoami\r\n",
    "UTF-16": "time,user,cmd\n2026-05-05T08:00:00Z,bob,whoami\n".encode("utf-16"),
    "a byte order mark": "time,user,cmd\n2026-05-05T08:00:00Z,bob,whoami\n".encode("utf-8-sig"),
    "a header that comes again": "time,user,cmd\ntime,user,cmd\n2026-05-05T08:00:00Z,bob,whoami\n",
}


@pytest.mark.parametrize("how", TABLES)
def test_a_row_is_an_event_however_the_table_is_written(tmp_path, how):
    right = [{"time": "2026-05-05T08:00:00Z", "user": "bob", "cmd": "whoami"}]
    assert recorded(tmp_path, TABLES[how]) == (right, [])


def test_a_cell_may_hold_lines_quotes_and_delimiters_and_an_empty_one_is_no_field(tmp_path):
    rows, damages = recorded(tmp_path, 'time,a,b\n2026-05-05T08:00:00Z,"x, ""y""\nz",\n')
    assert (rows, damages) == ([{"time": "2026-05-05T08:00:00Z", "a": 'x, "y"\nz'}], [])


def test_a_row_that_is_too_wide_costs_only_itself(tmp_path):
    table = "time,a\n" + "2026-05-05T08:00:00Z,1\n" * 6 + "2026-05-05T08:00:00Z,1,2\n2026-05-05T08:00:00Z,3\n"
    rows, damages = recorded(tmp_path, table)
    assert [row["a"] for row in rows] == ["1"] * 6 + ["3"]
    assert damages == ["table: line 8: a row of 3 cells below a header of 2"]


NO_TABLES = {
    "one column": "user\nbob\n",
    "lines of a log": "May  5 08:00:00 web01 sshd[1]: a, b\nMay  5 08:00:01 web01 sshd[1]: c, d\n",
    "prose": "First we looked, then we saw.\nNobody came\n",
    "numbers": "1,2,3\n4,5,6\n",
    "rows of another width": "a,b,c\n1,2\n",
}


@pytest.mark.parametrize("what", NO_TABLES)
def test_a_text_with_commas_is_no_table(tmp_path, what):
    with pytest.raises(HarnessError, match="is no format that can be read"):
        recorded(tmp_path, NO_TABLES[what])


def test_zeeks_own_tables_say_what_stands_for_nothing(tmp_path):
    head = "#separator \\x09\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n#fields\tts\tquery\tanswers\trcode\n"
    rows, damages = recorded(tmp_path, head + "1777968000.5\tx.example\t(empty)\t-\n1777968001\ty.example\n")
    assert rows == [{"_path": "dns", "ts": "1777968000.5", "query": "x.example", "answers": ""}]
    assert damages == ["table: line 7: 2 cells below 4 names"]


def test_clixml_that_is_cut_keeps_the_whole_objects_before_the_cut(tmp_path):
    record = (
        '<Obj RefId="{0}"><Props><I32 N="Id">5</I32><S N="ProviderName">Microsoft-Windows-Sysmon</S>'
        '<S N="LogName">Microsoft-Windows-Sysmon/Operational</S><S N="MachineName">WS0{0}</S>'
        '<DT N="TimeCreated">2026-05-05T08:00:00Z</DT></Props></Obj>'
    )
    objects = '<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">'
    rows, damages = recorded(tmp_path, objects + record.format(1) + record.format(2)[:120])
    assert [row["Computer"] for row in rows] == ["WS01"]
    assert damages == ["table: the file ends within an object"]


# What a row may be, from the plainest on; `{n}` is its number.
ROWS = [
    ["2026-05-05T08:00:00Z,user{n},cmd{n}\n"],
    ["2026-05-05T08:00:00Z,user{n},cmd{n}\r\n"],
    ['2026-05-05T08:00:00Z,"user {n}","a, ""b""\nc{n}"\n'],
    ["2026-05-05T08:00:00Z,user{n}\n", "2026-05-05T08:00:00Z,,cmd{n}\n", ",,\n", "\n"],
    ["2026-05-05T08:00:00Z,user{n},cmd{n},more\n"],
    ["time,user,cmd\n", "2026-05-05T08:00:00Z,(null), - \n", "2026-05-05T08:00:00Z,\u00fcser{n},\U0001f600\n"],
]


@pytest.mark.parametrize("seed", range(12))
def test_rows_are_the_same_in_whatever_pieces_they_come(tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    kinds = ROWS[: 1 + seed % len(ROWS)]
    # Runs of one kind, so that some pieces are plain and others are not.
    lines = [row.replace("{n}", str(n)) for n, row in enumerate(r for _ in range(40) for r in chance.choice(kinds) * 9)]
    path = tmp_path / "table.csv"
    path.write_text("time,user,cmd\n" + "".join(lines), newline="")
    plain, found = [], []
    read_plain = csv_table.DelimitedRows.read_plain
    monkeypatch.setattr(
        csv_table.DelimitedRows, "read_plain", lambda self, line: plain.append(read_plain(self, line)) or plain[-1]
    )
    for block, pieces in ((1 << 20, 1), (97, 1), (97, 3), (700, 2)):
        monkeypatch.setattr(reading, "BLOCK", block)
        monkeypatch.setattr(csv_table, "PIECES_AT_ONCE", pieces)
        for by_columns in (False, True):
            damages = []
            stream = reading.Stream(path, "table.csv", lambda *told, to=damages: to.append(told))
            rows = csv_table.DelimitedRows(stream, stream.damage, plain=by_columns)
            read = [r for header, some in rows.list_blocks() for r in csv_table.list_table_rows(some)]
            found.append(([(r.line, r.cells) for r in read], damages))
    assert all(each == found[0] for each in found)
    assert len(found[0][0]) + len(found[0][1]) > 100
    assert any(plain) or seed % len(ROWS) > 2
