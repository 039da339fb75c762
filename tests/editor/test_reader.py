"""What the child that reads documents answers."""

import json
from pathlib import Path
from textwrap import dedent

import pytest

from harness.editor.field_catalogue import FIELDS
from harness.editor.worker import Reader

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "scenarios" / "T1583.004"


@pytest.fixture(scope="module")
def reader():
    return Reader()


def ask(reader, do, text, path="/nowhere/rule.spl", **more):
    """The answer about a document, at the `^` in its text if there is one."""
    at = text.find("^")
    request = {"do": do, "path": str(path), "text": text.replace("^", ""), "language": "", "offset": max(at, 0), **more}
    answer = reader.answer(request)
    # Everything goes through a pipe.
    return json.loads(json.dumps(answer["answer"]))


def list_codes(reader, text, path="/nowhere/rule.spl"):
    found = ask(reader, "analyse", text, path)["findings"]
    return [(f["severity"], f["code"], text[f["start"] : f["end"]]) for f in found]


def test_all_errors_of_a_query_are_found_at_once(reader):
    text = "index=x | eval a=rond(2.5) | stats cont by host | where foo( | table host\n| bogus x"
    assert list_codes(reader, text) == [
        ("error", "unknown-function", "rond"),
        ("error", "unknown-aggregate", "cont"),
        ("error", "unclosed-parenthesis", "("),
        ("error", "unknown-command", "bogus"),
    ]


def test_a_project_may_read_its_rules_strictly(reader, tmp_path):
    text = "a=1\n| x := if(a<0.5 and b>1, then=1, else=0)\n| groupBy(x)\n"
    for dialect, severity in (("lenient", "warning"), ("strict", "error")):
        (tmp_path / "detlab.yaml").write_text(f"dialect: {dialect}\n")
        reader.answer({"do": "forget"})
        assert list_codes(reader, text, tmp_path / "rule.cql")[0] == (severity, "and-in-expression", "and")


def test_every_error_of_the_settings_is_told(reader, tmp_path):
    text = "macros: nothere.conf\ndialect: strct\nengine: duckdbb\nbogus: 1\nsensors: [sysmon, sysmonn]\n"
    assert [(code, written) for _, code, written in list_codes(reader, text, tmp_path / "detlab.yaml")] == [
        ("no-such-path", "nothere.conf"),
        ("unknown-value", "strct"),
        ("unknown-engine", "engine"),
        ("unknown-field", "bogus"),
        ("unknown-sensor", "sysmonn"),
    ]


@pytest.mark.parametrize(
    ("text", "path", "first"),
    [
        ("index=x | sta^", "rule.spl", "stats"),
        ("index=x | stats co^ by host", "rule.spl", "count"),
        ("index=x | dedup keepev^", "rule.spl", "keepevents"),
        ("index=x `summ^", "rule.spl", "summariesonly"),
        ("index=x | eval first=1 | table fir^", "rule.spl", "first"),
        ("index=x [ search y | dedu^ ]", "rule.spl", "dedup"),
        ("a=1 | groupB^", "rule.cql", "groupBy"),
        ("a=1 | groupBy(a, fun^", "rule.cql", "function"),
        ("a=1 | case { b=1 | groupB^ }", "rule.cql", "groupBy"),
    ],
)
def test_what_is_offered_first(reader, text, path, first):
    offered = ask(reader, "complete", text, f"/nowhere/{path}")
    assert offered["items"][0]["label"] == first
    assert text[offered["start"] : text.index("^")].lower() == first.lower()[: text.index("^") - offered["start"]]


@pytest.mark.parametrize("text", ['index=x foo="sta^"', "index=x ```| sta^ ```", "index=x | eval a=12^"])
def test_nothing_is_offered_in_strings_comments_and_numbers(reader, text):
    assert ask(reader, "complete", text)["items"] == []


def test_fields_of_events_are_offered_and_explained(reader):
    from_sensors = ask(reader, "warm", "")
    assert from_sensors is None
    FIELDS.wait(120)
    offered = ask(reader, "complete", "index=x EventCode=3 | stats count by DestinationI^")["items"]
    assert [i["label"] for i in offered] == ["DestinationIp", "DestinationIsIpv6"]
    said = ask(reader, "hover", "#event_simpleName=NetworkConnectIP4 | groupBy(RemoteAdd^ressIP4)", "/nowhere/rule.cql")
    assert "NetworkConnectIP4" in said["text"] and "Example: `" in said["text"]


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("index=x | ded^up a", "rule.spl", "Options: `keepevents`, `keepempty`, `consecutive`"),
        ("index=x | dedup keepe^vents=t a", "rule.spl", "`keepevents`: a parameter of"),
        ("index=x | eval a=i^f(b=1, 2, 3)", "rule.spl", 'if(1<2, "a", "b") -> "a"'),
        ("index=x | stats cou^nt", "rule.spl", "statistical function, **supported**"),
        ("index=x `summaries^only`", "rule.spl", "summariesonly=false"),
        ("a=1 | groupBy(a, func^tion=count())", "rule.cql", "`function`: a parameter of"),
    ],
)
def test_hover_is_the_manual(reader, text, path, said):
    assert said in ask(reader, "hover", text, f"/nowhere/{path}")["text"]


def test_macros_and_lookups_lead_to_the_files_of_the_project(reader, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "macros.conf").write_text("[other]\ndefinition = a\n[mine(1)]\nargs = f\ndefinition = $f$=1\n")
    (tmp_path / "app" / "known_hosts.csv").write_text("host,why\nWS01,test\n")
    (tmp_path / "detlab.yaml").write_text("macros: [app]\nlookups: [app]\n")
    rule = tmp_path / "rule.spl"
    (place,) = ask(reader, "define", "index=x `mi^ne(host)`", rule)
    assert (place["path"], place["text"][place["start"] : place["end"]]) == (
        str(tmp_path / "app" / "macros.conf"),
        "[mine(1)]",
    )
    (place,) = ask(reader, "define", "index=x | lookup known_ho^sts host", rule)
    assert place["path"] == str(tmp_path / "app" / "known_hosts.csv")
    assert "mine" in [i["label"] for i in ask(reader, "complete", "index=x `mi^", rule)["items"]]


def test_a_field_leads_to_where_it_is_made_and_to_all_its_places(reader):
    text = "index=x | stats count as n by host | where n^>3 | eval m=n+1"
    plain = text.replace("^", "")
    (made,) = ask(reader, "define", text)
    assert made["start"] == plain.index("n by")
    places = [plain.index(around) + at for around, at in (("n by", 0), (" n>3", 1), ("=n+1", 1))]
    assert [r["start"] for r in ask(reader, "refer", text)] == places


def test_sigma_is_read_with_the_places_of_its_file(reader):
    text = dedent(
        r"""
        title: Test
        id: 5d0a1d7e-3f2a-4b6e-9a44-0a6a5b7c1111
        logsource: {product: windows, category: process_creation}
        detection:
          sel:
            Image|endswith: '\a.exe'
            Foo|bar: 1
          condition: sel
        """
    ).lstrip()
    assert list_codes(reader, text, "/nowhere/sigma.yml") == [("error", "sigma-modifier", "Foo|bar: 1")]
    sound = text.replace("    Foo|bar: 1\n", "")
    assert [f for f in list_codes(reader, sound, "/nowhere/sigma.yml") if f[0] == "error"] == []


def test_behaviours_and_outcomes_are_offered_in_a_scenario(reader):
    path = PUBLISHED / "1-beacon-check-in.yaml"
    head = "title: x\nactivity: malicious\nsimulate:\n  - behaviour: beacon\n"
    assert ask(reader, "complete", f"{head}  - behaviour: bea^", path)["items"][0]["label"] == "beacon"
    assert "jitter" in [i["label"] for i in ask(reader, "complete", f"{head}    given: {{ji^", path)["items"]]
    offered = ask(reader, "complete", f"{head}expect:\n  - rule: a.spl\n    outcome: true ^", path)["items"]
    assert [i["label"] for i in offered] == ["true negative", "true positive"]


def test_a_failure_is_an_answer(reader):
    assert reader.answer({"do": "dance"})["failure"]["code"] == "bug"


def test_a_finding_is_explained_by_the_page_of_its_code(reader):
    said = ask(reader, "hover", "index=x | stats me^dain(a)", codes=["unknown-aggregate"])
    assert "no statistical function is called" in said["text"] and "did you mean `median`?" in said["text"]
