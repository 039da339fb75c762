import json
import re
import sqlite3

import pytest

from bench.evtx_files import join_evtx
from bench.mixed import write as write_mixed
from bench.sigma_sql import OtherForm, convert
from harness.telemetry.scenario_telemetry import replay

EVENTS = [
    {"Image": r"C:\a\reg.exe", "CommandLine": "reg query /v", "User": "ann", "Port": "80"},
    {"Image": r"C:\a\REG.EXE", "CommandLine": "100%_done", "User": None, "Port": "443"},
    {"Image": r"C:\a\cmd.exe", "CommandLine": 'say "hi"', "User": "bob", "Port": "8080"},
]


@pytest.mark.parametrize(
    ("search", "found"),
    [
        (r'Image="*\\reg.exe"', [0, 1]),
        (r'Image="*\\reg.exe" User="ann" OR User="bob"', [0]),
        (r'User="ann" OR User="bob" Image="*\\cmd.exe"', [2]),
        (r'NOT User="ann"', [1, 2]),
        (r'NOT (User="ann" OR User="bob")', [1]),
        (r'CommandLine="*%_*"', [1]),
        (r'CommandLine="say \"hi\""', [2]),
        (r'User="*"', [0, 2]),
        (r'Port IN ("80", "443")', [0, 1]),
        ('Image="*"\n| regex CommandLine="^reg\\\\s"', [0]),
        (
            'Image="*"\n| rex field=CommandLine "(?<AMatch>^\\\\d+%)"\n'
            '| eval ACondition=if(isnotnull(AMatch), "true", "false")\n| search ACondition="true"',
            [1],
        ),
    ],
)
def test_a_search_finds_in_sqlite_what_it_finds_in_splunk(search, found):
    held = sqlite3.connect(":memory:")
    held.create_function("regexp", 2, lambda pattern, value: value is not None and bool(re.search(pattern, value)))
    held.execute(f"CREATE TABLE logs ({', '.join(f'{name} TEXT COLLATE NOCASE' for name in EVENTS[0])})")
    held.executemany("INSERT INTO logs VALUES (?, ?, ?, ?)", [tuple(event.values()) for event in EVENTS])
    rows = held.execute(f"SELECT rowid - 1 FROM logs WHERE {convert(search)} ORDER BY 1")
    assert [row[0] for row in rows] == found


@pytest.mark.parametrize("search", ['Image="a" (', 'Image="a"\n| stats count by Image', '"text alone"'])
def test_a_search_of_another_form_is_left_out(search):
    with pytest.raises(OtherForm):
        convert(search)


def test_copies_of_events_have_numbers_and_times_of_their_own(tmp_path):
    sample = tmp_path / "sample.ndjson"
    sample.write_text('{"EventRecordID":"7","SystemTime":"2026-01-01T00:00:00.5Z","Other":"7"}\n' * 2, "utf-8")
    assert write_mixed(sample, 2, tmp_path / "out.ndjson") == 4
    events = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text("utf-8").splitlines()]
    assert [event["EventRecordID"] for event in events] == ["1", "2", "3", "4"]
    assert len({event["SystemTime"] for event in events}) == 4
    assert {event["Other"] for event in events} == {"7"}


def test_a_file_of_many_records_is_made_of_files_of_one(samples, tmp_path):
    paths = sorted((samples / "dev" / "sigma_regression").glob("*/events.evtx"))[:3]
    out = tmp_path / "large.evtx"
    written = join_evtx(paths, 200, out)
    events = replay(out).events
    assert written >= 200
    assert sum(each.columns.num_rows for each in events) == written
