"""Sigma files at the command line: every command, each language for itself, and the opinion of the text itself."""

import json
from importlib.util import find_spec

import pytest

from tests.cli.command_line import detlab

pytestmark = pytest.mark.skipif(
    not (find_spec("sigma") and find_spec("sigma.backends") and find_spec("sigma.pipelines.sysmon")),
    reason="the extra `sigma` is not installed",
)

HEAD = "title: {title}\nid: 11111111-1111-4111-8111-{number:012d}\nname: {title}\n"
WINDOWS = "logsource: {product: windows, category: process_creation}\n"


def rule(selection, condition="sel", title="rule", source=WINDOWS, number=1):
    detection = f"detection:\n  sel: {selection}\n  condition: {condition}\n"
    return HEAD.format(title=title, number=number) + source + detection


WHOAMI = rule(r"{Image|endswith: '\whoami.exe'}", title="whoami")
NET = rule(r"{Image|endswith: '\net.exe'}", title="net", number=2)
MANY = """title: many
correlation: {type: event_count, rules: [whoami], group-by: [Computer], timespan: 10m, condition: {gte: 3}}
"""
COMMANDS = [
    ("whoami.exe", "whoami /all"),
    ("whoami.exe", "PROCDUMP -ma lsass"),
    ("net.exe", "procdump /ma lsass"),
    ("whoami.exe", "say * and ? > x"),
    ("cmd.exe", "see http://evil/a"),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    system = {
        "Provider_Name": "Microsoft-Windows-Sysmon",
        "EventID": 1,
        "Channel": "Microsoft-Windows-Sysmon/Operational",
        "Computer": "WS01.lab.local",
    }
    lines = [
        {**system, "SystemTime": f"2026-05-05T08:0{n}:00Z", "Image": f"C:\\x\\{name}", "CommandLine": line}
        for n, (name, line) in enumerate(COMMANDS)
    ]
    (tmp_path / "ev.ndjson").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "rule.yml").write_text(WHOAMI)
    (tmp_path / "two.yml").write_text(f"{WHOAMI}---\n{NET}")
    (tmp_path / "many.yml").write_text(f"{WHOAMI}---\n{MANY}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def query(*arguments):
    return detlab("query", *arguments, "--events", "ev.ndjson")


def answers(*arguments):
    """Rows by rule, and what is said of the Sigma text."""
    document = query(*arguments, "--json").document
    return {a["rule"]["path"]: (len(a["rows"]), a["sigma"]) for a in document["answers"]}


def test_a_plain_file_is_asked_in_both_languages_and_agrees_with_its_own_text(folder):
    ran = query("rule.yml")
    assert ran.code == 0
    assert ran.out.count("5 events, 3 rows") == 2
    assert ran.out.count("the Sigma text itself: 3 hits, as the conversion finds") == 2


def test_a_file_of_several_rules_is_all_of_them_or_those_of_one_language(folder):
    assert list(answers("two.yml")) == [f"two.yml/{n}" for n in ("whoami.spl", "whoami.cql", "net.spl", "net.cql")]
    assert list(answers("two.yml.cql")) == ["two.yml/whoami.cql", "two.yml/net.cql"]
    assert "1 row\n" in query("two.yml/net.spl").err


def test_one_language_runs_where_the_other_is_refused_and_the_reason_stands_beside_it(folder):
    ran = query("many.yml")
    assert ran.code == 0
    assert "many.yml.spl on ev.ndjson: 5 events, 1 row" in ran.out
    assert "many.yml.cql: not converted\nerror[sigma]: pySigma's CQL back end lacks: Backend does not" in ran.out
    assert " --> many.yml:9:1" in ran.out
    (refused,) = query("many.yml", "--json").document["refused"]
    assert (refused["rule"], refused["line"]) == ("many.yml.cql", 9)


def test_a_verdict_of_one_language_says_why_the_other_has_none(folder):
    (folder / "s.yaml").write_text(SCENARIO.replace("beacon.yml", "many.yml.spl").replace("true positive", OTHERWISE))
    (verdict,) = detlab("run", "s.yaml", "--json").document["verdicts"]
    codes = {f["code"]: f["message"] for f in verdict["findings"]}
    assert codes["sigma-not-converted"].startswith("there is no CQL of it: pySigma's CQL back end lacks")


def test_a_rule_that_nobody_converts_is_still_asked_by_its_own_text(folder):
    ordered = MANY.replace("event_count", "temporal_ordered").replace("[whoami]", "[whoami, net]")
    ordered = ordered.replace(", condition: {gte: 3}", "")
    (folder / "ordered.yml").write_text(f"{WHOAMI}---\n{NET}---\n{ordered}")
    ran = query("ordered.yml")
    assert ran.code == 2
    assert "ordered.yml.spl: not converted" in ran.out
    assert ran.out.count("the Sigma text itself: 1 hit\n") == 2


def test_what_fixed_bins_miss_is_told(folder):
    (folder / "many.yml").write_text((folder / "many.yml").read_text().replace("10m", "2m").replace("gte: 3", "gte: 2"))
    # A minute apart, but in two of the stretches of two minutes.
    text = (folder / "ev.ndjson").read_text()
    (folder / "ev.ndjson").write_text(
        text.replace("08:01", "08:02").replace("08:00", "08:01").replace("08:03", "08:09")
    )
    ran = query("many.yml.spl")
    assert "0 rows" in ran.err
    assert "the conversion loses 1 of them: Computer=WS01.lab.local" in ran.err
    assert "[sigma-fixed-bins]" in ran.err


def test_filters_placeholders_pipelines_and_options_are_chosen(folder):
    (folder / "filter.yml").write_text(
        "title: f\n" + WINDOWS + "filter:\n  rules: any\n  s: {CommandLine|contains: all}\n  condition: not s\n"
    )
    assert {n for n, _ in answers("rule.yml", "--filter", "filter.yml").values()} == {2}
    (folder / "filters").mkdir()
    (folder / "filter.yml").rename(folder / "filters/filter.yml")
    assert {n for n, _ in answers("rule.yml", "--filter", "filters").values()} == {2}
    (folder / "p.yml").write_text(rule("{CommandLine|contains|expand: '%words%'}"))
    assert "the placeholder %words% has no values\n --> p.yml:6:38" in query("p.yml").out
    (folder / "words.yml").write_text("words: [lsass, evil]\n")
    assert {n for n, _ in answers("p.yml", "--placeholders", "words.yml").values()} == {3}
    falcon = detlab("query", "rule.yml.cql", "--events", "ev.ndjson", "--pipeline", "crowdstrike_falcon", "--json")
    assert "ImageFileName" in falcon.document["absent"] or "ImageFileName" in falcon.out
    assert "did you mean `sysmon`" in query("rule.yml", "--pipeline", "sysmn").err
    assert "no back end has an option `min_tim`" in query("rule.yml", "--backend-option", "min_tim=1").err


def test_rules_of_other_products_do_not_go_through_pipelines_of_windows(folder):
    (folder / "linux.yml").write_text(rule("{EventID: 1}", source="logsource: {product: linux, service: auditd}\n"))
    found = detlab("compile", "linux.yml.spl", "--json").document["sql"]
    assert ("EventCode" in found, "EventID" in found) == (False, True)


FAULTS = [
    ("sigma-lost-brackets", "spl", "{CommandLine|contains|windash: '-ma'}", "not sel"),
    ("sigma-lost-brackets", "cql", "{CommandLine|contains|windash: '-ma'}", "not sel"),
    ("sigma-literal-star", "spl", r"{CommandLine|contains: 'say \*'}", "sel"),
    ("sigma-quoted-keyword", "cql", "[lsass]", "sel"),
    ("sigma-whole-words", "spl", "[lsas]", "sel"),
    ("sigma-quoted-cased", "cql", "{CommandLine|contains|cased: PROC}", "sel"),
    ("sigma-negated-fieldref", "spl", "{CommandLine|fieldref: Nothing}", "not sel"),
]


@pytest.mark.parametrize(("code", "language", "selection", "condition"), FAULTS)
def test_a_known_fault_of_a_converter_is_named_where_it_shows(folder, code, language, selection, condition):
    (folder / "rule.yml").write_text(rule(selection, condition))
    assert not one_answer(f"rule.yml.{language}")[1]["agrees"]
    found = detlab("lint", f"rule.yml.{language}", "--json").document["rules"][0]["findings"]
    assert [(f["file"], f["line"]) for f in found if f["code"] == code] == [("rule.yml", 6)]


def one_answer(path):
    document = query(path, "--json").document
    return len(document["rows"]), document["sigma"]


@pytest.mark.parametrize(
    ("code", "language", "selection"),
    [
        ("sigma-bare-slash", "cql", "{CommandLine|re: 'http://evil'}"),
        ("sigma-null", "cql", "{Product: null}"),
        ("sigma-one-wildcard", "spl", "{CommandLine: 'wh?ami /all'}"),
        ("sigma-empty-value", "spl", "{Product: ''}"),
    ],
)
def test_a_fault_that_these_events_do_not_show_is_named_too(folder, code, language, selection):
    (folder / "rule.yml").write_text(rule(selection))
    found = detlab("lint", f"rule.yml.{language}", "--json").document["rules"][0]["findings"]
    assert code in {f["code"] for f in found}


@pytest.mark.parametrize(
    "selection",
    ["{CommandLine|contains|windash: ['-ma', '-v']}", "{CommandLine|contains: lsass}", "{Image|endswith: '.exe'}"],
)
def test_a_conversion_without_a_fault_is_not_accused(folder, selection):
    for condition in ("sel", "not sel"):
        (folder / "rule.yml").write_text(rule(selection, condition))
        for language in ("spl", "cql"):
            assert one_answer(f"rule.yml.{language}")[1]["agrees"]
            found = detlab("lint", f"rule.yml.{language}", "--json").document["rules"][0]["findings"]
            assert not [f for f in found if f["code"].startswith("sigma-")]


def test_what_the_platform_shows_otherwise_is_no_fault_of_the_conversion(folder):
    (folder / "rule.yml").write_text(rule("{Product: ''}"))
    text = (folder / "ev.ndjson").read_text().replace('"Computer"', '"Product": "", "Computer"', 1)
    (folder / "ev.ndjson").write_text(text)
    ran = query("rule.yml.spl")
    assert "the platform loses 1 of them: Product is absent there" in ran.err


def test_a_rule_that_misses_by_its_own_text_says_which_item_does_not_fit(folder):
    (folder / "rule.yml").write_text(rule(r"{Image|endswith: '\whoami.exe', CommandLine|contains: ghost}"))
    ran = query("rule.yml.spl")
    assert "the Sigma text itself: nothing fits, so the rule is what sees none" in ran.err
    assert "rule.yml:6: the nearest event does not fit CommandLine|contains: it holds" in ran.err


SCENARIO = """title: Calls
technique: T1071.001
activity: malicious
simulate:
  - {behaviour: beacon, host: WS01, given: {server: 203.0.113.9, port: 8888, every: 30s, times: 12}}
expect:
  - {rule: beacon.yml, outcome: true positive}
"""
OTHERWISE = "false negative, because: it is quiet"
BEACON = rule("{DestinationPort: 8888}", source=WINDOWS.replace("process_creation", "network_connection"))


@pytest.fixture
def scenario(folder):
    (folder / "beacon.yml").write_text(BEACON)
    (folder / "s.yaml").write_text(SCENARIO)
    return folder


def test_a_scenario_names_a_sigma_file_or_one_language_of_it(scenario):
    ran = detlab("run", "s.yaml")
    assert (ran.code, "2 verdicts as expected" in ran.out) == (0, True)
    (scenario / "s.yaml").write_text(SCENARIO.replace("beacon.yml", "beacon.yml.cql"))
    assert "1 verdict as expected" in detlab("run", "s.yaml").out
    assert "2 verdicts as expected" in detlab("run", "s.yaml", "--rule", "beacon.yml").out


def test_a_missed_attack_is_laid_to_the_rule_or_the_conversion(scenario):
    (scenario / "beacon.yml").write_text(BEACON.replace("8888", "9999"))
    ran = detlab("run", "s.yaml")
    assert ran.code == 1
    assert "beacon.yml:6: the nearest event does not fit DestinationPort: it holds" in ran.out
    (verdict, _) = detlab("run", "s.yaml", "--json").document["verdicts"]
    assert verdict["sigma"]["hits"] == 0


@pytest.mark.parametrize("form", ["beacon.yml", "beacon.yml.spl", "beacon.yml.cql"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["tune", "--fast"],
        ["mutate", "--fast", "--least", "0"],
        ["latency", "--starts", "1"],
        ["envelope", "--given", "port=8888", "-x", "every=30s,60s", "-y", "jitter=0,0.5"],
        ["compile"],
        ["lint"],
        ["coverage"],
        ["explain", "--events", "ev.ndjson"],
    ],
    ids=lambda a: a[0],
)
def test_every_command_takes_a_sigma_file(scenario, arguments, form):
    command, *options = arguments
    ran = detlab(command, form, *options)
    if command == "tune":
        # This rule compares no aggregate: that is said, and not that there is no such file.
        assert "no such" not in ran.err.lower()
        return
    assert ran.code == 0, ran.err
    if form == "beacon.yml":
        assert "beacon.yml.spl" in ran.out or command == "coverage"


def test_parity_compares_both_languages_of_a_sigma_file(scenario):
    ran = detlab("parity", "beacon.yml", "--fast")
    assert (ran.code, "beacon.yml.spl and beacon.yml.cql: agree on 1 of 1 scenario" in ran.out) == (0, True)


def test_tune_finds_the_threshold_of_a_correlation(scenario):
    many = MANY.replace("[whoami]", "[rule]")
    (scenario / "beacon.yml").write_text(f"{BEACON}---\n{many}")
    ran = detlab("tune", "beacon.yml.spl", "--fast")
    assert (ran.code, "event_count" in ran.out) == (0, True)


def test_several_studies_are_one_json_document(scenario):
    document = detlab("latency", "beacon.yml", "--starts", "1", "--json").document
    assert [s["rule"] for s in document["studies"]] == ["beacon.yml.spl", "beacon.yml.cql"]
