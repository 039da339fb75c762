"""How texts are read: the rules that the grammar itself does not show."""

import pytest

from harness.detection.languages.cql.parser import parse_query
from harness.detection.languages.cql.printer import print_pipeline
from harness.diagnostics import Source, SourceError


def read(text):
    return parse_query(Source("query.cql", text))[0]


def again(text):
    return print_pipeline(read(text))


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("a=1 or b=2 c=3", "(a=1 or b=2) and c=3"),
        ("a=1 b=2 or c=3", "a=1 and (b=2 or c=3)"),
        ("a=1 and not b=2 or c=3", "a=1 and ((not b=2) or c=3)"),
        ("a=1 or not b=2 and c=3", "(a=1 or not b=2) and c=3"),
        ("not a=1 b=2", "(not a=1) and b=2"),
        ("!a=1", "not a=1"),
        ("A=1 AND B=2 Or C=3", "A=1 and (B=2 or C=3)"),
        ("foo < 42 + 3", "foo < 42 and + and 3"),
        ("#category=Request(uri=/x/ or uri=/y/)", "#category=Request and (uri=/x/ or uri=/y/)"),
        ("event_platform=Win ((a=b) or (c=d))", "event_platform=Win and (a=b or c=d)"),
        ("GROUPBY(a)", "groupBy(a)"),
        ("| a=1 | | b=2 |", "a=1 | b=2"),
        ("case { a=1 | b := 2; *; }", "case { a=1 | b := 2; * }"),
        ("groupBy(a, function=([count()]))", "groupBy(a, function=[count()])"),
        ("a=1 // a comment\n| b=2 /* another\none */", "a=1 | b=2"),
        ('x = "a\\"b"', 'x = "a\\"b"'),
        ("a = “b”", 'a = "b"'),
        ("session closed for user root", "session and closed and for and user and root"),
        ("a=1\nx := 2", "a=1 | x := 2"),
        ("case { a=1 | x := 1\n * }", "case { a=1 | x := 1; * }"),
        ("?field = x", "?field=x"),
        ("a = 'b c'", 'a = "b c"'),
        ("a=/https?://x/i", r"a=/https?://x/i"),
    ],
)
def test_a_text_reads_as_another(text, same_as):
    assert read(text) == read(same_as)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("repo.name=docker/*", "repo.name = docker/*"),
        ("foo=m/fisk/i", "foo = m/fisk/i"),
        ("https://www.example.com/", "https://www.example.com/"),
        ("https: //x", "https:"),
        ("a := m/fisk/i", "a := m / fisk / i"),
        (r"f=/(?<n>[^\\/|]*)$/", r"f = /(?<n>[^\\/|]*)$/"),
        (r"f=/[-/][ix]\s*/i", r"f = /[-/][ix]\s*/i"),
        ('regex("\\S+")', 'regex("\\\\S+")'),
        ("ioc[0].labels=x", "ioc[0].labels = x"),
        ("a := value % 41", "a := value % 41"),
        ("formatTime(x, timezone=Europe/Berlin)", "formatTime(x, timezone=Europe/Berlin)"),
        ("in(a, values=[-1, b*, 1.2.3.4/8])", "in(a, values=[-1, b*, 1.2.3.4/8])"),
        ("a := 1 - 2 - 3 * (4 - 5)", "a := 1 - 2 - 3 * (4 - 5)"),
        ("`a` := b", "`a` := b"),
        ('"Process Explorer" := format("x", field=a)', '"Process Explorer" := format("x", field=a)'),
        ('?{x="*"} a=?x b=?"long name"', '?{x="*"} and a = ?x and b = ?"long name"'),
        ('$package/path:name(a="1") | $"with blank"()', '$package/path:name(a="1")\n| $"with blank"()'),
        ("f =~ !in(values=[1])", "f =~ !in(values=[1])"),
        ("x match { a* => y := 1; /re/ => *; ** => y := 2 }", "x match { a* => y := 1; /re/ => *; ** => y := 2 }"),
        (
            "correlate(A: {a=1} include: [b], B: {c=1 | d <=> A.b}, within=5m)",
            "correlate(A: {a = 1} include: [b], B: {c = 1 | d <=> A.b}, within=5m)",
        ),
        (
            "groupBy(a, function=[x := min(b), {c=1 | count()}])",
            "groupBy(a, function=[x := min(b), {c = 1 | count()}])",
        ),
        ('a like "b"', 'a like "b"'),
    ],
)
def test_a_text_is_printed_again(text, printed):
    assert again(text) == printed
    assert read(printed) == read(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "a=1 | gruopBy(b)",
            "error[unknown-function]: no function is called `gruopBy`; "
            "LogScale would silently search for the text `gruopBy`\n"
            " --> query.cql:1:7\n  |\n1 | a=1 | gruopBy(b)\n  |       ^^^^^^^\n  = help: did you mean `groupBy`?",
        ),
        (
            "a := rond(2)",
            "error[unknown-function]: no function is called `rond`; "
            "LogScale would silently search for the text `rond`\n"
            " --> query.cql:1:6\n  |\n1 | a := rond(2)\n  |      ^^^^\n  = help: did you mean `round`?",
        ),
        (
            'a="b',
            'error[open-string]: a string is not closed\n --> query.cql:1:3\n  |\n1 | a="b\n  |   ^\n'
            '  = help: put a double quote at its end; one inside a text is written `\\"`',
        ),
        (
            "a=/b",
            "error[open-regex]: a regular expression is not closed\n --> query.cql:1:3\n  |\n1 | a=/b\n  |   ^\n"
            "  = help: put a `/` at its end; a slash inside the expression is written `\\/`",
        ),
        (
            "a=1 /* b",
            "error[open-comment]: a comment is not closed\n --> query.cql:1:5\n  |\n1 | a=1 /* b\n  |     ^^\n"
            "  = help: put `*/` at its end; a regular expression cannot begin with `*`, write `.*`",
        ),
        (
            "groupBy([a, b)",
            "error[syntax]: expected `]` or `,` after an element, found `)`\n"
            " --> query.cql:1:14\n  |\n1 | groupBy([a, b)\n  |              ^\n"
            "  = help: the `[` in line 1, column 9, is open",
        ),
        (
            "a=1 | b=",
            "error[syntax]: expected a value, found the end\n --> query.cql:1:9\n  |\n1 | a=1 | b=\n  |         ^\n"
            '  = help: put a value after it; `""` is the empty text, `*` any',
        ),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(text, error):
    with pytest.raises(SourceError) as told:
        read(text)
    assert told.value.render() == error


@pytest.mark.parametrize(
    "opened", ["(", "not ", "!", "case{", "a:=(", "a:=-", "test(if(", "groupBy(a,function={", "[", "f(["]
)
def test_nesting_ten_thousand_deep_is_an_error(opened):
    with pytest.raises(SourceError):
        read(opened * 10_000)


@pytest.mark.parametrize(
    "text", ["a:=" + "1+" * 30_000 + "1", "a=" + "(" * 60_000, "x" * 60_000 + "(", "a or " * 13_000 + "b"]
)
def test_long_texts_take_a_bounded_time(text):
    try:
        read(text)
    except SourceError as error:
        assert error.code in ("too-deep", "too-long", "syntax", "unknown-function")


def test_a_text_of_more_than_a_million_characters_is_refused():
    with pytest.raises(SourceError) as told:
        read("a" * 1_000_001)
    assert told.value.code == "too-long"
