"""What the command says of a rule's slips: which field was meant, which are missing, what a search lets pass."""

import json

import pytest

from tests.cli.command_line import detlab


@pytest.fixture
def events(tmp_path, monkeypatch):
    """An empty folder to stand in, and a writer of its events."""
    monkeypatch.chdir(tmp_path)

    def write(*rows):
        text = "".join(json.dumps({"time": f"2026-05-05T08:0{i}:00Z", **row}) + "\n" for i, row in enumerate(rows))
        (tmp_path / "ev.ndjson").write_text(text)

    return write


def query(text, *options, name="r.spl"):
    """What the command answers to a rule on the events."""
    with open(name, "w") as file:
        file.write(text)
    kind = ("--sourcetype", "_json") if name.endswith(".spl") else ()
    return detlab("query", name, "--events", "ev.ndjson", *kind, *options)


def lint(text, name="r.spl"):
    """Code and place of each finding of lint."""
    with open(name, "w") as file:
        file.write(text)
    (found,) = detlab("lint", name, "--json").document["rules"]
    return [(f["code"], f["line"], f["text"]) for f in found["findings"]]


def test_orphans_come_without_evicted_transactions_too(events):
    events({"ip": "a", "id": 1}, {"ip": "a", "id": 2}, {"ip": "b", "id": 2}, {"ip": "c", "id": 1}, {"ip": "c", "id": 5})
    rule = '* | transaction ip startswith="id=1" endswith="id=2" keeporphans=1 {} | table ip eventcount _txn_orphan'
    assert transactions(rule.format("")) == [("a", "2", None), ("b", None, 1), ("c", None, 1), ("c", None, 1)]
    assert transactions(rule.format("keepevicted=1")) == [("a", "2", None), ("b", None, 1), ("c", "2", None)]


def transactions(rule):
    """Address, number of events and mark of each row, in order of the address."""
    rows = query(rule, "--json").document["rows"]
    return sorted(((r["ip"], r.get("eventcount"), r.get("_txn_orphan")) for r in rows), key=str)


def test_every_missing_by_field_is_named(events):
    events({"a": 1, "b": 2})
    ran = query("* | stats count by a, dest, user")
    assert "line 1: no event has dest, user" in ran.err


def test_a_field_of_another_case_is_suggested(events):
    events({"Image": "x"})
    assert "no event has a field `image`; did you mean `Image`?" in " ".join(query('image="x"').err.split())
    assert "no event has a field `imgae`" not in query('Image="x" OR dest_category=1').err


def test_a_field_that_an_eval_counts_on_from_is_no_slip(events):
    events({"a": 1})
    assert "field-is-gone" not in query("* | stats count | eval total=mvappend(total, count)").err
    assert "no row has a field `totl`" in query("* | stats count | eval total=totl").err


def test_what_the_search_makes_is_not_called_absent(events):
    events({"code": "0"})
    ran = query('* | eval text=if(code=="0", "none", "some") | stats count by text')
    assert "which none of the events" not in ran.err


def test_a_field_of_another_condition_is_told_with_it(events):
    events({"#event_simpleName": "ProcessRollup2", "aid": "a", "ImageFileName": "x.exe"})
    ran = query("#event_simpleName=ProcessRollup2 | FileName=x.exe", name="r.cql")
    assert "no event has a field `FileName` here; events of `falcon=ngsiem` have it" in " ".join(ran.err.split())


@pytest.mark.parametrize("dialect", ["strict", "lenient"])
def test_a_missing_table_is_told_on_its_line(events, dialect):
    events({"#event_simpleName": "DnsRequest", "DomainName": "a.test"})
    rule = "#event_simpleName=DnsRequest\n| ioc:lookup(field=[DomainName], type=domain)\n| count()"
    ran = query(rule, "--dialect", dialect, name="r.cql")
    assert ("r.cql:2:3" in ran.err) if dialect == "strict" else ("line 2: the table of indicators" in ran.err)


def test_an_error_behind_a_macro_shows_what_the_person_wrote(events):
    events({"a": 1})
    ran = query("| (`sysmon` EventCode=7) OR a=1")
    assert ran.code == 2
    assert "error[unknown-command]: a command is expected here" in ran.err
    assert "Microsoft-Windows" not in ran.err


@pytest.mark.parametrize("text", ["'`sysmon` EventCode=7", "EventCode=7 '`sysmon`\n| stats count"])
def test_a_stray_quote_before_a_macro_is_an_error_at_the_quote(events, text):
    events({"a": 1})
    ran = query(text)
    assert ran.code == 2
    assert "error[unclosed-quote]: a single quote before a macro is not closed" in ran.err
    assert f"r.spl:1:{text.index(chr(39)) + 1}" in ran.err


def test_a_macro_between_two_quotes_is_none(events):
    events({"a": "x'`y`'"})
    assert query("a=*'`sysmon`'* | table a").code == 0


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r'Cmd="*/tn \**" | table a', [("escaped-wildcard", 1, r"\*")]),
        (r'Cmd="* \* *" | table a', [("escaped-wildcard", 1, r"\*")]),
        (r'Cmd="C:\Windows\*" Image="*\\x\\*" | table a', []),
        ("(a=1 b=2) OR (a=2 c=3)\n| stats count by a b", [("lost-rows", 2, "b")]),
        ("(a=1 b=2) OR (a=2 c=3)\n| fillnull b\n| stats count by a b", []),
        ("(a=1 b=2) OR (a=2 b=3)\n| stats count by a b", []),
        ("a=1 NOT b=* | stats count by a b", [("lost-rows", 1, "b")]),
        ("a=1 | where isnull(b) OR b>1 | stats count by b", [("lost-rows", 1, "b")]),
        ("a=1 NOT b=2 | stats count by a b", []),
    ],
)
def test_lint_tells_what_a_search_does_not_mean(events, text, found):
    assert [f for f in lint(text) if f[0] in ("escaped-wildcard", "lost-rows")] == found


def test_docs_of_what_no_language_has_are_an_error():
    ran = detlab("docs", "nosuchthing")
    assert (ran.code, ran.out) == (2, "")
    assert "error[unknown-name]: no command, function or error is called `nosuchthing`" in ran.err
    assert "did you mean `groupBy`?" in detlab("docs", "groupby").err
