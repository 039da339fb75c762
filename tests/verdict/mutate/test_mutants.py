"""Mutants of a plan: every part once, each with its place, and those that change nothing known for it."""

import pytest

from harness.detection.language import Settings, Strictness, language
from harness.detection.plan import operations as ops
from harness.detection.plan.expressions import Column, Kind, Literal, build_call
from harness.detection.plan.operation import Operation
from harness.diagnostics import Source
from harness.scenario.pack import behaviour_folders
from harness.telemetry.simulation.behaviour import load_behaviours
from harness.verdict.mutate.equivalence import canonicalise_plan, parse_text_test
from harness.verdict.mutate.mutants import mutants
from harness.verdict.mutate.probes import collect_numbers, examples, texts_given
from harness.verdict.mutate.regex_alternatives import broken_regexes
from harness.verdict.mutate.time_spans import mutate_time_spans

COLUMNS = dict.fromkeys(("index", "EventCode", "host", "Image", "DestinationIp"), Kind.TEXT) | {"_time": Kind.NUMBER}
SPL = r"""index=windows NOT (Image="*\\zoom.exe" OR Image="*\\slack.exe" OR Image="*\\a\\slack.exe")
| stats count as Hourly, values(DestinationIp) as Ips by host, Image
| stats sum(Hourly) as Total, avg(Hourly) as Mean, values(Ips) as Ips by host, Image
| where Total >= 10 AND Mean >= 0.5
| eval Odd=if(match(Image, "(?i)(cmd|wmic)\.exe"), 1, 0)
| where Odd >= 0"""


def plan(text: str):
    query = language("spl").parse(Source("rule.spl", text), Strictness.LENIENT)
    return query.plan(COLUMNS, Settings()).node


def told(text: str, kind: str) -> list[str]:
    return [m.what for m in mutants(plan(text)) if m.kind == kind]


def test_each_clause_and_each_member_of_a_list_is_dropped_once():
    found = told(SPL, "clause")
    assert "`index=windows` dropped" in found
    assert [w for w in found if "slack" in w and "zoom" not in w] == [
        '`Image="*\\\\slack.exe"` dropped',
        '`Image="*\\\\a\\\\slack.exe"` dropped',
    ]
    assert "`Total >= 10` dropped" in found and "`Mean >= 0.5` dropped" in found
    assert told(SPL, "member") == [
        '(?i) dropped in `match(Image, "(?i)(cmd|wmic)\\.exe")`',
        'cmd dropped in `match(Image, "(?i)(cmd|wmic)\\.exe")`',
        'wmic dropped in `match(Image, "(?i)(cmd|wmic)\\.exe")`',
    ]


def test_comparisons_numbers_keys_and_aggregates_are_changed():
    assert ">= becomes > in `Total >= 10`" in told(SPL, "comparison")
    assert ">= becomes < in `Total >= 10`" in told(SPL, "comparison")
    assert {"10 becomes 11", "10 becomes 9", "0.5 becomes 0.55"} <= set(told(SPL, "number"))
    keys = ["`host` dropped from the keys", "`Image` dropped from the keys"]
    assert told(SPL, "key") == [*keys, *keys]
    assert "sum becomes maximum in `Total`" in told(SPL, "aggregate")


def test_a_mutant_points_at_what_it_changes():
    mutant = next(m for m in mutants(plan(SPL)) if m.what == "10 becomes 11")
    assert (mutant.line, mutant.place.text) == (4, "10")
    key = next(m for m in mutants(plan(SPL)) if m.what == "`Image` dropped from the keys")
    assert (key.line, key.place.text) == (2, "Image")


def test_a_bucket_of_time_is_made_coarser_and_finer():
    found = told('index=windows | eval H=strftime(_time, "%Y-%m-%d %H:00:00") | stats count by H', "bucket")
    assert [w.split(" in place")[0] for w in found] == ["days", "minutes"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("spl", "index=a | timechart span=1d count by host", ["`span=1d` half as long", "`span=1d` twice as long"]),
        (
            "spl",
            "index=a | transaction host maxpause=2m",
            ["`maxpause=2m` half as long", "`maxpause=2m` twice as long"],
        ),
        # One that the plan has already is not told twice.
        ("spl", "index=a | bucket _time span=5m | stats count by _time", []),
        (
            "cql",
            "bucket(span=5min, limit=9, function=count())",
            ["`span=5min` half as long", "`span=5min` twice as long"],
        ),
        ("cql", "a=1 | groupBy(aid, limit=5)", []),
    ],
)
def test_a_span_of_time_in_an_option_is_halved_and_doubled(name, text, told):
    source = Source(f"rule.{name}", text)

    def planned(edited: str):
        query = language(name).parse(Source(source.name, edited), Strictness.LENIENT)
        return query.plan(dict(COLUMNS, aid=Kind.TEXT, **{"@timestamp": Kind.NUMBER}), Settings()).node

    root = planned(text)
    found = list(mutate_time_spans(source, root, planned, mutants(root)))
    assert sorted(m.what for m in found) == told
    assert all(m.place.text in text for m in found)


@pytest.mark.parametrize(
    ("name", "text", "same"),
    [
        ("cql", "RemotePort=* | RemotePort>1024", True),
        ("cql", "RemotePort=* | RemotePort!=1024", False),
        ("cql", "RemotePort=* | RemotePort:=1 | RemotePort<5", False),
        ("cql", "groupBy(aid, function=[collect(RemotePort), count(RemotePort, as=n)]) | RemotePort=* | n>=1", True),
        ("cql", "groupBy(aid, function=[collect(RemotePort), count(RemotePort, as=n)]) | RemotePort=* | n>=0", False),
        ("spl", "index=a RemotePort=* RemotePort>1024", True),
        ("spl", "index=a RemotePort=* | stats count by RemotePort", True),
        ("spl", "index=a RemotePort=* NOT RemotePort=1024", False),
    ],
)
def test_a_test_for_presence_that_another_condition_implies_is_known_for_it(name, text, same):
    query = language(name).parse(Source(f"rule.{name}", text), Strictness.LENIENT)
    root = query.plan(dict(COLUMNS, aid=Kind.TEXT, RemotePort=Kind.TEXT), Settings()).node
    (dropped,) = [m for m in mutants(root) if m.what.endswith("`RemotePort=*` dropped")]
    assert (canonicalise_plan(dropped.node) == canonicalise_plan(root)) is same


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("port=443", ["`port=443` turned around"]),
        ("port!=443", ["`port!=443` holds where it did not"]),
        ("in(port, values=[443, 80])", [f"{n} dropped from `in(port, values=[443, 80])`" for n in (443, 80)]),
    ],
)
def test_what_is_compared_as_a_text_and_as_a_number_is_one_test(text, told):
    query = language("cql").parse(Source("rule.cql", text), Strictness.LENIENT)
    found = mutants(query.plan({"port": Kind.TEXT}, Settings()).node)
    assert sorted(m.what for m in found if m.kind != "filter") == sorted(told)


@pytest.mark.parametrize(
    ("what", "same"),
    [
        ('`Image="*\\\\a\\\\slack.exe"` dropped', True),
        ('`Image="*\\\\slack.exe"` dropped', False),
        ("`Mean >= 0.5` dropped", True),
        (">= becomes > in `Mean >= 0.5`", True),
        ("0.5 becomes 0.45", True),
        (">= becomes < in `Mean >= 0.5`", False),
        ("`Total >= 10` dropped", False),
        ("values becomes all values with repetitions in `Ips`", True),
        ("`Odd >= 0` dropped", True),
    ],
)
def test_a_mutant_that_changes_nothing_is_known_by_its_plan(what, same):
    root = plan(SPL)
    found = [m for m in mutants(root) if m.what == what or what == f"`{what}` dropped"]
    if not found:
        found = [m for m in mutants(root) if m.kind == "filter" and "Odd" in m.what]
    assert (canonicalise_plan(found[0].node) == canonicalise_plan(root)) is same


def test_of_whole_numbers_more_than_nine_is_at_least_ten():
    one = plan("index=windows | stats count as n by host | where n > 9")
    other = plan("index=windows | stats count as n by host | where n >= 10")
    third = plan("index=windows | stats avg(_time) as n by host | where n > 9")
    fourth = plan("index=windows | stats avg(_time) as n by host | where n >= 10")
    assert canonicalise_plan(one) == canonicalise_plan(other)
    assert canonicalise_plan(third) != canonicalise_plan(fourth)


def test_the_order_of_rows_matters_only_where_somebody_looks():
    bare, sorted_ = (plan(f"index=windows | stats count as n by host{end}") for end in ("", " | sort 0 - n"))
    assert canonicalise_plan(bare) == canonicalise_plan(sorted_)
    first, last = (plan(f"index=windows | stats count as n by host | sort {s} n | head 1") for s in ("0 -", "0"))
    assert canonicalise_plan(first) != canonicalise_plan(last)


def covers(wide: tuple[Operation, str], narrow: tuple[Operation, str]) -> bool:
    one, other = (
        parse_text_test(build_call(operation, Column("name"), Literal(text))) for operation, text in (wide, narrow)
    )
    return one.covers(other)


def test_a_pattern_covers_what_it_always_matches():
    assert covers((ops.ends_with_ci, "azure.com"), (ops.ends_with_ci, ".azure.com"))
    assert covers((ops.contains_ci, "a"), (ops.ends_with, "bA"))
    assert not covers((ops.contains, "a"), (ops.ends_with_ci, "ba"))
    assert not covers((ops.ends_with_ci, ".azure.com"), (ops.ends_with_ci, "azure.com"))
    assert covers((ops.cidr_contains, "10.0.0.0/8"), (ops.cidr_contains, "10.1.0.0/16"))
    assert not covers((ops.glob, "a*b"), (ops.glob, "a*c"))


def test_a_regular_expression_loses_each_alternative_and_its_flag():
    assert list(broken_regexes(r"(?i)(a\.exe|b|[c|d])$")) == [
        ("(?i) dropped", r"(a\.exe|b|[c|d])$"),
        (r"a\.exe dropped", r"(?i)(b|[c|d])$"),
        ("b dropped", r"(?i)(a\.exe|[c|d])$"),
        ("[c|d] dropped", r"(?i)(a\.exe|b)$"),
    ]
    assert list(broken_regexes("plain")) == []


@pytest.mark.parametrize(
    ("pattern", "other", "same"),
    [
        (r"(adfind|find)\.exe", r"(find)\.exe", True),
        (r"(?i)(ADFIND|find|arp)\.exe", r"(?i)(find|arp)\.exe", True),
        (r"(net1|net)\.exe", r"(net)\.exe", False),
        (r"(net1|net)", r"(net)", True),
        (r"(ADFIND|find)\.exe", r"(find)\.exe", False),
        (r"\\\\(adfind|find)\.exe", r"\\\\(find)\.exe", False),
        (r"(ba|a){2}x", r"(a){2}x", False),
        (r"(ba|a)-\1", r"(a)-\1", False),
    ],
)
def test_an_alternative_that_another_one_covers_adds_nothing(pattern, other, same):
    one, two = (canonicalise_plan(plan(f'index=windows | where match(Image, "{p}")')) for p in (pattern, other))
    assert (one == two) is same


def test_a_macro_is_dropped_as_a_whole_and_never_broken_inside():
    text = "index=windows `both` `odd(7)` | stats count by host"
    macros = {
        "both": {"definition": 'Image="a" OR Image="b"'},
        "odd(1)": {"definition": "EventCode=$n$", "args": "n"},
    }
    query = language("spl").parse(Source("rule.spl", text), Strictness.LENIENT, Settings(macros=macros))
    whats = {m.what for m in mutants(query.plan(COLUMNS, Settings()).node) if "`both`" in m.what or "odd" in m.what}
    assert {w for w in whats if not w.startswith("the filter")} == {"``both`` dropped", "``odd(7)`` dropped"}


def test_each_end_of_a_pattern_is_told():
    found = told('index=windows Image="*cmd*" | stats count by host', "pattern")
    assert found == ['`Image="*cmd*"` without its first wildcard']
    found = told('index=windows Image="*c*d*" | stats count by host', "pattern")
    assert found == [f'`Image="*c*d*"` without its {end} wildcard' for end in ("first", "last")]


def test_what_a_command_asks_of_its_groups_is_no_clause_of_its_own():
    text = "index=windows | sort 0 _time | streamstats count as n by host, Image | where n > 3"
    assert told(text, "clause") == []
    assert told(text, "key") == ["`host` dropped from the partition", "`Image` dropped from the partition"]


def test_values_are_made_of_what_a_rule_speaks_of():
    found = examples(plan('DestinationIp="10.*" host="*.corp.example" ' + SPL))
    values = {(e.kind, e.value) for e in found}
    assert ("path", r"C:\Program Files\Vendor\zoom.exe") in values
    assert ("path", r"C:\Program Files\Vendor\cmd.exe") in values
    assert ("path", r"C:\Program Files\Vendor\xcmd.exe") in values
    assert ("address", "10.20.30.40") in values
    assert ("name", "a.corp.example") in values
    assert {10.0, 0.5} <= set(collect_numbers(plan(SPL)))


@pytest.mark.parametrize(
    ("written", "other", "same"),
    [
        ("if(n > 2, 1, 0) | search hit=1", "if(n > 2, 1, -1) | search hit=1", True),
        ("if(n > 2, 1, 0) | where hit > 0", "if(n > 2, 2, 0) | where hit > 0 | eval hit=1", False),
        ("if(n > 2, 1, 0) | search hit=1", "if(n > 3, 1, 0) | search hit=1", False),
        ("if(n > 2, 1, 0) | search hit=1", "if(n > 2, 1, 1) | search hit=1", False),
        # Not told apart, since `n` is another one when it is asked: that costs a run and is no wrong verdict.
        ("if(n > 2, 1, 0) | eval n=5 | search hit=1", "if(n > 2, 1, -1) | eval n=5 | search hit=1", False),
        ("if(n > 2, 1, 0) | search hit=0", "if(n > 2, 9, 0) | search hit=0", True),
    ],
)
def test_what_marks_a_row_is_the_same_whatever_else_it_could_hold(written, other, same):
    rules = [f"index=a | stats count as n by host | eval hit={text}" for text in (written, other)]
    plans = [language("spl").parse(Source("r", rule)).plan(COLUMNS, Settings()).node for rule in rules]
    assert (canonicalise_plan(plans[0]) == canonicalise_plan(plans[1])) is same


def test_a_program_that_no_text_of_the_rule_names_is_tried(tmp_path):
    process = load_behaviours(*behaviour_folders(tmp_path / "a.yaml"))["process"]
    assert any(given.get("image", "").endswith("powershell.exe") for given in texts_given(process, []))
