"""Plain logs: what is read of them, and what is told where settings or texts are broken."""

import gzip
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.diagnostics import HarnessError
from harness.telemetry.format import read_telemetry
from harness.telemetry.indexing.plain_text import EventClock, Input, punctuation
from harness.telemetry.indexing.props import effective, parse_format_pairs, parse_yes_no, stanza, strings
from harness.telemetry.indexing.transforms import apply_one_sed_script


def log(folder: Path, text: str | bytes, name: str = "app.log") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def of(path: Path, column: str, **settings: str) -> list[str | None]:
    given = Input(sourcetype="app", props={"app": {"SHOULD_LINEMERGE": "false", **settings}})
    (events,) = read_telemetry(path, given).events
    return events.columns.column(column).cast("string").to_pylist()


def moment(text: str, **settings: str) -> str | None:
    found = EventClock(settings, datetime(2024, 3, 1, tzinfo=UTC)).micros(text)
    return None if found is None else datetime.fromtimestamp(found / 1e6, UTC).isoformat().removesuffix("+00:00")


def test_an_event_has_its_text_its_metadata_and_its_punctuation(tmp_path):
    path = log(tmp_path, "2024-01-01T00:00:00Z user=ann\n")
    (events,) = read_telemetry(path, Input(sourcetype="app", host="h1")).events
    assert (events.sensor, events.kind, len(events)) == ("text", "app", 1)
    row = events.columns.to_pylist()[0]
    assert row["_raw"] == "2024-01-01T00:00:00Z user=ann"
    assert (row["source"], row["sourcetype"], row["host"], row["index"]) == (str(path), "app", "h1", "main")
    assert (row["punct"], row["@time"]) == ("--::_=", datetime(2024, 1, 1, tzinfo=UTC))


def test_text_without_a_sourcetype_is_no_events(tmp_path):
    with pytest.raises(HarnessError, match="is no format that can be read") as raised:
        read_telemetry(log(tmp_path, "hello\n"))
    assert "--sourcetype" in (raised.value.help or "")


def test_with_a_sourcetype_json_and_xml_are_text_and_packed_files_too(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    log(folder, '{"a": 1}\n', "a.json")
    log(folder, "<Event><System/></Event>\n", "b.xml")
    log(folder, gzip.compress(b"packed\n"), "c.gz")
    assert of(folder, "_raw") == ['{"a": 1}', "<Event><System/></Event>", "packed"]


def test_an_empty_file_among_others_is_told(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    log(folder, "", "a.log")
    log(folder, "x\n", "b.log")
    assert str(read_telemetry(folder, Input(sourcetype="app")).damages[0]) == "a.log: is empty"


def test_bytes_that_are_no_text_are_replaced(tmp_path):
    assert of(log(tmp_path, b"caf\xe9 au lait\n"), "_raw") == ["caf\ufffd au lait"]


def test_a_file_longer_than_a_block_is_cut_at_the_same_places(tmp_path):
    lines = [f"2024-01-01T00:00:00Z line {i} {'x' * (i % 97)}" for i in range(40_000)]
    assert of(log(tmp_path, "\r\n".join(lines)), "_raw") == lines


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("2024-02-03 04:05:06", {}, "2024-02-03T04:05:06"),
        ("2024-02-03T04:05:06.789+02:00", {}, "2024-02-03T02:05:06.789000"),
        ("2024/02/03 04:05:06 EST x", {}, "2024-02-03T09:05:06"),
        ("x [03/Feb/2024:04:05:06 -0100] y", {}, "2024-02-03T05:05:06"),
        ("Feb  3 04:05:06 host app", {}, "2024-02-03T04:05:06"),
        ("Dec 31 23:59:59 host app", {}, "2023-12-31T23:59:59"),
        ("02/03/2024 04:05:06 PM", {}, "2024-02-03T16:05:06"),
        ("1706933106.25 x", {}, "2024-02-03T04:05:06.250000"),
        ("1706933106250 x", {}, "2024-02-03T04:05:06.250000"),
        ("no time, 10.0.0.1, 12:30, 2024", {}, None),
        ("2024-13-45 04:05:06", {}, None),
        ("a 2024-02-03 b", {}, "2024-02-03T00:00:00"),
        ("at=20240203 040506", {"TIME_PREFIX": "at=", "TIME_FORMAT": "%Y%m%d %H%M%S"}, "2024-02-03T04:05:06"),
        ("03.02.24 4 PM", {"TIME_FORMAT": "%d.%m.%y %I %p"}, "2024-02-03T16:00:00"),
        ("2024 034 04:05:06", {"TIME_FORMAT": "%Y %j %T"}, "2024-02-03T04:05:06"),
        ("2024-02-03 04:05:06 PST", {"TIME_FORMAT": "%F %T %Z"}, "2024-02-03T12:05:06"),
        ("2024-07-03 04:05:06", {"TZ": "Europe/London"}, "2024-07-03T03:05:06"),
        ("2016-12-31T23:59:60Z", {}, "2017-01-01T00:00:00"),
        ("02/03/2024 13:05:06 PM", {}, "2024-02-03T13:05:06"),
        ("03.02.24 13 PM", {"TIME_FORMAT": "%d.%m.%y %I %p"}, None),
        ("Sat Feb  3 04:05:06 EST 2024", {"TIME_FORMAT": "%+"}, "2024-02-03T09:05:06"),
        ("2024-02-03 04:05:06 EET", {"TIME_FORMAT": "%F %T %Z"}, "2024-02-03T02:05:06"),
        ("2024-02-03 04:05:06 XYZ", {"TIME_FORMAT": "%F %T %Z"}, "2024-02-03T04:05:06"),
        ("no prefix 2024-02-03 04:05:06", {"TIME_PREFIX": "at="}, None),
        ("x" * 200 + "2024-02-03 04:05:06", {}, None),
        ("x" * 200 + "2024-02-03 04:05:06", {"MAX_TIMESTAMP_LOOKAHEAD": "0"}, "2024-02-03T04:05:06"),
    ],
)
def test_a_time_is_read(text, settings, expected):
    assert moment(text, **settings) == expected


def test_a_day_alone_does_not_hide_the_time_of_the_next_line():
    clock = EventClock({}, datetime(2024, 3, 1, tzinfo=UTC))
    assert clock.micros("2024-02-03 a") == 1_706_918_400_000_000
    assert clock.micros("2024-02-03 00:00:01 a") == 1_706_918_401_000_000


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"LINE_BREAKER": "(["}, "bad-regex"),
        ({"TIME_PREFIX": "(?<"}, "bad-regex"),
        ({"TIME_FORMAT": "%Y %Y"}, "bad-time-format"),
        ({"TIME_FORMAT": "%i"}, "bad-time-format"),
        ({"TZ": "Middle/Earth"}, "unknown-zone"),
        ({"SEDCMD-a": "s/a/b"}, "bad-sed"),
        ({"BREAK_ONLY_BEFORE": "*", "SHOULD_LINEMERGE": "true"}, "bad-regex"),
    ],
)
def test_a_setting_that_cannot_be_followed_is_an_error(tmp_path, settings, code):
    with pytest.raises(HarnessError) as raised:
        of(log(tmp_path, "a\nb\n"), "_raw", **settings)
    assert raised.value.code == code


def test_an_expression_that_never_ends_is_an_error(tmp_path):
    with pytest.raises(HarnessError, match="took longer than 2 s"):
        of(log(tmp_path, "a" * 60 + "!\n"), "_raw", TIME_PREFIX="(a|a|aa)+$")


def test_a_sed_script_has_groups_escapes_numbers_and_several_commands():
    assert apply_one_sed_script("a=1 b=2", r"s/(\w)=(\d)/\2=\1/g") == "1=a 2=b"
    assert apply_one_sed_script("x x x", "s/x/y/2") == "x y x"
    assert apply_one_sed_script("x x x", "s/x/y/2g") == "x y y"
    assert apply_one_sed_script("AbC", "s/b/-/i y/AC/ac/") == "a-c"
    assert apply_one_sed_script("a/b", r"s#/#\##") == "a#b"


def test_values_of_conf_files_are_read():
    assert strings('";", "="') == [";", "="]
    assert strings(r'"\t", a b, "c, d"') == ["\t", "a b", "c, d"]
    assert parse_format_pairs('a::$1 $2::$3 "b c"::"d e"') == [("a", "$1"), ("$2", "$3"), ("b c", "d e")]
    assert [parse_yes_no(w, True) for w in ("0", "False", "yes", "", None)] == [False, False, True, True, True]


def test_stanzas_are_patterns_over_metadata():
    given = {"source::.../a(b|c).log": {"x": "1"}, "(?::){0}st*": {"y": "2"}, "rule::any": {"z": "3"}}
    assert effective(given, {"source": "/v/w/ac.log", "sourcetype": "stone"}) == {"x": "1", "y": "2"}
    assert effective(given, {"source": "/v/ad.log", "sourcetype": "tone"}) == {}
    broken = stanza("source::a(*", {})
    assert broken is not None and not broken.holds({"source": "a("})


def test_punctuation_keeps_fifty_characters():
    assert punctuation("a_b c\t.\n;") == "__t.;"
    assert len(punctuation("." * 80)) == 50
