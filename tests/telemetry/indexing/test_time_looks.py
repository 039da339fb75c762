"""Looks of times that are recognised though nobody says how they are written.

Reference: Splunk, Configure advanced timestamp recognition with datetime.xml; public questions about timestamps.
"""

import json
import os
from datetime import UTC, datetime

import pytest

from harness.telemetry.format import read_telemetry
from harness.telemetry.indexing.plain_text import EventClock, Input
from tests.cli.command_line import detlab

A_DAY = "2011-03-31"
SEVEN_LATER = "2011-03-31T17:56:26"
AS_WRITTEN = "2011-03-31T10:56:26"
LOOKS = [
    # date(1), with and without its zone
    ("Thu Mar 31 10:56:26 PDT 2011 Device=1", SEVEN_LATER),
    ("Thu Mar 31 10:56:26 2011 Device=1", AS_WRITTEN),
    ("Thu Mar 31 10:56:26 UTC 2011", AS_WRITTEN),
    ("Thu Mar 31 10:56:26 -0700 2011", SEVEN_LATER),
    ("Thu Mar 31 10:56:26.421 CEST 2011", "2011-03-31T08:56:26.421000"),
    ("Thu Mar  3 09:05:06 EST 2011", "2011-03-03T14:05:06"),
    # ISO 8601 and its relatives
    ("2011-03-31T10:56:26Z x", AS_WRITTEN),
    ("2011-03-31T10:56:26.421Z x", "2011-03-31T10:56:26.421000"),
    ("2011-03-31T10:56:26-07:00 x", SEVEN_LATER),
    ("2011-03-31T10:56:26.421+0530 x", "2011-03-31T05:26:26.421000"),
    ("2011-03-31 10:56:26,421 INFO x", "2011-03-31T10:56:26.421000"),
    ("2011-03-31 10:56:26 PDT x", SEVEN_LATER),
    ("2011-03-31 10:56:26.123+02 x", "2011-03-31T08:56:26.123000"),
    ("2011-03-31 10:56:26 America/Los_Angeles x", SEVEN_LATER),
    ("2011-03-31 10:56:26 GMT-07:00 x", SEVEN_LATER),
    ("2011-03-31 10:56 x", "2011-03-31T10:56:00"),
    ("2011/03/31 10:56:26 [error] x", AS_WRITTEN),
    ("2011/03/31-10:56:26.123456 x", "2011-03-31T10:56:26.123456"),
    ("2011.03.31 10:56:26 x", AS_WRITTEN),
    ("2011-3-31 9:56:26 x", "2011-03-31T09:56:26"),
    ("2011-Mar-31 10:56:26 x", AS_WRITTEN),
    ("2011-090T10:56:26Z x", AS_WRITTEN),
    ("2011-03-31-10.56.26.123456 db2", "2011-03-31T10:56:26.123456"),
    ("[2011-03-31T10:56:26.123456 #1234]  INFO", "2011-03-31T10:56:26.123456"),
    ("<34>1 2011-03-31T10:56:26.003Z host su - ID47", "2011-03-31T10:56:26.003000"),
    # compact
    ("20110331T105626Z x", AS_WRITTEN),
    ("20110331T105626-0700 x", SEVEN_LATER),
    ("20110331T105626.421 x", "2011-03-31T10:56:26.421000"),
    ("20110331105626 x", AS_WRITTEN),
    ("20110331105626.0Z", AS_WRITTEN),
    ("20110331105626.123000-420 wmi", "2011-03-31T17:56:26.123000"),
    ("20110331-105626 x", AS_WRITTEN),
    ("20110331 10:56:26 x", AS_WRITTEN),
    ("110331 10:56:26 mysqld", AS_WRITTEN),
    # epochs
    ("1301568986 x", AS_WRITTEN),
    ("1301568986.421 x", "2011-03-31T10:56:26.421000"),
    ("1301568986421 x", "2011-03-31T10:56:26.421000"),
    ("ts=1301568986421345 x", "2011-03-31T10:56:26.421345"),
    ("1301568986421345678 x", "2011-03-31T10:56:26.421345"),
    ("/Date(1301568986421)/", "2011-03-31T10:56:26.421000"),
    # American
    ("03/31/2011 10:56:26 x", AS_WRITTEN),
    ("03/31/2011 10:56:26 AM x", AS_WRITTEN),
    ("3/31/2011 10:56:26 p.m. x", "2011-03-31T22:56:26"),
    ("03/31/2011 10:56 PM x", "2011-03-31T22:56:00"),
    ("03/31/11 10:56:26 x", AS_WRITTEN),
    ("03-31-2011 10:56:26.421 -0700 x", "2011-03-31T17:56:26.421000"),
    ("03/31/2011, 10:56:26 AM x", AS_WRITTEN),
    ("3/4/2011 12:05:06 AM x", "2011-03-04T00:05:06"),
    ("03/31/2011:10:56:26 x", AS_WRITTEN),
    ("11/03/31 10:56:26 x", AS_WRITTEN),
    # European
    ("31.03.2011 10:56:26,421 x", "2011-03-31T10:56:26.421000"),
    ("23.06.2010 10:45:00,421 x", "2010-06-23T10:45:00.421000"),
    ("01.02.2011 10:56:26 x", "2011-02-01T10:56:26"),
    ("31/03/2011 10:56:26 x", AS_WRITTEN),
    ("31-03-2011 10:56:26 CET x", "2011-03-31T09:56:26"),
    ("31.03.11 10:56:26 x", AS_WRITTEN),
    ("31.03.2011 10.56.26 x", AS_WRITTEN),
    # literal months
    ("Mar 31 2011 10:56:26 asa", AS_WRITTEN),
    ("Mar 31 2011 10:56:26.123 PDT: cisco", "2011-03-31T17:56:26.123000"),
    ("Mar 31, 2011 10:56:26 AM x", AS_WRITTEN),
    ("####<Mar 31, 2011 10:56:26 PM PDT> <Info>", "2011-04-01T05:56:26"),
    ("March 31st, 2011 10:56:26 x", AS_WRITTEN),
    ("Mar 31 10:56:26 2011 GMT", AS_WRITTEN),
    ('1.2.3.4 - - [31/Mar/2011:10:56:26 -0700] "GET / HTTP/1.1" 200', SEVEN_LATER),
    ("31/Mar/2011 10:56:26 x", AS_WRITTEN),
    ("Thu, 31 Mar 2011 10:56:26 -0700 x", SEVEN_LATER),
    ("Thu, 31 Mar 2011 10:56:26 GMT x", AS_WRITTEN),
    ("Thursday, 31-Mar-11 10:56:26 GMT x", AS_WRITTEN),
    ("Thu Mar 31 2011 10:56:26 GMT-0700 (PDT) x", SEVEN_LATER),
    ("31-Mar-2011 10:56:26.123 catalina", "2011-03-31T10:56:26.123000"),
    ("31-MAR-11 10.56.26.123456 AM oracle", "2011-03-31T10:56:26.123456"),
    ("31 March 2011 10:56:26 x", AS_WRITTEN),
    # the clock before the date
    ("10:56:26 31/Mar/2011 x", AS_WRITTEN),
    ("10:56:26.421 03/31/2011 x", "2011-03-31T10:56:26.421000"),
    ("10:56:26 2011-03-31 x", AS_WRITTEN),
    ("10:56 AM, March 31, 2011 x", "2011-03-31T10:56:00"),
    # days alone
    ("2011-03-31 x", "2011-03-31T00:00:00"),
    ("03/31/2011 x", "2011-03-31T00:00:00"),
    ("31.03.2011 x", "2011-03-31T00:00:00"),
    ("31 Mar 2011 x", "2011-03-31T00:00:00"),
]
NO_TIMES = [
    "no time, 10.0.0.1, 12:30, 2024",
    "version 10.11.2011.3 of 1.2.3",
    "call 555-31-2011 and ask",
    "id 2011033110562612345678901 x",
    "2011-13-45 04:05:06",
    "sizes 110331 and 2:3",
    "mac 10:56:26:aa:bb:cc",
    "marching 31 times",
]


def seen(text, near=datetime(2024, 3, 1, tzinfo=UTC)):
    found = EventClock({}, near).time(text)
    if found is None:
        return None, ""
    return datetime.fromtimestamp(found.micros / 1e6, UTC).isoformat().removesuffix("+00:00"), found.assumed


@pytest.mark.parametrize(("text", "expected"), LOOKS)
def test_a_look_is_recognised_with_the_zone_that_is_written(text, expected):
    assert seen(text) == (expected, "")


@pytest.mark.parametrize("before", ["10.0.0.12 - - [", "level=info decoding may be mark: ", "(1) <"])
def test_a_look_is_recognised_behind_other_words(before):
    clock = EventClock({}, datetime(2024, 3, 1, tzinfo=UTC))
    for text, expected in [*LOOKS, *LOOKS]:
        found = clock.micros(before + text)
        assert datetime.fromtimestamp(found / 1e6, UTC).isoformat().removesuffix("+00:00") == expected, text


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_none(text):
    assert seen(text) == (None, "")


def test_a_clock_that_has_seen_all_looks_reads_each_of_them_again():
    clock = EventClock({}, datetime(2024, 3, 1, tzinfo=UTC))
    for text, expected in [*LOOKS, *reversed(LOOKS)]:
        found = clock.micros(text)
        assert datetime.fromtimestamp(found / 1e6, UTC).isoformat().removesuffix("+00:00") == expected, text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mar 31 10:56:26 host app: x", ("2023-03-31T10:56:26", "a year")),
        ("<13>Feb  1 10:56:26 host app: x", ("2024-02-01T10:56:26", "a year")),
        ("*Mar  1 10:56:26.123: %LINK-3", ("2024-03-01T10:56:26.123000", "a year")),
        ("Mar 31 10:56:26 EDT host app: x", ("2023-03-31T14:56:26", "a year")),
        ("Thu Mar 31 10:56:26 XYZ 2011 x", (AS_WRITTEN, "a zone that is known (`XYZ`)")),
    ],
)
def test_what_a_time_does_not_say_is_known(text, expected):
    assert seen(text) == expected


def told(tmp_path, text):
    path = tmp_path / "app.log"
    path.write_text(text)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return [str(d) for d in read_telemetry(path, Input(sourcetype="app")).damages]


def test_a_fall_back_is_told_once_a_file(tmp_path):
    syslog = "".join(f"Mar 31 10:56:{n:02} host app: x\n" for n in range(30))
    assert told(tmp_path, syslog) == [
        "app.log: 30 events have a time without a year; it is taken from 2023-11-14, when the file was last changed"
    ]
    assert told(tmp_path, "nothing here\n" * 3) == [
        "app.log: 1 event has no time that can be read; it has 2023-11-14, when the file was last changed"
    ]
    assert told(tmp_path, "2011-03-31 10:56:26 a\n") == []
    assert told(tmp_path, "10:56:26,421 INFO a\n") == [
        "app.log: 1 event has a time without a date; it is taken from 2023-11-14, when the file was last changed"
    ]


@pytest.mark.parametrize(("text", "expected"), [look for look in LOOKS if "T00:00:00" not in look[1]])
def test_a_field_of_json_may_have_any_of_these_looks(text, expected, tmp_path):
    clock = EventClock({}, datetime(2024, 3, 1, tzinfo=UTC))
    written = next(m.group().strip(" (<[=") for m in clock.matches(text))
    (tmp_path / "log.ndjson").write_text(json.dumps({"timestamp": written, "x": 1}))
    (events,) = read_telemetry(tmp_path / "log.ndjson").events
    (found,) = events.columns.column("@time").to_pylist()
    assert found is not None, written
    assert found.astimezone(UTC).isoformat().removesuffix("+00:00") == expected


def test_a_time_without_a_year_in_json_is_none(tmp_path):
    (tmp_path / "log.ndjson").write_text('{"timestamp": "Mar 31 10:56:26", "x": 1}\n')
    (tmp_path / "rule.spl").write_text("x=1 | table x")
    ran = detlab("query", tmp_path / "rule.spl", "--events", tmp_path / "log.ndjson")
    assert "events without a time that can be read: 1" in ran.err
