"""The published rule of the pack, as written."""

from pathlib import Path

from harness.detection.language import Settings, language
from harness.detection.plan.expressions import Kind
from harness.diagnostics import Source

RULE = Path(__file__).parents[4] / "scenarios" / "T1583.004" / "server.spl"
CONNECTION = {
    "index": "wineventlog",
    "sourcetype": "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational",
    "EventCode": "3",
    "host": "WS01",
    "Image": r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
    "DestinationIp": "203.0.113.5",
    "DestinationHostname": "-",
    "DestinationPort": "443",
}


def beacon(**changes):
    return [{**CONNECTION, "_time": 1_700_000_000 + 600 * i, **changes} for i in range(30)]


def test_a_beacon_every_ten_minutes_for_five_hours_is_one_alert(found):
    (alert,) = found(beacon(), RULE.read_text())
    assert alert["TotalConnections"] == 30
    assert alert["HoursActive"] == 6
    assert alert["ConsistencyRatio"] == 0.4
    assert alert["Ports"] == ["443"]
    assert (alert["FirstSeen"], alert["LastSeen"]) == ("2023-11-14 22:00:00", "2023-11-15 03:00:00")
    assert alert["RiskScore"] == 2


def test_a_missing_host_name_drops_every_event_at_the_first_stats(found):
    assert found(beacon(DestinationHostname=None), RULE.read_text()) == []


def test_a_host_name_on_the_allow_list_is_no_alert(found):
    assert found(beacon(DestinationHostname="ec2-1.compute.amazonaws.com"), RULE.read_text()) == []


def test_the_host_name_is_compared_but_for_case(found):
    assert found(beacon(DestinationHostname="X.AMAZONAWS.COM"), RULE.read_text()) == []


def test_each_line_of_the_rule_is_a_step_over_the_one_before():
    query = language("spl").parse(Source(str(RULE), RULE.read_text()))
    columns = {**dict.fromkeys((k for k in CONNECTION), Kind.TEXT), "_time": Kind.NUMBER}
    plan = query.plan(columns, Settings())
    assert [s.name for s in plan.steps] == [
        "search", "eval", "stats", "stats", "where", "eval", "eval", "eval", "eval", "where", "table", "sort",
    ]  # fmt: skip
    assert plan.steps[0].span.text.startswith("index=wineventlog")
    assert plan.reads == {*CONNECTION, "_time"}


def test_the_rule_printed_again_is_the_same_query():
    query = language("spl").parse(Source(str(RULE), RULE.read_text()))
    assert language("spl").parse(Source("printed", query.render())) == query
