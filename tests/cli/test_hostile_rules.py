"""Rules with characters that nobody sees, and texts that fuzzing found to end planning: a caret or the right rows."""

import pytest

from tests.cli.command_line import detlab

EVENTS = "".join(
    f'{{"EventID":"3","Channel":"X","Computer":"{c}","a":"{a}","SystemTime":"2026-03-03T09:12:0{a}Z"}}\n'
    for a, c in enumerate(("WS01", "WS01", "WS02"))
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ev.ndjson").write_text(EVENTS)
    return tmp_path


LANGUAGES = {"spl": "index=wineventlog host=WS01{} | stats count", "cql": "Computer=WS01{} | count(as=count)"}
INVISIBLE = ["\u200b", "\u200c", "\u200d", "\u200e", "\u202e", "\u2060", "\u2066", "\u00ad", "\ufeff"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_byte_order_mark_before_a_rule_is_no_part_of_it(folder, language):
    (folder / f"r.{language}").write_bytes(b"\xef\xbb\xbf" + LANGUAGES[language].format("").encode())
    ran = detlab("query", f"r.{language}", "--events", "ev.ndjson", "--json")
    assert (ran.code, ran.document["rows"]) == (0, [{"count": 2}])


@pytest.mark.parametrize("character", INVISIBLE, ids=[f"U+{ord(c):04X}" for c in INVISIBLE])
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_invisible_character_is_an_error_at_its_place_for_query_and_lint(folder, language, character):
    text = LANGUAGES[language].format(character)
    (folder / f"r.{language}").write_text(text, encoding="utf-8")
    place = f" --> r.{language}:1:{text.index(character) + 1}"
    head = f"error[invisible-character]: here stands U+{ord(character):04X}, which nobody sees"
    ran = detlab("query", f"r.{language}", "--events", "ev.ndjson")
    assert ran.code == 2
    assert head in ran.err
    assert place in ran.err
    linted = detlab("lint", f"r.{language}")
    assert linted.code == 1
    assert head in linted.out


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("spl", 'index=wineventlog a="*\u202eexe" | stats count'),
        ("cql", 'a="*\u202eexe" | count(as=count)'),
        ("cql", "a=/\u202eexe$/ | count(as=count)"),
    ],
)
def test_within_quotes_it_is_what_the_rule_looks_for(folder, language, text):
    (folder / "ev.ndjson").write_text(EVENTS.replace('"a":"1"', '"a":"x\u202eexe"'), encoding="utf-8")
    (folder / f"r.{language}").write_text(text, encoding="utf-8")
    ran = detlab("query", f"r.{language}", "--events", "ev.ndjson", "--json")
    assert (ran.code, ran.document["rows"]) == (0, [{"count": 1}])


REFUSED = {
    "a > 1e400 | count()": ("number-too-large", 5),
    "x := 1e400 | count()": ("number-too-large", 6),
    "r := a * 1e400": ("number-too-large", 10),
    "a := 5 | formatDuration(a, precision=1e400)": ("number-too-large", 38),
    "a := 5 | formatDuration(a, precision=1e300)": ("number-too-large", 38),
    "head() | slidingWindow(sum(v), events=1e400)": ("number-too-large", 39),
    "bitfield:extractFlags(field=a, output=[[]])": ("argument", 40),
    "bitfield:extractFlags(field=a, output=[[1]])": ("argument", 40),
    "top([], rest=Others)": ("missing-parameter", 1),
    'array:reduceAll(array="a[]", function=[groupBy(x)], var="")': ("argument", 57),
    'x := upper("")': ("argument", 12),
    'count(as="")': ("argument", 10),
    'groupBy([a, ""])': ("argument", 9),
    "crypto:md5([[]])": ("missing-parameter", 1),
    'parseCsv(a, columns=[b], delimiter="")': ("argument", 1),
}


@pytest.mark.parametrize("text", REFUSED)
def test_cql_that_cannot_be_meant_is_refused_at_its_place(folder, text):
    code, column = REFUSED[text]
    (folder / "r.cql").write_text(text)
    ran = detlab("query", "r.cql", "--events", "ev.ndjson")
    assert (ran.code, ran.err.split("\n")[:2][-1]) == (2, f" --> r.cql:1:{column}")
    assert ran.err.startswith(f"error[{code}]: ")


SPL_REFUSED = {
    'index=* | rename host as "" | dedup Image': ("empty-name", 26),
    'index=* | rename host as "" | join [search index=* | rename host as ""]': ("empty-name", 26),
    'index=* | stats count as "" by host': ("empty-name", 26),
    'index=* | eval ""=1': ("empty-name", 16),
    'index=* | table ""': ("empty-name", 17),
    'index=* | dedup "" keepevents=t': ("empty-name", 17),
    'index=* | contingency "" a': ("empty-name", 23),
    'index=* | fields "", a': ("empty-name", 18),
    'index=* | kv pairdelim="" kvdelim="="': ("bad-option", 11),
    'search index=* timeformat="" starttime="2024-01-15"': ("bad-option", 27),
}


@pytest.mark.parametrize("text", SPL_REFUSED)
def test_spl_that_cannot_be_meant_is_refused_at_its_place(folder, text):
    code, column = SPL_REFUSED[text]
    (folder / "r.spl").write_text(text)
    ran = detlab("query", "r.spl", "--events", "ev.ndjson")
    assert (ran.code, ran.err.split("\n")[1]) == (2, f" --> r.spl:1:{column}")
    assert ran.err.startswith(f"error[{code}]: ")


RIGHT = {
    "r.cql": [
        ("a=1e400 | count()", [{"_count": 0}]),
        ("a=?{b=1e400} | count()", [{"_count": 0}]),
        ('array:append("b[]", values=[]) | count()', [{"_count": 3}]),
    ],
    "r.spl": [
        ('index=* a>"1e400" | stats count', [{"count": 0}]),
        ("index=* | where a>1e400 | stats count", [{"count": 0}]),
        ('index=* | eval t=strftime(_time, "") | stats count(t) as n', [{"n": 3}]),
        ("index=* | selfjoin nosuch | stats count", [{"count": 0}]),
    ],
}


@pytest.mark.parametrize(("name", "text", "rows"), [(n, t, r) for n, cases in RIGHT.items() for t, r in cases])
def test_what_has_a_meaning_has_its_rows(folder, name, text, rows):
    (folder / name).write_text(text)
    ran = detlab("query", name, "--events", "ev.ndjson", "--json")
    assert (ran.code, ran.document.get("rows")) == (0, rows), ran.out
