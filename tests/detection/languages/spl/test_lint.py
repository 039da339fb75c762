"""What lint tells of a search, and where."""

from pathlib import Path

import pytest

from harness.detection.language import language
from harness.diagnostics import Severity, Source, mend

RULE = Path(__file__).parents[4] / "scenarios" / "T1583.004" / "server.spl"


def told(text):
    return [(f.code, f.span.text) for f in language("spl").lint(Source("rule.spl", text))]


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (
            'sourcetype="XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"',
            "renamed-sourcetype",
            'sourcetype="XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"',
        ),
        ('NOT query="*example.com"', "open-suffix", '"*example.com"'),
        ('NOT DestinationHostname="x.net"', "attacker-named", 'NOT DestinationHostname="x.net"'),
        (r'NOT Image="*\\chrome.exe"', "attacker-named", r'NOT Image="*\\chrome.exe"'),
        ('NOT (ip="10.*" OR ip="192.168.*")', "missing-ranges", 'NOT (ip="10.*" OR ip="192.168.*")'),
        ("EventCode=3 DestinationIp=1.2.3.4", "inbound-too", "EventCode=3"),
        ("a=1 AND b=2 OR c=3", "and-before-or", "b=2 OR c=3"),
        ("a!=1", "unequal", "a!=1"),
        ("a=1 or b=2", "lower-case-operator", "or"),
        ('a=1 | where NOT b="x"', "negated-null", 'NOT b="x"'),
        (r'a=1 | where p="C:\temp"', "control-character", r'"C:\temp"'),
        ('a=1 | where b="x*"', "literal-star", '"x*"'),
        ("a=1 | where b=success", "bare-word", "success"),
        ("a=1 | stats count by DestinationHostname", "lost-rows", "DestinationHostname"),
        (
            'a=1 | eval h=strftime(_time, "%H") | stats count by h',
            "zoned-bucket",
            'strftime(_time, "%H") ',
        ),
        (
            "a=1 | stats count as n by x | stats avg(n) as m by x | where m >= 0.5",
            "constant-condition",
            "m >= 0.5",
        ),
        ("a=1 | sort x", "limit", "sort x"),
        ("a=1 | stats count by Image", "case-of-paths", "Image"),
        ("a=1 | stats count by x | table y", "field-is-gone", "y"),
        ("a=1 | eval x=rond(1)", "unknown-function", "rond"),
        ("a=1 | tabel x", "unknown-command", "tabel"),
        ("a=1 | | table x", "empty-stage", "| "),
    ],
)
def test_a_finding_is_told_at_its_place(text, code, place):
    assert (code, place) in told(text)


@pytest.mark.parametrize(
    "text",
    [
        'sourcetype="XmlWinEventLog:x/y" OR source="XmlWinEventLog:x/y"',
        'NOT query="*.example.com"',
        "(a=1 AND b=2) OR c=3",
        "a=1 (b=2 OR c=3)",
        r'a=1 | where match(p, "\temp")',
        'a=1 | fillnull value="-" DestinationHostname | stats count by DestinationHostname',
        "DestinationHostname=x | stats count by DestinationHostname",
        "a=1 | stats avg(n) as m by x | where m >= 0.5",
        "a=1 | sort 0 x",
        "a=1 | where b=c | stats count by c",
    ],
)
def test_what_is_well_is_not_told(text):
    wanted = {"renamed-sourcetype", "open-suffix", "and-before-or", "control-character", "lost-rows",
              "constant-condition", "limit", "bare-word"}  # fmt: skip
    assert not wanted & {code for code, _ in told(text)}


def test_what_splunk_rejects_is_an_error_and_what_it_takes_otherwise_a_warning():
    severities = {f.code: f.severity for f in language("spl").lint(Source("r", "a=1 or b=2 | | table x"))}
    assert severities["empty-stage"] is Severity.ERROR
    assert severities["lower-case-operator"] is Severity.WARNING


def test_the_published_rule_is_mended_where_that_is_safe():
    source = Source("server.spl", RULE.read_text())
    edits = [e for f in language("spl").lint(source) for e in f.edits]
    mended = mend(source, edits)
    assert 'index=wineventlog source="XmlWinEventLog:Microsoft-Windows-Sysmon/Operational" EventCode=3' in mended
    assert '| fillnull value="-" DestinationHostname\n| stats\n    count as HourlyConnections' in mended
    codes = {f.code for f in language("spl").lint(Source("mended.spl", mended))}
    assert not codes & {"renamed-sourcetype", "lost-rows"}


def test_findings_come_in_the_order_of_the_text():
    found = language("spl").lint(Source("server.spl", RULE.read_text()))
    assert [f.span.start for f in found] == sorted(f.span.start for f in found)
