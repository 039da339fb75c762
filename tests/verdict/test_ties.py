"""A value within rounding of a threshold is told as a tie, and decided alike in both languages and any order."""

import json
import random
from pathlib import Path

import pytest

from tests.cli.command_line import detlab

HOURS = ([6, 6, 4, 2, 2], [4, 6, 2, 6, 2], [2, 6, 6, 2, 4])
RULES = {
    "ratio.spl": """index=* | eval hour=strftime(_time, "%H") | stats count as n by host, hour
| stats avg(n) as mean stdev(n) as deviation count as hours by host
| eval ratio=deviation/mean
| where ratio < 0.5 AND hours >= 5
""",
    "ratio.cql": """Hour := formatTime("%H", field=@timestamp)
| groupBy([host, Hour], function=count(as=n))
| groupBy([host], function=[avg(n, as=mean), stddev(n, as=deviation), count(as=hours)])
| ratio := deviation / mean
| ratio < 0.5
| hours >= 5
""",
    "flag.spl": """index=* | eval hour=strftime(_time, "%H") | stats count as n by host, hour
| stats avg(n) as mean stdev(n) as deviation by host
| eval ratio=deviation/mean | eval odd=if(ratio < 0.5, 1, 0) | where odd >= 1
""",
}


def hourly(hours, name="_time"):
    return [
        {name: f"2026-01-01T{8 + hour:02}:{minute:02}:01Z", "host": "WS01"}
        for hour, count in enumerate(hours)
        for minute in range(count)
    ]


@pytest.fixture
def query(tmp_path: Path):
    """What a rule says of events, as JSON."""

    def run(rule, events):
        (tmp_path / rule).write_text(RULES[rule])
        (tmp_path / "events.ndjson").write_text("".join(json.dumps(e) + "\n" for e in events))
        ran = detlab("query", tmp_path / rule, "--events", tmp_path / "events.ndjson", "--json")
        assert ran.code == 0, ran.err
        return ran.document

    return run


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("rule", ["ratio.spl", "ratio.cql"])
def test_a_ratio_that_is_exactly_the_threshold_is_no_alert_and_a_tie(query, rule, hours):
    events = hourly(hours, "_time" if rule.endswith("spl") else "@timestamp")
    random.Random(str(hours)).shuffle(events)
    found = query(rule, events)
    assert found["rows"] == []
    (tie,) = [f for f in found["findings"] if f["code"] == "tie"]
    assert tie["message"] == "a tie within rounding of `ratio < 0.5`: ratio 0.5 for host WS01"
    assert tie["text"] == "0.5"
    assert tie["severity"] == "note"


def test_a_ratio_off_the_threshold_and_a_count_at_its_threshold_are_no_ties(query):
    found = query("ratio.spl", hourly([6, 5, 4, 3, 2]))
    assert [row["hours"] for row in found["rows"]] == [5]
    assert [f for f in found["findings"] if f["code"] == "tie"] == []


def test_a_tie_inside_of_an_if_is_told_and_a_truth_made_of_it_is_none(query):
    found = query("flag.spl", hourly([6, 6, 4, 2, 2]))
    assert [f["message"] for f in found["findings"] if f["code"] == "tie"] == [
        "a tie within rounding of `ratio < 0.5`: ratio 0.5 for host WS01"
    ]
    alerting = query("flag.spl", hourly([6, 6, 4, 4, 4]))
    assert len(alerting["rows"]) == 1
    assert [f for f in alerting["findings"] if f["code"] == "tie"] == []
