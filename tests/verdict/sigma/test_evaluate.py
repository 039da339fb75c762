"""What a Sigma detection fits by the specification, modifier by modifier; no converter is asked."""

import json
from base64 import b64encode

import pytest

from harness.scenario.sigma.choice import SigmaChoice
from harness.scenario.sigma.collection import read_sigma_subjects
from harness.telemetry.scenario_telemetry import replay
from harness.verdict.sigma.evaluation import SigmaEvaluation, form_opinion

RULE = """title: t
logsource: {{product: windows, category: {category}}}
detection:
  sel: {selection}
  condition: {condition}
"""
EVENTS = [
    {"CommandLine": "whoami /all", "User": "bob", "Parent": "bob", "Port": "443", "Ip": "10.1.2.3", "Id": "a"},
    {"CommandLine": "PROCDUMP -ma lsass", "User": "LAB\\svc_x", "Parent": "amy", "Port": "8080", "Ip": "fe80::1"},
    {"CommandLine": "procdump \u2014ma lsass", "User": "amy", "Port": "22", "Ip": "192.168.1.1", "Id": ""},
    {"CommandLine": "procdump ma lsass", "User": "*", "Port": "0x50", "Ip": "-", "At": "2026-05-05 08:30:00"},
    {"CommandLine": "one\ntwo", "User": "a?b", "Data": ["x", "y"]},
    {"CommandLine": "enc " + b64encode("Invoke-Thing".encode("utf-16-le")).decode(), "User": "C:\\*"},
    {"CommandLine": "b64 " + b64encode(b"zzInvoke-Mimikatz").decode(), "User": "axb"},
]


@pytest.fixture(scope="module")
def telemetry(tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "events.ndjson"
    system = {"Provider_Name": "Microsoft-Windows-Sysmon", "Channel": "Microsoft-Windows-Sysmon/Operational"}
    lines = [
        {**system, "EventID": "1", "Computer": "ws01", "SystemTime": f"2026-05-05T08:00:0{n}Z", "N": str(n), **e}
        for n, e in enumerate(EVENTS)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return replay(path)


def evaluation(folder, telemetry, selection, condition="sel", category="process_creation"):
    (folder / "r.yml").write_text(RULE.format(selection=selection, condition=condition, category=category))
    (subject,) = read_sigma_subjects(folder / "r.yml", SigmaChoice())
    return SigmaEvaluation(subject, telemetry)


def found(folder, telemetry, *rule):
    return {int(hit.field("N")) for hit in evaluation(folder, telemetry, *rule).hits()}


MODIFIERS = [
    (r"{CommandLine: 'WHOAMI /all'}", {0}),
    (r"{CommandLine|cased: 'WHOAMI /all'}", set()),
    (r"{CommandLine|contains|cased: PROC}", {1}),
    (r"{CommandLine|contains: lsass}", {1, 2, 3}),
    (r"{CommandLine|contains|all: [procdump, '-ma']}", {1}),
    (r"{CommandLine|startswith: procdump}", {1, 2, 3}),
    (r"{CommandLine|endswith: [all, two]}", {0, 4}),
    (r"{CommandLine: 'who*all'}", {0}),
    (r"{User: 'a?b'}", {4, 6}),
    (r"{User: 'a\?b'}", {4}),
    (r"{User: '\*'}", {3}),
    (r"{User: 'C:\\\*'}", {5}),
    (r"{User|contains: '\svc_'}", {1}),
    (r"{CommandLine|re: '^procdump\s'}", {2, 3}),
    (r"{CommandLine|re|i: '^procdump\s'}", {1, 2, 3}),
    (r"{CommandLine|re|m: '^two'}", {4}),
    (r"{CommandLine|re|s: 'one.two'}", {4}),
    (r"{CommandLine|re: 'one.two'}", set()),
    (r"{CommandLine|re|all: [proc, 'lsass$']}", {2, 3}),
    (r"{Ip|cidr: 10.0.0.0/8}", {0}),
    (r"{Ip|cidr: ['192.168.0.0/16', 'fe80::/10']}", {1, 2}),
    (r"{Port|gt: 443}", {1}),
    (r"{Port|gte: 443}", {0, 1}),
    (r"{Port|lt: 80}", {2}),
    (r"{Port|lte: 80}", {2, 3}),
    (r"{Port: 443}", {0}),
    (r"{Port|neq: 443}", {1, 2, 3, 4, 5, 6}),
    (r"{CommandLine|windash|contains: ' -ma '}", {1, 2}),
    (r"{CommandLine|base64|contains: zzI}", {6}),
    (r"{CommandLine|base64offset|contains: Invoke-Mimikatz}", {6}),
    (r"{CommandLine|wide|base64offset|contains: Thing}", {5}),
    (r"{CommandLine|utf16le|base64|contains: Invoke}", {5}),
    (r"{Id|exists: true}", {0, 2}),
    (r"{Id|exists: false}", {1, 3, 4, 5, 6}),
    (r"{Id: null}", {1, 3, 4, 5, 6}),
    (r"{Id: ''}", {2}),
    (r"{Id: [null, a]}", {0, 1, 3, 4, 5, 6}),
    (r"{User|fieldref: Parent}", {0}),
    (r"{User|fieldref|neq: Parent}", {1, 2, 3, 4, 5, 6}),
    (r"{CommandLine|fieldref|startswith: Parent}", set()),
    (r"{At|hour: 8}", {3}),
    (r"{At|minute: 31}", set()),
    (r"{Data: y}", {4}),
    (r"[lsass, whoami]", {0, 1, 2, 3}),
    (r"{'|all': [lsass, PROCDUMP]}", {1, 2, 3}),
    (r"[{CommandLine|contains: lsass, Port: 22}, {User: bob}]", {0, 2}),
    (r"{CommandLine|contains: lsass, Port: [22, 443]}", {2}),
]


@pytest.mark.parametrize(("selection", "numbers"), MODIFIERS)
def test_a_modifier_means_what_the_specification_says(tmp_path, telemetry, selection, numbers):
    assert found(tmp_path, telemetry, selection) == numbers


TWO = "{CommandLine|contains: lsass}\n  _hidden: {User: axb}\n  b: {User: amy}\n  filter_1: {Port: 22}"


@pytest.mark.parametrize(
    ("condition", "numbers"),
    [
        ("1 of them", {1, 2, 3}),
        ("all of them", {2}),
        ("any of filter_*", {2}),
        ("sel and not 1 of filter_*", {1, 3}),
        ("not sel and not b", {0, 4, 5, 6}),
        ("b or sel and not filter_1", {1, 2, 3}),
        ("(b or sel) and not filter_1", {1, 3}),
        ("not (not _hidden)", {6}),
        ("NOT sel AND NOT b", {0, 4, 5, 6}),
    ],
)
def test_a_condition_means_what_the_specification_says(tmp_path, telemetry, condition, numbers):
    assert found(tmp_path, telemetry, TWO, condition) == numbers


def test_events_of_another_log_source_fit_nothing(tmp_path, telemetry):
    assert found(tmp_path, telemetry, "{CommandLine|contains: lsass}", "sel", "network_connection") == set()


def test_the_nearest_miss_names_the_item_and_what_is_held(tmp_path, telemetry):
    subject = evaluation(tmp_path, telemetry, r"{CommandLine|contains: lsass, User|startswith: zoe}").subject
    opinion = form_opinion(subject, telemetry, (), ())
    (miss,) = opinion.misses
    assert (opinion.source, miss.item, miss.held) == (7, "User|startswith", "LAB\\svc_x")
    assert str(miss.span).endswith("r.yml:4:38")
