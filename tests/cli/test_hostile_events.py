"""Events whose time is missing or impossible, and inputs of which nothing can be read, as a person meets them."""

import json

import pytest

from tests.cli.command_line import detlab

CHANNEL = "Microsoft-Windows-Sysmon/Operational"
COUNT = {"all.spl": "index=* | stats count, max(_time) as t", "all.cql": "[count(), max(@timestamp, as=t)]"}


def event(image: str, time: str = "") -> str:
    stamp = {"SystemTime": time} if time else {}
    return json.dumps({"EventID": "3", "Channel": CHANNEL, "Computer": "WS01", "Image": image, **stamp}) + "\n"


@pytest.fixture
def rules(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in COUNT.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def rows(*arguments: str) -> tuple[dict[str, object], list[str]]:
    ran = detlab("query", *arguments, "--json")
    assert ran.code == 0, ran.out
    (row,) = ran.document["rows"]
    return row, [f"{d['place']}: {d['message']}" for d in ran.document["damages"]]


IMPOSSIBLE = {
    "FILETIME 0": "1601-01-01T00:00:00Z",
    "before 1684": "1684-07-28T00:12:25Z",
    "after 2255": "2255-06-05T23:47:35Z",
    "the year 9999": "9999-12-31T23:59:59Z",
}


@pytest.mark.parametrize("time", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_an_impossible_time_is_told_once_and_the_event_stands_at_the_end(rules, time):
    (rules / "ev.ndjson").write_text(event("a", "2026-03-03T09:12:00Z") + event("b", time) * 2)
    told = ["ev.ndjson: events with a time before 1684 or after 2255: 2; they stand at the end of the known times"]
    assert rows("all.spl", "--events", "ev.ndjson") == ({"count": 3, "t": 1772529120}, told)
    assert rows("all.cql", "--events", "ev.ndjson") == ({"_count": 3, "t": 1772529120000}, told)


def test_the_outermost_possible_times_are_kept(rules):
    (rules / "ev.ndjson").write_text(event("a", "1684-07-28T00:12:26Z") + event("b", "2255-06-05T23:47:34Z"))
    row, told = rows("all.spl", "--events", "ev.ndjson")
    assert (row, told) == ({"count": 2, "t": 9007199254}, [])


def test_one_object_without_a_time_in_a_folder_of_good_files(rules):
    (rules / "events").mkdir()
    (rules / "events/good.ndjson").write_text(event("a", "2026-03-03T09:12:00Z") * 3)
    (rules / "events/odd.ndjson").write_text('{"x":1}\n')
    row, told = rows("all.spl", "--events", "events")
    assert row == {"count": 4, "t": 1772529120}
    assert "odd.ndjson: events without a time that can be read: 1; they stand at the end of the known times" in told


def test_where_no_event_has_a_time_all_stand_at_the_beginning_of_1970(rules):
    (rules / "ev.ndjson").write_text(event("a") + event("b"))
    row, _ = rows("all.spl", "--events", "ev.ndjson")
    assert row == {"count": 2, "t": 0}
    ran = detlab("query", "all.spl", "--events", "ev.ndjson", "--by", "cause")
    assert (ran.code, "1 alert of 1 run over 0 days" in ran.out) == (0, True)


def test_a_window_takes_events_without_a_time_as_the_latest(rules):
    (rules / "ev.ndjson").write_text(
        event("a", "2026-03-01T00:00:00Z") + event("b", "2026-03-03T09:12:00Z") + event("c")
    )
    (rules / "late.spl").write_text("index=* earliest=-1h | stats values(Image) as i")
    assert rows("late.spl", "--events", "ev.ndjson")[0] == {"i": ["b", "c"]}


def test_a_sysmon_time_that_is_impossible_gives_way_to_when_it_was_written(rules):
    text = event("a", "2026-03-03T09:12:00Z").replace('"Image"', '"UtcTime": "9999-12-31 23:59:59.000", "Image"')
    (rules / "ev.ndjson").write_text(text)
    row, _ = rows("all.spl", "--events", "ev.ndjson", "--condition", "time=UtcTime")
    assert row == {"count": 1, "t": 1772529120}


UNREADABLE = {
    "an object that does not end": ("x.ndjson", b'{"a":\n', "line 1: the file ends within this object"),
    "an empty list": ("x.json", b"[]", "no event could be read from x.json"),
    "a log cut within its header": ("x.evtx", b"ElfFile\0", "the file ends within its header"),
    "nothing": ("x.ndjson", b"", "x.ndjson is empty"),
    "noise": ("x.bin", bytes(range(256)), "x.bin is no format that can be read"),
    "a torn Parquet file": ("x.parquet", b"PAR1torn", "cannot be read as Parquet"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_an_input_without_a_readable_event_is_an_error_and_no_count_of_nothing(rules, what):
    name, content, words = UNREADABLE[what]
    (rules / name).write_bytes(content)
    ran = detlab("query", "all.spl", "--events", name)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


def test_a_damaged_file_costs_a_folder_only_itself(rules):
    (rules / "events").mkdir()
    (rules / "events/a.parquet").write_bytes(b"PAR1torn")
    (rules / "events/b.ndjson").write_text(event("a", "2026-03-03T09:12:00Z"))
    row, (told,) = rows("all.spl", "--events", "events")
    assert row["count"] == 1
    assert told.startswith("a.parquet: ")


def test_a_schedule_over_events_without_a_time(rules):
    early, late = event("a", "2026-03-03T09:12:00Z"), event("b", "9999-01-01T00:00:00Z")
    (rules / "ev.ndjson").write_text(early + event("a") + late)
    (rules / "s.yaml").write_text(
        "title: t\nactivity: malicious\nreplay: [{path: ev.ndjson, malicious: {Image: a}}]\n"
        "expect: [{rule: a.spl, outcome: true positive}]\n"
    )
    (rules / "a.spl").write_text("index=* Image=a | stats count")
    ran = detlab("latency", "a.spl", "s.yaml", "--json")
    assert ran.code == 0, ran.out + ran.err
    (found,) = ran.document["scenarios"]
    assert (found["caught"], found["starts"]) == (1, 1)
