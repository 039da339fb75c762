"""From when a rule counts on recorded events, and times that are printed as times."""

import json

import pytest

from tests.cli.command_line import detlab

EVENTS = """{"time":"2026-05-05T08:00:00Z","x":"1"}
{"time":"2026-05-01T08:00:00.25Z","x":"2"}
"""


@pytest.fixture
def asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.ndjson").write_text(EVENTS)

    def asked(text, *options, name="rule.spl"):
        (tmp_path / name).write_text(text)
        return detlab("query", name, "--events", "log.ndjson", *options)

    return asked


COUNTED = "time is counted from 2026-05-05T08:00:01Z, when the events end; --now TIME counts from another\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rule.spl", "x=* earliest=-24h | table x"),
        ("rule.spl", "x=1 | eval age=now()-_time | table x"),
        ("rule.cql", "x=1 | age := now() - @timestamp | table([x])"),
    ],
)
def test_a_rule_that_counts_from_now_is_told_from_when(asked, name, text):
    ran = asked(text, name=name)
    assert ran.out == "x\n1\n"
    assert COUNTED in ran.err
    ran = asked(text, "--json", name=name)
    assert (ran.document["rows"], ran.document["now"]) == ([{"x": "1"}], "2026-05-05T08:00:01Z")


def test_it_counts_from_another_time_that_is_given(asked):
    ran = asked("x=* earliest=-24h | table x", "--now", "2026-05-02 05:00 +0300")
    assert ran.out == "x\n2\n"
    assert "time is counted from 2026-05-02T02:00:00Z, as --now says\n" in ran.err


def test_a_rule_that_asks_for_no_time_says_nothing_of_it(asked):
    assert "time is counted" not in asked("x=1 | table x").err
    assert asked("x=1 | table x", "--json").document["now"] is None


@pytest.mark.parametrize("given", ["soon", "-1", "1969-12-31"])
def test_what_is_no_time_is_an_error(asked, given):
    ran = asked("x=1", "--now", given)
    assert ran.code == 2
    assert ran.err.startswith(f"error[wrong-time]: --now {given} is no time after 1970\n")


def test_the_time_of_an_event_is_printed_as_a_time(asked):
    assert asked("x=* | sort x | table _time x").out == (
        "                  _time  x\n   2026-05-05T08:00:00Z  1\n2026-05-01T08:00:00.25Z  2\n"
    )
    assert "2026-05-01T08:00:00.25Z  2" in asked("x=2 | select([@timestamp, x])", name="rule.cql").out
    # For programs it is the number that rules compute with.
    assert asked("x=1 | table _time", "--json").document["rows"] == [{"_time": 1777968000}]


def test_a_number_that_no_date_has_is_printed_as_a_number(asked):
    assert asked("x=1 | eval _time=1e300 | table _time").code == 0
    assert "T" not in asked("x=1 | eval _time=1e15 | table _time").out


def test_what_a_value_has_in_common_with_the_clause_and_its_entities_are_not_cut(asked, tmp_path):
    line = "cmd.exe /Q /c " + "a" * 80 + " 1> x 2>&1 powershell -enc " + "b" * 80
    event = {"Channel": "x", "EventID": 1, "SystemTime": "2026-05-05T08:00:00Z", "CommandLine": line}
    (tmp_path / "log.ndjson").write_text(json.dumps(event))
    ran = asked('EventCode=1 CommandLine="*2>&1 powershell -nop*"')
    said = " ".join(ran.err.split())
    assert "2&gt;&amp;1 powershell -" in said
    assert "a" * 60 not in said


def test_a_plain_log_is_bounded_in_time_as_any_other_events(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.log").write_text("2026-05-01T08:00:00Z user=a\n2026-05-05T08:00:00Z user=b\n")
    (tmp_path / "rule.spl").write_text("search user=* earliest=-24h | table user")
    ran = detlab("query", "rule.spl", "--events", "app.log", "--sourcetype", "app")
    assert ran.out == "user\nb\n"
