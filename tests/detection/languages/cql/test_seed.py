"""The published CQL of T1583.004, as written and mended."""

from itertools import pairwise
from pathlib import Path

import pytest

from harness.detection.language import Settings, Strictness
from harness.detection.languages.cql import LANGUAGE
from harness.detection.plan.nodes import walk_nodes
from harness.diagnostics import RejectedError, Severity, Source, mend
from tests.detection.languages.cql.query_rows import duckdb, load, records

RULE = Path(__file__).parents[4] / "scenarios/T1583.004/server.cql"
SOURCE = Source("server.cql", RULE.read_text("utf-8"))
HOUR = 3_600_000


def calls(per_hour, image="\\Device\\HarddiskVolume3\\Windows\\System32\\powershell.exe", **more):
    start = 472_223 * HOUR
    times = [start + hour * HOUR + i * 60_000 for hour, count in enumerate(per_hour) for i in range(count)]
    event = {"#event_simpleName": "NetworkConnectIP4", "ComputerName": "WS01", "ImageFileName": image}
    event |= {"RemoteAddressIP4": "203.0.113.10", "RemotePort": "443", **more}
    return [{"@timestamp": t, **event} for t in times]


def test_a_real_logscale_rejects_it_on_three_lines():
    with pytest.raises(RejectedError) as refused:
        LANGUAGE.parse(SOURCE, Strictness.STRICT)
    places = [(f.code, f.span.source.position(f.span.start)[0], f.span.text) for f in refused.value.findings]
    assert places == [
        ("unnamed-argument", 4, "ImageFileName"),
        ("unnamed-argument", 4, "1, 0"),
        ("and-in-expression", 20, "and"),
        ("unnamed-argument", 20, "1, 0"),
        ("unnamed-argument", 21, "1, 0"),
    ]


def test_the_rejection_shows_the_place_the_reason_and_one_thing_to_do():
    with pytest.raises(RejectedError) as refused:
        LANGUAGE.parse(SOURCE, Strictness.STRICT)
    assert refused.value.findings[4].render() == (
        "error[unnamed-argument]: `if` takes one unnamed argument only\n"
        "  --> server.cql:21:82\n"
        "   |\n"
        "21 | | RiskScore := IsSuspiciousProcess + IsBeaconPattern + if(TotalConnections > 50, 1, 0)\n"
        "   |                                                                                  ^^^^\n"
        "   = help: name them: `then=` and `else=`"
    )


def test_lenient_reading_records_each_deviation():
    codes = [d.code for d in LANGUAGE.parse(SOURCE).deviations]
    assert codes == [
        "unnamed-argument",
        "unnamed-argument",
        "text-in-min-max",
        "text-in-min-max",
        "and-in-expression",
        "unnamed-argument",
        "unnamed-argument",
    ]


def test_lint_also_tells_what_logscale_gets_silently_wrong():
    found = {(f.code, f.severity) for f in LANGUAGE.lint(SOURCE)}
    assert ("text-in-min-max", Severity.WARNING) in found
    assert ("groupby-limit", Severity.NOTE) in found
    assert ("stddev-convention", Severity.NOTE) in found


def mended():
    return mend(SOURCE, [e for f in LANGUAGE.lint(SOURCE) for e in f.edits])


def test_the_mended_text_is_accepted_and_nothing_more_can_be_mended():
    query = LANGUAGE.parse(Source("mended.cql", mended()), Strictness.STRICT)
    assert query.deviations == ()
    left = LANGUAGE.lint(Source("mended.cql", mended()))
    assert {f.code for f in left} == {"stddev-convention"}


def test_the_mended_text_gives_the_row_of_the_verbatim_one():
    events = calls([5] * 6)
    verbatim = records(SOURCE.text, events)
    assert verbatim == [
        {
            "ComputerName": "WS01",
            "ImageFileName": "\\Device\\HarddiskVolume3\\Windows\\System32\\powershell.exe",
            "RemoteAddressIP4": "203.0.113.10",
            "RemotePort": "443",
            "TotalConnections": "30",
            "HoursActive": "6",
            "AvgPerHour": "5",
            "ConsistencyRatio": "0",
            "IsSuspiciousProcess": "1",
            "IsBeaconPattern": "1",
            "RiskScore": "2",
            "FirstSeen": "2023-11-14 23:00:00",
            "LastSeen": "2023-11-15 04:00:00",
        }
    ]
    assert records(mended(), events, Strictness.STRICT) == verbatim


def test_min_and_max_of_text_give_nothing_in_the_product():
    strict = SOURCE.text.replace(", ImageFileName), 1, 0)", ", field=ImageFileName), then=1, else=0)")
    strict = strict.replace(
        "if(ConsistencyRatio < 0.5 and AvgPerHour >= 0.5, 1, 0)", "if(ConsistencyRatio < 0.5, then=1, else=0)"
    )
    strict = strict.replace("if(TotalConnections > 50, 1, 0)", "if(TotalConnections > 50, then=1, else=0)")
    (row,) = records(strict, calls([5] * 6), Strictness.STRICT)
    assert "FirstSeen" not in row and "LastSeen" not in row


def rows(events, **switches):
    made = LANGUAGE.parse(SOURCE).plan(load(events), Settings(switches=switches))
    return len(duckdb().run(made.node)), made.switches


def test_hourly_counts_of_3_and_7_depend_on_the_convention_of_the_deviation():
    events = calls([3, 7], image="\\agent.exe")
    assert rows(events, stddev="sample")[0] == 0
    assert rows(events, stddev="population")[0] == 1


def test_the_plan_names_the_switches_that_can_matter():
    assert rows(calls([5] * 3))[1] == {"missing-key": "keep", "stddev": "sample", "division-by-zero": "null"}


def test_events_without_an_image_and_a_host_depend_on_the_switch_for_missing_keys():
    events = [{k: v for k, v in e.items() if k not in ("ImageFileName", "ComputerName")} for e in calls([5] * 3)]
    assert rows(events, **{"missing-key": "keep"})[0] == 1
    assert rows(events, **{"missing-key": "drop"})[0] == 0


def test_fields_that_no_event_has_are_told():
    events = [{k: v for k, v in e.items() if k != "ImageFileName"} for e in calls([5] * 3)]
    found = LANGUAGE.parse(SOURCE).plan(load(events), Settings()).findings
    assert [(f.code, f.message) for f in found] == [("absent-field", "no event has a field `ImageFileName` here")]


@pytest.mark.parametrize(
    ("events", "lost_at"),
    [
        (calls([5] * 3, RemoteAddressIP4="127.0.0.1"), "!cidr"),
        (calls([5] * 3, image="C:\\mychrome.exe"), "!regex"),
        (calls([5]), "filter"),
        (calls([20]), "filter"),
    ],
)
def test_each_step_can_be_counted(events, lost_at):
    made = LANGUAGE.parse(SOURCE).plan(load(events), Settings())
    counts = [(s.name, len(duckdb().run(s.node))) for s in made.steps]
    assert next(name for name, count in counts if count == 0) == lost_at


def test_each_step_contains_the_one_before():
    steps = LANGUAGE.parse(SOURCE).plan(load(calls([5] * 3)), Settings()).steps
    for before, after in pairwise(steps):
        assert any(n is before.node for n in walk_nodes(after.node))
