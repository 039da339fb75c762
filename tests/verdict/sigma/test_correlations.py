"""What a Sigma correlation finds: windows that slide, groups, order, chains."""

import json

import pytest

from harness.scenario.sigma.choice import SigmaChoice
from harness.scenario.sigma.collection import read_sigma_subjects
from harness.telemetry.scenario_telemetry import replay
from harness.verdict.sigma.evaluation import SigmaEvaluation

RULES = "".join(
    f"title: {name}\nname: {name}\nlogsource: {{product: windows, category: process_creation}}\n"
    f"detection:\n  sel: {{Kind: {name}}}\n  condition: sel\n---\n"
    for name in ("a", "b", "c")
)
CORRELATION = "title: t\nname: t\ncorrelation: {%s}\n"
# Minute, kind, user, amount.
EVENTS = [
    (8, "a", "bob", "1"),
    (9, "a", "bob", "2"),
    (11, "a", "bob", "2"),
    (12, "b", "bob", "5"),
    (0, "a", "amy", "1"),
    (20, "b", "amy", "1"),
    (21, "a", "amy", "1"),
    (40, "c", None, "1"),
]


@pytest.fixture(scope="module")
def telemetry(tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "events.ndjson"
    system = {"Provider_Name": "Microsoft-Windows-Sysmon", "Channel": "Microsoft-Windows-Sysmon/Operational"}
    lines = [
        {**system, "EventID": "1", "SystemTime": f"2026-05-05T08:{minute:02d}:00Z", "Kind": kind, "N": str(n)}
        | ({"User": user} if user else {})
        | {"Amount": amount, "Other": user or "none"}
        for n, (minute, kind, user, amount) in enumerate(EVENTS)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return replay(path)


def numbers(folder, telemetry, correlation, more=""):
    """The events of each hit by their numbers in EVENTS."""
    (folder / "r.yml").write_text(RULES + more + CORRELATION % correlation)
    subject = read_sigma_subjects(folder / "r.yml", SigmaChoice())[-1]
    evaluation = SigmaEvaluation(subject, telemetry)
    found = []
    for hit in evaluation.hits():
        rows = [evaluation.locate(event) for event in hit.events]
        found.append({int(table.find("N")[0].text(row)) for table, row in rows})
    return found


@pytest.mark.parametrize(
    ("correlation", "hits"),
    [
        ("type: event_count, rules: [a], group-by: [User], timespan: 10m, condition: {gte: 3}", [{0, 1, 2}]),
        ("type: event_count, rules: [a], group-by: [User], timespan: 3m, condition: {gte: 3}", []),
        ("type: event_count, rules: [a], timespan: 15m, condition: {gt: 3}", [{0, 1, 2, 4, 6}]),
        ("type: event_count, rules: [a, b], group-by: [User], timespan: 10m, condition: {eq: 4}", [{0, 1, 2, 3}]),
        ("type: event_count, rules: [a], group-by: [User], timespan: 10m, condition: {lte: 1}", [{4}, {6}]),
        ("type: event_count, rules: [c], group-by: [User], timespan: 10m, condition: {gte: 1}", []),
        ("type: event_count, rules: [c], timespan: 10m, condition: {gte: 1}", [{7}]),
        ("type: value_count, rules: [a], timespan: 10m, condition: {field: Amount, gte: 2}", [{0, 1, 2, 4}]),
        ("type: value_sum, rules: [a], timespan: 10m, condition: {field: Amount, gte: 5}", [{0, 1, 2}]),
        ("type: temporal, rules: [a, b], group-by: [User], timespan: 10m", [{0, 1, 2, 3}, {5, 6}]),
        ("type: temporal, rules: [a, b, c], timespan: 1h", [{0, 1, 2, 3, 4, 5, 6, 7}]),
        ("type: temporal_ordered, rules: [a, b], group-by: [User], timespan: 10m", [{0, 1, 2, 3}]),
        ("type: temporal_ordered, rules: [b, a], group-by: [User], timespan: 10m", [{5, 6}]),
        ("type: temporal, rules: [a, b], group-by: [User], timespan: 10m, condition: 'b and not a'", []),
        (
            "type: temporal, rules: [a, b], group-by: [who], timespan: 10m, aliases: {who: {a: User, b: Other}}",
            [{0, 1, 2, 3}, {5, 6}],
        ),
    ],
)
def test_a_correlation_means_what_the_specification_says(tmp_path, telemetry, correlation, hits):
    assert numbers(tmp_path, telemetry, correlation) == hits


def test_a_correlation_over_a_correlation_sees_its_hits(tmp_path, telemetry):
    many = "title: many\nname: many\ncorrelation: {type: event_count, rules: [a], group-by: [User], timespan: 10m, "
    many += "condition: {gte: 3}}\n---\n"
    over = "type: temporal_ordered, rules: [many, b], group-by: [User], timespan: 1h"
    assert numbers(tmp_path, telemetry, over, many) == [{0, 1, 2, 3}]
