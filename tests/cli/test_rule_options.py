"""Plain logs and an app's props.conf on the command line."""

import os

import pytest

from tests.cli.command_line import detlab

LOG = """\
2026-01-15T10:00:00Z door=north who=ann badge="A 7"
2026-01-15T10:00:05Z door=south who=bea badge="B 9"
  forced open
2026-01-15T10:00:09Z door=south who=ann badge="A 7"
"""
APP = {
    "default/props.conf": '[door]\nFIELDALIAS-a = who AS user\nEVAL-risk = if(match(_raw, "forced"), 80, 10)\n'
    "LOOKUP-a = floors door OUTPUT floor\n",
    "local/props.conf": '[door]\nEVAL-risk = if(match(_raw, "forced"), 90, 10)\n',
    "default/transforms.conf": "[floors]\nfilename = floors.csv\n",
    "lookups/floors.csv": "door,floor\nsouth,2\n",
    "default/macros.conf": "[doors]\ndefinition = sourcetype=door\n",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "door.log").write_text(LOG)
    os.utime(tmp_path / "door.log", (1_768_470_000, 1_768_470_000))
    for name, text in APP.items():
        path = tmp_path / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(*arguments):
    return detlab("query", *arguments, "--events", "door.log", "--json").document["rows"]


def test_a_log_is_searched_by_its_own_names(folder):
    (folder / "who.spl").write_text('sourcetype=door badge="A 7" | table who, door\n')
    assert rows("who.spl", "--sourcetype", "door") == [{"who": "ann", "door": d} for d in ("south", "north")]


def test_an_app_says_how_fields_are_extracted_and_local_comes_first(folder):
    (folder / "risk.spl").write_text("`doors` risk>50 | table user, risk, floor\n")
    found = rows("risk.spl", "--sourcetype", "door", "--props", "app")
    assert found == [{"user": "bea", "risk": "90", "floor": "2"}]


def test_a_page_beside_the_rule_names_the_app(folder):
    (folder / "risk.spl").write_text("sourcetype=door risk>50 | table user\n")
    (folder / "detlab.yaml").write_text("props: app\n")
    assert rows("risk.spl", "--sourcetype", "door") == [{"user": "bea"}]


def test_macros_of_an_app_alone_extract_nothing(folder):
    (folder / "risk.spl").write_text("`doors` | stats count(risk) as risks, count(who) as people\n")
    assert rows("risk.spl", "--sourcetype", "door", "--macros", "app") == [{"risks": 0, "people": 3}]


def test_source_and_host_are_what_they_are_said_to_be(folder):
    (folder / "where.spl").write_text("sourcetype=door | stats count by source, host\n")
    said = ("--sourcetype", "door", "--source", "/var/door", "--host", "gate1")
    assert rows("where.spl", *said) == [{"source": "/var/door", "host": "gate1", "count": 3}]


def test_a_host_without_a_sourcetype_is_an_error(folder):
    (folder / "x.spl").write_text("who=ann\n")
    ran = detlab("query", "x.spl", "--events", "door.log", "--host", "h")
    assert ran.code == 2
    assert ran.err == "error[usage]: --host is said of plain text only\n  = help: add --sourcetype NAME\n"


def test_explain_shows_the_steps_over_extracted_fields(folder):
    (folder / "who.spl").write_text("sourcetype=door who=ann | stats count by door | where count > 1\n")
    ran = detlab("explain", "who.spl", "--events", "door.log", "--sourcetype", "door")
    assert ran.code == 0
    assert "3 events, 0 rows" in ran.out
    assert "nearest miss: count 1, needs > 1" in ran.out


def test_events_of_other_formats_take_the_fields_of_an_app_too(folder):
    event = (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        "<Provider Name='Microsoft-Windows-Sysmon'/><EventID>1</EventID>"
        "<TimeCreated SystemTime='2026-01-15T10:00:00Z'/>"
        "<Channel>Microsoft-Windows-Sysmon/Operational</Channel><Computer>WS1</Computer></System>"
        "<EventData><Data Name='Image'>C:\\a\\b.exe</Data></EventData></Event>"
    )
    (folder / "door.log").write_text(event)
    (folder / "props.conf").write_text(
        "[xmlwineventlog]\nEVAL-program = lower(Image)\nEXTRACT-n = (?<file>\\w+)\\.exe\n"
    )
    (folder / "image.spl").write_text("program=* | table Image, program, file\n")
    found = rows("image.spl", "--props", "props.conf")
    assert found == [{"Image": "C:\\a\\b.exe", "program": "c:\\a\\b.exe", "file": "b"}]


def test_a_search_is_run_at_the_moment_and_in_the_zone_given(folder):
    (folder / "when.spl").write_text('| makeresults | eval t=strftime(now(), "%F %H:%M %z") | table t')
    assert rows("when.spl", "--sourcetype", "door", "--now", "2026-07-01T10:00:00Z", "--zone", "Europe/Berlin") == [
        {"t": "2026-07-01 12:00 +0200"}
    ]
    assert rows("when.spl", "--sourcetype", "door", "--now", "0.5")[0] == {"t": "1970-01-01 00:00 +0000"}


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--now", "yesterday", "wrong-time"),
        ("--now", "1e400", "wrong-time"),
        ("--zone", "Europe/Nowhere", "wrong-zone"),
    ],
)
def test_a_moment_or_a_zone_that_there_is_not_is_an_error(option, value, code, folder):
    (folder / "any.spl").write_text("| makeresults")
    ran = detlab("query", "any.spl", "--events", "door.log", "--sourcetype", "door", option, value, "--json")
    assert (ran.code, ran.document["errors"][0]["code"]) == (2, code)


def test_a_table_that_the_search_wrote_is_found_by_its_definition(folder):
    written = "sourcetype=door | stats count by door | outputlookup floors.csv"
    (folder / "written.spl").write_text(f"{written} | lookup floors door OUTPUT count AS n | table door n")
    found = rows("written.spl", "--sourcetype", "door", "--lookups", "app")
    assert found == [{"door": "north", "n": ["1"]}, {"door": "south", "n": ["2"]}]
